"""The requests of the API, for the tests that pages and API share."""

from __future__ import annotations

import json
from typing import Any

from flask import Flask
from hypothesis import strategies as st

from tests.browser import API, PROFILE, Browser

# Every route that is no resource's. A new one is listed here on purpose, or ``test_access`` fails.
PUBLIC = {
    *("links.confirm", "links.forgot", "links.register", "links.reset"),
    *("auth.refresh", "auth.token"),
    *("address.undo", "health.alive", "health.ready", "openapi", "security_txt"),
    *(f"second_step.{name}" for name in ("code", "options", "passkey")),
    *("second_step.options_alone", "second_step.passkey_alone", "rescue.keep", "rescue.unlock"),
}
PRIVATE = {"auth.logout", "me.change_password", "me.profile"}
PRIVATE |= {"address.change", "address.request_change"}
PRIVATE |= {"own_data.delete", "own_data.export_data"}
PRIVATE |= {"rescue.keep_by_session", "step_up.options", "step_up.passkey", "step_up.prove"}
PRIVATE |= {
    f"second_factors.{name}"
    for name in (
        *("add_passkey", "begin_app", "enable_app", "index", "new_recovery_codes"),
        *("passkey_options", "remove_app"),
    )
}
OTHER_ANSWERS: dict[str, int] = {}  # what a user gets from these routes, where it is not 200
FIELDS = {"email", "password", "current_password", "new_password", "refresh_token", "token"}
FIELDS |= {"code", "credential", "device_token", "name", "ticket"}
FIELDS |= {"days", "scopes"}
EXTRA_FIELD = "unknown"
QUERY = dict.fromkeys((True, False), ("before", "access_token", "anything"))  # by: is it safe
HEADERS = ("User-Agent", "Accept", "Origin", "X-Request-ID", "Cookie", "Authorization")
CHANGED_ROW = 200
UNKNOWN_FIELD = 422  # refused
HEADER_PATHS = (f"{API}/openapi.json", PROFILE)
TYPE = "application/json"
# The headers that ask for each format of an error, and what it is then.
FORMATS: dict[str, dict[str, str]] = {"json": {}}
ERROR_TYPES = {"application/problem+json"}
NO_TEXT: tuple[object, ...] = (None, 1, ["a"], {})  # values of fields that are no text
EDITED = 1  # one of so many stored attacks also goes through an edit
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ANYTHING = ANY_JSON.map(lambda value: json.dumps(value).encode()) | st.binary()
EXAMPLES = 200  # of them are tried
MAX_BODY = 256 * 1024
BOUNDS: dict[str, tuple[bytes | dict[str, str], str, int]] = {
    "256 KiB": (b"x" * MAX_BODY, TYPE, 400),
    "256 KiB and 1": (b"x" * (MAX_BODY + 1), TYPE, 413),
    "text": (b"x" * MAX_BODY, "text/plain", 415),
    "text and 1": (b"x" * (MAX_BODY + 1), "text/plain", 413),
    "51 parts": ({f"x{i}": "x" for i in range(51)}, "multipart/form-data", 413),
}
CHALLENGE = {"WWW-Authenticate": "Bearer realm=api"}  # the headers that come with a 401


def proof(user: Browser) -> dict[str, str]:
    """The headers that show that our own client sends the request: it needs none."""
    return {}


def encode(fields: dict[str, Any]) -> dict[str, Any]:
    """The body of a request that has these fields."""
    texts = {n: v.decode("latin-1") if isinstance(v, bytes) else v for n, v in fields.items()}
    return {"data": json.dumps(texts), "content_type": TYPE}


def description(guest: Browser) -> Any:
    """The description of the API."""
    return guest.get(f"{API}/openapi.json").json


def operations(document: Any) -> list[Any]:
    """All operations of the description."""
    return [it for path in document["paths"].values() for it in path.values()]


def fields_of_routes(app: Flask, user: Browser, guest: Browser) -> dict[str, set[str]]:
    """The fields that each endpoint takes, from the description of the API."""
    document, found = description(guest), {}
    for operation in operations(document):
        if body := operation.get("requestBody"):
            model = body["content"][TYPE]["schema"]["$ref"].rpartition("/")[2]
            schema = document["components"]["schemas"][model]
            found[operation["operationId"]] = set(schema["properties"])
    return found


def fields_of_code(app: Flask) -> set[str]:
    """The fields of all models that routes take."""
    guest = Browser(app)
    return set().union(*fields_of_routes(app, guest, guest).values())


def query_of_code(app: Flask) -> set[str]:
    """The query arguments that routes take."""
    document = description(Browser(app))
    taken = (it for one in operations(document) for it in one.get("parameters", ()))
    return {it["name"] for it in taken if it["in"] == "query"}
