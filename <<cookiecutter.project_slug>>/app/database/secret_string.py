"""Columns whose text nothing shows, such as the e-mail addresses of people.

A row that is read has a :class:`Secret`, and a plain text is refused in a row and in a query: an
address that skipped :func:`app.auth.models.normalize_email` fails at once.
"""

from __future__ import annotations

from sqlalchemy import Dialect, String
from sqlalchemy.types import TypeDecorator

from app.secret import Secret


class SecretString(TypeDecorator[Secret]):
    """A ``VARCHAR``, read and written as a :class:`Secret`."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Secret | None, dialect: Dialect) -> str | None:
        return None if value is None else value.reveal()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Secret | None:
        return None if value is None else Secret(value)
