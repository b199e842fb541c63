"""The two users: the app's reads and writes rows, the migrator's changes tables, and no more."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pymysql
import pytest
from flask import Flask
from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import DBAPIError

from app import database
from app.database import db, dialect, migrating, provisioning
from tests.browser import Browser
from tests.database import development, migrate
from tests.marks import asvs, practice
from tests.test_backups import add_migration, run

pytestmark = practice("database.provisioning")

# What could end a string, a comment, an option; read backwards, too.
PASSWORD = "canary'#\"#\\ %s{app}`;"
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

FORBIDDEN = [
    "CREATE TABLE mine (id INTEGER)",
    "CREATE TEMPORARY TABLE mine (id INTEGER)",
    "CREATE VIEW mine AS SELECT 1",
    "CREATE INDEX mine ON notes (title)",
    "CREATE PROCEDURE mine() SELECT 1",
    "CREATE FUNCTION mine RETURNS INTEGER SONAME 'mine.so'",
    "CREATE TRIGGER mine BEFORE INSERT ON notes FOR EACH ROW SET @x = 1",
    "CREATE EVENT mine ON SCHEDULE EVERY 1 DAY DO SELECT 1",
    "ALTER TABLE notes ADD COLUMN mine INTEGER",
    "RENAME TABLE notes TO mine",
    "DROP TABLE notes",
    "TRUNCATE notes",
    "LOCK TABLES notes WRITE",
    *VERSION_WRITES,
    # The server's files and programs.
    "SELECT title FROM notes INTO OUTFILE '/tmp/notes-of-the-test'",
    "SELECT 'x' INTO DUMPFILE '/tmp/notes-of-the-test'",
    "LOAD DATA INFILE '/etc/passwd' INTO TABLE notes (title)",
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
            assert caught.value.orig.args[0] in DENIED, (statement, caught.value)


@asvs("13.2.2")
def test_the_user_of_the_app_reads_and_writes_rows_alone(app: Flask, alice: Browser) -> None:
    note = alice.write_note()
    try_all(app)
    with app.app_context(), db.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT LOAD_FILE('/etc/passwd')").scalar() is None
        # The driver would read the file and send it; it has no leave to, whatever the server says.
        with pytest.raises(DBAPIError):
            connection.exec_driver_sql(
                "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE notes (title)"
            )
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
            with pytest.raises(DBAPIError, match="denied"):
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
    """Whoever takes over the service would make each instance unready."""
    monkeypatch.chdir(tmp_path)
    migrate({**environment, **own_database})
    app = make_app(**own_database)
    for command in (["upgrade"], ["create"], ["backup", "saved"], ["restore", "saved"]):
        assert run(app, *command).exit_code == 0
        with app.app_context(), db.engine.connect() as connection:
            for statement in VERSION_WRITES:
                with pytest.raises(DBAPIError) as caught:
                    connection.exec_driver_sql(statement)
                assert caught.value.orig.args[0] in DENIED, statement
        ready = Browser(app).get("/readyz")
        assert (ready.status_code, ready.json["database"]) == (200, "ok")


@asvs("13.2.2")
def test_the_name_of_the_lock_of_migrations_is_a_secret(
    make_app: Callable[..., Flask], own_database: dict[str, str]
) -> None:
    """Everybody may hold a lock whose name they know, and a migration would wait for it."""
    app = make_app(**own_database)
    with app.app_context():
        migrator, own = db.get_engine("migration").url, db.engine.url
    name = migrating.lock_name(migrator)
    assert len(name) <= 64
    assert name != migrating.lock_name(own)
    assert name != migrating.lock_name(migrator.set(database="another"))
    with app.app_context(), db.get_engine("migration").connect() as connection:
        migrating.before(connection)
        with db.engine.connect() as other:
            held = text("SELECT IS_USED_LOCK(:name)")
            assert other.execute(held, {"name": name}).scalar() is not None
            guess = text("SELECT IS_USED_LOCK(CONCAT('migration ', SHA1(DATABASE())))")
            assert other.execute(guess).scalar() is None


# --- flask db create


class Service:
    """The names of a service that is not there yet, and the server's administrator."""

    def __init__(self, admin: pymysql.Connection, make_app: Callable[..., Flask]) -> None:
        self.admin = admin
        self.make_app = make_app
        self.number = secrets.token_hex(4)
        self.other = f"other-{self.number}"
        self.name(f"test-{self.number}")

    def name(self, name: str) -> None:
        """Take the names that are made from this one: at most 32 characters for a user."""
        place = make_url(development().database_url)
        self.app = place.set(username=f"{name}-app", password=PASSWORD, database=name)
        self.migrator = self.app.set(username=f"{name}-mig", password=PASSWORD[::-1])

    def flask(self, *arguments: object, admin: URL | None = None) -> Any:
        """Run ``flask db ...`` of this service in production."""
        settings = development()
        urls = {
            "DATABASE_URL": self.app,
            "MIGRATION_DATABASE_URL": self.migrator,
            "ADMIN_DATABASE_URL": admin
            or make_url(settings.admin_database_url or dialect.admin_url()),
        }
        shown = {k: v.render_as_string(hide_password=False) for k, v in urls.items()}
        app = self.make_app(**shown)
        assert "canary" not in repr(app.config["SETTINGS"])
        result = run(app, *arguments)
        assert "canary" not in result.output
        assert "Traceback" not in result.output
        return result

    def as_admin(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self.admin.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    def account(self, name: str | None) -> str:
        host = "localhost" if "unix_socket" in self.app.query else "%"
        return f"{self.admin.escape(name)}@'{host}'".replace("%", "%%")

    def made(self) -> set[str]:
        """The users and databases that are there."""
        names = {self.app.username, self.migrator.username, self.app.database}
        query = "SELECT user FROM mysql.user UNION ALL SELECT schema_name FROM information_schema.schemata"
        return names & {name for (name,) in self.as_admin(query)}


@pytest.fixture
def service(make_app: Callable[..., Flask]) -> Iterator[Service]:
    """Names of a service; the test needs an administrator, whom `make db` needs as well."""
    url = make_url(development().admin_database_url or dialect.admin_url())
    arguments = dialect.connect_arguments(url) | {"database": None, "autocommit": True}
    try:
        admin = pymysql.connect(**arguments)
    except pymysql.Error as error:
        pytest.skip(f"needs an administrator of MySQL: {error}")
    with closing(admin):
        service = Service(admin, make_app)
        yield service
        name = str(service.app.database).replace("`", "``").replace("%", "%%")
        service.as_admin(f"DROP DATABASE IF EXISTS `{name}`")
        for user in (service.app.username, service.migrator.username, service.other):
            service.as_admin(f"DROP USER IF EXISTS {service.account(user)}")


@asvs("13.2.2")
def test_users_and_database_are_made_and_making_them_again_is_harmless(service: Service) -> None:
    result = service.flask("create")
    assert (result.exit_code, result.stdout) == (0, f"Created {service.app.database}.\n")
    assert len(service.made()) == 3
    for _ in range(2):
        result = service.flask("create")
        assert (result.exit_code, result.stdout) == (0, "The database is there.\n")
    assert service.flask("upgrade").exit_code == 0
    urls = {"DATABASE_URL": service.app, "MIGRATION_DATABASE_URL": service.migrator}
    shown = {name: url.render_as_string(hide_password=False) for name, url in urls.items()}
    try_all(service.make_app(**shown))
    for url in (service.app, service.migrator):
        wrong = dialect.connect_arguments(url.set(password="wrong"))
        with pytest.raises(pymysql.Error, match="Access denied"):
            pymysql.connect(**wrong)
    # Another service on the same server gets in nowhere.
    stranger = make_url(development().database_url).set(database=service.app.database)
    with pytest.raises(pymysql.Error, match="Access denied"):
        pymysql.connect(**dialect.connect_arguments(stranger))


@asvs("13.2.2")
def test_no_name_leaves_its_place_and_no_sign_in_it_stands_for_others(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a GRANT, _ and % in the name of a database stand for any letters: the data of others."""
    monkeypatch.chdir(tmp_path)
    number = service.number
    service.name(f"{number}_%`'\"\\;{{app}}")
    siblings = [str(service.app.database).replace("_", "x"), f"{number}_more`'\"\\;{{app}}"]
    quoted = ["`{}`".format(name.replace("`", "``")) for name in siblings]
    try:
        for name in quoted:
            service.admin.query(f"CREATE DATABASE {name}")
            service.admin.query(f"CREATE TABLE {name}.secrets (id INTEGER)")
        assert service.flask("create").exit_code == 0
        assert len(service.made()) == 3
        for command in (["upgrade"], ["backup", "saved"], ["restore", "saved"]):
            result = service.flask(*command)
            assert result.exit_code == 0, result.output
        for url in (service.app, service.migrator):
            with closing(pymysql.connect(**dialect.connect_arguments(url))) as connection:
                cursor = connection.cursor()
                cursor.execute("SHOW DATABASES")
                shown = {name for (name,) in cursor.fetchall()}
                assert service.app.database in shown
                assert not shown & set(siblings)
                for name in quoted:
                    with pytest.raises(pymysql.Error, match="denied"):
                        cursor.execute(f"SELECT * FROM {name}.secrets")  # noqa: S608 - our own
    finally:
        for name in quoted:
            service.admin.query(f"DROP DATABASE IF EXISTS {name}")


@asvs("16.2.5")
def test_no_password_reaches_the_log_of_the_server(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    query = pymysql.connections.Connection.query

    def spy(connection: pymysql.Connection, statement: str | bytes, *more: object) -> int:
        sent.append(statement if isinstance(statement, str) else statement.decode())
        return query(connection, statement, *more)

    monkeypatch.setattr(pymysql.connections.Connection, "query", spy)
    assert service.flask("create").exit_code == 0
    statements = [text for text in sent if "IDENTIFIED BY" in text]
    assert len(statements) == 4
    if "MariaDB" in service.admin.get_server_info():  # MySQL itself blanks them in its logs
        for statement in statements:
            assert "canary" not in statement
            assert "yranac" not in statement  # the other password


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"port": 1, "query": {}, "host": "127.0.0.1"}, "Can't connect"),
        ({"username": "nobody-of-this-name"}, "Access denied"),
        ({"username": "{other}", "password": "canary"}, "denied"),
    ],
)
def test_a_wrong_administrator_leaves_nothing_half_done(
    service: Service, change: dict[str, Any], reason: str
) -> None:
    service.as_admin(f"CREATE USER {service.account(service.other)} IDENTIFIED BY 'canary'")
    change = {k: service.other if v == "{other}" else v for k, v in change.items()}
    result = service.flask("create", admin=service.app.set(database=None).set(**change))
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: MySQL: ")
    assert reason in result.stderr
    assert "apt-get" not in result.stderr  # a host in production is nobody's to install on
    assert service.made() == set()


def test_what_belongs_to_somebody_else_is_left_alone(service: Service) -> None:
    account = service.account(service.app.username)
    service.as_admin(f"CREATE USER {account} IDENTIFIED BY 'other'")
    service.as_admin(f"GRANT CREATE USER ON *.* TO {account}")
    query = "SELECT authentication_string FROM mysql.user WHERE user = %s"
    was = service.as_admin(query, service.app.username)
    result = service.flask("create")
    assert result.exit_code == 1
    assert f"the user {service.app.username} administers the server" in result.stderr
    assert service.as_admin(query, service.app.username) == was
    assert service.made() == {service.app.username}


def test_a_user_without_a_password_is_not_made(service: Service) -> None:
    service.app = service.app._replace(password=None)  # set() takes None for no change
    result = service.flask("create")
    assert result.exit_code == 1
    assert f"the user {service.app.username} has no password in its URL" in result.stderr
    assert service.made() == set()


def test_one_user_for_both_is_refused(service: Service) -> None:
    service.migrator = service.app
    result = service.flask("create")
    assert result.exit_code == 1
    assert "MIGRATION_DATABASE_URL names no other role" in result.stderr
    assert service.made() == set()


@asvs("12.3.1")
def test_a_user_of_a_remote_service_must_come_encrypted(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert service.flask("create").exit_code == 0
    query = "SELECT ssl_type FROM mysql.user WHERE user = %s"
    for url in (service.app, service.migrator):
        assert service.as_admin(query, url.username) == [("",)]
    monkeypatch.setattr(provisioning, "is_local", lambda url: False)
    admin = make_url(development().admin_database_url or dialect.admin_url())
    provisioning.create(admin, service.app, service.migrator, development=False)
    for url in (service.app, service.migrator):
        assert service.as_admin(query, url.username) == [("ANY",)]
