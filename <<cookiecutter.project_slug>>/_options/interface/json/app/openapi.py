"""The description of the API (OpenAPI 3.1), made from the routes and the models that check them."""

from __future__ import annotations

from typing import Any, Literal

from flask import Flask, Response, current_app
from flask.typing import ResponseReturnValue
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

from app import openapi_page
from app.api import Operation, Problem, operation_of
from app.auth import token_access
from app.openapi_paths import path, variables
from app.security.access import is_public, public
from app.security.error_formats import PROBLEM_JSON
from app.settings import SERVICE_NAME
from app.validation import Model

REFERENCE = "#/components/schemas/{model}"
# Statuses that every operation may answer: for a foreign host or broken JSON (400), over plain HTTP
# or from another site (403), for an unknown parameter (422), above a limit, or when a part is down.
EVERYWHERE = {400, 403, 422, 429, 500, 503}
MEANING = {
    200: "Done",
    201: "Created",
    202: "Accepted; whether a mail follows is not told",
    204: "Done; there is no content",
    400: "Not understood",
    401: "Not signed in, or no longer",
    403: "Refused",
    404: "Does not exist, or is not yours",
    409: "Not possible now; the answer says why",
    413: "Too large",
    415: "Not JSON",
    422: "Not valid, with a reason for each field",
    429: "Too many requests",
    500: "Internal error of the service",
    503: "Not available for the moment",
}
HEADERS = {201: "Location", 401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}


def init_app(app: Flask) -> None:
    """Register the description, and in development a page with it."""
    app.add_url_rule("/api/v1/openapi.json", "openapi", description)
    if not app.config["SETTINGS"].production:
        openapi_page.init_app(app, document)


@public
def description() -> ResponseReturnValue:
    """The description, for everybody: made once, because a stranger may ask at any time.

    It cannot change: Flask refuses a new route after the first request.
    """
    app = current_app
    made = app.extensions.get("openapi") or app.make_response(document(app)).data
    app.extensions["openapi"] = made
    return Response(made, content_type="application/json")


def document(app: Flask) -> dict[str, Any]:
    """The whole description, as JSON has it."""
    found = [
        (rule, operation)
        for rule in sorted(app.url_map.iter_rules(), key=lambda rule: (rule.rule, rule.endpoint))
        if (operation := operation_of(app.view_functions[rule.endpoint]))
    ]
    models: list[tuple[type[Model], Literal["validation", "serialization"]]]
    models = [(Problem, "serialization")]
    for _, operation in found:
        taken = (model for model in (operation.body, operation.query) if model not in (None, Model))
        models += [(model, "validation") for model in taken if model]
        models += [(operation.answer, "serialization")] if operation.answer else []
    _, schemas = models_json_schema(models, ref_template=REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for rule, operation in found:
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            described = _operation(app, rule, operation, schemas["$defs"])
            paths.setdefault(path(rule), {})[method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": SERVICE_NAME, "version": "1"},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "personal_token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A personal access token with the scope read or write",
                },
            },
        },
    }


def _operation(
    app: Flask, rule: Rule, operation: Operation, schemas: dict[str, Any]
) -> dict[str, Any]:
    open_to_all = is_public(app, rule.endpoint)
    statuses = EVERYWHERE | set(operation.errors)
    statuses |= set() if open_to_all else {401}
    statuses |= {413, 415} if operation.body else set()
    statuses |= {404} if rule.arguments else set()
    parameters = [
        _parameter("path", name, schema, True) for name, schema in variables(app, rule).items()
    ]
    query = schemas.get(operation.query.__name__, {}).get("properties", {})
    parameters += [_parameter("query", name, schema, False) for name, schema in query.items()]
    schemes = [] if open_to_all else ["bearer"]
    if schemes and token_access.is_open(app, rule.rule, rule.endpoint):
        schemes.append("personal_token")
    described: dict[str, Any] = {
        "operationId": rule.endpoint,
        "summary": operation.summary,
        "tags": [rule.endpoint.split(".")[0]],
        "security": [{scheme: []} for scheme in schemes],
        "parameters": parameters,
        "responses": {
            str(operation.status): _response(operation.status, operation.answer),
            **{str(status): _response(status, Problem) for status in sorted(statuses)},
        },
    }
    if operation.body:
        described["requestBody"] = {"required": True, "content": _content(operation.body)}
    return described


def _parameter(place: str, name: str, schema: dict[str, Any], required: bool) -> dict[str, Any]:
    return {"in": place, "name": name, "required": required, "schema": schema}


def _content(model: type[Model]) -> dict[str, Any]:
    media_type = PROBLEM_JSON if model is Problem else "application/json"
    return {media_type: {"schema": {"$ref": REFERENCE.format(model=model.__name__)}}}


def _response(status: int, model: type[Model] | None) -> dict[str, Any]:
    response: dict[str, Any] = {"description": MEANING[status]}
    if model:
        response["content"] = _content(model)
    if name := HEADERS.get(status):
        response["headers"] = {name: {"schema": {"type": "string"}}}
    return response
