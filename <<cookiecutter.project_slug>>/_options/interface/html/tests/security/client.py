"""The requests of the pages, for the tests that pages and API share."""

from __future__ import annotations

import re
from inspect import getmembers
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from flask import Flask
from flask_wtf import FlaskForm
from hypothesis import strategies as st
from wtforms.fields.core import UnboundField

from tests import browser
from tests.browser import (
    HOME,
    PRIVATE_ROUTES,
    PROFILE,
    PUBLIC_ROUTES,
    SIGN_IN,
    Browser,
    html,
    link_query,
)
from tests.routes import own_path, routes

# Every route that is no resource's. A new one is listed here on purpose, or ``test_access`` fails.
PUBLIC = {
    *("home", "auth.login", "auth.logout", "health.alive", "health.ready", "security_txt"),
    *("static", *PUBLIC_ROUTES),
}
PRIVATE = set(PRIVATE_ROUTES)
OTHER_ANSWERS = browser.OTHER_ANSWERS  # what a user gets from these routes, where it is not 200
FIELDS = browser.FIELDS  # those of accounts that the pages have
EXTRA_FIELD = "csrf_token"
# By: is it safe.
QUERY = {
    True: ("next", "before", "token", "v", "preview", "anything"),
    False: ("next", "before", "preview"),
}
ARGUMENT = re.compile(r"""request\.args(?:\.get(?:list)?\(|\[)\s*["'](\w+)""")
HEADERS = ("User-Agent", "Referer", "Accept", "Accept-Language", "X-Request-ID", "Cookie")
HEADER_PATHS = ("/", PROFILE)
CHANGED_ROW = 302  # the page that comes next
UNKNOWN_FIELD = 302  # ignored: the page that comes next
TYPE = "application/x-www-form-urlencoded"
# The headers that ask for each format of an error, and what it is then.
FORMATS: dict[str, dict[str, str]] = {"page": {}, "json": {"Accept": "application/json"}}
ERROR_TYPES = {"text/html", "application/problem+json"}
NO_TEXT: tuple[object, ...] = ()  # values of fields that are no text: a form has none
EDITED = 4  # one of so many stored attacks also goes through an edit
ANYTHING = st.text().map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary()
EXAMPLES = 100  # of them are tried
MAX_BODY, FIELD, PARTS = 256 * 1024, 64 * 1024, 50
MULTIPART = "multipart/form-data"
BOUNDS: dict[str, tuple[bytes | dict[str, str], str, int]] = {
    "256 KiB": (b"x" * MAX_BODY, "text/plain", 400),
    "256 KiB and 1": (b"x" * (MAX_BODY + 1), "text/plain", 413),
    "form": (b"x=" + b"x" * MAX_BODY, TYPE, 413),
    "64 KiB field": ({"x": "x" * FIELD}, MULTIPART, 400),
    "and 1": ({"x": "x" * (FIELD + 1)}, MULTIPART, 413),
    "50 parts": ({f"x{i}": "x" for i in range(PARTS)}, MULTIPART, 400),
    "51 parts": ({f"x{i}": "x" for i in range(PARTS + 1)}, MULTIPART, 413),
}
CHALLENGE: dict[str, str] = {}  # the headers that come with a 401


def proof(user: Browser) -> dict[str, str]:
    """The headers that show that one of our pages sends the request."""
    pages = (html(user.get(path)) for path in (HOME, SIGN_IN))  # the first has none for guests
    field = next(filter(None, (page.css_first("input[name=csrf_token]") for page in pages)))
    return {"X-CSRFToken": str(field.attributes["value"])}


def encode(fields: dict[str, Any]) -> dict[str, Any]:
    """The body of a request that has these fields."""
    texts = {n: v if isinstance(v, str | bytes) else str(v) for n, v in fields.items()}
    body = "&".join(f"{name}={quote(text, safe='')}" for name, text in texts.items())
    return {"data": body, "content_type": TYPE}


def fields_of_routes(app: Flask, user: Browser, guest: Browser) -> dict[str, set[str]]:
    """The fields that each endpoint takes, from the forms on all pages."""
    found = {endpoint: set(names) for endpoint, names in browser.SHOWN_LATER.items()}
    adapter = app.url_map.bind("")
    for visitor in (user, guest):
        for route in routes(app):
            if route.method != "GET" or route.endpoint == "static":
                continue
            path = own_path(app, route, user.email) + link_query(app, route.endpoint, user.email)
            for form in html(visitor.get(path)).css("form"):
                action = urlsplit(form.attributes.get("action") or path).path
                endpoint, _ = adapter.match(action, method="POST")
                names = {str(it.attributes["name"]) for it in form.css("[name]")}
                found.setdefault(endpoint, set()).update(names - {EXTRA_FIELD})
    return found


def fields_of_code(app: Flask) -> set[str]:
    """The fields of all forms, whether or not a page shows them."""
    return {name for form in forms() for name, _ in getmembers(form, is_field)}


def query_of_code(app: Flask) -> set[str]:
    """The query arguments that views read."""
    sources = (path.read_text("utf-8") for path in Path(app.root_path).rglob("*.py"))
    return {name for source in sources for name in ARGUMENT.findall(source)}


def is_field(member: object) -> bool:
    """Whether an attribute of a form's class is a field."""
    return isinstance(member, UnboundField)


def forms(parent: type = FlaskForm) -> set[type]:
    """Every class of forms in ``app/``."""
    derived = {form for child in parent.__subclasses__() for form in {child, *forms(child)}}
    return {form for form in derived if form.__module__.startswith("app.")}
