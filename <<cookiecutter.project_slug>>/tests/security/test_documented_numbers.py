"""The documents name the numbers that the service has: users and operators decide by them.

In ``docs/security-decisions.md``, each row of a table names what holds its numbers.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest

from app import quotas
# <% if cookiecutter.auth == "oidc" %>
from app.auth import outbound, provider_proof, provider_tokens, step_up, throttling
from app.oidc_settings import MIN_MAX_AGE
# <% else %>
from app.auth import (
    account_limits,
    device_tokens,
    devices,
    factor_resets,
    links,
    # <% if cookiecutter.auth == "token" %>
    sessions,
    step_up,
    # <% endif %>
    throttling,
    # <% if cookiecutter.auth == "token" %>
    tickets,
    # <% endif %>
)
# <% endif %>
from app.security import hash_slots, passwords, sanitization, secret_key
from tests.actions import ABSOLUTE_TIMEOUT, IDLE_TIMEOUT
from tests.decisions import DOCUMENT, HELD, Row, named, tables
from tests.marks import asvs, practice

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
# <% if cookiecutter.auth != "oidc" %>
SIGN_UPS = account_limits.SIGN_UP.split()[0]
# <% endif %>
DELAY, GUESSES = throttling.LONGEST // MINUTE, DAY // throttling.LONGEST
CONNECTIONS = setting("nginx/nginx.conf", r"limit_conn connections (\d+);")
MOST = setting("nginx/nginx.conf", r"worker_connections (\d+);")
SHUTDOWN = setting("nginx/nginx.conf", r"worker_shutdown_timeout (\d+)s;")
WORKERS = setting("gunicorn.conf.py", r'workers = .*"(\d)"')
THREADS = setting("gunicorn.conf.py", r"threads = max.(\d),")
# <% if cookiecutter.auth != "oidc" %>
UNDO = links.LIFETIMES["undo"] // DAY
RESET_DELAY = factor_resets.DELAY // DAY
# <% endif %>
NAMED = [
    (SECURITY, f"at least {passwords.MIN_LENGTH} characters. blocklist.py"),
    (SECURITY, f"at most {hash_slots.SLOTS} hashes at once in a process"),
    (SECURITY, f"after {throttling.FREE} failures in a row the next attempt is allowed after "),
    (SECURITY, f"allowed after {throttling.FIRST.seconds} seconds. Each further failure"),
    (SECURITY, f"up to {DELAY} minutes: {GUESSES} guesses a day"),
    (SECURITY, f"a log event at {throttling.MAX_FAILURES} failures"),
    (SECURITY, f"for up to {DELAY} minutes after them"),
    (SECURITY, f"{quotas.MAX_ROWS:,} rows and {STORED} of text for each account"),
    (SECURITY, f"number of such requests, {CONNECTIONS} for each address"),
    (SECURITY, f"({MOST} in each"),
    (SECURITY, f"ends them after {SHUTDOWN} seconds"),
    (README, f"at least {secret_key.MIN_KEY_LENGTH} random characters"),
    (README, f"be up to {sanitization.LIMITS['MAX_CONTENT_LENGTH'] // 1024} KiB"),
    (README, f"default: {WORKERS} processes with"),
    (README, f"with {THREADS} threads each"),
    (SIGN_IN, f"{passwords.MIN_LENGTH} characters"),
    # <% if cookiecutter.__interface == "html" %>
    (SIGN_IN, f"{IDLE_TIMEOUT // MINUTE} minutes idle"),
    (SIGN_IN, f"idle for {IDLE_TIMEOUT // MINUTE} minutes"),
    (SIGN_IN, f"{ABSOLUTE_TIMEOUT // HOUR} hours in total"),
    # <% endif %>
    # <% if cookiecutter.auth == "session" %>
    (SIGN_IN, f"after {IDLE_TIMEOUT // MINUTE} minutes without a request"),
    (SIGN_IN, f"without a request, after {ABSOLUTE_TIMEOUT // HOUR} hours"),
    # <% elif cookiecutter.auth == "token" %>
    (SIGN_IN, f"access token is valid for {sessions.ACCESS_LIFETIME // MINUTE} minutes"),
    (SIGN_IN, f"sessions.py: {sessions.ACCESS_LIFETIME // MINUTE} minutes"),
    (SIGN_IN, f"expires, after {sessions.ACCESS_LIFETIME // MINUTE} minutes at most"),
    (SIGN_IN, f"for {IDLE_TIMEOUT // DAY} days, and"),
    (SIGN_IN, f"for {ABSOLUTE_TIMEOUT // DAY} days after the sign-in at most"),
    (SIGN_IN, f"ends after {ABSOLUTE_TIMEOUT // DAY} days"),
    (SIGN_IN, f"valid for {tickets.LIFETIME // MINUTE} minutes and {tickets.MAX_TRIES} tries"),
    (SIGN_IN, f"step-up at most {step_up.FRESH // MINUTE} minutes ago"),
    (SIGN_IN, f"max_age={int(step_up.FRESH.total_seconds())} (RFC 9470)"),
    # <% else %>
    (SIGN_IN, f"lasts {ABSOLUTE_TIMEOUT // HOUR} hours at most"),
    (SIGN_IN, f"({outbound.TOTAL} seconds in total)"),
    (SIGN_IN, f"proof must be at most {step_up.FRESH // MINUTE} minutes old"),
    (SIGN_IN, f"(prompt=login, max_age={provider_proof.STEP_UP_MAX_AGE})"),
    (SIGN_IN, f"({provider_tokens.LEEWAY} seconds are allowed for the clocks)"),
    (SIGN_IN, f"users may have signed in at the provider, {MIN_MAX_AGE} or more"),
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
    (SIGN_IN, f"After {throttling.MAX_FAILURES} wrong passwords or codes in a row"),
    (SIGN_IN, f"valid for {links.LIFETIMES['unlock'] // DAY} days and makes the service"),
    (SIGN_IN, f"sign-in with the password after {RESET_DELAY} days removes"),
    (SECURITY, f"After {throttling.MAX_FAILURES} failures in a row, the service refuses"),
    (SECURITY, f"nothing is removed for {RESET_DELAY} days"),
    (README, f"the first sign-in after {RESET_DELAY} days; mails the owner"),
    (README, f"After {throttling.MAX_FAILURES} in a row, opens the link"),
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
    # <% if cookiecutter.auth != "oidc" %>
    for hint in (throttling.HINT, throttling.SESSION_HINT):
        assert f"wait {DELAY} minutes. After {throttling.MAX_FAILURES} in a row, " in hint
    assert account_limits.SIGN_UP.endswith(" per hour")
    # <% endif %>


# What has digits and is no number of this service: names of standards, algorithms and files.
STANDARD = re.compile(
    r"(?:RFC|SP|IR|ISO|ASVS|article) [\d.]+(?:-\w+)*|\b[A-Za-z][\w.-]*\d[\w.-]*|\b(20\d\d|503)\b"
)
UNITS = {"day": DAY, "hour": HOUR, "minute": MINUTE, "second": timedelta(seconds=1)}
DECISIONS = DOCUMENT.read_text("utf-8")
HOLDING = [row for table in tables(DECISIONS) for row in table if row.get(HELD)]


def forms(value: Any) -> list[str]:
    """How a document writes a value: a timedelta with a unit, bytes in KiB or MiB."""
    if isinstance(value, timedelta):
        numbers = {unit: value // size for unit, size in UNITS.items() if not value % size}
        return [f"{it} {unit}{'s' if it > 1 else ''}" for unit, it in numbers.items()]
    if isinstance(value, int):
        sizes = {"MiB": MIB, "KiB": 1024}
        found = [f"{value // size} {unit}" for unit, size in sizes.items() if not value % size]
        return [*found, f"{value:,}", str(value)]
    return [str(value)]


def constant(name: str) -> Any:
    """The value of ``app.module.NAME`` or ``app.module.NAME[key]``."""
    path, _, key = name.rstrip("]").partition("[")
    value = resolve_name(path)
    return value[key] if key else value


@asvs("2.1.1", "2.1.3", "6.1.1", "7.1.1", "7.1.2", "15.1.1", "15.1.3")
@pytest.mark.parametrize("row", HOLDING, ids=lambda row: next(iter(row.values())).strip("`"))
def test_each_number_of_a_decision_is_that_of_the_service(row: Row) -> None:
    said = left = " ".join(cell for title, cell in row.items() if title != HELD)
    for holder in named(row[HELD]):
        file, colon, line = holder.partition(": ")
        if colon:
            there = re.search(rf"(?<!\w){re.escape(line)}(?!\w)", Path(file).read_text("utf-8"))
            assert there, f"{DOCUMENT}: {file} does not say {line!r}; correct the row: {row}"
            written = re.findall(r"\d+", line)
        else:
            written = forms(constant(holder))
        found = [rf"(?<![\d.,]){re.escape(it)}(?!,?\d)" for it in written]
        found = [pattern for pattern in found if re.search(pattern, said)]
        assert found, f"{DOCUMENT}: {holder} is {written}; the row says: {said}"
        for pattern in found:
            left = re.sub(pattern, "", left)
    assert not re.search(r"\d", STANDARD.sub("", left)), f"held by nothing: {row}"


@asvs("2.1.3")
def test_each_number_of_a_decision_names_a_check() -> None:
    lines = [line for line in DECISIONS.splitlines() if line.lstrip()[:1] not in ("#", "|")]
    others = [row for table in tables(DECISIONS) for row in table if not row.get(HELD)]
    lines += [" ".join(row.values()) for row in others]
    for line in lines:
        prose = re.sub(r"`[^`]*`|\]\([^)]*\)", "", line)
        assert not re.search(r"\d", STANDARD.sub("", prose)), (
            f"{DOCUMENT}: write the number in a row that names what holds it: {line}"
        )
