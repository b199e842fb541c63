"""PostgreSQL: what may be named as the database, and what every connection has."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from app.database import db, dialect, dumps
from app.database.roles import Roles
from tests.marks import asvs, practice
from tests.test_settings import problems

HINT = "write postgresql+psycopg://user:password@host/database"
NO_URL = f"DATABASE_URL is not a database URL; {HINT}"
NOT_NAMED = f"DATABASE_URL does not name role, host and database; {HINT}"
OTHER = "DATABASE_URL is for {}; this service was rendered for PostgreSQL"
OPTION = "DATABASE_URL has the unknown option {}; allowed: application_name, host, port, sslcert, sslkey, sslmode, sslrootcert, target_session_attrs"
TWICE = "DATABASE_URL has the option {} twice; write it once"
UNVERIFIED = "DATABASE_URL does not verify the server; remove sslmode from it"
SUPERUSER = "DATABASE_URL is of the superuser; use the role that `flask db create` makes"
REMOTE = "postgresql+psycopg://app:canary@db.example/service"

REFUSED = {
    "nonsense": NO_URL,
    "postgresql+psycopg://app:canary@host:port/service": NO_URL,
    "postgresql+psycopg://app:canary@a:5432,b:5432/service": NO_URL,
    "postgresql+psycopg://app:canary@/service?host=a,b&port=1,2,3": NO_URL,
    "postgresql+psycopg://app:canary@/service?port=x&host=a": NO_URL,
    "mysql+pymysql://app:canary@host/service": OTHER.format("mysql+pymysql"),
    "postgresql+psycopg2://app:canary@host/service": OTHER.format("postgresql+psycopg2"),
    "postgresql+nonsense://app:canary@host/service": OTHER.format("postgresql+nonsense"),
    "sqlite:////data/file.sqlite3": OTHER.format("sqlite"),
    "postgresql+psycopg://db.example/service": NOT_NAMED,
    "postgresql+psycopg://app:canary@db.example": NOT_NAMED,
    "postgresql+psycopg://app:canary@/service": NOT_NAMED,
    "postgresql+psycopg://app:canary@/service?host=": NOT_NAMED,
    # Options of libpq that lead elsewhere or weaken what follows.
    f"{REMOTE}?ssl=true": OPTION.format("ssl"),
    f"{REMOTE}?hostaddr=192.0.2.1": OPTION.format("hostaddr"),
    "postgresql+psycopg://app:canary@localhost/service?hostaddr=192.0.2.1": OPTION.format("hostaddr"),
    f"{REMOTE}?service=other": OPTION.format("service"),
    f"{REMOTE}?passfile=/tmp/x": OPTION.format("passfile"),
    f"{REMOTE}?options=-c%20statement_timeout%3D0": OPTION.format("options"),
    f"{REMOTE}?dbname=other": OPTION.format("dbname"),
    f"{REMOTE}?sslmode=disable&sslmode=verify-full": TWICE.format("sslmode"),
    f"{REMOTE}?sslmode=verify-full&sslmode=disable": TWICE.format("sslmode"),
    "postgresql+psycopg://app:canary@/service?host=localhost&host=db.example": TWICE.format("host"),
    # Anybody in between could answer.
    **{f"{REMOTE}?sslmode={mode}": UNVERIFIED
       for mode in ("disable", "allow", "prefer", "require", "verify-ca", "Verify-Full", "x")},
    "postgresql+psycopg://app:canary@localhost/service?host=db.example&sslmode=require": UNVERIFIED,
    "postgresql+psycopg://app:canary@127.0.0.1,db.example/service?sslmode=require": UNVERIFIED,
    "postgresql+psycopg://app:canary@/service?host=/run/x,db.example&sslmode=prefer": UNVERIFIED,
    "postgresql+psycopg://app:canary@localhost.example/service?sslmode=disable": UNVERIFIED,
    "postgresql+psycopg://app:canary@0.0.0.0/service?sslmode=disable": UNVERIFIED,
    "postgresql+psycopg://postgres:canary@localhost/service": SUPERUSER,
}  # fmt: skip

LOCAL = [
    "postgresql+psycopg://app:canary@localhost/service",
    "postgresql://app@127.0.0.1:5433/service",
    "postgresql+psycopg://app:canary@[::1]/service?application_name=service",
    "postgresql+psycopg://app:canary@/service?host=/run/postgresql",
    "postgresql+psycopg://app:canary@localhost/service?sslmode=disable",
]
VERIFIED = [
    REMOTE,
    "postgresql+psycopg://app:canary@/service?host=db1.example,db2.example&target_session_attrs=read-write",
    f"{REMOTE}?sslmode=verify-full",
    f"{REMOTE}?sslrootcert=/etc/ca.pem&sslcert=/etc/app.pem&sslkey=/etc/app.key",
    "postgresql+psycopg://app:canary@/service?host=a.example,b.example&port=5432,5433",
    "postgresql+psycopg://app:canary@127.0.0.1,db.example/service",
    "postgresql+psycopg://app:canary@192.0.2.1/service",
]


@practice("database.dialect")
@asvs("12.3.1", "12.3.2")
def test_a_database_that_cannot_be_used_or_trusted_is_refused(
    make_app: Callable[..., Flask],
) -> None:
    for url, problem in REFUSED.items():
        found = problems(make_app, DATABASE_URL=url)
        assert found == [problem], url
        for name in ("MIGRATION_DATABASE_URL", "ADMIN_DATABASE_URL"):
            if problem in (UNVERIFIED, SUPERUSER, NOT_NAMED) and name.startswith("ADMIN"):
                continue  # looked at when it is used; test_roles.py
            assert problems(make_app, **{name: url}) == [problem.replace("DATABASE_URL", name)], url
        assert "canary" not in str(found)


@practice("database.dialect")
@asvs("12.3.2")
def test_a_local_or_verified_database_is_accepted(make_app: Callable[..., Flask]) -> None:
    for url in LOCAL + VERIFIED:
        assert problems(make_app, DATABASE_URL=url, MIGRATION_DATABASE_URL=None) == [], url
        assert problems(make_app, MIGRATION_DATABASE_URL=url) == [], url
    for url in VERIFIED:
        for timeouts in (True, False):
            arguments = dialect.engine_options(url, timeouts=timeouts)["connect_args"]
            assert arguments["sslmode"] == "verify-full", url
            assert arguments["sslrootcert"] not in ("", "system"), url  # psycopg's has none
    # Without a host, libpq takes it from PGHOST; for a socket it ignores these.
    default = make_url(dialect.admin_url())
    assert dialect.connect_arguments(default)["sslmode"] == "verify-full"
    for url in LOCAL:
        assert dialect.connect_arguments(make_url(url)).get("sslmode") in (None, "disable")


def test_development_may_reach_a_server_that_it_cannot_verify(
    make_app: Callable[..., Flask],
) -> None:
    assert problems(make_app, APP_ENV="development", DATABASE_URL=f"{REMOTE}?sslmode=disable") == []


def test_the_administrator_needs_no_database(make_app: Callable[..., Flask]) -> None:
    url = "postgresql+psycopg://postgres:canary@localhost"
    assert problems(make_app, ADMIN_DATABASE_URL=url) == []


def test_every_connection_is_set_up(app: Flask) -> None:
    both = {
        "server_encoding": "UTF8",
        "client_encoding": "UTF8",
        "transaction_isolation": "read committed",
    }
    limits = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    for name, values in {"default": ("5s", "5s", "10s"), "migration": ("0", "10s", "0")}.items():
        expected = both | dict(zip(limits, values, strict=True))
        with app.app_context(), db.get_engine(name).connect() as connection:
            found = {key: connection.execute(text(f"SHOW {key}")).scalar() for key in expected}
        assert found == expected
        options = app.config["SQLALCHEMY_ENGINES"][name]
        # Seconds, and milliseconds until a server that vanished without a word is given up.
        assert options["connect_args"]["connect_timeout"] == 5
        assert options["connect_args"]["tcp_user_timeout"] == 10_000
        assert options["pool_pre_ping"]


@practice("errors")
@asvs("15.2.2")
def test_a_statement_ends_before_the_worker_does(app: Flask) -> None:
    with app.app_context(), db.engine.connect() as connection:
        connection.execute(text("SET statement_timeout = 200"))
        with pytest.raises(DBAPIError, match="statement timeout"):
            connection.execute(text("SELECT pg_sleep(5)"))


@pytest.mark.parametrize("version", ["15.13", "16.9", "17.5", "18.0", "99.1 (Debian 99.1-1)"])
def test_a_backup_that_cannot_be_restored_is_refused(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """pg_dump 17 reads PostgreSQL 15, which then refuses what it has written."""
    with app.app_context():
        urls = db.engine.url, db.get_engine("migration").url
        with db.engine.connect() as connection:
            server = connection.execute(text("SHOW server_version")).scalar_one().partition(".")[0]
    if version.startswith(f"{server}."):
        version = "14.3"  # they fit; another one that does not
    for program in ("pg_dump", "pg_restore"):
        path = tmp_path / program
        path.write_text(f"#!/bin/sh\necho '{program} (PostgreSQL) {version}'\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)
    reason = f"is of version {version.partition('.')[0]}, the server of {server}, so that"
    result = app.test_cli_runner().invoke(args=["db", "backup"])
    assert result.exit_code == 1
    assert reason in result.stderr
    assert f"Install postgresql-client-{server}" in result.stderr
    assert list(tmp_path.glob("backups/*")) == []
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match=reason):
        dumps.restore(Roles(*urls), tmp_path / "file")


def test_a_missing_tool_is_named(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    result = app.test_cli_runner().invoke(args=["db", "backup"])
    message = "Error: PostgreSQL: pg_dump is not installed (Debian: postgresql-client)\n"
    assert (result.exit_code, result.stderr) == (1, message)
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileNotFoundError, match="pg_restore is not installed"):
        dumps.restore(Roles(make_url(REMOTE), make_url(REMOTE)), tmp_path / "file")
