"""Traceability: each practice, the attack that it stops, the tests and requirements behind it.

``make practices`` prints it. All of it comes from the sources. The attack is the first sentence of
the practice's module. The tests come from the files in ``tests/``, which this module only parses;
``make report`` runs them. ``asvs_list.py`` has what a requirement asks for, and whether it is met.

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
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType

from app.security import PRACTICES
from tests import asvs_list
from tests.asvs_list import by_number

ROOT = Path(__file__).parents[1]
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
Marks = frozenset[tuple[str, str]]  # such as ("asvs", "3.5.1")


class TraceabilityError(Exception):
    """There are no sources to read, or they name no practice."""


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


def requirements(root: Path = ROOT) -> list[asvs_list.Requirement]:
    """Every line of the list, with the tests that name its number.

    :raises TraceabilityError: when there is no list.
    """
    if not (root / asvs_list.FILE).is_file():
        raise TraceabilityError(f"There is no {asvs_list.FILE} in {root}; run this in a checkout.")
    named = _named(root)
    found = asvs_list.parse((root / asvs_list.FILE).read_text(encoding="utf-8"))
    for it in found:
        it.tests += named.get(it.number, [])
    return found


def problems(root: Path = ROOT) -> list[str]:
    """Where the list, the tests and the documents differ; each begins with the number."""
    return list(asvs_list.problems(requirements(root), _named(root), root))


def _named(root: Path) -> dict[str, list[str]]:
    """The tests of each requirement that some test names."""
    named: dict[str, list[str]] = {}
    for test, marks in _tests(root):
        for requirement in (value for mark, value in marks if mark == "asvs"):
            named.setdefault(requirement, []).append(test)
    return named


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
            place = path.relative_to(root).as_posix()
            yield from _tests_of(path.read_text(encoding="utf-8"), place)


@cache
def _tests_of(source: str, place: str) -> list[tuple[str, Marks]]:
    """The tests of a file."""
    return list(_tests_in(ast.parse(source).body, place, frozenset()))


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


def as_json(practices: list[Practice], chosen: list[asvs_list.Requirement]) -> str:
    """The practices and the requirements for tools."""
    content = {"practices": practices, "requirements": chosen}
    return json.dumps(content, indent=2, default=asdict)


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


def by_chapter(chosen: list[asvs_list.Requirement], root: Path) -> Iterator[str]:
    """The requirements as lines for a terminal, each with what proves it."""
    for number, name in asvs_list.CHAPTERS.items():
        if lines := [it for it in chosen if it.chapter == number]:
            yield f"V{number} {name}"
        for it in lines:
            documented = it.state == "documented"
            place = asvs_list.heading(root / it.reason, it.number) if documented else ""
            yield f"  {it}{place and f', {place!r}'}"
            yield from (f"      {test}" for test in it.tests)
    met = {it.number for it in chosen if it.state in asvs_list.MET}
    yield from ("", "Met, of those that apply: chapter, level 1, level 2, level 3")
    yield from ("  ".join(row) for row in asvs_list.totals(chosen, met) if row[1:] != ["-"] * 3)


def since(commit: str, root: Path) -> Iterator[str]:
    """How the list differs from that of a commit, as Markdown."""
    command = ["git", "show", f"{commit}:{asvs_list.FILE}"]
    shown = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8", check=False)
    yield f"## Requirements of OWASP ASVS 5.0.0 since {commit}\n"
    if shown.returncode:
        yield "That commit is not here, or has no such list."
    else:
        yield from asvs_list.changes(asvs_list.parse(shown.stdout), requirements(root))


def _lines(asked: argparse.Namespace, root: Path) -> Iterator[str]:
    """The text to print.

    :raises TraceabilityError: as :func:`read`, and when there is no such practice.
    """
    if asked.since:
        return since(asked.since, root)
    practices: list[Practice] = []
    if asked.json or not (asked.oscal or asked.chapter or asked.state):
        practices = [it for it in read(root) if asked.name in (None, it.name)]
        if not practices:
            raise TraceabilityError(f"There is no practice {asked.name}.")
        if not asked.json:
            return as_text(practices, in_full=asked.name is not None)
    chosen = [
        it
        for it in requirements(root)
        if asked.chapter in (None, it.chapter) and asked.state in (None, "all", it.state)
    ]
    if asked.json:
        return iter([as_json(practices, chosen)])
    if asked.oscal:
        return iter([json.dumps(asvs_list.component(chosen, root.name), indent=2)])
    return by_chapter(chosen, root)


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> str | None:
    """Print practices or requirements; what is wrong, or None."""
    parser = argparse.ArgumentParser(prog="make practices")
    add = parser.add_argument
    add("name", nargs="?", help="show this practice alone, with each of its tests")
    chapters = asvs_list.CHAPTERS
    add("--chapter", type=int, choices=chapters, help="show the requirements of a chapter")
    add("--state", choices=(*asvs_list.STATES, "all"), help="show the requirements in this state")
    add("--since", metavar="COMMIT", help="show which requirements changed their state")
    add("--json", action="store_true", help="for tools: each practice and requirement")
    add("--oscal", action="store_true", help="for tools: an OSCAL component definition")
    asked = parser.parse_args(arguments)
    try:
        lines = list(_lines(asked, root))
    except TraceabilityError as error:
        return str(error)
    print("\n".join(lines).rstrip())
    return None


if __name__ == "__main__":
    sys.exit(main())
