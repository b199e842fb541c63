"""PostgreSQL: how roles and database are made, and what an administrator leaves alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import URL, make_url, select, text
from sqlalchemy.exc import ProgrammingError

from app.auth.models import User
from app.database import db, migrating, provisioning
from tests import sample
from tests.browser import Browser
from tests.database import flask_db, migrate
from tests.marks import asvs, practice
from tests.new_service import NewService, new_service

pytestmark = practice("database.provisioning")


@pytest.fixture
def service(make_app: Callable[..., Flask]) -> Iterator[NewService]:
    with new_service(make_app) as service:
        yield service


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
        assert flask_db(make_app(**own_database), "upgrade").exit_code == 0


def test_a_partly_created_database_is_completed(service: NewService) -> None:
    service.as_admin("CREATE ROLE {app} LOGIN PASSWORD 'x'")
    assert service.flask("create").exit_code == 0
    service.as_admin("DROP DATABASE {database}")
    # As a provider makes it: roles and database, and no rights. It is even migrated.
    service.as_admin("CREATE DATABASE {database} OWNER {migrator} TEMPLATE template0")
    assert service.flask("upgrade").exit_code == 0
    assert service.flask("create").stdout == "The database already exists.\n"
    sample.create_table(service.build())
    app = service.make_app(
        DATABASE_URL=service.app.render_as_string(hide_password=False),
        MIGRATION_DATABASE_URL=None,
    )
    browser = Browser(app).sign_up("alice@example.com")
    assert browser.get(browser.write()).status_code == 200
    refused = pytest.raises(ProgrammingError, match="permission denied to create temporary")
    with app.app_context(), db.engine.connect() as connection, refused:
        connection.execute(text("CREATE TEMPORARY TABLE mine (id INTEGER)"))


def test_names_of_roles_and_databases_are_quoted(
    service: NewService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    service.as_admin("CREATE ROLE {other}")
    # At most 63 bytes, with what ends a name, a DO block, a comment, a connection string, a format.
    service.name(f'{service.number}$$"; DROP ROLE "{service.other}"; --=x \'\\%s{{app}}')
    assert service.flask("create").exit_code == 0
    assert len(service.made()) == 4
    assert service.flask("upgrade").exit_code == 0
    assert service.flask("backup", "saved").exit_code == 0
    assert service.flask("restore", "saved").exit_code == 0
    service.as_admin("ALTER ROLE {other} LOGIN")  # still there


@asvs("16.2.5")
def test_no_password_reaches_the_log_of_the_server(
    service: NewService, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    connected = provisioning.connected

    def logging(url: URL) -> psycopg.Connection[Any]:
        """Have the server log every statement, to us as well."""
        connection = connected(url)
        connection.add_notice_handler(lambda notice: logged.append(str(notice.message_primary)))
        if url.username not in {own.username for own in service.roles}:
            connection.execute("SET log_statement = 'all'; SET client_min_messages = log")
        return connection

    monkeypatch.setattr(provisioning, "connected", logging)
    assert service.flask("create").exit_code == 0
    text = "\n".join(logged)
    assert text.count("ALTER ROLE") == 3
    assert "canary" not in text
    assert "yranac" not in text  # the other password


def test_the_administrator_of_a_managed_server_is_no_superuser(service: NewService) -> None:
    service.as_admin("CREATE ROLE {other} LOGIN CREATEROLE CREATEDB PASSWORD 'canary'")
    admin = service.app.set(username=service.other, password="canary", database="postgres")
    result = service.flask("create", admin=admin)
    assert result.exit_code == 0, result.output
    assert service.flask("upgrade").exit_code == 0
    service.as_admin("DROP DATABASE {database} WITH (FORCE)")
    service.as_admin("DROP OWNED BY {migrator}, {app}, {mail}, {other}")


@asvs("12.3.1")
def test_the_administrator_password_is_not_sent_to_an_unverified_server(
    service: NewService,
) -> None:
    admin = make_url("postgresql+psycopg://postgres:canary@db.example/postgres?sslmode=require")
    result = service.flask("create", admin=admin)
    assert result.exit_code == 1
    assert "ADMIN_DATABASE_URL does not verify the server" in result.stderr


def test_existing_users_of_others_are_not_changed(service: NewService) -> None:
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


def test_a_server_that_is_too_old_is_refused(
    service: NewService, monkeypatch: pytest.MonkeyPatch
) -> None:
    # There, everybody may make tables in the schema public.
    monkeypatch.setattr(provisioning, "OLDEST", 99)
    result = service.flask("create")
    assert result.exit_code == 1
    assert "99 or newer is needed" in result.stderr


def test_an_interrupted_restore_is_reported(own_service: Flask) -> None:
    app = own_service
    Browser(app).sign_up("alice@example.com")
    assert flask_db(app, "backup", "saved").exit_code == 0
    with app.app_context(), db.get_engine("migration").begin() as connection:
        connection.execute(text("CREATE SCHEMA before_restore"))
    result = flask_db(app, "restore", "saved")
    assert result.exit_code == 1
    assert "the previous data is in the schema before_restore" in result.stderr
    with app.app_context():
        assert db.session.scalars(select(User.email)).all() == ["alice@example.com"]
