"""Re-encryption: after a leak the key is rotated twice, and what it encrypted would be lost.

The current key and its fallbacks decrypt what :mod:`app.security.encryption` has stored, and a
rotation keeps one fallback: the key that was current. So before each rotation, this encrypts all
values with the current key. It does not overwrite a row that changes meanwhile: that row was sent,
removed or written again, with the current key. It locks one row at a time.
ASVS 11.2.2.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import InstrumentedAttribute

# <% if cookiecutter.auth != "oidc" %>
from app.auth import totp
from app.auth.totp import AuthenticatorApp
# <% endif %>
from app.database import db
from app.database.rows import change
from app.mail import outbox
from app.mail.models import Mail
from app.security.encryption import renewed

BATCH = 100  # rows that are read at once: little memory, and few statements
# Each column that is encrypted, and for which purpose: a test looks for others.
ENCRYPTED: tuple[tuple[Any, InstrumentedAttribute[Any], str], ...] = (
    (Mail, Mail.content, outbox.PURPOSE),
    # <% if cookiecutter.auth != "oidc" %>
    (AuthenticatorApp, AuthenticatorApp.secret, totp.PURPOSE),
    (AuthenticatorApp, AuthenticatorApp.new_secret, totp.PURPOSE),
    # <% endif %>
)
OF_ALL = {"unscoped": "an operator has what is stored of all users encrypted anew"}


def reencrypt() -> tuple[int, int]:
    """Encrypt with the current key what an older one has encrypted. Commits after each row.

    :returns: how many values were encrypted anew, and how many no key of the service reads.
    """
    done = unreadable = 0
    for model, column, purpose in ENCRYPTED:
        last = 0
        while rows := _after(last, model, column):
            for last, stored in rows:
                try:
                    new = renewed(stored, purpose)
                except ValueError:
                    unreadable += 1
                    continue
                if new is not None:
                    this = update(model).where(model.id == last, column == stored)
                    done += change(this.values({column: new}), OF_ALL)
                    db.session.commit()
    return done, unreadable


def _after(last: int, model: Any, column: InstrumentedAttribute[Any]) -> list[tuple[int, str]]:
    """The next values, and the ids of their rows; a mail that was sent has none. Commits."""
    query = select(model.id, column).where(model.id > last, column != "")
    found = db.session.execute(query.order_by(model.id).limit(BATCH), execution_options=OF_ALL)
    rows = [(row[0], row[1]) for row in found]
    db.session.commit()  # nothing is locked, and SQLite writes on what it has read last
    return rows
