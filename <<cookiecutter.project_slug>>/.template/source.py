"""The source of a new resource: the example in the service, or one in a rendering of its template.

The example is the package of ``app`` whose docstring says so. Its names and fields are read from
its models, so nothing about it is written here.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from changes import ROOT
from fields import Example, ShapeError, example_of
from names import Names

EXAMPLE = "the example of a feature"
APP = Path("app", "__init__.py")
ENTRIES = Path("tests", "resources.py")
VERSIONS = ROOT / "migrations" / "versions"
RUFF = (sys.executable, "-m", "ruff")
# The modules of a resource, and whether lines in them stand for its fields.
MODULES = {"__init__": False, "models": True, "forms": True, "schemas": True, "views": False}


@dataclass(frozen=True)
class Source:
    """A resource that is copied.

    :param entry: its statement in ``tests/resources.py``.
    """

    folder: Path
    names: Names
    fields: Example
    entry: ast.Assign

    def package(self) -> list[Path]:
        return sorted((self.folder / "app" / self.names.many).glob("*.py"))

    def pages(self) -> list[Path]:
        return sorted((self.folder / "app" / "templates" / self.names.many).glob("*.html"))

    def identifiers(self) -> set[str]:
        """All names in its code, but for those that are made of its own: a new one needs others."""
        found: set[str] = set()
        for path in [*self.package(), self.folder / "app" / "__init__.py", self.folder / ENTRIES]:
            found |= identifiers(path.read_text("utf-8"))
        own = re.compile(rf"(?i){self.names.one}")
        return {name for name in found if not own.search(name)}


def example_in(folder: Path) -> Path | None:
    """The package of the example, if the service in this folder still has it."""
    for path in sorted(folder.glob("app/*/__init__.py")):
        if EXAMPLE in path.read_text("utf-8").partition("\n")[0]:
            return path.parent
    return None


def names_of(package: Path) -> Names:
    """The names of the example.

    :raises ShapeError: when it does not have one model.
    """
    models = (package / "models.py").read_text("utf-8")
    classes = re.findall(r"(?m)^class (\w+)\(Resource, Base\):$", models)
    if len(classes) != 1:
        raise ShapeError
    return Names(re.sub(r"(?<!^)(?=[A-Z])", "_", classes[0]).lower(), package.name)


def read(folder: Path) -> Source:
    """The example in this folder.

    :raises ShapeError: when it is gone, or its owner gave it another shape.
    """
    package = example_in(folder)
    if (
        package is None
        or not (folder / ENTRIES).exists()
        or {path.stem for path in package.glob("*.py")} - MODULES.keys()
    ):
        raise ShapeError
    models = (package / "models.py").read_text("utf-8")
    names = names_of(package)
    entries = ast.parse((folder / ENTRIES).read_text("utf-8")).body
    for statement in entries:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == (
            package.name.upper()
        ):
            return Source(folder, names, example_of(models), statement)
    raise ShapeError


def identifiers(text: str) -> set[str]:
    """All names that Python code defines or uses."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        for attribute in ("id", "arg", "name", "asname"):
            name = getattr(node, attribute, None)
            found |= set(name.split(".")) if isinstance(name, str) else set()
    return found
