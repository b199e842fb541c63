"""MySQL and MariaDB: failures of the database for tests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pymysql
from flask import Flask
from sqlalchemy import make_url
from sqlalchemy.orm import Session

from app.database import db
from app.database.dialect import connect_arguments, option
from tests.proxy import Outage, forwarding

READ_ONLY = "SET SESSION TRANSACTION READ ONLY"
SLOW = "SELECT SLEEP(30) FROM (SELECT 1 UNION SELECT 2) AS two"  # MySQL ends it after the first row
# What the log says.
NO_TABLE = "1146"
TOO_SLOW = "statement.* exceeded"
LOCKED = "(Lock wait timeout|statement.*) exceeded"
DEADLOCK = SERIALIZATION = "Deadlock found"
CONNECTIONS = """SELECT id FROM information_schema.processlist
WHERE db = DATABASE() AND id <> CONNECTION_ID()"""


@contextmanager
def outage(settings: dict[str, str], directory: Path) -> Iterator[Outage]:
    """The database of ``settings`` behind a proxy, so that the test can disconnect it."""
    url = make_url(settings["DATABASE_URL"])
    target = option(url, "unix_socket") or (str(url.host), url.port or 3306)
    with forwarding(target, directory / "mysqld.sock") as proxy:
        if isinstance(proxy.address, str):
            url = url.update_query_dict({"unix_socket": proxy.address})
        else:
            url = url.set(host=proxy.address[0], port=proxy.address[1])
        yield Outage(settings, url, proxy)


def kill_connections(app: Flask) -> int:
    """End the connections of the app on the server; return their number."""
    with app.app_context():
        arguments = connect_arguments(db.engine.url)
    with closing(pymysql.connect(**arguments)) as connection, connection.cursor() as cursor:
        ended = cursor.execute(CONNECTIONS)
        for (identifier,) in cursor.fetchall():
            cursor.execute("KILL %s", (identifier,))
        deadline = time.monotonic() + 10
        while cursor.execute(CONNECTIONS):
            assert time.monotonic() < deadline, "the connections do not end"
    return ended


def begin_serializable(session: Session) -> None:
    """Begin a transaction that does not see what others write."""
    session.connection(execution_options={"isolation_level": "SERIALIZABLE"})
