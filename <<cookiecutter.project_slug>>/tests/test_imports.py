"""Dependencies point one way: each module of ``app/`` can be imported first.

A circle of imports works by luck: as long as ``app/__init__.py`` happens to import the modules in
an order that does.
"""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests import sources
from tests.live import PROJECT

# Each module in turn, with an empty package "app" and nothing of it imported yet. One process, as
# to load the libraries again for each would take half a second.
PROGRAM = """
import importlib, sys, types
for name in sys.argv[1:]:
    for known in [it for it in sys.modules if it.split(".")[0] == "app"]:
        del sys.modules[known]
    if name != "app":
        package = sys.modules["app"] = types.ModuleType("app")
        package.__path__ = ["app"]
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(f"{name}: {error}")
"""

BELOW = {"auth", "commands", "database", "mail", "security"}
FEATURES = ["app.resources"] + [
    f"app.{path.parent.name}"
    for path in sorted(PROJECT.glob("app/*/__init__.py"))
    if path.parent.name not in BELOW
]


def modules() -> list[str]:
    """The names of all modules of the service."""
    paths = [path.relative_to(PROJECT).with_suffix("") for path in PROJECT.glob("app/**/*.py")]
    return sorted(".".join(path.parts).removesuffix(".__init__") for path in paths)


def failures(*names: str) -> str:
    command = [sys.executable, "-c", PROGRAM, *names]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout


def test_each_module_can_be_imported_first() -> None:
    names = modules()
    assert {"app", "app.database", "app.security.access", "app.auth.identity"} <= set(names)
    assert failures(*names) == ""


def test_an_import_failure_is_reported() -> None:
    assert failures("app.nowhere") == "app.nowhere: No module named 'app.nowhere'\n"


@pytest.mark.parametrize(
    ("package", "above"),
    [
        ("database", ("app.auth", *FEATURES)),
        ("security", ("app.auth", "app.commands", *FEATURES)),
        ("auth", ("app.commands", *FEATURES)),
    ],
)
def test_a_package_imports_nothing_of_those_above_it(package: str, above: tuple[str, ...]) -> None:
    found = []
    for path in (PROJECT / "app" / package).rglob("*.py"):
        for node in sources.nodes(path):
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{it.name}" for it in node.names]
            else:
                names = [it.name for it in node.names] if isinstance(node, ast.Import) else []
            found += [f"{path.name}: {name}" for name in names if f"{name}.".startswith(above)]
    assert found == []
