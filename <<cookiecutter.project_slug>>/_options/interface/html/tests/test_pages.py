"""The use of the service, page by page."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from app.auth.models import User
from app.database import db
from tests.accounts import start_session
from tests.browser import (
    PROFILE,
    SAMPLES,
    SIGNED_OUT,
    WRITE,
    WRONG_FORMS,
    Browser,
    after_sign_in,
    html,
)
from tests.marks import slow


def test_from_sign_up_to_sign_out(browser: Browser) -> None:
    assert browser.get("/").status_code == 200
    browser.sign_up("carol@example.com")
    path = browser.write("Shopping", "**Bread** & butter")
    page = html(browser.get(path))
    assert page.css_first("h1").text() == "Shopping"
    assert page.css_first("main strong").text() == "Bread"
    edited = browser.submit(f"{path}/edit", {"title": "List", "body": "Milk", "version": "1"})
    assert edited.headers["Location"] == path
    assert "List" in browser.get(SAMPLES).text
    assert browser.submit(f"{path}/delete", {}, page=path).headers["Location"] == SAMPLES
    assert browser.get(path).status_code == 404
    assert browser.sign_out().headers["Location"] == SIGNED_OUT
    assert not browser.is_signed_in()
    assert browser.sign_in("carol@example.com").headers["Location"] == after_sign_in(browser.app)


def test_an_empty_list_invites_to_the_first_entry(alice: Browser) -> None:
    empty = html(alice.get(SAMPLES)).css_first(".empty a")
    assert empty.attributes["href"] == WRITE
    alice.write("Shopping", "milk")
    assert not html(alice.get(SAMPLES)).css(".empty")


def test_delete_pages_name_what_they_delete(app: Flask, alice: Browser) -> None:
    path = alice.write("Shopping", "milk")
    assert "Shopping" in html(alice.get(path)).css_first(".confirm form").text()
    assert alice.email in html(alice.get("/account/delete")).css_first("main").text()
    with app.app_context():
        start_session(db.session.scalars(select(User)).one(), "203.0.113.9")
        db.session.commit()
    others = html(alice.get(PROFILE)).css_first('form[action$="revoke-others"]')
    assert "This ends 1 other session." in others.text()
    assert html(alice.get(PROFILE)).text().count("To save a form there, sign in again first.") == 2


@pytest.mark.parametrize("wrong", [{"title": " "}, {"body": " "}])
@slow
def test_a_refused_form_keeps_what_was_typed_and_no_password(
    alice: Browser, wrong: dict[str, str]
) -> None:
    passwords = ("password", "current_password", "new_password", "confirm")
    texts = {"email": "nobody@nowhere", "title": "a title to keep", "body": "a text to keep"}
    kept = {name: text for name, text in texts.items() if name not in wrong}
    typed = {**kept, **dict.fromkeys(passwords, "a typed secret"), **wrong}
    seen = set()
    for path, status in WRONG_FORMS.items():
        answer = alice.submit(path, typed)
        assert answer.status_code == status, path
        assert "a typed secret" not in answer.text, path
        for field in html(answer).css("main form [name]"):
            name = str(field.attributes["name"])
            if name in kept:
                shown = field.attributes.get("value") or field.text()
                assert str(shown).strip() == kept[name], path
                seen.add(name)
    assert seen >= kept.keys() - {"email"}
