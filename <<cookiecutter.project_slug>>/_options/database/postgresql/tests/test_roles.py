"""The two roles: the app's reads and writes rows, the migrator's changes tables, and no more."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from psycopg import sql
from sqlalchemy import URL, make_url, select, text
from sqlalchemy.exc import ProgrammingError

from app import database
from app.auth.models import User
from app.database import db, dialect, migrating, provisioning
from tests.browser import Browser
from tests.database import development, migrate
from tests.marks import asvs, practice
from tests.test_backups import add_migration, run

pytestmark = practice("database.provisioning")

PASSWORD = "canary'\\\"%s{app}$$"

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

FORBIDDEN = [
    "CREATE TABLE mine (id INTEGER)",
    "CREATE TEMPORARY TABLE mine (id INTEGER)",
    "CREATE SCHEMA mine",
    "CREATE VIEW mine AS SELECT 1",
    "CREATE SEQUENCE mine",
    "CREATE FUNCTION mine() RETURNS INTEGER LANGUAGE sql AS 'SELECT 1'",
    "CREATE EXTENSION pg_trgm",
    "CREATE INDEX mine ON notes (title)",
    "ALTER TABLE notes ADD COLUMN mine INTEGER",
    "ALTER TABLE notes DISABLE TRIGGER ALL",
    "DROP TABLE notes",
    "DROP SCHEMA public CASCADE",
    "TRUNCATE notes",
    "SELECT setval('notes_id_seq', 1)",
    # The server's files and programs.
    "COPY notes TO '/tmp/notes'",
    "COPY notes FROM '/etc/passwd'",
    "COPY notes TO PROGRAM 'cat'",
    "COPY notes FROM PROGRAM 'id'",
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


@asvs("13.2.2")
def test_the_role_of_the_app_reads_and_writes_rows_alone(
    app: Flask, alice: Browser, environment: dict[str, str]
) -> None:
    note = alice.write_note()
    app_url = make_url(environment["DATABASE_URL"])
    migrator = make_url(environment["MIGRATION_DATABASE_URL"])
    assert app_url.username != migrator.username
    names = {"app": app_url.username, "migrator": migrator.username, "database": app_url.database}
    with app.app_context():
        # Each statement by itself, for CREATE DATABASE is not allowed in a transaction.
        engine = db.engine.execution_options(isolation_level="AUTOCOMMIT")
        for statement in FORBIDDEN:
            with engine.connect() as connection, pytest.raises(ProgrammingError) as caught:
                connection.exec_driver_sql(statement.format(**names))
            assert isinstance(caught.value.orig, psycopg.errors.InsufficientPrivilege), statement
        # PostgreSQL takes this with a warning, and does nothing.
        with engine.connect() as connection:
            rights = text("SELECT relacl::text FROM pg_class WHERE relname = 'notes'")
            was = connection.execute(rights).scalar()
            connection.exec_driver_sql("GRANT ALL ON notes TO PUBLIC")
            assert connection.execute(rights).scalar() == was
    assert alice.get(note).status_code == 200


@asvs("13.2.2")
def test_the_app_works_with_tables_that_a_later_migration_makes(
    make_app: Callable[..., Flask],
    environment: dict[str, str],
    own_database: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    migrate({**environment, **own_database})
    app = make_app(**own_database)
    try:
        add_migration(monkeypatch, tmp_path / "migrations")
        assert run(app, "upgrade").exit_code == 0
        with app.app_context(), db.engine.begin() as connection:
            connection.execute(text("INSERT INTO tags (name) VALUES ('a'), ('b')"))
            connection.execute(text("UPDATE tags SET name = 'c' WHERE name = 'a'"))
            connection.execute(text("DELETE FROM tags WHERE name = 'b'"))
            assert connection.execute(text("SELECT id, name FROM tags")).all() == [(1, "c")]
            with pytest.raises(ProgrammingError, match="must be owner"):
                connection.execute(text("DROP TABLE tags"))
    finally:
        database._head.cache_clear()


@asvs("13.2.2")
def test_the_version_of_the_schema_is_only_read_whatever_was_done_to_the_database(
    make_app: Callable[..., Flask],
    environment: dict[str, str],
    own_database: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever takes over the service would make each instance unready, and stop every upgrade."""
    monkeypatch.chdir(tmp_path)
    migrate({**environment, **own_database})
    app = make_app(**own_database)
    for command in (["upgrade"], ["create"], ["backup", "saved"], ["restore", "saved"]):
        assert run(app, *command).exit_code == 0
        with app.app_context():
            for statement in VERSION_WRITES:
                with db.engine.connect() as connection, pytest.raises(ProgrammingError) as caught:
                    connection.exec_driver_sql(statement)
                assert isinstance(caught.value.orig, psycopg.errors.InsufficientPrivilege)
        ready = Browser(app).get("/readyz")
        assert (ready.status_code, ready.json["database"]) == (200, "ok")


@asvs("13.2.2")
def test_the_role_of_the_app_cannot_stop_an_upgrade(
    make_app: Callable[..., Flask], environment: dict[str, str], own_database: dict[str, str]
) -> None:
    """With every lock that it may take: the advisory one, and the weakest on the table."""
    migrate({**environment, **own_database})
    app = make_app(**own_database)
    with app.app_context(), db.engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:n)"), {"n": migrating.FIRST_MIGRATION})
        connection.execute(text("LOCK TABLE alembic_version IN ACCESS SHARE MODE"))
        assert run(make_app(**own_database), "upgrade").exit_code == 0


@pytest.mark.parametrize("first", [True, False], ids=["first", "later"])
def test_two_migrations_do_not_run_at_once(
    make_app: Callable[..., Flask],
    environment: dict[str, str],
    own_database: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    first: bool,
) -> None:
    if not first:
        migrate({**environment, **own_database})
    monkeypatch.setattr(dialect, "LOCK_TIMEOUT", {"lock_timeout": 100})
    app = make_app(**own_database)
    with app.app_context(), db.get_engine("migration").begin() as connection:
        migrating.before(connection)
        result = run(make_app(**own_database), "upgrade")
        assert result.exit_code == 1
        assert "lock timeout" in result.stderr
    migrate({**environment, **own_database})


# --- flask db create


class Service:
    """The names of a service that is not there yet, and the server's administrator."""

    def __init__(self, admin: psycopg.Connection[Any], make_app: Callable[..., Flask]) -> None:
        self.admin = admin
        self.make_app = make_app
        self.number = secrets.token_hex(4)
        self.name(f"test-{self.number}")

    def name(self, name: str) -> None:
        """Take the names that are made from this one."""
        place = make_url(development().database_url)
        self.app = place.set(username=f"{name}-app", password=PASSWORD, database=name)
        self.migrator = self.app.set(username=f"{name}-mig", password=PASSWORD[::-1])

    def flask(self, *arguments: object, admin: URL | None = None) -> Any:
        """Run ``flask db ...`` of this service in production."""
        urls = {
            "DATABASE_URL": self.app,
            "MIGRATION_DATABASE_URL": self.migrator,
            "ADMIN_DATABASE_URL": admin,
        }
        shown = {k: v and v.render_as_string(hide_password=False) for k, v in urls.items()}
        app = self.make_app(**shown)
        assert "canary" not in repr(app.config["SETTINGS"])
        result = run(app, *arguments)
        assert "canary" not in result.output
        assert "Traceback" not in result.output
        return result

    def made(self) -> set[str]:
        """The roles and databases that are there."""
        query = "SELECT rolname FROM pg_roles UNION ALL SELECT datname FROM pg_database"
        names = {self.app.username, self.migrator.username, self.app.database}
        return names & {name for (name,) in self.admin.execute(query)}

    def as_admin(self, statement: str) -> None:
        names = {"app": self.app.username, "migrator": self.migrator.username}
        names |= {"database": self.app.database, "other": f"other-{self.number}"}
        quoted = {key: sql.Identifier(str(name)) for key, name in names.items()}
        self.admin.execute(sql.SQL(statement).format(**quoted))


@pytest.fixture
def service(make_app: Callable[..., Flask]) -> Iterator[Service]:
    """Names of a service; the test needs an administrator, whom `make db` needs as well."""
    url = make_url(development().admin_database_url or dialect.admin_url())
    try:
        admin = provisioning.connected(url)
    except psycopg.Error as error:
        pytest.skip(f"needs an administrator of PostgreSQL: {error}")
    with admin:
        service = Service(admin, make_app)
        yield service
        for statement in (
            "DROP DATABASE IF EXISTS {database} WITH (FORCE)",
            "DROP ROLE IF EXISTS {app}",
            "DROP ROLE IF EXISTS {migrator}",
            "DROP ROLE IF EXISTS {other}",
        ):
            service.as_admin(statement)


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


@asvs("13.2.2")
def test_roles_and_database_are_made_and_making_them_again_is_harmless(service: Service) -> None:
    result = service.flask("create")
    assert (result.exit_code, result.stdout) == (0, f"Created {service.app.database}.\n")
    assert len(service.made()) == 3
    query = """SELECT rolcanlogin, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication
        OR rolbypassrls, rolpassword FROM pg_authid WHERE rolname = %s"""
    for url in (service.app, service.migrator):
        login, powerful, verifier = service.admin.execute(query, [url.username]).fetchone()
        assert (login, powerful) == (True, False)
        assert fits(verifier, url.password)
    for _ in range(2):
        result = service.flask("create")
        assert (result.exit_code, result.stdout) == (0, "The database is there.\n")
    assert service.flask("upgrade").exit_code == 0
    # Another service on the same server gets in nowhere.
    stranger = make_url(development().database_url).set(database=service.app.database)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        provisioning.connected(stranger)


def test_a_database_that_was_made_halfway_is_completed(service: Service) -> None:
    service.as_admin("CREATE ROLE {app} LOGIN PASSWORD 'x'")
    assert service.flask("create").exit_code == 0
    service.as_admin("DROP DATABASE {database}")
    # As a provider makes it: roles and database, and no rights. It is even migrated.
    service.as_admin("CREATE DATABASE {database} OWNER {migrator} TEMPLATE template0")
    assert service.flask("upgrade").exit_code == 0
    assert service.flask("create").stdout == "The database is there.\n"
    app = service.make_app(
        DATABASE_URL=service.app.render_as_string(hide_password=False),
        MIGRATION_DATABASE_URL=None,
    )
    browser = Browser(app).sign_up("alice@example.com")
    assert browser.get(browser.write_note()).status_code == 200
    refused = pytest.raises(ProgrammingError, match="permission denied to create temporary")
    with app.app_context(), db.engine.connect() as connection, refused:
        connection.execute(text("CREATE TEMPORARY TABLE mine (id INTEGER)"))


def test_no_name_leaves_its_place(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    service.as_admin("CREATE ROLE {other}")
    # At most 63 bytes, with what ends a name, a DO block, a comment, a connection string, a format.
    service.name(f'{service.number}$$"; DROP ROLE "other-{service.number}"; --=x \'\\%s{{app}}')
    assert service.flask("create").exit_code == 0
    assert len(service.made()) == 3
    assert service.flask("upgrade").exit_code == 0
    assert service.flask("backup", "saved").exit_code == 0
    assert service.flask("restore", "saved").exit_code == 0
    service.as_admin("ALTER ROLE {other} LOGIN")  # still there


@asvs("16.2.5")
def test_no_password_reaches_the_log_of_the_server(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    connected = provisioning.connected

    def logging(url: URL) -> psycopg.Connection[Any]:
        """Have the server log every statement, to us as well."""
        connection = connected(url)
        connection.add_notice_handler(lambda notice: logged.append(str(notice.message_primary)))
        if url.username not in (service.app.username, service.migrator.username):
            connection.execute("SET log_statement = 'all'; SET client_min_messages = log")
        return connection

    monkeypatch.setattr(provisioning, "connected", logging)
    assert service.flask("create").exit_code == 0
    text = "\n".join(logged)
    assert text.count("ALTER ROLE") == 2
    assert "canary" not in text
    assert "yranac" not in text  # the other password


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"port": 1}, "Connection refused"),
        ({"username": "nobody-of-this-name"}, "nobody-of-this-name"),
        ({"username": "{other}", "password": "canary"}, "permission denied to create role"),
    ],
)
def test_a_wrong_administrator_leaves_nothing_half_done(
    service: Service, change: dict[str, Any], reason: str
) -> None:
    service.as_admin("CREATE ROLE {other} LOGIN PASSWORD 'canary'")
    filled = {k: str(v).format(other=f"other-{service.number}") for k, v in change.items()}
    filled |= {"port": 1} if "port" in change else {}
    result = service.flask("create", admin=service.app.set(**{"database": "postgres", **filled}))
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: PostgreSQL: ")
    assert reason in result.stderr
    assert "apt-get" not in result.stderr  # a host in production is nobody's to install on
    assert service.made() == set()


def test_the_administrator_of_a_managed_server_is_no_superuser(service: Service) -> None:
    service.as_admin("CREATE ROLE {other} LOGIN CREATEROLE CREATEDB PASSWORD 'canary'")
    admin = service.app.set(
        username=f"other-{service.number}", password="canary", database="postgres"
    )
    result = service.flask("create", admin=admin)
    assert result.exit_code == 0, result.output
    assert service.flask("upgrade").exit_code == 0
    service.as_admin("DROP DATABASE {database} WITH (FORCE)")
    service.as_admin("DROP OWNED BY {migrator}, {app}, {other}")


@asvs("12.3.1")
def test_an_administrator_is_not_sent_to_a_server_that_is_not_verified(service: Service) -> None:
    admin = make_url("postgresql+psycopg://postgres:canary@db.example/postgres?sslmode=require")
    result = service.flask("create", admin=admin)
    assert result.exit_code == 1
    assert "ADMIN_DATABASE_URL does not verify the server" in result.stderr


def test_what_belongs_to_somebody_else_is_left_alone(service: Service) -> None:
    def attributes() -> list[Any]:
        query = """SELECT oid, rolsuper, rolcanlogin, rolpassword FROM pg_authid
            WHERE rolname = ANY(%s) ORDER BY oid"""
        names = [service.app.username, service.migrator.username]
        return service.admin.execute(query, [names]).fetchall()

    service.as_admin("CREATE ROLE {app} SUPERUSER")
    was = attributes()
    result = service.flask("create")
    assert result.exit_code == 1
    assert f"the role {service.app.username} administers the server" in result.stderr
    assert attributes() == was

    service.as_admin("DROP ROLE {app}")
    service.as_admin("CREATE DATABASE {database}")
    was = attributes()
    result = service.flask("create")
    assert result.exit_code == 1
    assert f"the database {service.app.database} is of" in result.stderr
    assert attributes() == was


def test_one_role_for_both_is_refused(service: Service) -> None:
    service.migrator = service.app
    result = service.flask("create")
    assert result.exit_code == 1
    assert "MIGRATION_DATABASE_URL names no other role" in result.stderr
    assert service.made() == set()


def test_a_server_that_is_too_old_is_refused(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    # There, everybody may make tables in the schema public.
    monkeypatch.setattr(provisioning, "OLDEST", 99)
    result = service.flask("create")
    assert result.exit_code == 1
    assert "99 or newer is needed" in result.stderr


def test_an_interrupted_restore_is_told(
    make_app: Callable[..., Flask],
    environment: dict[str, str],
    own_database: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    migrate({**environment, **own_database})
    app = make_app(**own_database)
    Browser(app).sign_up("alice@example.com")
    assert run(app, "backup", "saved").exit_code == 0
    with app.app_context(), db.get_engine("migration").begin() as connection:
        connection.execute(text("CREATE SCHEMA before_restore"))
    result = run(app, "restore", "saved")
    assert result.exit_code == 1
    assert "what was there before is in the schema before_restore" in result.stderr
    with app.app_context():
        assert db.session.scalars(select(User.email)).all() == ["alice@example.com"]
