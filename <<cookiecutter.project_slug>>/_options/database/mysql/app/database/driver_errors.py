"""What an error of the database means, and what it must not tell: messages quote rows."""

from __future__ import annotations

import re

from pymysql import Error
from sqlalchemy import ExceptionContext
from sqlalchemy.exc import DBAPIError

CLIENT_ERRORS = 2000  # from here on, the message is the driver's
MISSING = {1146, 1054}  # ER_NO_SUCH_TABLE, ER_BAD_FIELD_ERROR
DEADLOCK = {1213}  # ER_LOCK_DEADLOCK


def is_unmigrated(error: DBAPIError) -> bool:
    """Whether a statement failed because the schema is not the one of this code."""
    return _has_number(error, MISSING)


def is_deadlock(error: DBAPIError) -> bool:
    """Whether transactions waited for each other, and the server has ended this one."""
    return _has_number(error, DEADLOCK)


def _has_number(error: DBAPIError, numbers: set[int]) -> bool:
    return bool(error.orig and error.orig.args and error.orig.args[0] in numbers)


def hide_values(context: ExceptionContext) -> None:
    """Remove what the server quotes from rows and parameters: messages end up in the log."""
    error, wrapped = context.original_exception, context.sqlalchemy_exception
    if isinstance(error, Error) and len(error.args) > 1 and error.args[0] < CLIENT_ERRORS:
        number, message = error.args[:2]
        error.args = (number, re.sub("'.*'", "...", str(message), flags=re.DOTALL))
    if wrapped is not None:
        wrapped.args = (f"({type(error).__module__}.{type(error).__name__}) {error}",)
