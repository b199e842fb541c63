"""The lock of an account: two requests change one account, and each overlooks the other.

A session that another request is just starting, a failure that it is just counting: without the
lock nobody sees them. No test of single races finds all of these places. So while the tests run,
this looks at each statement that a request or a command of the service sends: in its transaction,
the row of the account must be locked before another row of the account is written. A route that
requires a fresh proof must look at its session once more under the lock: its owner may have ended
it, because it is a thief's. A new route or command is looked at as soon as any test uses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import click
from flask import current_app, has_request_context, request
from sqlalchemy import Connection

from app.auth import best_effort, expiry
from app.auth.models import User
from app.database import Base
from app.security.access import needs_fresh_proof
from app.security.ownership import owners
from tests.statements import listening

# As account_lock.lock writes it; the first statement about a new account locks it as well.
LOCK = re.compile(r"UPDATE users SET failures=users\.failures\b|INSERT INTO users\b")
# As session_lock.lock and tickets.exists ask: a ticket ends with the sessions.
HELD = re.compile(r"SELECT .* WHERE (sessions|tickets)\.id = ")
WRITES = re.compile(r"(INSERT INTO|UPDATE|DELETE FROM) (\w+)")
# A column that gets a value from before the statement. A count that the database itself raises,
# as in quotas, needs no lock before it, and is one.
FROM_BEFORE = re.compile(r"\b(\w+)=[?%]")
# What needs no lock of the account, and why.
BY_ITSELF = re.compile(
    # A ticket and a link have a row of their own, and one statement uses them up.
    r"(INSERT INTO|UPDATE|DELETE FROM) (tickets|links)\b"
    # Sessions and tokens of everybody end: what begins meanwhile may stay.
    r"|DELETE FROM sessions WHERE sessions\.id > |DELETE FROM (sessions|personal_tokens)$"
    # Encrypted anew: the database decides by the value that is there.
    r"|UPDATE authenticator_apps SET (new_)?secret=\S+ WHERE authenticator_apps\.id = \S+ AND"
)
ONE_STATEMENT = {
    "auth.logout": "it ends its own session",
    "auth.refresh": "the database decides by the token",
    "backchannel.logout": "the provider has ended these sessions",
}
OTHER_ACCOUNT = {
    "operators.disable": "it locks the other account; to lock two at once could deadlock",
    "operators.enable": "the same",
}


def asking() -> str:
    """The route or the command that sends a statement; empty for the test itself and its views.

    Also for ``flask db``, which replaces the rows of all accounts at once.
    """
    if has_request_context():
        endpoint = request.endpoint or ""
        view = current_app.view_functions.get(endpoint)
        return endpoint if view and view.__module__.startswith("app.") else ""
    command = click.get_current_context(silent=True)
    path = command.command_path if command else ""
    return "" if path.startswith("app db ") else path


def is_fresh(asks: str) -> bool:
    """Whether a route asks for a fresh proof of the account that it writes."""
    writes_own = has_request_context() and asks not in OTHER_ACCOUNT
    return writes_own and needs_fresh_proof(current_app, asks)


@cache
def account_tables() -> set[str]:
    """The tables whose rows belong to an account, without those of features."""
    found = (it for it in Base.registry.mappers if it.class_.__module__.startswith("app.auth."))
    return {str(it.local_table) for it in found if owners(it)}


def needs_lock(sql: str) -> bool:
    """Whether a statement writes what only the holder of the account's lock may write."""
    writes = WRITES.match(sql)
    if not writes or BY_ITSELF.match(sql):
        return False
    if writes[2] == str(User.__table__):
        return bool(FROM_BEFORE.search(sql.partition(" WHERE ")[0]))
    return writes[2] in account_tables()


@contextmanager
def watched() -> Iterator[list[str]]:
    """What is written too early while this lasts: who wrote it, and the statement."""
    found: list[str] = []

    def begin(connection: Connection) -> None:
        connection.info.update(locked=False, held=False)

    def look(connection: Connection, _: Any, sql: str, __: Any, context: Any, many: bool) -> None:
        text, state = " ".join(sql.split()), connection.info
        reason = context.execution_options.get("unscoped")
        of_expiry = reason in (expiry.EXPIRED["unscoped"], best_effort.REASONS["unscoped"])
        if LOCK.match(text):
            state["locked"] = True
        elif state.get("locked") and HELD.match(text):
            state["held"] = True
        elif (asks := asking()) and asks not in ONE_STATEMENT and not of_expiry:
            if needs_lock(text):
                if not state.get("locked"):
                    found.append(f"{asks}: {text}")
                elif is_fresh(asks) and not state.get("held"):
                    found.append(f"{asks}, whose session may have ended: {text}")
            state["locked"] = state.get("locked") or text.startswith("UPDATE users ")

    with listening(begin=begin, before_cursor_execute=look):
        yield found
