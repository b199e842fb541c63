"""MySQL and MariaDB: what happens before and after a migration."""

from __future__ import annotations

import hashlib

from sqlalchemy import URL, Connection

from app.database.dialect import COLLATION
from app.database.provisioning import grant_tables
from app.database.roles import Roles

LOCK_WAIT = 600  # seconds
ROUNDS = 100_000  # of the hash that names the lock: a tenth of a second per guess of the password


def before(connection: Connection) -> None:
    """Wait for a migration that runs at the same time; the lock ends with the connection.

    :raises ValueError: when the other one takes too long, or when the database would take two
        addresses for the same.
    """
    collation = connection.exec_driver_sql("SELECT @@collation_database").scalar_one()
    if collation != COLLATION:
        raise ValueError(
            f"the database's collation is {collation}, which takes jose@example.com and"
            f" josé@example.com for one address; ALTER DATABASE ... COLLATE {COLLATION}"
        )
    name = lock_name(connection.engine.url)
    got = connection.exec_driver_sql("SELECT GET_LOCK(%s, %s)", (name, LOCK_WAIT))
    if got.scalar_one() != 1:
        raise ValueError("another migration is running")


def after(connection: Connection, roles: Roles) -> None:
    """Grant the users their rights on new tables."""
    grant_tables(roles)


def lock_name(migrator: URL) -> str:
    """The name of a lock of the whole server, at most 64 characters.

    Every user may take any lock, so an attacker in the app could stop every upgrade with this one.
    But its name follows from the migrator's password, which the app does not know.
    """
    password, salt = str(migrator.password).encode(), str(migrator.database).encode()
    return "migration " + hashlib.pbkdf2_hmac("sha256", password, salt, ROUNDS).hex()[:40]
