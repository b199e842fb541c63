"""Cross-site scripting and oversized input, through the running service and its pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask_wtf import FlaskForm
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.fields import TextForm
from app.security.sanitization import MAX_RICH_TEXT
from tests.browser import SIGN_IN, Browser, html
from tests.conftest import has_redis
from tests.marks import asvs, practice
from tests.security.attacks import XSS, dangers, sample, skeleton, some
from tests.security.entrances import Attacker, entrances

pytestmark = practice("sanitization")

HARMLESS = "A harmless text"


@asvs("1.1.2", "1.2.1", "1.3.1")
def test_stored_attacks_do_nothing(attacker: Attacker) -> None:
    """Every attack, as the title and as the body of a note: shown, listed and edited."""
    path = attacker.browser.write_note(HARMLESS, HARMLESS)
    expected = {page: skeleton(html(attacker.browser.get(path + page))) for page in ("", "/edit")}
    refused = 0
    for number, attack in enumerate(sample(XSS)):
        if number % 15 == 14:
            attacker.renew()
        user = attacker.browser
        body = f"kept {attack}"
        for form in ({"title": attack, "body": HARMLESS}, {"title": HARMLESS, "body": body}):
            response = user.post("/notes/new", form | {"csrf_token": attacker.token})
            assert response.status_code in (302, 422)
            if response.status_code == 422:
                refused += 1
                assert dangers(html(response)) == []
                continue
            for page in ("", "/edit"):
                shown = html(user.get(response.headers["Location"] + page))
                assert dangers(shown) == []
                if page or form["title"] == attack:  # a body may bring allowed elements
                    assert skeleton(shown) == expected[page]
        assert dangers(html(user.get("/notes/"))) == []
    assert refused < 20  # forbidden characters and too many tags


@asvs("1.2.1", "1.2.2")
def test_reflected_attacks_do_nothing(app: Flask, attacker: Attacker, browser: Browser) -> None:
    """Attacks through every field, path, query argument and header; each entrance gets a spread."""
    statuses = set()
    attacks = sample(XSS)
    step = min(27, len(attacks))
    for number, entrance in enumerate(entrances(app, attacker.browser, browser)):
        for attack in attacks[number % step :: step]:
            response = attacker.send(entrance, attack)
            statuses.add(response.status_code)
            assert response.status_code != 429
            assert response.status_code < 500
            if response.mimetype == "text/html":
                assert dangers(html(response)) == [], (str(entrance), attack)
            for name, value in response.headers:
                assert "alert(1)" not in value or name == "Location", (str(entrance), attack)
                assert not value.lower().startswith(("javascript:", "//", "https://evil"))
    assert {200, 302, 400, 404, 422} <= statuses


@asvs("1.2.1")
def test_a_reflected_text_changes_no_element(app: Flask, attacker: Attacker) -> None:
    """The sign-in page shows the address again that was typed."""
    sign_in = {"email": HARMLESS, "password": "x"}
    expected = skeleton(html(Browser(app).submit(SIGN_IN, sign_in)))
    for number, attack in enumerate(attack for attack in sample(XSS) if len(attack) < 255):
        visitor = Browser(app, f"192.0.2.{number}")
        response = visitor.submit(SIGN_IN, sign_in | {"email": attack})
        assert response.status_code == 401
        assert skeleton(html(response)) == expected


@asvs("1.1.1")
@pytest.mark.parametrize(
    "body",
    [
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "&amp;lt;b&amp;gt; &amp;amp; 1 &lt; 2 &gt; 0",
        "<pre>\n\n  indented\n</pre>",
        '<p>"quoted" &nbsp; <a href="https://example.org/?a=1&amp;b=2">x</a></p>',
        "</textarea>&lt;/textarea&gt;<b>x</b>",
    ],
)
def test_a_note_survives_editing(alice: Browser, body: str) -> None:
    """What the edit form shows can be saved again, twice, and the note stays what it is."""
    path = alice.write_note("A title", body)
    saved = rich(alice, path)
    for title in ("Edited", "Edited again"):
        page = html(alice.get(f"{path}/edit"))
        version = str(page.css_first("input[name=version]").attributes["value"])
        form = {"title": title, "body": page.css_first("textarea").text(), "version": version}
        assert alice.submit(f"{path}/edit", form).status_code == 302
        assert rich(alice, path) == saved


def rich(user: Browser, path: str) -> str:
    return html(user.get(path)).css_first(".rich").html or ""


@asvs("1.1.1")
def test_input_is_decoded_once(alice: Browser) -> None:
    path = alice.write_note("%3Cscript%3E &lt;script&gt;", "%3Cscript%3E &amp;lt;script&amp;gt;")
    page = html(alice.get(path))
    assert page.css_first("h1").text() == "%3Cscript%3E &lt;script&gt;"
    assert page.css_first(".rich").text() == "%3Cscript%3E &lt;script&gt;"
    response = alice.get("/%253Cscript%253E")
    assert "<script>" not in response.text.split("<main")[1]


def test_a_note_of_the_greatest_length_is_accepted(alice: Browser) -> None:
    """Four bytes a character, each sent as three: the limits on the body must leave room."""
    title, body = "\N{OWL}" * 120, "\N{OWL}" * MAX_RICH_TEXT
    assert body in alice.get(alice.write_note(title, body)).text


@asvs("2.2.1", "2.2.2")
@pytest.mark.parametrize("title", ["", "  ", "x" * 121, "a\0b", "a\nb", "a\u202eb"], ids=ascii)
def test_a_title_is_checked_at_the_door(alice: Browser, title: str) -> None:
    response = alice.submit("/notes/new", {"title": title, "body": "A body"})
    assert response.status_code == 422
    assert alice.get("/notes/").text.count("card-title") == 0
    path = alice.write_note(" e\u0301 ", "A body")
    assert html(alice.get(path)).css_first("h1").text() == "\u00e9"


@asvs("2.2.1", "2.2.2")
@pytest.mark.parametrize(
    "body", ["", " ", "<script>alert(1)</script>", "<b>" * 300, "a\0b"], ids=ascii
)
def test_a_body_is_checked_at_the_door(alice: Browser, body: str) -> None:
    assert alice.submit("/notes/new", {"title": "A title", "body": body}).status_code == 422


def test_every_form_takes_text_alone(app: Flask) -> None:
    """What else comes in their place is in ``test_bodies.py``."""
    found = [form for form in subclasses(FlaskForm) if form.__module__.startswith("app.")]
    assert len(found) >= 4
    assert [form for form in found if not issubclass(form, TextForm)] == []


def subclasses(parent: type) -> Iterator[type]:
    for child in parent.__subclasses__():
        yield child
        yield from subclasses(child)


MULTIPART = "multipart/form-data"
BODY, FIELD, PARTS = 256 * 1024, 64 * 1024, 50


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"x" * BODY, "text/plain", 400),
        (b"x" * (BODY + 1), "text/plain", 413),
        (b"x=" + b"x" * BODY, "application/x-www-form-urlencoded", 413),
        ({"x": "x" * FIELD}, MULTIPART, 400),
        ({"x": "x" * (FIELD + 1)}, MULTIPART, 413),
        ({f"x{i}": "x" for i in range(PARTS)}, MULTIPART, 400),
        ({f"x{i}": "x" for i in range(PARTS + 1)}, MULTIPART, 413),
    ],
    ids=["256 KiB", "256 KiB and 1", "form", "64 KiB field", "and 1", "50 parts", "51 parts"],
)
@pytest.mark.parametrize("path", ["/notes/new", "/auth/login"])
def test_bodies_are_bounded(
    alice: Browser,
    capfd: pytest.CaptureFixture[str],
    path: str,
    data: bytes | dict[str, str],
    content_type: str,
    status: int,
) -> None:
    """A body that is small enough gets as far as the CSRF check, which answers 400."""
    capfd.readouterr()
    assert alice.post(path, data, content_type=content_type).status_code == status
    if status == 413:  # and the limits do not start again from zero
        assert "falling back" not in capfd.readouterr().err


def test_no_text_in_any_field_is_an_error_of_the_service(
    app: Flask,
    attacker: Attacker,
    browser: Browser,
    environment: dict[str, str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    places = entrances(app, attacker.browser, browser)
    capfd.readouterr()
    anything = st.text().map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary()

    @settings(
        max_examples=len(some(range(100))),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(st.sampled_from(places), anything)
    def send(entrance: object, value: bytes) -> None:
        response = attacker.send(entrance, value)  # type: ignore[arg-type]
        assert response.status_code < 500
        assert response.status_code != 429

    send()
    written = capfd.readouterr().err
    assert '"ERROR"' not in written
    if has_redis(environment):
        assert "falling back" not in written  # an error in the limits passes for a dead Redis
