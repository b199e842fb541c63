"""The two roles: the app's reads and writes rows, the migrator's changes tables, and no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, make_url, text
from sqlalchemy.exc import DBAPIError

from app.database import db, dialect, migrating
from tests import roles, sample
from tests.browser import Browser
from tests.database import development, flask_db, migrate
from tests.marks import asvs, practice
from tests.new_service import NewService, new_service
from tests.test_backups import add_migration

pytestmark = practice("database.provisioning")


@pytest.fixture
def service(make_app: Callable[..., Flask]) -> Iterator[NewService]:
    with new_service(make_app) as service:
        yield service


@asvs("13.2.2")
def test_the_role_of_the_app_reads_and_writes_rows_alone(app: Flask, alice: Browser) -> None:
    path = alice.write()
    roles.try_all(app)
    assert alice.get(path).status_code == 200


@asvs("13.2.2")
def test_the_app_works_with_tables_that_a_later_migration_makes(
    own_service: Flask, own_migrations: Path
) -> None:
    app = own_service
    add_migration(own_migrations)
    assert flask_db(app, "upgrade").exit_code == 0
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text("INSERT INTO tags (name) VALUES ('a'), ('b')"))
        connection.execute(text("UPDATE tags SET name = 'c' WHERE name = 'a'"))
        connection.execute(text("DELETE FROM tags WHERE name = 'b'"))
        assert connection.execute(text("SELECT id, name FROM tags")).all() == [(1, "c")]
        with pytest.raises(DBAPIError) as caught:
            connection.execute(text("DROP TABLE tags"))
        roles.assert_denied(caught.value, "DROP TABLE tags")


@asvs("13.2.2")
def test_the_version_of_the_schema_and_the_newest_backup_are_only_read_whatever_was_done(
    own_service: Flask,
) -> None:
    """An attacker in the service could stop every upgrade, or hide that there is no backup."""
    app = own_service
    for command in (["upgrade"], ["create"], ["backup", "saved"], ["restore", "saved"]):
        assert flask_db(app, *command).exit_code == 0
        with app.app_context():
            for statement in (*roles.VERSION_WRITES, *roles.BACKUP_WRITES):
                with db.engine.connect() as connection, pytest.raises(DBAPIError) as caught:
                    connection.exec_driver_sql(statement)
                roles.assert_denied(caught.value, statement)
        ready = Browser(app).get("/readyz")
        assert (ready.status_code, ready.json["database"]) == (200, "ok")


def test_the_commands_connect_as_the_migrator_alone(own_service: Flask) -> None:
    """Where the server asks the operating system who connects, nobody else can be the app's role."""

    def refuse(*_: object) -> None:
        raise AssertionError("connected as the role of the app")

    with own_service.app_context():
        event.listen(db.engine, "connect", refuse)
        db.engine.dispose()  # no connection that is open already
    for command in (["upgrade"], ["backup", "saved"], ["restore", "saved"]):
        result = flask_db(own_service, *command)
        assert result.exit_code == 0, result.output


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
    app = make_app(**own_database)
    with app.app_context(), db.get_engine("migration").connect() as connection:
        migrating.before(connection)
        with monkeypatch.context() as patch:
            patch.setattr(*roles.SHORT_WAIT)
            result = flask_db(make_app(**own_database), "upgrade")
        assert result.exit_code == 1
        assert roles.BUSY in result.stderr
        connection.invalidate()  # ends it on the server, with its lock
    migrate({**environment, **own_database})


# --- flask db create


@asvs("13.2.2")
def test_roles_and_database_are_made_and_making_them_again_is_harmless(service: NewService) -> None:
    result = service.flask("create")
    assert (result.exit_code, result.stdout) == (0, f"Created {service.app.database}.\n")
    assert len(service.made()) == 4
    for url in service.roles:
        roles.assert_made(service.admin, url)
    for _ in range(2):
        result = service.flask("create")
        assert (result.exit_code, result.stdout) == (0, "The database already exists.\n")
    assert service.flask("upgrade").exit_code == 0
    app = service.build()
    sample.create_table(app)
    roles.try_all(app)
    # Another service on the same server gets in nowhere.
    stranger = make_url(development().database_url.reveal()).set(database=service.app.database)
    with pytest.raises(roles.Refused, match=roles.NO_ENTRY):
        roles.connect(stranger)


@pytest.mark.parametrize(("change", "reason"), roles.WRONG_ADMINISTRATORS)
def test_a_wrong_administrator_leaves_nothing_half_done(
    service: NewService, change: dict[str, Any], reason: str
) -> None:
    service.as_admin(roles.CREATE_OTHER)
    change = {name: service.other if it == "{other}" else it for name, it in change.items()}
    result = service.flask("create", admin=service.app.set(**change))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {dialect.NAME}: ")
    assert reason in result.stderr
    assert "apt-get" not in result.stderr  # a host in production is nobody's to install on
    assert service.made() == set()


def test_one_role_for_both_is_refused(service: NewService) -> None:
    service.migrator = service.app
    result = service.flask("create")
    assert result.exit_code == 1
    assert "MIGRATION_DATABASE_URL names no other role" in result.stderr
    assert service.made() == set()
