"""The documents name the numbers that the service has: users and operators decide by them."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from app import quotas
# <% if cookiecutter.auth == "oidc" %>
from app.auth import outbound, sessions, throttling
# <% else %>
from app.auth import device_tokens, devices, links, sessions, throttling
# <% endif %>
from app.security import passwords, rate_limits, sanitization, secret_key
from tests.marks import practice

pytestmark = practice("audits")

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
MIB = 2**20
SECURITY, README, SIGN_IN = "SECURITY.md", "README.md", "docs/sign-in.md"


def setting(file: str, pattern: str) -> str:
    """A value from the configuration of Nginx or gunicorn."""
    found = re.findall(rf"(?m)^\s*{pattern}", Path("deploy", file).read_text())
    assert len(found) == 1, pattern
    return str(found[0])


def text(document: str) -> str:
    """A document in one line, without the marks of a table and of Markdown."""
    return " ".join(re.sub(r"[*`]", "", Path(document).read_text("utf-8")).split())


STORED = f"{quotas.MAX_BYTES // MIB} MiB"
SIGN_UPS = rate_limits.SIGN_UP.split()[0]
DELAY, GUESSES = throttling.LONGEST // MINUTE, DAY // throttling.LONGEST
CONNECTIONS = setting("nginx/nginx.conf", r"limit_conn connections (\d+);")
MOST = setting("nginx/nginx.conf", r"worker_connections (\d+);")
SHUTDOWN = setting("nginx/nginx.conf", r"worker_shutdown_timeout (\d+)s;")
WORKERS = setting("gunicorn.conf.py", r'workers = .*"(\d)"')
THREADS = setting("gunicorn.conf.py", r"threads = max.(\d),")
# <% if cookiecutter.auth != "oidc" %>
UNDO = links.LIFETIMES["undo"] // DAY
# <% endif %>
NAMED = [
    (SECURITY, f"{passwords.MIN_LENGTH} characters, blocklist.py"),
    (SECURITY, f"at most {passwords.SLOTS} hashes at once in a process"),
    (SECURITY, f"after {throttling.FREE} failures in a row the next attempt is allowed after "),
    (SECURITY, f"allowed after {throttling.FIRST.seconds} seconds; each further failure doubles"),
    (SECURITY, f"up to {DELAY} minutes: {GUESSES} guesses a day"),
    (SECURITY, f"a log event at {throttling.ALARM} failures"),
    (SECURITY, f"for up to {DELAY} minutes after them"),
    (SECURITY, f"{quotas.MAX_ROWS:,} rows and {STORED} of text for each account"),
    (SECURITY, f"number of such requests, {CONNECTIONS} for each address"),
    (SECURITY, f"({MOST} in each"),
    (SECURITY, f"ends them after {SHUTDOWN} seconds"),
    (README, f"at least {secret_key.MIN_KEY_LENGTH} random characters"),
    (README, f"may have {sanitization.LIMITS['MAX_CONTENT_LENGTH'] // 1024} KiB"),
    (README, f"default: {WORKERS} processes with"),
    (README, f"with {THREADS} threads each"),
    (SIGN_IN, f"{passwords.MIN_LENGTH} characters"),
    # <% if cookiecutter.__interface == "html" %>
    (SIGN_IN, f"{sessions.IDLE_TIMEOUT // MINUTE} minutes idle"),
    (SIGN_IN, f"idle for {sessions.IDLE_TIMEOUT // MINUTE} minutes"),
    (SIGN_IN, f"{sessions.ABSOLUTE_TIMEOUT // HOUR} hours in total"),
    # <% endif %>
    # <% if cookiecutter.auth == "session" %>
    (SIGN_IN, f"after {sessions.IDLE_TIMEOUT // MINUTE} minutes without a request"),
    (SIGN_IN, f"without a request, after {sessions.ABSOLUTE_TIMEOUT // HOUR} hours"),
    # <% elif cookiecutter.auth == "token" %>
    (SIGN_IN, f"access token is valid for {sessions.ACCESS_LIFETIME // MINUTE} minutes"),
    (SIGN_IN, f"sessions.py: {sessions.ACCESS_LIFETIME // MINUTE} minutes"),
    (SIGN_IN, f"expires, after {sessions.ACCESS_LIFETIME // MINUTE} minutes at most"),
    (SIGN_IN, f"for {sessions.IDLE_TIMEOUT // DAY} days, and"),
    (SIGN_IN, f"for {sessions.ABSOLUTE_TIMEOUT // DAY} days after the sign-in at most"),
    (SIGN_IN, f"ends after {sessions.ABSOLUTE_TIMEOUT // DAY} days"),
    # <% else %>
    (SIGN_IN, f"lasts {sessions.ABSOLUTE_TIMEOUT // HOUR} hours at most"),
    (SIGN_IN, f"({outbound.TOTAL} seconds in total)"),
    (SIGN_IN, f"may store {STORED}"),
    # <% endif %>
    # <% if cookiecutter.auth != "oidc" %>
    (SIGN_IN, f"at most {devices.MAX_NOTICES} a day for each account"),
    (SIGN_IN, f"After {devices.MAX_NOTICES} notices in a day"),
    (SIGN_IN, f"at most {devices.MAX_DEVICES} "),
    (SIGN_IN, f"{device_tokens.KEEP // DAY} days"),
    # <% if cookiecutter.auth == "session" %>
    (SIGN_IN, f"up to {device_tokens.MOST} tokens"),
    # <% endif %>
    (SIGN_IN, f"undoes the change for {UNDO} days"),
    (SIGN_IN, f"take the account over for {UNDO} days"),
    (SIGN_IN, f"limits sign-up to {SIGN_UPS} attempts per hour"),
    (SIGN_IN, f"{SIGN_UPS} new accounts per hour"),
    (SIGN_IN, f"may store {int(SIGN_UPS) * quotas.MAX_BYTES // MIB} MiB"),
    # <% endif %>
]


@pytest.mark.parametrize(("document", "words"), NAMED)
def test_the_documents_name_the_numbers_of_the_service(document: str, words: str) -> None:
    assert words in text(document)


def test_what_users_read_names_the_delay() -> None:
    assert f"wait {DELAY} minutes" in throttling.HINT
    assert rate_limits.SIGN_UP.endswith(" per hour")
