"""PostgreSQL: connections that do not wait for ever.

libpq has no time limit for an answer. When the network loses the answer, or the server is frozen,
the server's own timeouts do not help, and each request would block a thread of its worker.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection, OperationalError
from psycopg.pq import TransactionStatus
from sqlalchemy import Dialect

ANSWER_TIMEOUT = 10  # seconds; more than the server's own, so that its message is what is logged


class TimedConnection(Connection[Any]):
    """Closes when the server does not answer in time.

    ``timeout`` is a parameter that psycopg 3.3 has and does not document; the lock pins psycopg,
    and ``tests/test_outages.py`` fails when the parameter changes.
    """

    def wait(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().wait(*args, **{"timeout": ANSWER_TIMEOUT} | kwargs)
        except OperationalError:
            if self.info.transaction_status == TransactionStatus.ACTIVE:
                self.close()  # a late answer would be taken for that of the next statement
            raise


def connect(
    dialect: Dialect, record: object, args: object, given: dict[str, Any]
) -> TimedConnection | None:
    """SQLAlchemy's event ``do_connect``; None, the default, for migrations and backups."""
    limited = "statement_timeout" in given["options"]
    return TimedConnection.connect(**given) if limited else None
