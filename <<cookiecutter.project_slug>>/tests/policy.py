"""A policy is a table of what is allowed. What the table does not name is refused.

The tables are in ``tests/deployment_policy.py`` (what runs), ``tests/image_policy.py`` (images, if
there are any) and ``tests/test_deployment_scripts.py`` (what the scripts write and run).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

# Names of what only a file may hold, never a variable or a setting: /proc, `docker inspect` and
# the manifests show those.
SECRET = re.compile(
    r"^(?!.*_FILE$)(.*(PASSWORD|SECRET|TOKEN|KEY)(_FALLBACKS|_NEXT)?|.*DATABASE_URL|MAIL_URL)$"
)
WITH_PASSWORD = re.compile(r"://[^/\s:@]*:[^/\s@]+@")


def refused(
    place: str, found: Mapping[str, Any], allowed: Mapping[str, Any], table: str
) -> list[str]:
    """A sentence for each name whose value differs from the table.

    :param place: the file, and what in it.
    :param table: where the owner finds the table.
    """
    problems = []
    for name in sorted({*found, *allowed}):
        if name not in allowed:
            says = f"{name} is {found[name]!r}, and {table} does not name it: "
            says += "remove it, or add it to the table with the reason"
        elif name not in found:
            says = f"{name} is missing, and {table} wants {allowed[name]!r}: put it back"
        elif found[name] != allowed[name]:
            says = f"{name} is {found[name]!r}, and {table} allows {allowed[name]!r}: "
            says += "change it back, or change the table with the reason"
        else:
            continue
        problems.append(f"{place}: {says}")
    return problems


def check(place: str, found: Mapping[str, Any], allowed: Mapping[str, Any], table: str) -> None:
    """Fail with all sentences of :func:`refused`."""
    problems = refused(place, found, allowed, table)
    assert not problems, "\n" + "\n".join(problems)


def exposed(settings: Mapping[str, Any]) -> list[str]:
    """The names of settings that hold a secret, by their name or by a URL with a password."""
    return [
        name
        for name, value in settings.items()
        if (SECRET.match(name) and not re.match("sqlite:", str(value)))
        or WITH_PASSWORD.search(str(value))
    ]


def settings(lines: Iterable[str]) -> dict[str, str]:
    """The settings of a file of ``NAME=value`` lines."""
    pairs = (line.partition("=") for line in lines if re.match(r"\w+=", line))
    return {name: value.strip() for name, _, value in pairs}


def unexplained(lines: Iterable[str], *others: str) -> list[str]:
    """The names in a file of settings that ``.env.example`` does not explain, besides ``others``.

    Variables of Python, gunicorn or the linker would undo what those tables restrict, and two of
    the service's own belong to development and to the scripts.
    """
    example = Path(".env.example").read_text(encoding="utf-8")
    known = {*re.findall(r"(?m)^#? ?([A-Z_]+)=", example), *others} - {"APP_ENV", "GUNICORN_BIND"}
    names = (line.partition("=")[0] for line in lines if line.strip() and line[0] != "#")
    return [name for name in names if name not in known]


def seconds(file: str, name: str) -> float:
    """A constant of the app, in seconds; read from the source, so that no package is needed."""
    (value,) = (
        node.value
        for node in ast.parse(Path(file).read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    )
    if isinstance(value, ast.Call):
        given = {it.arg: ast.literal_eval(it.value) for it in value.keywords if it.arg}
        return timedelta(**given).total_seconds()
    return float(ast.literal_eval(value))
