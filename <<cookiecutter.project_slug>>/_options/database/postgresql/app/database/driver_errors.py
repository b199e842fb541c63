"""What an error of the database means, and what it must not tell: messages quote rows."""

from __future__ import annotations

import re

from psycopg import DataError, Error, errors
from sqlalchemy import ExceptionContext
from sqlalchemy.exc import DBAPIError


def is_unmigrated(error: DBAPIError) -> bool:
    """Whether a statement failed because the schema is not the one of this code."""
    return isinstance(error.orig, errors.UndefinedTable | errors.UndefinedColumn)


def is_deadlock(error: DBAPIError) -> bool:
    """Whether transactions waited for each other, and the server has ended this one."""
    return isinstance(error.orig, errors.DeadlockDetected)


def hide_values(context: ExceptionContext) -> None:
    """Remove what the server quotes from rows and parameters: messages end up in the log."""
    error, wrapped = context.original_exception, context.sqlalchemy_exception
    if isinstance(error, Error) and error.sqlstate:
        line = str(error).partition("\n")[0]  # without DETAIL: Key (email)=(...) already exists
        error.args = (re.sub('".*"', "...", line) if isinstance(error, DataError) else line,)
    if wrapped is not None:
        wrapped.args = (f"({type(error).__module__}.{type(error).__name__}) {error}",)
