"""MySQL and MariaDB: what the app's user must not do, and statements of the administrator."""

from __future__ import annotations

from typing import Any

import pymysql
import pytest
from flask import Flask
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from app.database import db, dialect, migrating

Admin = pymysql.Connection
Refused = pymysql.Error

# What could end a string, a comment, an option; read backwards, too.
PASSWORD = "canary'#\"#\\ %s{app}`;"
NO_ENTRY = "Access denied"
# A migration that does not wait for another, and what it says.
SHORT_WAIT = (migrating, "LOCK_WAIT", 0)
BUSY = "another migration is running"

# For the administrator.
NAMES = "SELECT user FROM mysql.user UNION ALL SELECT schema_name FROM information_schema.schemata"
CREATE_OTHER = "CREATE USER {other} IDENTIFIED BY 'canary'"
DROP = [
    "DROP DATABASE IF EXISTS {database}",
    "DROP USER IF EXISTS {app}",
    "DROP USER IF EXISTS {migrator}",
    "DROP USER IF EXISTS {mail}",
    "DROP USER IF EXISTS {other}",
]
WRONG_ADMINISTRATORS = [
    ({"port": 1, "query": {}, "host": "127.0.0.1"}, "Can't connect"),
    ({"username": "nobody-of-this-name"}, "Access denied"),
    ({"username": "{other}", "password": "canary"}, "denied"),
]

# Access denied to a database, table, column, routine, user or server; no such role for this user.
DENIED = {1044, 1045, 1095, 1142, 1143, 1227, 1370, 1410, 1419, 1959, 3530}

VERSION_WRITES = [
    "INSERT INTO alembic_version VALUES ('mine')",
    "UPDATE alembic_version SET version_num = 'mine'",
    "DELETE FROM alembic_version",
    "REPLACE INTO alembic_version VALUES ('mine')",
    "LOCK TABLES alembic_version READ",
    "LOCK TABLES alembic_version WRITE",
]
BACKUP_WRITES = [
    "INSERT INTO backups (taken_at) VALUES ('2035-01-01')",
    "UPDATE backups SET taken_at = '2035-01-01'",
    "DELETE FROM backups",
    "REPLACE INTO backups (taken_at) VALUES ('2035-01-01')",
    "LOCK TABLES backups WRITE",
]

FORBIDDEN = [
    "CREATE TABLE mine (id INTEGER)",
    "CREATE TEMPORARY TABLE mine (id INTEGER)",
    "CREATE VIEW mine AS SELECT 1",
    "CREATE INDEX mine ON samples (title)",
    "CREATE PROCEDURE mine() SELECT 1",
    "CREATE FUNCTION mine RETURNS INTEGER SONAME 'mine.so'",
    "CREATE TRIGGER mine BEFORE INSERT ON samples FOR EACH ROW SET @x = 1",
    "CREATE EVENT mine ON SCHEDULE EVERY 1 DAY DO SELECT 1",
    "ALTER TABLE samples ADD COLUMN mine INTEGER",
    "RENAME TABLE samples TO mine",
    "DROP TABLE samples",
    "TRUNCATE samples",
    "LOCK TABLES samples WRITE",
    *VERSION_WRITES,
    *BACKUP_WRITES,
    # The server's files and programs.
    "SELECT title FROM samples INTO OUTFILE '/tmp/samples-of-the-test'",
    "SELECT 'x' INTO DUMPFILE '/tmp/samples-of-the-test'",
    "LOAD DATA INFILE '/etc/passwd' INTO TABLE samples (title)",
    "INSTALL PLUGIN mine SONAME 'mine.so'",
    "SET GLOBAL general_log = 1",
    "SET GLOBAL local_infile = 1",
    "SHUTDOWN",
    "FLUSH TABLES",
    # Other users and databases.
    "SELECT * FROM mysql.user",
    "CREATE USER mine",
    "CREATE ROLE mine",
    "CREATE DATABASE mine",
    "DROP DATABASE `{database}`",
    "ALTER DATABASE `{database}` COLLATE utf8mb4_general_ci",
    "GRANT SELECT ON `{database}`.* TO '{migrator}'@'{host}'",
    "ALTER USER '{migrator}'@'{host}' IDENTIFIED BY 'x'",
    "DROP USER '{migrator}'@'{host}'",
    "SHOW GRANTS FOR '{migrator}'@'{host}'",
    "SET ROLE '{migrator}'",
]


# What the mail process must not do with the tables that there are, each by its {name}; then with the
# outbox, where it reads, changes and deletes rows; and anywhere.
OF_TABLES = ["SELECT * FROM {name}", "DELETE FROM {name}", "SELECT 1 FROM {name} FOR UPDATE"]
OF_OUTBOX = [
    # With an id, for which no right on a sequence is needed.
    "INSERT INTO outbox (id, kind, recipient, content, message_id, state, attempts, error,"
    " created_at, due_at) SELECT id + 1000, kind, recipient, content, message_id, state, attempts,"
    " error, created_at, due_at FROM outbox",
    "TRUNCATE outbox",
    "DROP TABLE outbox",
    "ALTER TABLE outbox ADD COLUMN mine INTEGER",
    "LOCK TABLES outbox WRITE",
]
OF_SERVER = [
    "CREATE TABLE mine (id INTEGER)",
    "CREATE TEMPORARY TABLE mine (id INTEGER)",
    "CREATE VIEW mine AS SELECT 1",
    "CREATE PROCEDURE mine() SELECT 1",
    "SELECT * FROM outbox INTO OUTFILE '/tmp/outbox-of-the-test'",
    "SELECT * FROM mysql.user",
    "CREATE USER mine",
    "SHUTDOWN",
]


def assert_denied(error: DBAPIError, statement: str) -> None:
    """The user lacks the privilege; the statement has no other error."""
    assert error.orig is not None
    assert error.orig.args[0] in DENIED, (statement, error)


def try_all(app: Flask) -> None:
    """Try what the user of the app must not be able to do."""
    with app.app_context(), db.engine.connect() as connection:
        migrator = db.get_engine("migration").url.username
        assert migrator != db.engine.url.username
        user = connection.exec_driver_sql("SELECT CURRENT_USER()").scalar_one()
        names = {"migrator": migrator, "host": user.rpartition("@")[2]}
        names["database"] = db.engine.url.database
        for statement in FORBIDDEN:
            with pytest.raises(DBAPIError) as caught:
                connection.exec_driver_sql(statement.format(**names).replace("%", "%%"))
            assert_denied(caught.value, statement)
        assert connection.exec_driver_sql("SELECT LOAD_FILE('/etc/passwd')").scalar() is None
        # The driver would read the file and send it; it has no leave to, whatever the server says.
        with pytest.raises(DBAPIError):
            connection.exec_driver_sql(
                "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE samples (title)"
            )


def connect(url: URL) -> Admin:
    """A connection outside the pool, to the server alone where the URL names no database."""
    return pymysql.connect(**dialect.connect_arguments(url), autocommit=True)


def assert_made(admin: Admin, url: URL) -> None:
    """The user signs in with no other password."""
    with pytest.raises(pymysql.Error, match="Access denied"):
        connect(url.set(password="wrong"))


def quoted(admin: Admin, app: URL, names: dict[str, str | None]) -> dict[str, str]:
    """The names as they stand in a statement: of the database, and of users at their host."""
    host = "localhost" if "unix_socket" in app.query else "%"
    users = {kind: f"{admin.escape(str(name))}@'{host}'" for kind, name in names.items()}
    return users | {"database": "`{}`".format(str(names["database"]).replace("`", "``"))}


def execute(admin: Admin, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
    """Run a statement; its rows. A % is one, where there are no values."""
    with admin.cursor() as cursor:
        cursor.execute(statement, values or None)
        return list(cursor.fetchall())
