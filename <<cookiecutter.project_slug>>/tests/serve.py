"""Serve as in production, on loopback, until standard input ends: ``python -m tests.serve``.

For tools that want a running service: browsers, scanners. It starts Redis where there is one,
gunicorn and Nginx, and prints one line of JSON: where they listen, the name to ask for, the
authority to trust, and the folder with the logs. Then each line of standard input asks for one
thing, and one line of JSON answers: ``session ADDRESS`` for the credential of a new account that is
signed in, ``age ADDRESS`` to make the last proofs of its sessions old, ``reset limits`` for limits
# <% if cookiecutter.auth == 'oidc' %>
that have counted nothing yet, ``operator ADDRESS`` for the password of a new emergency account.
# <% else %>
that have counted nothing yet, ``mail ADDRESS`` for the newest token in the mails to it, ``fail
ADDRESS`` to let the next wrong password lock the account out, ``end ADDRESS`` to begin the reset of
its second factors.
# <% endif %>

Arguments are further settings: ``MAIL_FROM=service@example.com``.
"""

from __future__ import annotations

import json
import secrets
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask
# <% if cookiecutter.auth == 'oidc' %>
from sqlalchemy import update
# <% else %>
from sqlalchemy import select, update
# <% endif %>

from app import create_app
# <% if cookiecutter.auth != 'oidc' %>
from app.auth import factor_resets, throttling
# <% endif %>
from app.auth.models import Session, User
from app.auth.step_up import FRESH
from app.database import db, now
from app.secret import Secret
from app.security.rate_limits import limiter
from app.settings import Settings
from tests import live
from tests.browser import DOMAIN, Browser
from tests.conftest import running_redis
from tests.database import dispose, migrate, scratch
# <% if cookiecutter.auth != 'oidc' %>
from tests.mailbox import newest_token
# <% endif %>
# <% if cookiecutter.auth == 'oidc' %>
from tests.real_provider import real_provider
# <% endif %>


@contextmanager
def production(**settings: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder and settings as in production, with a Redis and a migrated database of their own.

    :param settings: further ones, or other values.
    """
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        environment = {
            "APP_ENV": "production",
            "SECRET_KEY": secrets.token_urlsafe(48),
            "REDIS_URL": f"redis+unix://{directory}/redis.sock",
            "DOMAIN_NAME": DOMAIN,
            "MAIL_URL": "smtp://127.0.0.1:1",  # nobody listens there: mails wait in the outbox
        }
        with (
            running_redis(directory / "redis.sock"),
            scratch(directory) as database,
# <% if cookiecutter.auth == 'oidc' %>
            real_provider(directory / "provider") as provider,
# <% endif %>
        ):
            environment |= database
# <% if cookiecutter.auth == 'oidc' %>
            environment |= provider.settings()
# <% endif %>
            environment |= settings
            migrate(environment)
            yield directory, environment


def age_proofs(service: Flask, address: str) -> None:
    """Make the last proofs in the sessions of this address older than a fresh proof."""
    of_user = Session.user.has(User.email == Secret(address))
    older = update(Session).where(of_user).values(proven_at=now() - 2 * FRESH)
    with service.app_context():
        db.session.execute(older, execution_options={"unscoped": "a test"})
        db.session.commit()


# <% if cookiecutter.auth != 'oidc' %>
def fail(service: Flask, address: str) -> None:
    """Count as many failures of this account as it may have without being locked out."""
    counted = {"failures": throttling.MAX_FAILURES - 1}
    with service.app_context():
        db.session.execute(update(User).where(User.email == Secret(address)).values(counted))
        db.session.commit()


def end_factors(service: Flask, address: str) -> None:
    """Begin the reset of the second factors of this account, as an operator does."""
    with service.app_context():
        user = db.session.scalars(select(User).where(User.email == Secret(address))).one()
        factor_resets.begin(user)
        db.session.commit()


# <% endif %>
def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # stops what was started, too
    with (
        production(**dict(it.split("=", 1) for it in sys.argv[1:])) as (directory, environment),
        live.gunicorn(directory, environment) as app,
        live.nginx(directory, app) as site,
    ):
        shown = {
            "domain": site.domain,
            "address": site.address,
            "http_port": site.http_port,
            "https_port": site.https_port,
            "ca": str(site.ca),
            "directory": str(directory),
        }
        print(json.dumps(shown), flush=True)
        service = create_app(Settings.from_environment(environment))
        for line in sys.stdin:
            wanted, address = line.split()
            answer = "done"
            if (wanted, address) == ("reset", "limits"):
                limiter.storage.reset()
            elif wanted == "age":
                age_proofs(service, address)
# <% if cookiecutter.auth == 'oidc' %>
            elif wanted == "operator":
                answer = Browser(service).signed_in_with_password(address).password
# <% else %>
            elif wanted == "mail":
                answer = newest_token(service, address)
            elif wanted == "fail":
                fail(service, address)
            elif wanted == "end":
                end_factors(service, address)
# <% endif %>
            else:
                assert wanted == "session"
                answer = Browser(service).signed_in(address).credential()
            print(json.dumps(answer), flush=True)
        dispose(service)


if __name__ == "__main__":
    main()
