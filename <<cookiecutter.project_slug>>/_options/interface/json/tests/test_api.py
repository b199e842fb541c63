"""What a client does with the service, request by request, and what it is told of the routes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app import openapi, openapi_paths
from app.api import operation_of
from app.resources import PAGE
from app.security.access import is_public
from app.validation import MAX_NAME, MAX_PROBLEMS
from tests.browser import (
    API,
    CONFIRM,
    FORGOT,
    PASSWORD,
    RESET,
    SAMPLES,
    SIGN_IN,
    SIGN_UP,
    Browser,
)
from tests.marks import asvs, practice
from tests.routes import UNKNOWN

pytestmark = practice("sanitization")

JSON = "application/json"


def test_from_sign_up_to_sign_out(browser: Browser) -> None:
    browser.sign_up("carol@example.com")
    assert browser.get(f"{API}/me").json["email"] == "carol@example.com"
    path = browser.write("Shopping", "**Bread** & butter")
    row = browser.get(path).json
    assert path == f"{SAMPLES}/{row['id']}"
    assert row["body"] == "**Bread** & butter"
    assert row["body_html"] == "<p><strong>Bread</strong> &amp; butter</p>"
    edited = browser.send("PUT", path, {"title": "List", "body": "Milk", "version": 1})
    assert (edited.status_code, edited.json["version"]) == (200, 2)
    assert [row["title"] for row in browser.get(SAMPLES).json["samples"]] == ["List"]
    deleted = browser.open("DELETE", path)
    assert (deleted.status_code, deleted.data) == (204, b"")
    assert browser.get(path).status_code == 404
    assert browser.refresh().status_code == 200
    assert browser.sign_out().status_code == 204
    assert not browser.is_signed_in()
    assert browser.sign_in("carol@example.com").status_code == 200


def test_the_list_goes_on_page_by_page(alice: Browser) -> None:
    written = [alice.write(f"Row {number}") for number in range(PAGE + 5)]
    first = alice.get(SAMPLES).json
    assert len(first["samples"]) == PAGE
    second = alice.get(SAMPLES, query_string={"before": first["next"]}).json
    assert second["next"] is None
    listed = [f"{SAMPLES}/{row['id']}" for row in first["samples"] + second["samples"]]
    assert listed == written[::-1]


# --- The contract


@practice("access")
@asvs("15.3.1")
def test_answers_have_exactly_the_documented_fields(alice: Browser) -> None:
    """What a model gets later does not leak by itself."""
    row = alice.post(SAMPLES, {"title": "T", "body": "B"}).json
    fields = {"id", "title", "body", "body_html", "version", "created_at", "updated_at"}
    assert set(row) == set(alice.get(f"{SAMPLES}/{row['id']}").json) == fields
    assert set(alice.get(SAMPLES).json) == {"samples", "next"}
    assert set(alice.get(f"{API}/me").json) == {"email", "created_at", "factors_end_at"}
    tokens = {"access_token", "token_type", "expires_in", "refresh_token"}
    assert set(alice.refresh().json) == tokens


def problems(response: Any) -> dict[str, str]:
    assert response.status_code == 422
    assert response.content_type == "application/problem+json"
    return {error["pointer"]: error["detail"] for error in response.json["errors"]}


@asvs("2.2.1", "2.2.2")
@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, {"#/title", "#/body"}),
        ({"title": "T", "body": "B", "colour": "red"}, {"#/colour"}),
        ({"title": 1, "body": ["B"]}, {"#/title", "#/body"}),
        ({"title": None, "body": True}, {"#/title", "#/body"}),
        ({"title": "T", "body": "B", "a/b~c": 1}, {"#/a~1b~0c"}),
        ([], {"#"}),
        ("T", {"#"}),
        (1, {"#"}),
        (None, {"#"}),
    ],
    ids=lambda it: str(sorted(it) if isinstance(it, set) else it),
)
def test_invalid_fields_are_named(alice: Browser, body: Any, pointers: set[str]) -> None:
    response = alice.send("POST", SAMPLES, body)
    assert set(problems(response)) == pointers
    assert all(text[0].isupper() and text.endswith(".") for text in problems(response).values())
    assert alice.get(SAMPLES).json["samples"] == []


@asvs("15.3.5")
@pytest.mark.parametrize("version", ["1", 1.0, 1.5, True, None, [1]], ids=repr)
def test_types_are_strict(alice: Browser, version: Any) -> None:
    path = alice.write()
    response = alice.send("PUT", path, {"title": "T", "body": "B", "version": version})
    assert set(problems(response)) == {"#/version"}


@asvs("2.2.1", "15.3.7")
def test_a_parameter_must_be_known_and_come_once(alice: Browser) -> None:
    first = alice.write().rpartition("/")[2]
    assert set(problems(alice.get(f"{SAMPLES}?page=2"))) == {"?page"}
    assert set(problems(alice.get(f"{API}/me?fields=email"))) == {"?fields"}
    assert set(problems(alice.get(f"{SAMPLES}?before={first}&before={UNKNOWN}"))) == {"?before"}
    assert set(problems(alice.get(f"{SAMPLES}?before=1"))) == {"?before"}
    assert alice.get(f"{SAMPLES}?before={first}").status_code == 200
    assert alice.get(f"{SAMPLES}?before={UNKNOWN}").status_code == 404


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"title=T", b'{"title":"T",}', b"\xff\xfe", b'{"title":"\\ud800"}', b"NaN x"],
)
def test_a_body_that_is_not_json_is_a_400(alice: Browser, body: bytes) -> None:
    response = alice.open("POST", SAMPLES, data=body, content_type=JSON)
    assert response.status_code == 400
    assert response.json["detail"] == "The body is not JSON, or not in UTF-8."


def test_an_answer_is_not_larger_than_what_was_wrong(alice: Browser) -> None:
    right = {"title": "T", "body": "B"}
    some = {f"field{number}": 1 for number in range(MAX_PROBLEMS)}
    assert len(problems(alice.post(SAMPLES, right | some))) == MAX_PROBLEMS
    many = some | {"one": "more"}
    assert problems(alice.post(SAMPLES, right | many)) == {"#": "Too many fields are wrong."}
    (pointer,) = problems(alice.post(SAMPLES, {"title": "T", "body": "B", "x" * 10_000: 1}))
    assert len(pointer) == MAX_NAME + len("#/")


@asvs("16.5.1")
def test_errors_do_not_repeat_the_input(alice: Browser) -> None:
    canary = "canary-lantern"
    for path, body in (
        (SIGN_UP, {"email": [canary]}),
        (CONFIRM, {"token": [canary], "password": canary}),
        (RESET, {"token": canary, "password": [canary]}),
        (SIGN_IN, {"email": 1, "password": {"x": canary}}),
        (f"{API}/auth/refresh", {"refresh_token": [canary]}),
    ):
        response = alice.post(path, body)
        assert response.status_code == 422
        assert canary not in response.text


@practice("access")
@asvs("8.2.3", "15.3.3")
@pytest.mark.parametrize(
    "name", ["id", "owner_id", "public_id", "user_id", "owner", "created_at", "updated_at"]
)
def test_mass_assignment_is_refused(alice: Browser, name: str) -> None:
    path = alice.write()
    body = {"title": "T", "body": "B", name: 2}
    assert set(problems(alice.post(SAMPLES, body))) == {f"#/{name}"}
    edit = alice.send("PUT", path, body | {"version": 1})
    assert set(problems(edit)) == {f"#/{name}"}
    asked = {"email": "eve@example.com", name: 2}
    assert set(problems(alice.post(SIGN_UP, asked))) == {f"#/{name}"}
    chosen = {"token": "x", "password": PASSWORD, name: 2}
    for chosen_at in (CONFIRM, RESET):
        assert set(problems(alice.post(chosen_at, chosen))) == {f"#/{name}"}


# --- The description


def test_every_route_of_the_api_is_described(app: Flask, browser: Browser) -> None:
    described = browser.get(f"{API}/openapi.json").json
    assert described["openapi"] == "3.1.0"
    found = {
        (method.upper(), path)
        for path, operations in described["paths"].items()
        for method in operations
    }
    expected = {
        (method, rule.rule.replace("<public_id:public_id>", "{public_id}"))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith(API)
    }
    assert expected - found == {("GET", f"{API}/openapi.json")}
    assert found < expected


@asvs("15.1.3", "15.2.2")
def test_the_openapi_description_is_made_once(
    browser: Browser, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody may ask for it, and to make it takes longer than most requests."""
    first = browser.get(f"{API}/openapi.json")
    monkeypatch.delattr(openapi, "models_json_schema")
    for client in (browser, alice):
        again = client.get(f"{API}/openapi.json")
        assert again.status_code == 200
        assert again.data == first.data


def test_the_openapi_description_names_the_required_authentication(
    app: Flask, browser: Browser
) -> None:
    described = browser.get(f"{API}/openapi.json").json
    for operations in described["paths"].values():
        for operation in operations.values():
            public = is_public(app, operation["operationId"])
            schemes = [name for scheme in operation["security"] for name in scheme]
            assert schemes[:1] == ([] if public else ["bearer"])
            assert schemes[1:] in ([], ["personal_token"])  # see test_personal_tokens.py


def test_the_description_says_what_asking_and_choosing_answer(browser: Browser) -> None:
    """Asking: no body at all, which could only tell whether there is an account."""
    described = browser.get(f"{API}/openapi.json").json
    problem = {"$ref": "#/components/schemas/Problem"}
    often = {"400", "403", "413", "415", "422", "429", "500", "503"}
    for path, fields, optional, done in (
        (SIGN_UP, {"email"}, set(), "202"),
        (FORGOT, {"email"}, set(), "202"),
        (CONFIRM, {"token", "password"}, {"device_token"}, "200"),
        (RESET, {"token", "password"}, {"device_token"}, "204"),
    ):
        operation = described["paths"][path]["post"]
        answers = operation["responses"]
        assert answers.keys() == often | {done} | ({"404"} if optional else set())
        assert ("content" in answers.pop(done)) is (done == "200")
        for answer in answers.values():
            assert answer["content"]["application/problem+json"]["schema"] == problem
        (body,) = operation["requestBody"]["content"].values()
        schema = described["components"]["schemas"][body["schema"]["$ref"].rpartition("/")[2]]
        assert set(schema["properties"]) == fields | optional
        assert set(schema["required"]) == fields


def test_every_view_of_the_api_has_a_documented_contract(app: Flask) -> None:
    without = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(API) and operation_of(app.view_functions[rule.endpoint]) is None
    }
    assert without == {"openapi"}


@practice("access")
@asvs("15.3.3")
def test_every_model_refuses_unknown_fields(browser: Browser) -> None:
    schemas = browser.get(f"{API}/openapi.json").json["components"]["schemas"]
    assert len(schemas) >= 10
    # The answer with all that is stored about a user grows with each feature; what to ask an
    # authenticator is what WebAuthn says.
    open_to_more = {name for name, it in schemas.items() if it["additionalProperties"]}
    assert open_to_more == {"Export", "Options"}


# Where there is a pattern, it is the converter's own.
VARIABLES = {
    "<name>": {"type": "string", "pattern": ""},
    "<int:year>": {"type": "integer", "minimum": 0},
    "<int(min=1, max=12):month>": {"type": "integer", "minimum": 1, "maximum": 12},
    "<int(signed=True):change>": {"type": "integer"},
    "<float:rate>": {"type": "number", "minimum": 0},
    "<any(pdf, 'csv'):kind>": {"type": "string", "enum": ["pdf", "csv"]},
    "<string(length=2):code>": {"type": "string", "pattern": "", "minLength": 2, "maxLength": 2},
    "<path:file>": {"type": "string", "pattern": ""},
    "<uuid:id>": {"type": "string", "pattern": ""},
    "<public_id:row>": {"type": "string", "pattern": ""},
}


@pytest.mark.parametrize(("variable", "schema"), VARIABLES.items(), ids=list(VARIABLES))
def test_every_converter_is_described(
    make_app: Callable[..., Flask], variable: str, schema: dict[str, Any]
) -> None:
    app = make_app()
    app.add_url_rule(f"/reports/{variable}/all", "reports", lambda: "")
    (rule,) = app.url_map.iter_rules("reports")
    ((name, found),) = openapi_paths.variables(app, rule).items()
    assert openapi_paths.path(rule) == f"/reports/{{{name}}}/all"
    expected = schema | ({"pattern": found["pattern"]} if "pattern" in schema else {})
    assert found == expected
