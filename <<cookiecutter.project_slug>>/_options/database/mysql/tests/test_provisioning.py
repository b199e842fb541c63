"""MySQL and MariaDB: how users and database are made, and what an administrator leaves alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pymysql
import pytest
from flask import Flask
from sqlalchemy import text

from app.database import db, migrating, provisioning
from tests import roles
from tests.marks import asvs, practice
from tests.new_service import NewService, administrator, new_service

pytestmark = practice("database.provisioning")


@pytest.fixture
def service(make_app: Callable[..., Flask]) -> Iterator[NewService]:
    with new_service(make_app) as service:
        yield service


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


@asvs("13.2.2")
def test_names_are_quoted_and_wildcards_in_them_are_escaped(
    service: NewService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
        assert len(service.made()) == 4
        for command in (["upgrade"], ["backup", "saved"], ["restore", "saved"]):
            result = service.flask(*command)
            assert result.exit_code == 0, result.output
        for url in service.roles:
            with closing(roles.connect(url)) as connection:
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
    service: NewService, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    query = pymysql.connections.Connection.query

    def spy(connection: pymysql.Connection, statement: str | bytes, *more: object) -> int:
        sent.append(statement if isinstance(statement, str) else statement.decode())
        return query(connection, statement, *more)

    monkeypatch.setattr(pymysql.connections.Connection, "query", spy)
    assert service.flask("create").exit_code == 0
    statements = [text for text in sent if "IDENTIFIED BY" in text]
    assert len(statements) == 6
    if "MariaDB" in service.admin.get_server_info():  # MySQL itself blanks them in its logs
        for statement in statements:
            assert "canary" not in statement
            assert "yranac" not in statement  # the other password


def test_existing_users_of_others_are_not_changed(service: NewService) -> None:
    service.as_admin("CREATE USER {app} IDENTIFIED BY 'other'")
    service.as_admin("GRANT CREATE USER ON *.* TO {app}")
    query = "SELECT authentication_string FROM mysql.user WHERE user = %s"
    was = service.as_admin(query, service.app.username)
    result = service.flask("create")
    assert result.exit_code == 1
    assert f"the user {service.app.username} administers the server" in result.stderr
    assert service.as_admin(query, service.app.username) == was
    assert service.made() == {service.app.username}


def test_a_user_without_a_password_is_not_created(service: NewService) -> None:
    service.app = service.app._replace(password=None)  # set() takes None for no change
    result = service.flask("create")
    assert result.exit_code == 1
    assert f"the user {service.app.username} has no password in its URL" in result.stderr
    assert service.made() == set()


@asvs("12.3.1")
def test_a_user_of_a_remote_service_must_use_tls(
    service: NewService, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert service.flask("create").exit_code == 0
    query = "SELECT ssl_type FROM mysql.user WHERE user = %s"
    for url in service.roles:
        assert service.as_admin(query, url.username) == [("",)]
    monkeypatch.setattr(provisioning, "is_local", lambda url: False)
    provisioning.create(administrator(), service.roles, development=False)
    for url in service.roles:
        assert service.as_admin(query, url.username) == [("ANY",)]
