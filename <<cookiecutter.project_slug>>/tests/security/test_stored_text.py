"""Cross-site scripting and oversized input, through the running service."""

from __future__ import annotations

from typing import Any

import bleach
import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from app.auth.models import Session
from app.database import db
from app.security.rich_text import MAX_RICH_TEXT
from tests.browser import SIGN_IN, WRITE, WRITTEN, Browser
from tests.conftest import has_redis
from tests.marks import asvs, practice, slow
from tests.resources import WRITABLE, Resource, rows
from tests.security import answers, client
from tests.security.attacks import MARKDOWN, XSS, sample, some
from tests.security.entry_points import Attacker, EntryPoint, entry_points
from tests.security.writing import Writer

pytestmark = practice("sanitization")

each_resource = pytest.mark.parametrize("resource", WRITABLE, ids=str)
TOO_LONG = "longer than the field"
PLAIN = [pytest.param(it, name, id=f"{it}-{name}") for it in WRITABLE for name in it.plain]
RICH = [pytest.param(it, name, id=f"{it}-{name}") for it in WRITABLE for name in it.rich]


@asvs("1.1.2", "1.2.1", "1.2.3", "1.3.1")
@each_resource
@slow
def test_stored_attacks_do_nothing(app: Flask, attacker: Attacker, resource: Resource) -> None:
    """Every attack in each field that holds text: shown, listed and changed."""
    writer = Writer(app, attacker.browser, resource)
    assert writer.edits
    expected = [answers.outline(answer) for answer in writer.read()]
    refused, written = 0, 0
    for number, attack in enumerate(sample([*XSS, *MARKDOWN])):
        edits = writer.edits if number % client.EDITED == 0 else []
        for name in (*resource.plain, *resource.rich):
            is_rich = name in resource.rich
            texts = {name: f"kept {attack}" if is_rich else attack}
            if written > 50:  # the limit is 60
                attacker.renew()
                writer.user, written = attacker.browser, 0
            for route in (writer.create, *edits):
                written += 1
                answer = writer.write(route, writer.fields(route) | texts, headers=attacker.proof)
                answers.assert_harmless(answer, resource)
                if answer.status_code == 422:
                    refused += 1
                    break
                assert answer.status_code in (WRITTEN, client.CHANGED_ROW)
                for page, outline in zip(writer.read(), expected, strict=True):
                    answers.assert_harmless(page, resource)
                    # Markdown may bring elements, and after an edit the page says so.
                    is_text = not is_rich or answers.shows_source(page, resource)
                    if is_text and route == writer.create:
                        assert answers.outline(page) == outline
                    answers.assert_text_is_kept(page, resource, {} if is_rich else texts)
        answers.assert_harmless(writer.user.get(writer.list), resource)
    assert refused < 40, refused  # forbidden characters, line breaks in a line, too many tags


@asvs("1.2.1", "1.2.2", "3.2.1", "4.1.1")
@slow
def test_reflected_attacks_do_nothing(app: Flask, attacker: Attacker, browser: Browser) -> None:
    """Attacks through every field, path, query argument and header; each gets a part of them."""
    statuses = set()
    attacks = sample(XSS)
    step = min(40, len(attacks))
    for number, entry in enumerate(some(entry_points(app, attacker.browser, browser))):
        for attack in attacks[number % step :: step]:
            response = attacker.send(entry, attack)
            statuses.add(response.status_code)
            assert response.status_code != 429
            assert response.status_code < 500
            answers.assert_reflects_nothing(response)
    assert {200, WRITTEN, 400, 404, 422} <= statuses


@asvs("1.1.1")
@each_resource
@pytest.mark.parametrize(
    "text",
    [
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "&amp;lt;b&amp;gt; &amp;amp; 1 &lt; 2 &gt; 0",
        "\n\n    indented code\n\n1. one\n   - two\n",
        '"quoted" &nbsp; [x](https://example.org/?a=1&amp;b=2 "a \\" title")\r\nb\\\r\nc',
        "</textarea>&lt;/textarea&gt;**x**",
    ],
)
@slow
def test_a_rich_text_survives_editing(
    app: Flask, alice: Browser, resource: Resource, text: str
) -> None:
    """Text in the form for editing can be saved again, twice, and does not change."""
    writer = Writer(app, alice, resource)
    rich = dict.fromkeys(resource.rich, text)
    assert writer.write(writer.create, writer.fields(writer.create) | rich).status_code == WRITTEN
    (saved,) = rows(app, resource, alice.email)
    for line in ("Edited", "Edited again"):
        for route in writer.edits:
            names = writer.fields(route)
            shown = answers.shown_for_editing(alice, writer.path(route), names)
            edited = shown | dict.fromkeys(resource.plain, line)
            assert writer.write(route, edited).status_code == client.CHANGED_ROW
        (row,) = rows(app, resource, alice.email)
        assert {row[name] for name in resource.plain} <= {line}
        for name in resource.rich:
            assert row[name] == saved[name]
            assert row[f"{name}_html"] == saved[f"{name}_html"]


@each_resource
def test_a_rich_text_is_cleaned_once(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch, resource: Resource
) -> None:
    """Cleaning takes up to 20 ms, and a failure belongs to the form: the column has none left."""
    cleaned: list[str] = []
    clean = bleach.clean

    def count(text: str, *args: object, **kwargs: object) -> str:
        cleaned.append(text)
        return clean(text, *args, **kwargs)

    writer = Writer(app, alice, resource)
    rich = dict.fromkeys(resource.rich, "A clean text")
    send = writer.ready(writer.create, writer.fields(writer.create) | rich)
    monkeypatch.setattr(bleach, "clean", count)
    assert send().status_code == WRITTEN
    assert cleaned == [f"<p>{text}</p>" for text in rich.values()]


@asvs("1.1.1")
@each_resource
def test_input_is_decoded_once(app: Flask, alice: Browser, resource: Resource) -> None:
    writer = Writer(app, alice, resource)
    plain = dict.fromkeys(resource.plain, "%3Cscript%3E &lt;script&gt;")
    rich = dict.fromkeys(resource.rich, "%3Cscript%3E &amp;lt;script&amp;gt;")
    fields = writer.fields(writer.create) | plain | rich
    assert writer.write(writer.create, fields).status_code == WRITTEN
    (row,) = rows(app, resource, alice.email)
    assert {name: row[name] for name in plain | rich} == plain | rich
    for answer in writer.read():
        answers.assert_text_is_kept(answer, resource, plain | rich)
    assert "<script>" not in answers.content(alice.get("/%253Cscript%253E"))


@each_resource
def test_a_row_of_the_greatest_length_is_accepted(
    app: Flask, alice: Browser, resource: Resource
) -> None:
    """Four bytes a character, each sent as up to twelve: the limits on the body must leave room."""
    writer = Writer(app, alice, resource)
    longest = {name: "\N{OWL}" * longest_line(resource, name) for name in resource.plain}
    longest |= dict.fromkeys(resource.rich, "\N{OWL}" * MAX_RICH_TEXT)
    answer = writer.write(writer.create, writer.fields(writer.create) | longest)
    assert answer.status_code == WRITTEN
    (row,) = rows(app, resource, alice.email)
    assert {name: row[name] for name in longest} == longest
    for shown in writer.read():
        answers.assert_text_is_kept(shown, resource, longest)


def longest_line(resource: Resource, name: str) -> int:
    """The characters that a field for a line of text takes."""
    return int(resource.model.__table__.c[name].type.length)


@asvs("2.2.1", "2.2.2", "15.3.5")
@pytest.mark.parametrize(
    "text", ["", "  ", TOO_LONG, "a\0b", "a\nb", "a\u202eb", *client.NO_TEXT], ids=ascii
)
@pytest.mark.parametrize(("resource", "name"), PLAIN)
def test_a_line_of_text_is_checked(
    app: Flask, alice: Browser, resource: Resource, name: str, text: Any
) -> None:
    writer = Writer(app, alice, resource)
    if text == TOO_LONG:
        text = "x" * (longest_line(resource, name) + 1)
    answer = writer.write(writer.create, writer.fields(writer.create) | {name: text})
    answers.assert_refused(answer, name)
    assert rows(app, resource, alice.email) == []
    good = writer.fields(writer.create) | {name: " e\u0301 "}
    assert writer.write(writer.create, good).status_code == WRITTEN
    assert rows(app, resource, alice.email)[0][name] == "\u00e9"


@asvs("2.2.1", "2.2.2", "15.3.5")
@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "\n", "a\0b", "a\u202eb", "a&#x202e;b", *client.NO_TEXT),
        "[a]: https://example.org",  # nothing is shown
        "x" * (MAX_RICH_TEXT + 1),
        "- x\n" * 300,  # too many tags
        "&" * MAX_RICH_TEXT,  # too much HTML
        f"[a]: https://example.org/{'x' * 3000}\n\n" + "[a]" * 1000,
    ],
    ids=lambda text: ascii(text)[:30],
)
@pytest.mark.parametrize(("resource", "name"), RICH)
def test_a_rich_text_is_checked(
    app: Flask, alice: Browser, resource: Resource, name: str, text: Any
) -> None:
    writer = Writer(app, alice, resource)
    answer = writer.write(writer.create, writer.fields(writer.create) | {name: text})
    answers.assert_refused(answer, name)
    assert rows(app, resource, alice.email) == []


@asvs("5.2.1")
@pytest.mark.parametrize(
    ("data", "content_type", "status"), client.BOUNDS.values(), ids=client.BOUNDS
)
@pytest.mark.parametrize("path", [WRITE, SIGN_IN])
def test_bodies_are_bounded(
    alice: Browser,
    environment: dict[str, str],
    capfd: pytest.CaptureFixture[str],
    path: str,
    data: bytes | dict[str, str],
    content_type: str,
    status: int,
) -> None:
    """A body that is small enough gets as far as the check of its token, its type or its syntax."""
    capfd.readouterr()
    assert alice.open("POST", path, data=data, content_type=content_type).status_code == status
    if has_redis(environment):  # otherwise a body like this would set the limits to zero
        assert "sys_rate_limits_degraded" not in capfd.readouterr().err


@slow
def test_no_value_in_any_place_causes_a_server_error(
    app: Flask,
    attacker: Attacker,
    browser: Browser,
    environment: dict[str, str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    places = entry_points(app, attacker.browser, browser)
    capfd.readouterr()

    @settings(
        max_examples=len(some(range(client.EXAMPLES))),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(st.sampled_from(places), client.ANYTHING)
    def send(entry: EntryPoint, value: bytes) -> None:
        response = attacker.send(entry, value)
        assert response.status_code < 500
        assert response.status_code != 429

    send()
    written = capfd.readouterr().err
    assert '"ERROR"' not in written
    if has_redis(environment):
        assert "sys_rate_limits_degraded" not in written  # as if Redis were down


@asvs("1.3.3")
def test_the_name_of_a_device_is_short_and_printable(app: Flask, alice: Browser) -> None:
    """It comes from a header that anybody writes, and goes to a page, the export and the log."""
    sent = "Firefox\t\x1b[2K\x7f\x85\xad" + "x" * 5000
    alice.own_headers = {**alice.own_headers, "User-Agent": sent}
    alice.sign_in(alice.email)
    with app.app_context():
        found = db.session.scalars(select(Session.device).order_by(Session.id.desc())).first()
    assert found is not None
    assert found.startswith("Firefox[2Kx")
    assert (len(found), found.isprintable()) == (200, True)
