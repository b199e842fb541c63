"""Pages and scripts: what they must not do in a browser, and what each page has.

A script that makes HTML of a text, or listens to other windows, gives back what the server took
away. A password field that refuses a paste keeps password managers out.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import select

from app.database import db
from tests.browser import WRITE, Browser, html
from tests.marks import asvs, practice
from tests.resources import add_all
from tests.routes import own_path, routes
from tests.sample.models import Sample
from tests.security.client import encode, proof, query_of_code
from tests.security.entry_points import Attacker
from tests.test_redirects import follow

pytestmark = practice("headers")

SCRIPTS = sorted(Path("app/static").rglob("*.js"))
FORBIDDEN = {
    "text becomes HTML or code": (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|\bFunction\(|\.srcdoc"
        r"|createContextualFragment|setHTMLUnsafe|DOMParser"
        r"|\bset(Timeout|Interval)\((?!\s*(\(|async\b|function\b|\w+\s*=>))"  # a text is run
    ),
    "messages of other windows": r"postMessage|onmessage|[\"']message[\"']|MessageChannel",
    "prototypes": (
        r"__proto__|\bprototype\b|Object\.assign|setPrototypeOf|Reflect\.(set|define)"
        r"|[\w)\]]\[[^\]]*\]\s*(\?\?|&&|\|\|)?=[^=]"
    ),
    "storage of the browser": r"localStorage|sessionStorage|indexedDB|document\.cookie|\bcaches\b",
    "pasting": r"[\"'](before)?paste[\"']|onpaste",
    "plug-ins": r"ActiveXObject|navigator\.(plugins|mimeTypes)|[\"'](applet|embed|object)[\"']",
}
OBSOLETE = r"<(applet|embed|object|frame|frameset|keygen)\b"
OWN_NAVIGATION = {"base.html", "error.html"}
PASSWORDS = {"password", "current_password", "new_password", "confirm"}


@asvs("1.3.2", "3.2.2", "3.5.5", "3.7.1", "14.3.3", "15.3.6")
@pytest.mark.parametrize("path", SCRIPTS, ids=str)
def test_no_script_contains_a_forbidden_construct(path: Path) -> None:
    text = path.read_text("utf-8")
    assert [what for what, pattern in FORBIDDEN.items() if re.search(pattern, text)] == []


SEEN = [
    ("text becomes HTML or code", "area.innerHTML = text"),
    ("text becomes HTML or code", "setTimeout(form.dataset.after, 1000)"),
    ("messages of other windows", 'window.addEventListener("message", run)'),
    ("prototypes", "settings[name] = value"),
    ("prototypes", "settings[group][name] = value"),
    ("prototypes", "settings[name] ??= {}"),
    ("storage of the browser", "localStorage.setItem('a', text)"),
    ("pasting", 'field.addEventListener("paste", (event) => event.preventDefault())'),
    ("plug-ins", 'new ActiveXObject("Scripting.Dictionary")'),
    ("plug-ins", "document.createElement('object')"),
]


@pytest.mark.parametrize(("what", "sample"), SEEN)
def test_the_search_finds_planted_code(what: str, sample: str) -> None:
    assert re.search(FORBIDDEN[what], sample)
    assert {name for name, _ in SEEN} == FORBIDDEN.keys()


@pytest.mark.parametrize("text", ["setTimeout(() => show(), 9)", "setInterval(async () => ask())"])
def test_a_function_may_be_called_later(text: str) -> None:
    assert not re.search(FORBIDDEN["text becomes HTML or code"], text)


def pages(app: Flask, visitor: Browser, email: str) -> list[tuple[str, str]]:
    """What the visitor is shown, by path."""
    found = []
    for path in {own_path(app, it, email) for it in routes(app) if it.method == "GET"}:
        response = visitor.get(path)
        if response.status_code == 200 and response.mimetype == "text/html":
            found.append((path, response.text))
    assert found
    return found


@asvs("7.4.4")
def test_every_page_of_a_user_has_a_button_to_sign_out(app: Flask, alice: Browser) -> None:
    add_all(app, alice.email)
    for path, _ in pages(app, alice, alice.email):
        assert html(alice.get(path)).css("header form[action='/auth/logout'] button"), path


@asvs("7.4.4")
def test_no_page_leaves_the_button_out() -> None:
    """Also not one that follows a form. Errors have another navigation: nobody may be signed in."""
    texts = {it.name: it.read_text("utf-8") for it in Path("app/templates").rglob("*.html")}
    assert {name for name, text in texts.items() if "block navigation" in text} == OWN_NAVIGATION
    parts = {name for name, text in texts.items() if '{% extends "' not in text}
    assert {it for it in parts if not it.startswith("_")} == {"base.html"}


@practice("sanitization")
@asvs("15.3.7")
def test_no_form_takes_a_field_from_the_address(app: Flask, alice: Browser) -> None:
    """A link would fill a form in, and what a filter saw in the body would not be what counts."""
    query = encode({"title": "T", "body": "B"})["data"]
    answer = alice.open("POST", f"{WRITE}?{query}", headers=proof(alice), **encode({"title": "T"}))
    assert answer.status_code == 422
    with app.app_context():
        assert db.session.scalars(select(Sample)).all() == []


@practice("redirects")
@asvs("3.7.2")
def test_no_route_redirects_to_a_target_from_the_request(app: Flask, attacker: Attacker) -> None:
    """Not only sign-in: whatever a request has for it, in its address or its form."""
    said = "https://evil.example/account/"
    names = {*query_of_code(app), "next", "url", "target", "to", "return_to", "redirect"}
    query = "&".join(f"{name}={quote(said, safe='')}" for name in sorted(names))
    for route in routes(app):
        if route.method in ("HEAD", "OPTIONS"):
            continue
        attacker.make_room(route)
        path = f"{own_path(app, route, attacker.browser.email)}?{query}"
        if route.is_safe:
            answer = attacker.browser.get(path)
        else:
            answer = attacker.write(route.method, path, **encode(dict.fromkeys(names, said)))
        assert follow(answer.headers.get("Location", "/")) != follow(said), route


@asvs("3.7.1")
def test_no_page_needs_a_plug_in() -> None:
    for path in sorted(Path("app/templates").rglob("*.html")):
        assert not re.search(OBSOLETE, path.read_text("utf-8"), re.I), path
    assert {it.suffix for it in Path("app/static").rglob("*.*")} <= {".css", ".js", ".svg"}


FIELD = re.compile(r"field\(\s*form\.(?:password|new_password|current_password)[^)]*\)")


def password_fields(markup: str) -> list[dict[str, str | None]]:
    tags = re.findall(r"<input\b[^>]*>", markup)
    found = [dict(re.findall(r"([\w-]+)=\"([^\"]*)\"", tag)) for tag in tags]
    return [it for it in found if it.get("name") in PASSWORDS]


@asvs("6.2.6", "6.2.7")
def test_password_fields_hide_the_password_and_let_managers_fill_it_in(
    app: Flask, browser: Browser, alice: Browser
) -> None:
    shown = [*pages(app, browser, alice.email), *pages(app, alice, alice.email)]
    found = [it for _, markup in shown for it in password_fields(markup)]
    written = [path.read_text("utf-8") for path in sorted(Path("app/templates").rglob("*.html"))]
    assert any(FIELD.search(text) for text in written)
    for text in written:
        for field in FIELD.findall(text):
            assert re.search(r"autocomplete=\"(current|new)-password\"", field), field
    for it in found:
        assert it["type"] == "password"
        assert it["autocomplete"] in ("current-password", "new-password")
        assert not it.keys() & {"readonly", "maxlength", "onpaste", "disabled"}
