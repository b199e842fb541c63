"""Foreign rows: one query without its owner shows or changes the rows of all users.

No query has to name the owner: the session itself limits every query, update and delete to the
rows of the signed-in user, an operator's too. :mod:`app.security.ownership` knows which models are
owned. A statement for the rows of other users says why, ``unscoped="<reason>"`` in its execution
options; a row that is written for another user says it by :func:`unscoped`. Otherwise, and when
nobody is signed in, it is an error, also in commands. OWASP IDOR Prevention cheat sheet; ASVS
8.2.2, 8.3.1.

The last look is at the text that the driver gets: what a session cannot limit (textual SQL,
``Model.__table__``, a bulk insert or update) is refused there when it names an owned table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from flask import Flask
from sqlalchemy import Connection, event, inspect
from sqlalchemy.orm import Mapper, ORMExecuteState

from app.database import Base, RequestSession, is_watched, watch
from app.security.ownership import own_rows, owned_table, owners, signed_in

Row = TypeVar("Row", bound=Base)


class UnscopedError(RuntimeError):
    """A statement or a row for another user that does not say why: a mistake in code, so 500."""


def unscoped(row: Row, reason: str) -> Row:
    """Let this row be written for any user, and return it."""
    inspect(row).info["unscoped"] = reason
    return row


def is_unscoped(options: Mapping[Any, Any]) -> bool:
    """Whether a reason is given."""
    return bool(options.get("unscoped"))


@event.listens_for(RequestSession, "do_orm_execute")
def limit(state: ORMExecuteState) -> None:
    """Limit a query, an update or a delete to the rows of the signed-in user."""
    if not state.is_orm_statement or is_unscoped(state.execution_options):
        return
    if state.is_column_load:  # more columns of a row that is there
        state.update_execution_options(scoped="loaded")
    elif signed_in() is not None and not state.is_insert:
        state.statement = state.statement.options(*own_rows())
        state.update_execution_options(scoped="limited")


@event.listens_for(RequestSession, "before_flush")
def begin_flush(session: RequestSession, *_: object) -> None:
    """The statements of a flush are not limited: :func:`check_row` looks at each row."""
    session.connection().execution_options(scoped="flushed")


@event.listens_for(RequestSession, "after_flush")
def end_flush(session: RequestSession, *_: object) -> None:
    """Without this, the next statement would count as part of the flush."""
    session.connection().execution_options(scoped=None)


@event.listens_for(Mapper, "before_insert")
@event.listens_for(Mapper, "before_update")
@event.listens_for(Mapper, "before_delete")
def check_row(mapper: Mapper[Any], _: Connection, row: Any) -> None:
    """Refuse to write a row of another user, or to give one away.

    :raises UnscopedError: before it is written.
    """
    state = inspect(row)
    for name in owners(mapper):
        getattr(row, name)  # which loads it where it is not known any more
        history = state.attrs[name].history
        unknown = state.persistent and history.added and not history.deleted
        if (unknown or {*history.sum()} != {signed_in()}) and not is_unscoped(state.info):
            raise UnscopedError(f"writes {mapper.local_table} of another user; see {__name__}")


def check_statement(_: Any, __: Any, sql: str, ___: Any, context: Any, ____: bool) -> None:
    """Refuse a statement that names an owned table and is not limited.

    :raises UnscopedError: before the database gets it.
    """
    table, limited = owned_table(sql)
    if not table or is_unscoped(context.execution_options):
        return
    scoped = context.execution_options.get("scoped")
    if not scoped or (scoped == "limited" and not limited):
        raise UnscopedError(f"asks for {table} of all users; see {__name__}")


def init_app(app: Flask) -> None:
    """Look at every statement of every engine."""
    watch(app, check_statement)


def check(app: Flask) -> Iterator[str]:
    """Yield a problem when statements are not looked at, or a row could belong to two users."""
    if not is_watched(app, check_statement):
        yield "statements are not limited to their owner; call scope.init_app(app)"
    for mapper in Base.registry.mappers:
        if len(names := owners(mapper)) > 1:
            yield (
                f"{mapper.class_.__name__} refers to users by {' and '.join(names)}; a row has one"
                " owner, so keep the others in a table of their own"
            )
