"""What a new resource and its fields may be called."""

from __future__ import annotations

import builtins
import json
import keyword
import re
import sys

from changes import ROOT, refuse, run
from fields import KINDS, Field
from names import Names, camel
from source import Source

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# Letters. The name of the longest constraint has 18 more, and PostgreSQL keeps 63.
LONGEST = 30
MOST = 20  # fields
# Names that the lines of fields use: in "date: Mapped[date]" both would be the column.
TYPES = {"date", "str", "int", "bool", "mapped_column", "rich_text"}
# What the service has already. This runs in the service, because only it knows all of it.
PROGRAM = """
import importlib, json, sys
from importlib.util import find_spec
from dotenv import load_dotenv
load_dotenv()
from wsgi import app
from app.database import Base
from app.resources import Resource
from tests.resources import VALUES
taken = {*VALUES} - {"name"}  # a passkey has a name as well: any text
reserved = {*dir(Resource), *dir(Base), *taken, "owner", "meta", "form_errors", "csrf_token"}
FORMS = "resource_forms"
for module, name in ((FORMS, "RowForm"), (FORMS, "Versioned"), ("validation", "Model")):
    if find_spec(f"app.{module}"):
        reserved |= set(dir(getattr(importlib.import_module(f"app.{module}"), name)))
print(json.dumps({
    "module": [*sys.stdlib_module_names, *filter(find_spec, sys.argv[1:])],
    "table": [*Base.metadata.tables],
    "model": [it.class_.__name__ for it in Base.registry.mappers],
    "blueprint": [*app.blueprints],
    "route": [part for rule in app.url_map.iter_rules() for part in rule.rule.split("/")],
    "field": [*reserved],
}))
"""


def check_name(name: str, what: str) -> None:
    """Refuse what cannot be a name in Python, in a path and in a database."""
    if not NAME.fullmatch(name) or keyword.iskeyword(name) or len(name) > LONGEST:
        refuse(
            f"{name!r} cannot be the name of a {what}: use small letters, digits and single"
            f" underscores, a letter first, {LONGEST} at most, and no keyword of Python."
        )


def parse(text: str) -> list[Field]:
    """The fields of ``"name:text due:date"``.

    :raises RefusedError: for what is no field, or no list of fields with a text.
    """
    fields: list[Field] = []
    for word in text.split():
        name, _, kind = word.partition(":")
        if kind not in KINDS:
            refuse(f"{word}: write each field as name:kind. The kinds are {', '.join(KINDS)}.")
        check_name(name, "field")
        if name in [field.name for field in fields]:
            refuse(f"The field {name} is there twice.")
        fields.append(Field(name, kind))
    names = {field.name for field in fields}
    for field in fields:
        for other in (f"{field.name}_html", f"{field.name}_source"):
            if field.kind == "rich" and other in names:
                refuse(f"A field cannot be called {other}: it is a column of {field.name}.")
    if not any(field.kind == "text" for field in fields):
        refuse("Add a field of the kind text: lists show the first one as the name of a row.")
    if len(fields) > MOST:
        refuse(f"{len(fields)} fields are too many for one form: {MOST} at most.")
    return fields


def check_service(names: Names, fields: list[Field]) -> None:
    """Refuse what the service, Python or an installed package already has."""
    package = names.many
    for place in (f"app/{package}", f"app/{package}.py", f"app/templates/{package}"):
        if (ROOT / place).exists():
            refuse(f"{place} is there already.")
    words = {"module": package, "table": package, "blueprint": package, "model": camel(names.one)}
    output = run(sys.executable, "-c", PROGRAM, package, what="Starting the service")
    facts = json.loads(output.splitlines()[-1])
    for kind, word in (words | {"route": package.replace("_", "-")}).items():
        if word in facts[kind]:
            refuse(f"There is a {kind} {word} already. Choose another name, or another PLURAL=...")
    for field in fields:
        if field.name in TYPES or field.name in facts["field"] or field.name.startswith("model_"):
            refuse(f"A field cannot be called {field.name}: that name has another meaning.")


def check_clashes(source: Source, names: Names) -> None:
    """Refuse names that mean something else in the code of a resource."""
    used = source.identifiers() | set(dir(builtins)) | set(keyword.softkwlist)
    for name in sorted(names.identifiers() & used):
        refuse(f"{name} has another meaning in the code of a resource. Choose another name.")
