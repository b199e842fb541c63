"""PostgreSQL: connections that do not wait for ever.

libpq has no time limit for an answer. When the network swallows it, or the server is frozen, the
server's own timeouts do not help, and each request would take a thread of its worker with it.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection, OperationalError
from psycopg.pq import TransactionStatus
from sqlalchemy import Dialect

ANSWER_TIMEOUT = 10  # seconds; more than the server's own, so that its message is what is logged


class ImpatientConnection(Connection[Any]):
    """Gives up a server that says nothing.

    ``timeout`` is an argument of psycopg 3.3 that is not public; the lock pins it, and
    ``tests/test_outages.py`` fails when it changes.
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
) -> ImpatientConnection | None:
    """SQLAlchemy's event: None for a migration or a backup, which may wait."""
    patient = "statement_timeout" not in given["options"]
    return None if patient else ImpatientConnection.connect(**given)
