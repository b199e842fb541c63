"""Cross-site scripting and oversized input, through the running service."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from app.security.sanitization import MAX_RICH_TEXT
from tests.browser import API, NOTES, SIGN_IN, Browser
from tests.conftest import has_redis
from tests.marks import asvs, practice
from tests.security.attacks import XSS, dangers, sample, some
from tests.security.entrances import Attacker, entrances

pytestmark = practice("sanitization")

HARMLESS = "A harmless text"


def in_page(fragment: str) -> LexborHTMLParser:
    """The body of a note where a client shows it: inside of a page."""
    return LexborHTMLParser(f"<!doctype html><html><body><article>{fragment}</article></body>")


@asvs("1.3.1")
def test_stored_attacks_do_nothing(attacker: Attacker) -> None:
    """Every attack, as the title and as the body of a note: read, listed and changed."""
    refused = 0
    for number, attack in enumerate(sample(XSS)):
        if number % 12 == 11:
            attacker.renew()
        user = attacker.browser
        for note in (
            {"title": attack, "body": HARMLESS},
            {"title": HARMLESS, "body": f"kept {attack}"},
        ):
            response = user.post(NOTES, note)
            assert response.status_code in (201, 422)
            if response.status_code == 422:
                refused += 1
                assert "alert(1)" not in response.text
                continue
            path = response.headers["Location"]
            changed = user.send("PUT", path, note | {"version": 1})
            assert changed.status_code == 200
            for shown in (response.json, user.get(path).json, changed.json):
                assert dangers(in_page(shown["body"])) == []
                if note["title"] == attack:  # plain text stays what it is: JSON has no markup
                    assert shown["title"].split() == attack.replace("\u00a0", " ").split()
        for listed in user.get(NOTES).json["notes"]:
            assert dangers(in_page(listed["body"])) == []
    assert refused < 30  # forbidden characters, line breaks in a title and too many tags


@asvs("3.2.1", "4.1.1")
def test_no_answer_is_taken_for_a_page(app: Flask, attacker: Attacker, browser: Browser) -> None:
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
            if response.data:
                assert response.mimetype in (
                    "application/json",
                    "application/problem+json",
                    "text/plain",  # security.txt
                ), str(entrance)
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert "sandbox" in response.headers["Content-Security-Policy"]
            for name, value in response.headers:
                assert "alert(1)" not in value, (str(entrance), name)
    assert {200, 201, 400, 401, 404, 422} <= statuses


@asvs("1.1.1")
@pytest.mark.parametrize(
    "body",
    [
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "&amp;lt;b&amp;gt; &amp;amp; 1 &lt; 2 &gt; 0",
        "<pre>\n\n  indented\n</pre>",
        '<p>"quoted" &nbsp; <a href="https://example.org/?a=1&amp;b=2">x</a></p>',
    ],
)
def test_a_note_survives_editing(alice: Browser, body: str) -> None:
    """What is read can be written again, twice, and the note stays what it is."""
    path = alice.write_note("A title", body)
    saved = alice.get(path).json["body"]
    for version in (1, 2):
        edited = {"title": f"Edited {version}", "body": saved, "version": version}
        assert alice.send("PUT", path, edited).json["body"] == saved


@asvs("1.1.1")
def test_input_is_decoded_once(alice: Browser) -> None:
    path = alice.write_note("%3Cscript%3E &lt;script&gt;", "%3Cscript%3E &amp;lt;script&amp;gt;")
    note = alice.get(path).json
    assert note["title"] == "%3Cscript%3E &lt;script&gt;"
    assert note["body"] == "%3Cscript%3E &amp;lt;script&amp;gt;"


def test_a_note_of_the_greatest_length_is_accepted(alice: Browser) -> None:
    """Four bytes a character, each sent as twelve: the limits on the body must leave room."""
    title, body = "\N{OWL}" * 120, "\N{OWL}" * MAX_RICH_TEXT
    assert alice.get(alice.write_note(title, body)).json["body"] == body


@asvs("2.2.1", "2.2.2", "15.3.5")
@pytest.mark.parametrize(
    "title", ["", "  ", "x" * 121, "a\0b", "a\nb", "a\u202eb", None, 1, ["a"]], ids=ascii
)
def test_a_title_is_checked_at_the_door(alice: Browser, title: Any) -> None:
    response = alice.post(NOTES, {"title": title, "body": "A body"})
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json["errors"]] == ["#/title"]
    assert alice.get(NOTES).json == {"notes": [], "next": None}
    assert alice.get(alice.write_note(" e\u0301 ")).json["title"] == "\u00e9"


@asvs("2.2.1", "2.2.2", "15.3.5")
@pytest.mark.parametrize(
    "body", ["", " ", "<script>alert(1)</script>", "<b>" * 300, "a\0b", None, {}], ids=ascii
)
def test_a_body_is_checked_at_the_door(alice: Browser, body: Any) -> None:
    response = alice.post(NOTES, {"title": "A title", "body": body})
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json["errors"]] == ["#/body"]


BODY = 256 * 1024


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"x" * BODY, "application/json", 400),
        (b"x" * (BODY + 1), "application/json", 413),
        (b"x" * BODY, "text/plain", 415),
        (b"x" * (BODY + 1), "text/plain", 413),
        ({f"x{i}": "x" for i in range(51)}, "multipart/form-data", 413),
    ],
    ids=["256 KiB", "256 KiB and 1", "text", "text and 1", "51 parts"],
)
@pytest.mark.parametrize("path", [NOTES, SIGN_IN])
def test_bodies_are_bounded(
    alice: Browser,
    capfd: pytest.CaptureFixture[str],
    path: str,
    data: Any,
    content_type: str,
    status: int,
) -> None:
    capfd.readouterr()
    assert alice.open("POST", path, data=data, content_type=content_type).status_code == status
    assert "falling back" not in capfd.readouterr().err  # the limits do not start again from zero


@pytest.mark.parametrize("path", [NOTES, SIGN_IN, f"{API}/auth/refresh"])
def test_a_body_without_a_length_is_bounded(
    alice: Browser, capfd: pytest.CaptureFixture[str], path: str
) -> None:
    """In chunks, so that only reading it shows how long it is: it is cut off, and is no JSON then."""
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    content = BytesIO(b'{"email":"' + b"x" * BODY * 3 + b'"}')
    capfd.readouterr()
    response = alice.client.open(
        path,
        method="POST",
        base_url="https://service.test",
        headers=alice.headers("POST"),
        input_stream=content,
        content_type="application/json",
        environ_overrides={"REMOTE_ADDR": "", **chunked},
    )
    assert response.status_code in (400, 413)
    assert content.tell() <= BODY + 65536
    assert "falling back" not in capfd.readouterr().err


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_no_value_in_any_place_is_an_error_of_the_service(
    app: Flask,
    attacker: Attacker,
    browser: Browser,
    environment: dict[str, str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    places = entrances(app, attacker.browser, browser)
    capfd.readouterr()
    anything = ANY_JSON.map(lambda value: json.dumps(value).encode()) | st.binary()

    @settings(
        max_examples=len(some(range(200))),
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


def test_brackets_in_brackets_are_no_error_of_the_service(alice: Browser) -> None:
    for content in (b"[" * 100_000, b'{"email":' * 20_000, b'{"a":' * 5 + b"1e999999" + b"}" * 5):
        for path in (SIGN_IN, NOTES, f"{API}/auth/refresh"):
            response = alice.open("POST", path, data=content, content_type="application/json")
            assert response.status_code in (400, 422)
