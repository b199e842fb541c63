"""A user takes the own data along: all of it, no secret, nothing of others, in bounded memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, g
from sqlalchemy import inspect, select
from sqlalchemy.orm import Mapper, mapped_column

# <% if cookiecutter.auth == "oidc" %>
from app.auth import export
# <% else %>
from app.auth import export, link_issuance
from app.auth.links import Link
# <% endif %>
from app.auth.models import Session, User
from app.database import db
# <% if cookiecutter.auth != "oidc" %>
from app.mail import outbox
from app.mail.models import Mail
# <% endif %>
from app.secret import Secret
from app.security.rich_text import RichText
from tests.browser import CHALLENGED, PAGES, SAMPLES, Browser
from tests.decisions import DOCUMENT, classes
# <% if cookiecutter.auth != "oidc" %>
from tests.factors import user_of
# <% endif %>
from tests.marks import asvs, practice, slow
from tests.own_data_actions import download
from tests.resources import RESOURCES, add
from tests.sample.models import Sample

pytestmark = practice("auth.export")


def mappers() -> list[Mapper[Any]]:
    """The models that are about a user."""
    # <% if cookiecutter.auth == "oidc" %>
    return [inspect(User), *export.owned()]
    # <% else %>
    return [inspect(User), inspect(Mail), *export.owned()]
    # <% endif %>


@asvs("14.2.4")
def test_every_column_is_exported_as_its_class_says() -> None:
    """One that nobody has judged might be a secret, or be missing in the export."""
    for mapper in mappers():
        table, shown = str(mapper.local_table), {*export.shown(mapper)}
        columns = {it.key: it.columns[0] for it in mapper.column_attrs}
        explicit = {name for name, it in columns.items() if "not_exported" in it.info}
        left_out = explicit | classes(table)["Secret"] | classes(table)["Internal"]
        unknown = columns.keys() - shown - left_out
        assert not unknown, (
            f"{table}: {', '.join(sorted(unknown))} is not exported, and nobody says why. Name it in"
            f" SHOWN of app/auth/export.py, or as Secret or Internal in {DOCUMENT}; in a feature,"
            " call it something that does not look secret, or write info={'not_exported': 'why'} at"
            " its column."
        )
        assert not shown & left_out, table


@asvs("15.3.1")
@pytest.mark.parametrize(
    "name", "api_key token_hash recovery_codes totp_seed PASSWORD nonce pin salts sid".split()
)
def test_columns_with_secret_names_are_never_exported(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert export.SECRET.search(name)
    monkeypatch.setitem(export.SHOWN, "users", ("email", "password_hash"))
    assert export.shown(inspect(User)) == ["email"]


@asvs("15.3.1")
def test_a_secret_column_with_another_attribute_name_is_not_exported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    column = inspect(Sample).column_attrs["title"].columns[0]
    monkeypatch.setattr(column, "name", "api_key")
    assert "title" not in export.shown(inspect(Sample))


@pytest.mark.parametrize("name", "title postal_code shipping keyword opinion due_at".split())
def test_what_users_write_is_exported(name: str) -> None:
    assert not export.SECRET.search(name)


def test_a_column_can_be_marked_as_not_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    column = inspect(Sample).column_attrs["title"].columns[0]
    assert "title" in export.shown(inspect(Sample))
    monkeypatch.setitem(column.info, "not_exported", "a test")
    assert "title" not in export.shown(inspect(Sample))
    assert mapped_column(info={"not_exported": "why"}).column.info


@asvs("3.2.1", "8.2.2", "15.3.1")
def test_everything_of_the_user_is_in_it_and_nothing_of_others(
    app: Flask, alice: Browser, bob: Browser
) -> None:
    for user in (alice, bob):
        for resource in RESOURCES:
            add(app, resource, user.email, f"of {user.email}")
        user.write(f"title of {user.email}", f"text of {user.email}")
    answer = download(alice)
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="account-data.json"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert bob.email not in answer.text

    found = answer.json
    tables = {str(it.local_table) for it in mappers()} - {"users"}
    assert found.keys() == {"service", "exported_at", "account", *tables}
    assert found["account"]["email"] == alice.email
    assert found["account"].keys() == {*export.shown(inspect(User))}
    assert f"title of {alice.email}" in [row["title"] for row in found["samples"]]
    assert f"text of {alice.email}" in answer.text
    with app.app_context():
        user = db.session.scalars(select(User).where(User.email == Secret(alice.email))).one()
        for mapper in export.owned():
            (owner,) = export.owners(mapper)
            of_user = getattr(mapper.class_, owner) == user.id
            rows = db.session.scalars(select(mapper.class_).where(of_user)).all()
            assert len(found[str(mapper.local_table)]) == len(rows), mapper
    assert len(found["sessions"]) == 2


# <% if cookiecutter.auth != "oidc" %>
@asvs("8.2.2")
def test_the_mails_of_others_are_not_in_it(app: Flask, alice: Browser, bob: Browser) -> None:
    """A mail has no owner, only an address."""
    with app.app_context():
        for user in (alice, bob):
            outbox.add("deleted", Secret(user.email), {"by_operator": True})
        db.session.commit()
    found = download(alice).json["outbox"]
    assert [row["recipient"] for row in found] == [alice.email]
    assert found[0].keys() == {"kind", "recipient", "state", "created_at", "due_at"}


@asvs("8.2.2")
def test_links_to_the_address_are_in_it_though_they_name_no_account(
    app: Flask, alice: Browser, bob: Browser
) -> None:
    """Somebody has asked for a new password, or has tried to open an account."""
    with app.app_context():
        for email in (alice.email, bob.email, "carol@example.com"):
            link_issuance.issue("reset", Secret(email))
            link_issuance.issue_at_once("invite", Secret(email))
        link_issuance.issue("email", Secret(alice.email), user_of(bob.email))  # it is bob's
        link_issuance.issue("email", Secret("new@example.com"), user_of(alice.email))
        db.session.commit()
        columns = (Link.name_hash, Link.token_hash)
        hashes = {it for column in columns for it in db.session.scalars(select(column))}
    answer = download(alice)
    found = sorted((row["purpose"], row["email"]) for row in answer.json["links"])
    own = [("invite", alice.email), ("reset", alice.email)]
    assert found == [("email", "new@example.com"), *own]
    assert len(hashes) == 2 * 8
    assert not [it for it in hashes if it in answer.text]


# <% endif %>
@asvs("15.3.1")
def test_no_secret_is_in_it(app: Flask, alice: Browser) -> None:
    """Not even as a value in a column with a harmless name."""
    text = download(alice).text
    with app.app_context():
        user = db.session.scalars(select(User)).one()
        session = db.session.scalars(select(Session)).one()
        secrets = [user.password_hash, session.token_hash, session.public_id, alice.credential()]
    for secret in filter(None, secrets):
        assert secret not in text
    assert "argon2" not in text


@asvs("1.2.3")
def test_strange_texts_come_back_as_they_are(alice: Browser) -> None:
    """A text that ended its string would add fields of the attacker's to somebody's data."""
    title = '", "id": 1, "\\ </script> ${x} é 😀'
    alice.write(title)
    assert download(alice).json["samples"][0]["title"] == title


@asvs("2.4.1")
def test_downloads_are_limited(alice: Browser) -> None:
    assert [download(alice).status_code for _ in range(11)] == [200] * 10 + [429]


@asvs("8.2.1")
def test_a_stranger_gets_nothing(browser: Browser) -> None:
    path = "/account/export" if PAGES else "/api/v1/me/export"
    answer = browser.open("POST" if PAGES else "GET", path)
    assert answer.status_code in (400, 401, CHALLENGED)
    assert "exported_at" not in answer.text


@slow
@asvs("15.2.2")
def test_the_export_uses_little_memory_and_no_idle_connection(app: Flask, alice: Browser) -> None:
    """The largest account, and a client that reads slowly."""
    with app.app_context():
        user = db.session.scalars(select(User)).one()
        for number in range(300):
            db.session.add(Sample(owner_id=user.id, title=f"{number}", body=RichText("x" * 10_000)))
            db.session.commit()  # a text is cleaned for so long that the database would not wait
    with app.test_request_context(SAMPLES):
        g.user = db.session.scalars(select(User)).one()
        size = 0
        tracemalloc.start()
        try:
            for part in export.parts(g.user):
                size += len(part)
                if part.startswith((",\n{", "\n{", "{")):  # a row, or the account
                    assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert size > 3_000_000
    assert peak < 2_000_000


def test_the_action_is_logged(
    app: Flask, alice: Browser, log: Callable[[], list[dict[str, Any]]]
) -> None:
    log()
    download(alice)
    lines = log()
    assert "user_exported" in {line.get("event") for line in lines}
    assert alice.email not in str(lines)
