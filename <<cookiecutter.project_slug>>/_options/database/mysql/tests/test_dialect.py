"""MySQL and MariaDB: what may be named as the database, and what every connection has."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from app.database import db, dialect, dumps, provisioning, roles
from tests.browser import Browser
from tests.database import flask_db
from tests.marks import asvs, practice
from tests.test_settings import problems

HINT = "write mysql+pymysql://user:password@host/database"
NO_URL = f"DATABASE_URL is not a database URL; {HINT}"
NOT_NAMED = f"DATABASE_URL does not name user, host and database; {HINT}"
OTHER = "DATABASE_URL is for {}; this service was rendered for MySQL"
OPTION = "DATABASE_URL has the unknown option {}; allowed: ssl_ca, ssl_cert, ssl_key, unix_socket"
TWICE = "DATABASE_URL has the option {} twice; write it once"
NO_FILE = "DATABASE_URL names a file that is not there: {}=/no/file"
ROOT = "DATABASE_URL is of root; use the user that `flask db create` makes"
REMOTE = "mysql+pymysql://app:canary@db.example/service"

REFUSED = {
    "nonsense": NO_URL,
    "mysql+pymysql://app:canary@host:port/service": NO_URL,
    "postgresql+psycopg://app:canary@host/service": OTHER.format("postgresql+psycopg"),
    "mysql://app:canary@host/service": OTHER.format("mysql"),
    "mysql+mysqldb://app:canary@host/service": OTHER.format("mysql+mysqldb"),
    "mysql+nonsense://app:canary@host/service": OTHER.format("mysql+nonsense"),
    "sqlite:////data/file.sqlite3": OTHER.format("sqlite"),
    "mysql+pymysql://db.example/service": NOT_NAMED,
    "mysql+pymysql://app:canary@db.example": NOT_NAMED,
    "mysql+pymysql://app:canary@/service": NOT_NAMED,
    # Options of the driver that lead elsewhere, weaken TLS, or let the server read our files.
    f"{REMOTE}?ssl=true": OPTION.format("ssl"),
    f"{REMOTE}?ssl_disabled=true": OPTION.format("ssl_disabled"),
    f"{REMOTE}?ssl_verify_cert=false": OPTION.format("ssl_verify_cert"),
    f"{REMOTE}?ssl_check_hostname=false": OPTION.format("ssl_check_hostname"),
    f"{REMOTE}?ssl_mode=DISABLED": OPTION.format("ssl_mode"),
    f"{REMOTE}?host=other.example": OPTION.format("host"),
    f"{REMOTE}?local_infile=1": OPTION.format("local_infile"),
    f"{REMOTE}?read_default_file=/tmp/x": OPTION.format("read_default_file"),
    f"{REMOTE}?init_command=SET%20sql_mode%3D%27%27": OPTION.format("init_command"),
    f"{REMOTE}?charset=latin1": OPTION.format("charset"),
    f"{REMOTE}?unix_socket=/run/a&unix_socket=/run/b": TWICE.format("unix_socket"),
    f"{REMOTE}?ssl_ca=/etc/passwd&ssl_ca=/etc/group": TWICE.format("ssl_ca"),
    f"{REMOTE}?ssl_ca=/no/file": NO_FILE.format("ssl_ca"),
    f"{REMOTE}?ssl_cert=/no/file": NO_FILE.format("ssl_cert"),
    f"{REMOTE}?ssl_key=/no/file": NO_FILE.format("ssl_key"),
    "mysql+pymysql://root:canary@localhost/service": ROOT,
}
LOCAL = [
    "mysql+pymysql://app:canary@localhost/service",
    "mariadb+pymysql://app@127.0.0.1:3307/service",
    "mysql+pymysql://app:canary@[::1]/service",
    "mysql+pymysql://app:canary@localhost/service?unix_socket=/run/mysqld/mysqld.sock",
    "mysql+pymysql://app:canary@db.example/service?unix_socket=/run/mysqld/mysqld.sock",
]
VERIFIED = [
    REMOTE,
    "mysql+pymysql://app:canary@192.0.2.1/service",
    "mysql+pymysql://app:canary@0.0.0.0/service",
    "mysql+pymysql://app:canary@localhost.example/service",
    "mysql+pymysql://app:canary@127.0.0.1.example/service",
]


@practice("database.dialect")
@asvs("12.3.1", "12.3.2")
def test_a_database_that_cannot_be_used_or_trusted_is_refused(
    make_app: Callable[..., Flask],
) -> None:
    for url, problem in REFUSED.items():
        found = problems(make_app, DATABASE_URL=url)
        assert found == [problem], url
        assert "canary" not in str(found)
        for name in ("MIGRATION_DATABASE_URL", "ADMIN_DATABASE_URL"):
            if name.startswith("ADMIN") and (problem == ROOT or url.endswith("@db.example")):
                continue
            expected = [problem.replace("DATABASE_URL", name)]
            assert problems(make_app, **{name: url}) == expected, url


def test_the_administrator_may_be_root_and_needs_no_database(
    make_app: Callable[..., Flask],
) -> None:
    for url in ("mysql+pymysql://root:canary@localhost/mysql", "mysql+pymysql://dba:x@db.example"):
        assert problems(make_app, ADMIN_DATABASE_URL=url) == []


def test_the_service_runs_as_a_user_without_a_name(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nameless() -> str:
        raise KeyError(
            "getpwuid(): uid not found: 10001"
        )  # a container, with a number for its user

    monkeypatch.setattr("getpass.getuser", nameless)
    assert problems(make_app, ADMIN_DATABASE_URL=None) == []
    assert make_url(dialect.admin_url()).username == "root"


@practice("database.dialect")
@asvs("12.3.1", "12.3.2")
def test_only_a_local_database_may_be_used_without_tls(make_app: Callable[..., Flask]) -> None:
    for url in LOCAL + VERIFIED:
        assert problems(make_app, DATABASE_URL=url, MIGRATION_DATABASE_URL=None) == [], url
        for timeouts in (True, False):
            arguments = dialect.engine_options(url, timeouts=timeouts)["connect_args"]
            assert arguments.get("ssl_disabled", False) == (url in LOCAL), url
            if url in VERIFIED:
                assert arguments["ssl"].verify_mode == ssl.CERT_REQUIRED
                assert arguments["ssl"].check_hostname


@practice("database.dialect")
@asvs("15.2.2")
def test_every_connection_is_set_up(app: Flask) -> None:
    both = {
        "time_zone": "+00:00",
        "character_set_client": "utf8mb4",
        "character_set_connection": "utf8mb4",
        "character_set_results": "utf8mb4",
        "collation_database": "utf8mb4_bin",
    }
    limits = {
        "default": {"innodb_lock_wait_timeout": 5},
        "migration": {"lock_wait_timeout": 10},
    }
    strict = {
        "STRICT_ALL_TABLES", "NO_ZERO_DATE", "NO_ZERO_IN_DATE", "ERROR_FOR_DIVISION_BY_ZERO",
        "NO_ENGINE_SUBSTITUTION", "ONLY_FULL_GROUP_BY",
    }  # fmt: skip
    for name, more in limits.items():
        with app.app_context(), db.get_engine(name).connect() as connection:
            expected = both | more
            if connection.dialect.is_mariadb:
                expected["max_statement_time"] = 5 if name == "default" else 0  # seconds
            else:
                expected["max_execution_time"] = 5000 if name == "default" else 0  # milliseconds
            found = {key: connection.execute(text(f"SELECT @@{key}")).scalar() for key in expected}
            assert found == expected
            assert connection.get_isolation_level() == "READ COMMITTED"
            modes = connection.execute(text("SELECT @@sql_mode")).scalar()
            assert strict <= set(modes.split(","))
            assert connection.execute(text("SELECT @@foreign_key_checks")).scalar() == 1
            driver = connection.connection.driver_connection
            assert driver._local_infile is False  # the server may not ask for our files
            assert driver._read_timeout == (10 if name == "default" else None)
            assert driver.connect_timeout == 5


@pytest.mark.parametrize(
    ("word", "day", "problem"),
    [
        ("toolong", "2026-01-01", "Data too long"),
        ("short", "0000-00-00", "Incorrect datetime value"),
        ("short", "yesterday", "Incorrect datetime value"),
        ("short", "2026-01-01", None),
    ],
)
def test_a_value_that_does_not_fit_is_refused(
    make_app: Callable[..., Flask],
    own_database: dict[str, str],
    word: str,
    day: str,
    problem: str | None,
) -> None:
    refused = pytest.raises(DBAPIError, match=problem) if problem else nullcontext()
    with make_app(**own_database).app_context():
        with db.get_engine("migration").begin() as connection:
            connection.execute(text("CREATE TABLE words (word VARCHAR(5), day DATETIME)"))
        provisioning.grant_tables(roles.from_settings())
        with refused, db.engine.begin() as connection:
            insert = text("INSERT INTO words VALUES (:word, :day)")
            connection.execute(insert, {"word": word, "day": day})


def test_a_database_with_an_unsafe_collation_is_not_migrated(
    make_app: Callable[..., Flask], own_database: dict[str, str]
) -> None:
    app = make_app(**own_database)
    with app.app_context(), db.get_engine("migration").begin() as connection:
        name = connection.engine.url.database
        connection.exec_driver_sql(f"ALTER DATABASE `{name}` COLLATE utf8mb4_general_ci")
    result = flask_db(app, "upgrade")
    assert result.exit_code == 1
    assert "the database's collation is utf8mb4_general_ci" in result.stderr
    assert "COLLATE utf8mb4_bin" in result.stderr


def test_a_missing_tool_is_named(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    result = app.test_cli_runner().invoke(args=["db", "backup"])
    tools = "mariadb-dump or mysqldump is not installed (Debian: mariadb-client)"
    assert (result.exit_code, result.stderr) == (1, f"Error: MySQL: {tools}\n")
    with pytest.raises(FileNotFoundError, match="mariadb or mysql is not installed"):
        dumps._tool(make_url(REMOTE), ("mariadb", "mysql"))


def test_a_damaged_backup_runs_only_sql_and_changes_nothing(
    own_service: Flask, tmp_path: Path
) -> None:
    app = own_service
    alice = Browser(app).sign_up("alice@example.com")
    assert flask_db(app, "backup", "saved").exit_code == 0
    # Without the line that tells MariaDB's client to be careful; MySQL's dumps have none.
    lines = [line for line in Path("saved").read_text().splitlines() if "sandbox" not in line]
    half = next(n for n, line in enumerate(lines) if "structure for table `users`" in line)
    for command in (f"\\! touch {tmp_path}/ran", f"system touch {tmp_path}/ran;"):
        Path("evil").write_text("\n".join([*lines[:half], command, *lines[half:], ""]))
        assert flask_db(app, "restore", "evil").exit_code == 1, command
        assert not Path("ran").exists(), command
        assert alice.is_signed_in(), command
        next(Path("backups").iterdir()).unlink()


@practice("database.dialect")
@asvs("12.3.1")
def test_database_tools_connect_as_safely_as_the_service(tmp_path: Path) -> None:
    """What the option file says; test_tls.py proves it for the tools that are installed here."""
    for url in map(make_url, LOCAL):
        for mariadb, plain in ((True, "skip-ssl"), (False, "ssl-mode=DISABLED")):
            lines = dumps._option_file(url, mariadb=mariadb).splitlines()
            assert plain in lines
            # With a socket, a host name would lead over the network: in plain text.
            protocol = "socket" if "unix_socket" in url.query else "tcp"
            assert f'protocol="{protocol}"' in lines
    for url in map(make_url, VERIFIED):
        lines = dumps._option_file(url, mariadb=True).splitlines()
        assert "ssl-verify-server-cert" in lines
        assert "skip-ssl" not in lines
        lines = dumps._option_file(url, mariadb=False).splitlines()
        assert "ssl-mode=VERIFY_IDENTITY" in lines
        assert [line for line in lines if line.startswith(("ssl-ca=", "ssl-capath="))]
