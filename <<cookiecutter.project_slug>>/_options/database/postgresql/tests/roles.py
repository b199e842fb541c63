"""PostgreSQL: what the role of the app must not do, and how its administrator works."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import psycopg
import pytest
from flask import Flask
from psycopg import sql
from sqlalchemy import URL, text
from sqlalchemy.exc import DBAPIError

from app.database import db, dialect, provisioning

Admin = psycopg.Connection[Any]
Refused = psycopg.Error
connect = provisioning.connected

PASSWORD = "canary'\\\"%s{app}$$"
NO_ENTRY = "permission denied for database"
# A migration that does not wait for another, and what it says.
SHORT_WAIT = (dialect, "LOCK_TIMEOUT", {"lock_timeout": 100})
BUSY = "lock timeout"

# For the administrator.
NAMES = "SELECT rolname FROM pg_roles UNION ALL SELECT datname FROM pg_database"
CREATE_OTHER = "CREATE ROLE {other} LOGIN PASSWORD 'canary'"
DROP = [
    "DROP DATABASE IF EXISTS {database} WITH (FORCE)",
    "DROP ROLE IF EXISTS {app}",
    "DROP ROLE IF EXISTS {migrator}",
    "DROP ROLE IF EXISTS {mail}",
    "DROP ROLE IF EXISTS {other}",
]
MAINTENANCE = {"database": "postgres"}
WRONG_ADMINISTRATORS = [
    (MAINTENANCE | {"port": 1}, "Connection refused"),
    (MAINTENANCE | {"username": "nobody-of-this-name"}, "nobody-of-this-name"),
    (
        MAINTENANCE | {"username": "{other}", "password": "canary"},
        "permission denied to create role",
    ),
]

VERSION_WRITES = [
    "INSERT INTO alembic_version VALUES ('mine')",
    "UPDATE alembic_version SET version_num = 'mine'",
    "DELETE FROM alembic_version",
    "SELECT * FROM alembic_version FOR UPDATE",
    "SELECT * FROM alembic_version FOR KEY SHARE",
    "LOCK TABLE alembic_version IN ROW EXCLUSIVE MODE",
    "LOCK TABLE alembic_version IN SHARE MODE",
    "LOCK TABLE alembic_version",
]
BACKUP_WRITES = [
    "INSERT INTO backups (taken_at) VALUES ('2035-01-01')",
    "UPDATE backups SET taken_at = '2035-01-01'",
    "DELETE FROM backups",
    "SELECT * FROM backups FOR UPDATE",
    "TRUNCATE backups",
]

FORBIDDEN = [
    "CREATE TABLE mine (id INTEGER)",
    "CREATE TEMPORARY TABLE mine (id INTEGER)",
    "CREATE SCHEMA mine",
    "CREATE VIEW mine AS SELECT 1",
    "CREATE SEQUENCE mine",
    "CREATE FUNCTION mine() RETURNS INTEGER LANGUAGE sql AS 'SELECT 1'",
    "CREATE EXTENSION pg_trgm",
    "CREATE INDEX mine ON samples (title)",
    "ALTER TABLE samples ADD COLUMN mine INTEGER",
    "ALTER TABLE samples DISABLE TRIGGER ALL",
    "DROP TABLE samples",
    "DROP SCHEMA public CASCADE",
    "TRUNCATE samples",
    "SELECT setval('samples_id_seq', 1)",
    # The server's files and programs.
    "COPY samples TO '/tmp/samples'",
    "COPY samples FROM '/etc/passwd'",
    "COPY samples TO PROGRAM 'cat'",
    "COPY samples FROM PROGRAM 'id'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('/etc')",
    "SELECT lo_import('/etc/passwd')",
    "ALTER SYSTEM SET ssl = off",
    # Other roles and databases.
    "SELECT * FROM pg_authid",
    "CREATE ROLE mine",
    "CREATE DATABASE mine",
    'DROP DATABASE "{database}"',
    'ALTER DATABASE "{database}" SET statement_timeout = 0',
    'ALTER ROLE "{app}" CREATEDB',
    'ALTER ROLE "{migrator}" PASSWORD NULL',
    'SET ROLE "{migrator}"',
    'SET SESSION AUTHORIZATION "{migrator}"',
    'GRANT "{migrator}" TO "{app}"',
    'ALTER DEFAULT PRIVILEGES FOR ROLE "{migrator}" GRANT ALL ON TABLES TO PUBLIC',
    "SET session_replication_role = replica",  # would switch foreign keys off
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
    "COPY outbox FROM '/etc/passwd'",
    "SELECT nextval('outbox_id_seq')",
]
OF_SERVER = [
    'SET ROLE "{app}"',
    'SET ROLE "{migrator}"',
    "CREATE TABLE mine (id INTEGER)",
    "CREATE TEMPORARY TABLE mine (id INTEGER)",
    "CREATE VIEW mine AS SELECT 1",
    "CREATE FUNCTION mine() RETURNS INTEGER LANGUAGE sql AS 'SELECT 1'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT * FROM pg_authid",
]


def assert_denied(error: DBAPIError, statement: str) -> None:
    """The role may not do that; nothing else was wrong with the statement."""
    assert isinstance(error.orig, psycopg.errors.InsufficientPrivilege), statement


def try_all(app: Flask) -> None:
    """Try what the role of the app must not be able to do."""
    with app.app_context():
        own, migrator = db.engine.url, db.get_engine("migration").url.username
        assert own.username != migrator
        names = {"app": own.username, "migrator": migrator, "database": own.database}
        # Each statement by itself, for CREATE DATABASE is not allowed in a transaction.
        engine = db.engine.execution_options(isolation_level="AUTOCOMMIT")
        for statement in FORBIDDEN:
            with engine.connect() as connection, pytest.raises(DBAPIError) as caught:
                connection.exec_driver_sql(statement.format(**names))
            assert_denied(caught.value, statement)
        # PostgreSQL takes this with a warning, and does nothing.
        with engine.connect() as connection:
            rights = text("SELECT relacl::text FROM pg_class WHERE relname = 'samples'")
            was = connection.execute(rights).scalar()
            connection.exec_driver_sql("GRANT ALL ON samples TO PUBLIC")
            assert connection.execute(rights).scalar() == was


def assert_made(admin: Admin, url: URL) -> None:
    """The role signs in with its password, and has no power over the server."""
    query = """SELECT rolcanlogin, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication
        OR rolbypassrls, rolpassword FROM pg_authid WHERE rolname = %s"""
    row = admin.execute(query, [url.username]).fetchone()
    assert row is not None
    assert row[:2] == (True, False)
    assert fits(row[2], str(url.password))


def fits(verifier: str, password: str) -> bool:
    """Whether the password belongs to what the server stores (RFC 5803)."""
    kind, rounds, keys = verifier.split("$")
    iterations, salt = rounds.split(":")
    salted = hashlib.pbkdf2_hmac(
        "sha256", password.encode(), base64.b64decode(salt), int(iterations)
    )
    key = hmac.digest(salted, b"Client Key", "sha256")
    stored = base64.b64encode(hashlib.sha256(key).digest()).decode()
    return kind == "SCRAM-SHA-256" and keys.split(":")[0] == stored


def quoted(admin: Admin, app: URL, names: dict[str, str | None]) -> dict[str, str]:
    """The names as they stand in a statement."""
    return {kind: sql.Identifier(str(name)).as_string(admin) for kind, name in names.items()}


def execute(admin: Admin, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
    """Run a statement; the rows, when it has some."""
    cursor = admin.execute(statement, values or None)
    return cursor.fetchall() if cursor.description else []
