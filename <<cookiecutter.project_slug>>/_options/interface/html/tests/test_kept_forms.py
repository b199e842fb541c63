"""Text that was typed survives the end of the session, and is not sent again without a click."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask
from sqlalchemy import func, select
from wtforms.fields.core import UnboundField

from app.auth import revocation
from app.database import db
from app.fields import SecretField
from app.forms import TextForm
from app.security.kept_forms import kept_fields
from tests.browser import SAMPLES, WRITE, Browser, account, csrf_token, html
from tests.sample.models import Sample

BODY = "\na text of more than eighty characters, which somebody took an hour to write\n<b>&amp;"
TYPED = {"title": 'A "title" <script>', "body": BODY}


def type_until_the_session_ends(user: Browser) -> dict[str, str]:
    """What the user's form holds when somebody has ended the session."""
    token = csrf_token(user.get(WRITE))
    with user.app.app_context():
        revocation.revoke_all()
    return {**TYPED, "csrf_token": token}


def fields(page: object) -> dict[str, str]:
    """The form of the page, as a browser sends it."""
    form = html(page).css_first("main form")  # type: ignore[arg-type]
    texts = {str(it.attributes["name"]): it.text() for it in form.css("textarea")}
    hidden = {str(it.attributes["name"]): str(it.attributes["value"]) for it in form.css("input")}
    assert form.attributes["method"] == "post"
    return {**texts, **hidden}


def stored(user: Browser) -> int:
    with user.app.app_context():
        count = select(func.count()).select_from(Sample)
        return int(db.session.scalar(count, execution_options={"unscoped": "a test counts"}) or 0)


def test_text_survives_the_end_of_the_session(alice: Browser) -> None:
    kept = alice.post(WRITE, type_until_the_session_ends(alice))
    assert kept.status_code == 401
    assert fields(kept) == TYPED, "the text, and no token: nobody is signed in"
    assert "action" not in html(kept).css_first("main form").attributes, "to the same address"
    alice.hold_session(account("again@example.com"), None)  # in another tab
    asked = alice.post(WRITE, fields(kept))
    assert asked.status_code == 400
    assert stored(alice) == 0, "nothing is sent again without a click"
    again = fields(asked)
    assert again.pop("csrf_token")
    assert again == TYPED
    assert alice.post(WRITE, fields(asked)).status_code == 302
    assert 'A "title" &lt;script&gt;' in alice.get(SAMPLES).text.replace("&#34;", '"')


def test_a_form_of_another_site_is_not_filled_in(alice: Browser) -> None:
    """Without this, a page of the attacker's would only need a click in ours."""
    for site in ("cross-site", "same-site", "none", None):
        headers = {"Sec-Fetch-Site": site} if site else {}
        alice.own_headers = {
            **{name: it for name, it in Browser.own_headers.items() if name != "Sec-Fetch-Site"},
            **headers,
        }
        refused = alice.post(WRITE, TYPED)
        assert refused.status_code in (400, 403), site
        assert "&lt;script&gt;" not in refused.text, site


def test_no_secret_is_kept(alice: Browser) -> None:
    form = {"current_password": "old secret", "new_password": "new secret", "confirm": "new secret"}
    page = alice.post("/account/password", form)
    assert page.status_code in (400, 401, 404)
    assert "secret" not in page.text


def forms(base: type[TextForm] = TextForm) -> Iterator[type[TextForm]]:
    """Every form of the service."""
    yield base
    for form in base.__subclasses__():
        yield from forms(form)


def test_no_field_for_a_secret_is_kept(app: Flask) -> None:
    """Whatever it is called: a page that shows a code of the second factor again leaks it."""
    secret = {
        name
        for form in forms()
        for name in dir(form)
        if isinstance(field := getattr(form, name), UnboundField)
        and issubclass(field.field_class, SecretField)
    }
    assert {"password"} <= secret
    own = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
    for name in (*secret, "credential"):  # what an authenticator answers is in no field
        sent = {"title": "A text", name: "123 456"}
        with app.test_request_context("/", method="POST", data=sent, headers=own):
            assert kept_fields() == [], name
    with app.test_request_context("/", method="POST", data={"title": "A text"}, headers=own):
        assert kept_fields() == [("title", "A text")]


def test_a_form_without_text_is_not_shown_again(alice: Browser) -> None:
    """A button that deletes, for example."""
    refused = alice.post(WRITE, {"csrf_token": "wrong"})
    assert refused.status_code == 400
    assert not html(refused).css("main form")
