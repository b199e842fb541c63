"""The role of the process that sends mail: it sees the outbox, and writes no mail.

What a mail server answers comes from outside. Whoever breaks in through it has this role.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import URL, inspect
from sqlalchemy.exc import DBAPIError

from app.database import db
from app.database.roles import from_settings
from app.mail import delivery
from app.mail.outbox import KEEP_SENT
from tests import roles, sample
from tests.database import OTHER_ROLES, flask_db
from tests.mail_server import MailServer, mail_server
from tests.marks import asvs, practice
from tests.new_service import NewService, new_service
from tests.outbox import pass_time, states, write
from tests.test_backups import add_migration
from tests.test_settings import problems

pytestmark = practice("mail.delivery")

Make = Callable[..., Flask]
EXISTS = "The database already exists.\n"
ALICE, BOB = "alice@example.com", "bob@example.com"


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def service(make_app: Make) -> Iterator[NewService]:
    with new_service(make_app) as service:
        yield service


@pytest.fixture
def sender(
    own_service: Flask, make_app: Make, own_database: dict[str, str], server: MailServer
) -> Flask:
    """The process that sends mail, for the database of ``own_service``."""
    return make_app(**own_database | OTHER_ROLES | {"MAIL_URL": server.url()})


def refuses(sender: Flask, statement: str) -> None:
    with sender.app_context(), db.engine.connect() as connection:
        with pytest.raises(DBAPIError) as caught:
            connection.exec_driver_sql(statement)
        roles.assert_denied(caught.value, statement)


def deliver(sender: Flask) -> None:
    result = sender.test_cli_runner().invoke(args=["mail", "deliver", "--once"])
    assert result.exit_code == 0, result.output


def test_the_mail_role_sends_shows_and_deletes_mails(
    own_service: Flask, sender: Flask, server: MailServer
) -> None:
    server.steps["RCPT"] = lambda said: "450 later" if said == BOB else "250 ok"
    write(own_service, ALICE, BOB)
    deliver(sender)
    assert states(own_service) == ["sent", "waiting"]
    server.steps.clear()
    runner = sender.test_cli_runner()
    assert "waiting: 1, the oldest from" in runner.invoke(args=["mail", "status"]).output
    assert runner.invoke(args=["mail", "retry"]).output == "Mails due now: 1.\n"
    deliver(sender)
    assert [mail.recipient for mail in server.received] == [ALICE, BOB]
    pass_time(own_service, KEEP_SENT)
    with sender.app_context():
        delivery.delete_old()
    assert states(own_service) == []


@asvs("13.2.2")
def test_the_mail_role_has_no_other_rights(
    own_service: Flask, own_migrations: Path, sender: Flask
) -> None:
    write(own_service, ALICE)
    sample.create_table(own_service)
    with own_service.app_context():
        inspector = inspect(db.get_engine("migration"))
        others = set(inspector.get_table_names()) - {"outbox"}
        names = {name: url.username for name, url in from_settings().named.items()}
    assert {"users", "sessions", "alembic_version", "samples"} <= others
    add_migration(own_migrations)  # makes the table "tags"
    for command in (["upgrade"], ["create"], ["backup", "saved"], ["restore", "saved"]):
        assert flask_db(own_service, *command).exit_code == 0
        for name in sorted(others | {"tags"}):
            for statement in roles.OF_TABLES:
                refuses(sender, statement.replace("{name}", name))
        for statement in (*roles.OF_OUTBOX, *roles.OF_SERVER):
            refuses(sender, statement.format(**names))
        assert states(own_service) == ["waiting"]
    deliver(sender)  # and a restore, which makes the table anew, leaves it what it needs
    assert states(own_service) == ["sent"]


@asvs("13.2.2")
def test_the_mail_process_refuses_to_start_with_another_role(
    own_service: Flask, make_app: Make, own_database: dict[str, str], server: MailServer
) -> None:
    """A deployment that gives it DATABASE_URL as well gives it every account."""
    write(own_service, ALICE)
    for other in ({}, {"MAIL_DATABASE_URL": None}, {"MIGRATION_DATABASE_URL": None}):
        app = make_app(**own_database | other | {"MAIL_URL": server.url()})
        result = app.test_cli_runner().invoke(args=["mail", "deliver", "--once"])
        assert result.exit_code == 3
        assert "Refusing to start: flask mail deliver has the role of the web" in result.output
    assert states(own_service) == ["waiting"]


@asvs("13.2.2")
def test_its_role_is_no_other_processs(make_app: Make, environment: dict[str, str]) -> None:
    problem = (
        "MAIL_DATABASE_URL names the role of another process; name one that has no other rights"
    )
    for name in OTHER_ROLES:
        assert problems(make_app, MAIL_DATABASE_URL=environment[name]) == [problem]
    wrong = [it.split()[0] for it in problems(make_app, MAIL_DATABASE_URL="x")]
    assert wrong == ["MAIL_DATABASE_URL"]
    wrong = [it.split()[0] for it in problems(make_app, MAIL_DATABASE_URL="x", **OTHER_ROLES)]
    assert wrong == ["MAIL_DATABASE_URL"]


def delivers_after_create(service: NewService, make_app: Make, server: MailServer) -> None:
    """`flask db create`, which makes the role, and `upgrade`; then a mail that waits is sent."""
    created = service.flask("create").stdout
    assert created == f"{EXISTS}Creating the role of MAIL_DATABASE_URL as ADMIN_DATABASE_URL.\n"
    assert service.flask("create").stdout == EXISTS
    assert service.flask("upgrade").exit_code == 0
    own = service.settings() | OTHER_ROLES | {"MAIL_URL": server.url()}
    sender = make_app(**own)
    deliver(sender)
    for name in ("users", "sessions", "alembic_version"):
        refuses(sender, f"SELECT * FROM {name}")  # noqa: S608 - our own names
    assert set(states(service.build())) == {"sent"}


def test_an_update_makes_the_role_and_loses_no_mail(
    service: NewService, make_app: Make, server: MailServer
) -> None:
    """A service from before it had the role is deployed again, with one more setting."""
    mail, service.mail = service.mail, None
    for command in ("create", "upgrade"):
        assert service.flask(command).exit_code == 0
    write(service.build(), ALICE)
    service.mail = mail
    delivers_after_create(service, make_app, server)
    assert [it.recipient for it in server.received] == [ALICE]


def is_let_in(url: URL) -> bool:
    try:
        roles.connect(url).close()
    except roles.Refused:
        return False
    return True


def test_a_new_password_of_the_role_is_taken(
    service: NewService, make_app: Make, server: MailServer
) -> None:
    for command in ("create", "upgrade"):
        assert service.flask(command).exit_code == 0
    write(service.build(), ALICE)
    assert service.mail is not None
    service.mail = service.mail.set(password="another-canary")
    if is_let_in(service.mail):
        pytest.skip("this server asks for no password")
    delivers_after_create(service, make_app, server)


def test_without_an_administrator_an_update_says_what_is_missing(service: NewService) -> None:
    mail, service.mail = service.mail, None
    for command in ("create", "upgrade"):
        assert service.flask(command).exit_code == 0
    service.mail = mail
    result = service.flask("create", admin=service.app.set(port=1, host="127.0.0.1", query={}))
    assert result.exit_code == 1
    assert "Creating the role of MAIL_DATABASE_URL as ADMIN_DATABASE_URL.\n" in result.stdout
    assert result.stderr.startswith("Error: ")
