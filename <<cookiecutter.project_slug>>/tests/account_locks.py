"""The lock of an account: two requests change one account, and each overlooks the other.

A session that another request is just starting, a failure that it is just counting: without the
lock nobody sees them. No test of single races finds all of these places. So while the tests run,
this looks at each statement that a request or a command of the service sends: in its transaction,
the row of the account must be locked before another row of the account is written. A new
route or command is looked at as soon as any test uses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import click
from flask import has_request_context, request
from sqlalchemy import Connection, Engine, event

from app.auth import upkeep
from app.auth.models import User
from app.database import Base
from app.security.ownership import owners

# As throttling.lock writes it; the first statement about a new account locks it as well.
LOCK = re.compile(r"UPDATE users SET failures=users\.failures\b|INSERT INTO users\b")
WRITES = re.compile(r"(INSERT INTO|UPDATE|DELETE FROM) (\w+)")
# A column that gets a value from before the statement. A count that the database itself raises,
# as in quotas, needs no lock before it, and is one.
FROM_BEFORE = re.compile(r"\b(\w+)=[?%]")
# What needs no lock of the account, and why.
BY_ITSELF = re.compile(
    # A ticket and a link have a row of their own, and one statement uses them up.
    r"(INSERT INTO|UPDATE|DELETE FROM) (tickets|links)\b"
    # Sessions and tokens of everybody end: what begins meanwhile may stay.
    r"|DELETE FROM sessions WHERE sessions\.id > |DELETE FROM personal_tokens$"
    # The same user in any case: the database decides by the value that is there.
    r"|UPDATE authenticator_apps SET (new_)?secret=\S+ WHERE authenticator_apps\.id = \S+ AND"
)
ONE_STATEMENT = {
    "auth.logout": "it ends its own session",
    "auth.refresh": "the database decides by the token",
    "backchannel.logout": "the provider has ended these sessions",
}


def asking() -> str:
    """The route or the command that sends a statement; empty for the test itself."""
    if has_request_context():
        return request.endpoint or ""
    command = click.get_current_context(silent=True)
    return command.command_path if command else ""


@cache
def account_tables() -> set[str]:
    """The tables whose rows belong to an account, without those of features."""
    found = (it for it in Base.registry.mappers if it.class_.__module__.startswith("app.auth."))
    return {str(it.local_table) for it in found if owners(it)}


def is_early(sql: str, locked: bool) -> bool:
    """Whether a statement writes what only the holder of the account's lock may write."""
    writes = WRITES.match(sql)
    if not writes or locked or BY_ITSELF.match(sql):
        return False
    if writes[2] == str(User.__table__):
        # To disable and to enable reads nothing before.
        return bool({*FROM_BEFORE.findall(sql.partition(" WHERE ")[0])} - {"disabled_at"})
    return writes[2] in account_tables()


@contextmanager
def watched() -> Iterator[list[str]]:
    """What is written too early while this lasts: who wrote it, and the statement."""
    found: list[str] = []

    def begin(connection: Connection) -> None:
        connection.info["account"] = False

    def look(connection: Connection, _: Any, sql: str, __: Any, context: Any, many: bool) -> None:
        text, options = " ".join(sql.split()), context.execution_options
        of_upkeep = options.get("unscoped") in (
            upkeep.EXPIRED["unscoped"],
            upkeep.REASONS["unscoped"],
        )
        if LOCK.match(text):
            connection.info["account"] = True
        elif (asks := asking()) and not of_upkeep and asks not in ONE_STATEMENT:
            if is_early(text, connection.info.get("account", False)):
                found.append(f"{asks}: {text}")
            elif text.startswith("UPDATE users "):
                connection.info["account"] = True

    event.listen(Engine, "begin", begin)
    event.listen(Engine, "before_cursor_execute", look)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", look)
        event.remove(Engine, "begin", begin)
