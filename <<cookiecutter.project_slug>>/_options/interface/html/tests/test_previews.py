"""The preview of a rich text: the same HTML as later on the page, and nothing is stored."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.browser import Browser, csrf_token, html
from tests.marks import asvs, practice, slow
from tests.resources import EDITED, Resource, rows
from tests.security.attacks import MARKDOWN, XSS, dangers, sample
from tests.security.writing import Writer

pytestmark = practice("sanitization")

each_resource = pytest.mark.parametrize("resource", [it for it in EDITED if it.rich], ids=str)
TEXT = "**bold** & <b>no tag</b>\n\n- an item"
SHOWN = "<p><strong>bold</strong> &amp; &lt;b&gt;no tag&lt;/b&gt;</p><ul><li>an item</li></ul>"


@each_resource
def test_a_preview_shows_the_text_and_stores_nothing(
    app: Flask, alice: Browser, resource: Resource
) -> None:
    writer = Writer(app, alice, resource)
    path = writer.path(writer.create)
    form = html(alice.get(path)).css_first(f"main form[action='{path}']")
    button = form.css_first("button[formaction]")
    address = str(button.attributes["formaction"])
    assert (address.partition("#")[0], button.text()) == ("?preview", "Preview")
    assert "formaction" not in form.css_first("button").attributes, "Enter in a line saves"
    token, texts = csrf_token(alice.get(path)), dict.fromkeys(resource.rich, TEXT)
    sent = writer.fields(writer.create) | texts | {"csrf_token": token}
    answer = alice.post(f"{path}?preview", sent)
    assert answer.status_code == 200
    page = html(answer)
    for name in resource.rich:
        preview = page.css_first(f"#preview-{name}")
        assert "".join(it.html for it in preview.css_first(".rich").iter()) == SHOWN
        assert page.css_first(f"[name={name}]").text().strip() == TEXT
    assert address.partition("#")[2] in [it.attributes["id"] for it in page.css("section[id]")]
    assert rows(app, resource, alice.email) == []
    # The buttons of the page that shows it: saving leaves the preview.
    assert page.css_first(f"main form[action='{path}'] button").text() == "Save"


@each_resource
def test_a_preview_of_an_edit_changes_nothing(
    app: Flask, alice: Browser, resource: Resource
) -> None:
    writer = Writer(app, alice, resource)
    writer.write(writer.create, writer.fields(writer.create))
    before = rows(app, resource, alice.email)
    for route in writer.edits:
        path = writer.path(route)
        sent = writer.edited(route, "Another") | dict.fromkeys(resource.rich, TEXT)
        answer = alice.submit(f"{path}?preview", sent, page=path)
        assert answer.status_code == 200
        assert html(answer).css_first("[name=version]").attributes["value"] == "1"
        assert html(answer).css_first("section .rich strong").text() == "bold"
    assert rows(app, resource, alice.email) == before


@each_resource
def test_refused_text_has_no_preview(app: Flask, alice: Browser, resource: Resource) -> None:
    writer = Writer(app, alice, resource)
    path = writer.path(writer.create)
    sent = writer.fields(writer.create) | dict.fromkeys(resource.rich, "a\0b")
    answer = alice.submit(f"{path}?preview", sent, page=path)
    assert answer.status_code == 422
    assert html(answer).css_first("[aria-invalid=true]")
    assert not html(answer).css_first("section .rich")


@asvs("1.2.1", "1.3.1", "1.3.4")
@each_resource
def test_attacks_in_a_preview_are_harmless(app: Flask, alice: Browser, resource: Resource) -> None:
    writer = Writer(app, alice, resource)
    path = writer.path(writer.create)
    token = csrf_token(alice.get(path))
    known = writer.fields(writer.create) | {"csrf_token": token}
    for attack in sample([*MARKDOWN, *XSS])[:50]:  # the limit is 60
        answer = alice.post(f"{path}?preview", known | dict.fromkeys(resource.rich, attack))
        assert answer.status_code in (200, 422)
        assert dangers(html(answer)) == []


@asvs("2.4.1", "3.5.1")
@each_resource
@slow
def test_a_preview_needs_a_csrf_token_and_is_rate_limited(
    app: Flask, alice: Browser, resource: Resource
) -> None:
    """Parsing is work: 0.1 s for the worst text."""
    writer = Writer(app, alice, resource)
    path = writer.path(writer.create)
    sent = writer.fields(writer.create)
    assert alice.post(f"{path}?preview", sent).status_code == 400
    sent["csrf_token"] = csrf_token(alice.get(path))
    found = {alice.post(f"{path}?preview", sent).status_code for _ in range(62)}
    assert found == {200, 429}


@each_resource
def test_only_a_post_request_shows_a_preview(
    app: Flask, alice: Browser, resource: Resource
) -> None:
    """A link with somebody else's text would be shown as text of this site."""
    path = Writer(app, alice, resource).path(Writer(app, alice, resource).create)
    for name in resource.rich:
        page = html(alice.get(f"{path}?preview&{name}=**x**"))
        assert not page.css_first("section .rich")
        assert page.css_first(f"[name={name}]").text().strip() == ""
