"""A planted defect, and whether the service's own checks find it.

A defect names no file and its guard no folder: this module searches the service for the old text,
and the tests for the name. So you can move a module or a file of tests without a change here.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.sabotage.mutants import Mutant
from tests.template import files, run

TIMEOUT = 1200  # seconds; without defects all guards run at once, on a slow machine
# Seconds to add to the time of a changed file, another number each time. Otherwise Python would use
# the compiled file if length and second of the source are the same.
YOUNGER = itertools.count(2)
# A service that refuses to start has found the defect. So has the fixture accounts_are_locked: it
# fails a test that writes an account before it locks it. Other errors in a fixture do not count.
FOUND_BY_FIXTURES = ("ConfigurationError", "lock the account first")


@dataclass(frozen=True)
class Defect:
    """A mistake that a developer could make, in one place of one file.

    :param practice: the practice that it breaks.
    :param name: describes the mistake; unique within the practice.
    :param old: text that occurs exactly once in the rendered service outside of its tests;
        ``{slug}``, also in ``new``, is the short name of the service.
    :param guard: the name of the check that must fail: a test of the service, a file of tests, or a
        target of its Makefile that ``make check`` runs.
    :param answers: the choices with this text, if the default choices do not have it.
    :param file: the only file to search, if other files have the same text; it may be a table in
        ``tests/``.
    """

    practice: str
    name: str
    old: str
    new: str
    guard: str
    answers: dict[str, str] = field(default_factory=dict)
    file: str = ""

    @property
    def id(self) -> str:
        return f"{self.practice}-{re.sub('[^a-z0-9]+', '-', self.name.lower()).strip('-')}"

    def plant(self, project: Path) -> tuple[Path, str]:
        """The file with the old text, and its new text with the defect.

        :raises ValueError: if the old text does not occur exactly once: update the defect.
        """
        old, new = (text.replace("{slug}", project.name) for text in (self.old, self.new))
        found = {}
        for path in [project / self.file] if self.file else files(project):
            if self.file or path.relative_to(project).parts[0] != "tests":
                text = path.read_bytes().decode("utf-8", "replace")
                found |= {path: text} if old in text else {}
        times = sum(text.count(old) for text in found.values())
        if times != 1:
            places = ", ".join(str(path.relative_to(project)) for path in found) or "no file"
            raise ValueError(f"{self.id}: update `old`, which occurs {times} times in {places}")
        ((path, text),) = found.items()
        return path, text.replace(old, new)


@dataclass(frozen=True)
class Service:
    """A rendered service with its environment in ``.venv``."""

    folder: Path
    environment: dict[str, str]

    def run_tests(self, guards: Iterable[str], *options: str) -> tuple[int, str, list[ET.Element]]:
        """Run pytest; return its exit status, its output, and the result of each test."""
        report = self.folder.parent / "report.xml"
        report.unlink(missing_ok=True)
        command = [self.folder / ".venv/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += [f"--junit-xml={report}", *options, *guards]
        result = self._run(*command)
        cases = ET.parse(report).findall(".//testcase") if report.exists() else []  # noqa: S314
        return result.returncode, result.stdout, cases

    def make(self, target: str) -> tuple[int, str]:
        result = self._run("make", target)
        return result.returncode, result.stdout

    def _run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return run(*command, cwd=self.folder, env=self.environment, timeout=TIMEOUT)

    def states(self, guards: Iterable[str]) -> dict[str, str]:
        """The result of each guard: "passed", "skipped: ..." or the output of the failure."""
        guards = sorted(set(guards))
        found = {}
        for target in filter(is_target, guards):
            status, output = self.make(target)
            found[target] = output if status else "passed"
        if tests := {it: node_id(self.folder, it) for it in guards if not is_target(it)}:
            _, output, cases = self.run_tests(tests.values())
            found |= {guard: _state(test, cases) or output for guard, test in tests.items()}
        return found

    def finds(self, defect: Defect) -> str | None:
        """Plant a defect, run its guard, restore the file.

        Return None if the guard fails because of the defect, otherwise what happened.
        """
        path, planted = defect.plant(self.folder)
        with changed(path, planted):
            return self._verdict(defect, str(path.relative_to(self.folder)))

    def passes(self) -> bool:
        """Whether all tests pass, within ``TIMEOUT``; the slow tests run last."""
        for selected in ("not slow", "slow"):
            options = ("-x", "-m", selected, "-n", str((os.cpu_count() or 1) + 1))
            try:
                if self.run_tests([], *options)[0] != 0:
                    return False
            except subprocess.TimeoutExpired:  # a mutant that never ends is killed
                return False
        return True

    def survives(self, mutant: Mutant) -> bool:
        """Whether all tests pass with a mutant."""
        with changed(self.folder / mutant.file, mutant.text):
            return self.passes()

    def _verdict(self, defect: Defect, file: str) -> str | None:
        if is_target(defect.guard):
            status, output = self.make(defect.guard)
            if status == 0:
                return f"survives: make {defect.guard} passes"
            return None if file in output else f"another failure: {output}"
        status, output, cases = self.run_tests([node_id(self.folder, defect.guard)], "-x")
        if status == 0:
            return f"survives: {defect.guard} passes"
        if status == 1 and any(map(_is_found, cases)):
            return None
        return f"another failure, exit status {status}: {output[-8000:]}"


@contextmanager
def changed(path: Path, text: str) -> Iterator[None]:
    """Replace the text of a file; restore it at the end of the block."""
    before, written = path.read_bytes(), path.stat().st_mtime
    try:
        path.write_text(text, "utf-8")
        os.utime(path, times=(written, written + next(YOUNGER)))
        yield
    finally:
        path.write_bytes(before)
        os.utime(path, times=(written, written))


def is_target(guard: str) -> bool:
    return not guard.startswith("test_")


def node_id(project: Path, guard: str) -> str:
    """The node id for pytest of the test, or file of tests, with this name.

    :raises ValueError: if there is none, or more than one.
    """
    defined = re.compile(rf"^def {guard}\(", re.MULTILINE)
    found = [
        path.relative_to(project).as_posix()
        for path in files(project / "tests")
        if path.name.startswith("test_") and path.suffix == ".py"
        if path.name == guard or defined.search(path.read_text("utf-8"))
    ]
    if len(found) != 1:
        raise ValueError(f"{guard} must be in one file, is in {', '.join(found) or 'none'}")
    return found[0] if found[0].endswith(guard) else f"{found[0]}::{guard}"


def _is_found(case: ET.Element) -> bool:
    """Whether a test failed, or a fixture of it has found the defect."""
    errors = "".join(f"{error.get('message')}{error.text}" for error in case.findall("error"))
    return case.find("failure") is not None or any(text in errors for text in FOUND_BY_FIXTURES)


def _state(guard: str, cases: list[ET.Element]) -> str | None:
    file, _, name = guard.partition("::")
    module = file.removesuffix(".py").replace("/", ".")
    own = [
        case
        for case in cases
        if case.get("classname") == module
        and (not name or case.get("name") == name or case.get("name", "").startswith(f"{name}["))
    ]
    if any(case.find(kind) is not None for case in own for kind in ("failure", "error")):
        return None
    skipped = [case.find("skipped") for case in own]
    if own and all(it is not None for it in skipped):
        return f"skipped: {skipped[0].get('message')}"  # type: ignore[union-attr]
    return "passed" if own else None
