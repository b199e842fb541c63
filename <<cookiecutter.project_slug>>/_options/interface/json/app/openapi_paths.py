"""The variable parts of a route, as OpenAPI describes them."""

from __future__ import annotations

import json
import re
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

# As Werkzeug writes them: <name>, <converter:name>, <converter(...):name>.
VARIABLE = re.compile(r"<(?:(?P<converter>\w+)(?:\((?P<arguments>.*?)\))?:)?(?P<name>\w+)>")
# The values that a converter takes; all others take what their regular expression says.
NUMBERS: dict[str, dict[str, Any]] = {
    "int": {"type": "integer", "minimum": 0},
    "float": {"type": "number", "minimum": 0},
}
KEYWORDS = {
    "min": ["minimum"],
    "max": ["maximum"],
    "minlength": ["minLength"],
    "maxlength": ["maxLength"],
    "length": ["minLength", "maxLength"],
}


def path(rule: Rule) -> str:
    """The route's path, with ``{name}`` for each variable part."""
    return VARIABLE.sub(r"{\g<name>}", rule.rule)


def variables(app: Flask, rule: Rule) -> dict[str, dict[str, Any]]:
    """The schema of each variable part, by its name."""
    return {
        found["name"]: _schema(app, found["converter"] or "default", found["arguments"] or "")
        for found in VARIABLE.finditer(rule.rule)
    }


def _schema(app: Flask, converter: str, arguments: str) -> dict[str, Any]:
    if converter == "any":
        return {"type": "string", "enum": re.findall(r"[^\s,'\"]+", arguments)}
    regex = app.url_map.converters[converter].regex
    schema = dict(NUMBERS.get(converter, {"type": "string", "pattern": f"^(?:{regex})$"}))
    if "signed=True" in arguments:
        del schema["minimum"]
    for name, value in re.findall(r"(\w+)=(-?[\d.]+)", arguments):
        schema |= dict.fromkeys(KEYWORDS.get(name, []), json.loads(value))
    return schema
