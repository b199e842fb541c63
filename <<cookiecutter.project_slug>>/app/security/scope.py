"""Foreign rows: one query without its owner shows or changes the rows of all users.

So nobody has to remember the owner: the session itself limits every query, update and delete to the
rows of the signed-in user, an operator's too. A model is owned when it has a foreign key to
``users``. A statement for the rows of other users says why, ``unscoped="<reason>"`` in its
execution options; a row that is written for another user says it by :func:`unscoped`. Otherwise,
and when nobody is signed in, it is an error, also in commands. OWASP IDOR Prevention cheat sheet;
ASVS 8.2.2, 8.3.1.

The last look is at the text that the driver gets: what a session cannot limit (textual SQL,
``Model.__table__``, a bulk insert or update) is refused there when it names an owned table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from flask import Flask, g
from sqlalchemy import BindParameter, Connection, bindparam, event, inspect
from sqlalchemy.orm import LoaderCriteriaOption, Mapper, ORMExecuteState, with_loader_criteria

from app.database import Base, RequestSession, is_watched, watch

Row = TypeVar("Row", bound=Base)
USERS = "users.id"  # what the column of an owner refers to


class UnscopedError(RuntimeError):
    """A statement or a row for another user that does not say why: a mistake of ours, so 500."""


def unscoped(row: Row, reason: str) -> Row:
    """Let this row be written whoever is signed in, and return it."""
    inspect(row).info["unscoped"] = reason
    return row


def is_unscoped(options: Mapping[Any, Any]) -> bool:
    """Whether a reason is given."""
    return bool(options.get("unscoped"))


def signed_in() -> int | None:
    """The id of the signed-in user."""
    # Not user.id: after a failed write it would ask the database.
    return inspect(g.user).identity[0] if g.get("user") else None


def owners(mapper: Mapper[Any]) -> list[str]:
    """The attributes of a model that refer to a user; an owned model has exactly one."""
    return [
        attribute.key
        for attribute in mapper.column_attrs
        if any(key.target_fullname == USERS for key in attribute.columns[0].foreign_keys)
    ]


@lru_cache
def _owned(_tables: int) -> tuple[list[LoaderCriteriaOption], dict[str, str], re.Pattern[str]]:
    """The criteria of the owned models, the owner's column by table, and what finds a table."""
    # Asked whenever a statement is executed: the statement itself is compiled once for all users.
    user: BindParameter[int] = bindparam("signed_in", callable_=signed_in)
    criteria, columns = [], {}
    for mapper in Base.registry.mappers:
        for name in owners(mapper):
            mine = getattr(mapper.class_, name) == user
            criteria.append(with_loader_criteria(mapper.class_, mine, include_aliases=True))
            columns[str(mapper.local_table)] = mapper.columns[name].name
    # A table with its alias, no column: "users AS users_1", not "users.id".
    tables = "|".join(map(re.escape, columns)) or "(?!)"
    named = re.compile(rf'(?<![\w.])[`"]?\b({tables})\b(?!\.)[`"]?(?: AS (\w+))?', re.IGNORECASE)
    return criteria, columns, named


@lru_cache(maxsize=1024)  # the text of a statement is the same each time
def _read(sql: str, tables: int) -> tuple[str, bool]:
    """An owned table that a statement names, and whether all of them are limited to an owner."""
    _, columns, pattern = _owned(tables)
    found = [(it[1].lower(), it[2] or it[1]) for it in pattern.finditer(sql)]
    limited = all(
        f"{alias}.{columns[table]} = " in sql and f"{columns[table]}=" not in sql  # SET owner_id=?
        for table, alias in found
    )
    return found[0][0] if found else "", limited


@event.listens_for(RequestSession, "do_orm_execute")
def limit(state: ORMExecuteState) -> None:
    """Limit a query, an update or a delete to the rows of the signed-in user."""
    if not state.is_orm_statement or is_unscoped(state.execution_options):
        return
    if state.is_column_load:  # more columns of a row that is there
        state.update_execution_options(scoped="loaded")
    elif signed_in() is not None and not state.is_insert:
        state.statement = state.statement.options(*_owned(len(Base.metadata.tables))[0])
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
    table, limited = _read(sql, len(Base.metadata.tables))
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
