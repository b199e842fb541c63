"""Traceability: each practice, the attack that it stops, the tests and requirements behind it.

``make practices`` prints it. All of it comes from the sources. The attack is the first sentence of
the practice's module. The tests come from the files in ``tests/``, which this module only parses;
``make report`` runs them.

- ``tests/security/test_csrf.py`` tests the practice ``csrf``, by its name;
- ``pytestmark = practice("csrf")`` assigns any other file, ``@practice("csrf")`` one test;
- ``@asvs("3.5.1")`` names requirements of OWASP ASVS 5.0 whose violation makes the test fail.

A practice is a module of ``app/security/``, or one that tests name: ``practice("auth.sessions")``.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType

from app.security import PRACTICES

ROOT = Path(__file__).parents[1]
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
Marks = frozenset[tuple[str, str]]  # such as ("asvs", "3.5.1")


class TraceabilityError(Exception):
    """There is nothing to read, or what is there names no practice."""


@dataclass
class Practice:
    """One entry; ``asvs`` has the tests of each requirement, in the order of their numbers."""

    name: str
    title: str
    attack: str
    module: str
    tests: list[str] = field(default_factory=list)
    asvs: dict[str, list[str]] = field(default_factory=dict)


def read(root: Path = ROOT) -> list[Practice]:
    """Every practice in the order in which a request meets them, then those that tests name.

    :raises TraceabilityError: when there are no tests, or one names a practice that is none.
    """
    if not (root / "tests").is_dir():
        raise TraceabilityError(f"There are no tests in {root}; run this in a checkout.")
    found = {module.__name__.removeprefix("app.security."): _entry(module) for module in PRACTICES}
    for test, marks in _tests(root):
        name = re.fullmatch(r"tests/security/test_(\w+)\.py", test.split("::")[0])
        own = {name[1]} & found.keys() if name else set()
        for practice in sorted(own | {value for mark, value in marks if mark == "practice"}):
            if practice not in found:
                found[practice] = _entry(_module(practice))
            entry = found[practice]
            entry.tests.append(test)
            for requirement in (value for mark, value in marks if mark == "asvs"):
                entry.asvs.setdefault(requirement, []).append(test)
    for entry in found.values():
        entry.asvs = dict(sorted(entry.asvs.items(), key=lambda item: by_number(item[0])))
    return list(found.values())


def by_number(requirement: str) -> list[int]:
    """What sorts 6.2.9 before 6.2.10."""
    return [int(number) for number in re.findall(r"\d+", requirement)]


def _module(name: str) -> ModuleType:
    for place in ("app.security", "app"):
        with suppress(ModuleNotFoundError):
            return importlib.import_module(f"{place}.{name}")
    raise TraceabilityError(f"A test names the practice {name!r}; app/ has no such module.")


def _entry(module: ModuleType) -> Practice:
    title, _, text = " ".join(str(module.__doc__).split()).partition(": ")
    path = Path(str(module.__file__)).relative_to(ROOT)
    name = module.__name__.removeprefix("app.").removeprefix("security.")
    return Practice(name, title, text.partition(". ")[0].rstrip("."), path.as_posix())


def _tests(root: Path) -> Iterator[tuple[str, Marks]]:
    """Every test below ``tests/`` by its node id, with its marks."""
    for path in sorted((root / "tests").rglob("test_*.py")):
        if "node_modules" not in path.parts:  # pytest leaves them out as well
            body = ast.parse(path.read_text(encoding="utf-8")).body
            yield from _tests_in(body, path.relative_to(root).as_posix(), frozenset())


def _tests_in(body: list[ast.stmt], place: str, marks: Marks) -> Iterator[tuple[str, Marks]]:
    """The tests of a file or a class, which inherit what it is marked with."""
    for node in body:
        if isinstance(node, ast.Assign) and "pytestmark" in map(ast.unparse, node.targets):
            marks |= _marks([node.value])
    for node in body:
        if isinstance(node, FUNCTION) and node.name.startswith("test"):
            yield f"{place}::{node.name}", marks | _marks(node.decorator_list)
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            inherited = marks | _marks(node.decorator_list)
            yield from _tests_in(node.body, f"{place}::{node.name}", inherited)


def _marks(expressions: Iterable[ast.expr]) -> Marks:
    """The arguments of ``asvs(...)`` and ``practice(...)``, however they were imported."""
    calls = (node for it in expressions for node in ast.walk(it) if isinstance(node, ast.Call))
    named = ((ast.unparse(call.func).rpartition(".")[2], call.args) for call in calls)
    return frozenset(
        (name, str(ast.literal_eval(argument)))
        for name, arguments in named
        if name in ("asvs", "practice")
        for argument in arguments
    )


def as_json(practices: list[Practice]) -> str:
    """The practices for tools."""
    return json.dumps([asdict(practice) for practice in practices], indent=2)


def as_text(practices: list[Practice], *, in_full: bool) -> Iterator[str]:
    """The practices as lines for a terminal; ``in_full`` names each test instead of its file."""
    for practice in practices:
        yield f"{practice.name}: {practice.title}"
        yield f"  attack      {practice.attack}"
        yield f"  stopped in  {practice.module}"
        numbers = Counter(test.split("::")[0] for test in practice.tests)
        files = [f"{file} ({number})" for file, number in numbers.items()]
        for row, line in enumerate((practice.tests if in_full else files) or ["no test"]):
            yield f"  {'' if row else 'proven by':<10}  {line}"
        yield f"  ASVS 5.0    {', '.join(practice.asvs) or 'no requirement'}"
        yield ""


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> str | None:
    """Print the practices; what is wrong, or None."""
    parser = argparse.ArgumentParser(prog="make practices")
    parser.add_argument("name", nargs="?", help="show this practice alone, with each of its tests")
    parser.add_argument("--json", action="store_true", help="for tools: each test, by requirement")
    asked = parser.parse_args(arguments)
    try:
        practices = [it for it in read(root) if asked.name in (None, it.name)]
    except TraceabilityError as error:
        return str(error)
    if not practices:
        return f"There is no practice {asked.name}."
    lines = as_text(practices, in_full=asked.name is not None)
    print(as_json(practices) if asked.json else "\n".join(lines).rstrip())
    return None


if __name__ == "__main__":
    sys.exit(main())
