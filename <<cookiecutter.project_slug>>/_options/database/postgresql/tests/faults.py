"""PostgreSQL: how a test makes the database fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask
from sqlalchemy import make_url, text
from sqlalchemy.orm import Session

from app.database import db
from app.database.dialect import connect_arguments
from tests.proxy import Outage, forwarding

READ_ONLY = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
SLOW = "SELECT pg_sleep(30)"
# What the log says.
NO_TABLE = 'relation "[a-z]+" does not exist'
TOO_SLOW = "due to statement timeout"
LOCKED = "due to (lock|statement) timeout"
DEADLOCK = "deadlock detected"
SERIALIZATION = "could not serialize access"
KILL = """SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND usename = :role"""


@contextmanager
def outage(settings: dict[str, str], directory: Path) -> Iterator[Outage]:
    """The database of ``settings`` behind a proxy, so that the test can disconnect it."""
    url = make_url(settings["DATABASE_URL"])
    arguments = connect_arguments(url)
    host, port = str(arguments["host"]), int(arguments.get("port", 5432))
    file = f".s.PGSQL.{port}"
    target = f"{host}/{file}" if host.startswith("/") else (host, port)
    with forwarding(target, directory / file) as proxy:
        if isinstance(proxy.address, str):
            url = url.update_query_dict({"host": str(directory)})
        else:
            url = url.set(host=proxy.address[0], port=proxy.address[1])
        yield Outage(settings, url, proxy)


def kill_connections(app: Flask) -> int:
    """End the connections of the app on the server; return their number."""
    with app.app_context(), db.get_engine("migration").connect() as connection:
        ended = connection.scalars(text(KILL), {"role": db.engine.url.username}).all()
    assert all(ended)
    return len(ended)


def begin_serializable(session: Session) -> None:
    """Begin a transaction that does not see what others write."""
    session.connection(execution_options={"isolation_level": "SERIALIZABLE"})
