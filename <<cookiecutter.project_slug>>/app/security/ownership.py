"""Ownership: which models have an owner, and whose rows a statement asks for.

A model has an owner when it has a foreign key to ``users``. There is no list of such models: one
that a developer forgot to add would show its rows to all users.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from flask import g
from sqlalchemy import BindParameter, bindparam, inspect
from sqlalchemy.orm import LoaderCriteriaOption, Mapper, with_loader_criteria

from app.database import Base

USERS = "users.id"  # what the column of an owner refers to


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


def own_rows() -> list[LoaderCriteriaOption]:
    """What limits a statement to the rows of the signed-in user, of each owned model."""
    return _owned(len(Base.metadata.tables))[0]


def owned_table(sql: str) -> tuple[str, bool]:
    """An owned table that a statement names, and whether all of them are limited to an owner.

    The table is empty when the statement names none.
    """
    return _read(sql, len(Base.metadata.tables))


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
    _, columns, pattern = _owned(tables)
    found = [(it[1].lower(), it[2] or it[1]) for it in pattern.finditer(sql)]
    limited = all(
        f"{alias}.{columns[table]} = " in sql and f"{columns[table]}=" not in sql  # SET owner_id=?
        for table, alias in found
    )
    return found[0][0] if found else "", limited
