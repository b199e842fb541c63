"""``make report``: which practices and requirements this run of the tests proves, as a page and as
Markdown.

A plugin of pytest, loaded by ``-p tests.report``. A row is green only when each of its tests was
found, ran and passed in this very run. Names and reasons come from tests, so they are escaped.
With pytest-xdist, each worker tells which tests it found, and one process writes the report.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
import pytest

from tests import asvs_list, traceability

HERE = Path(__file__).parent
# From the best to the worst: a row is as good as the worst of its tests.
PASSED, SKIPPED, NOT_RUN, FAILED, NO_TEST = "passed", "skipped", "not run", "failed", "no test"
STATES = {PASSED: "green", SKIPPED: "yellow", NOT_RUN: "red", FAILED: "red", NO_TEST: "red"}
# Requirements that no test can prove, by what the list says.
UNPROVEN = {"does not apply": "grey", "operator": "grey", "in part": "yellow", "not met": "red"}
SIGNS = {"green": "✅", "yellow": "⚠️", "red": "❌"}


def worst(states: Iterable[str]) -> str:
    return max(states, key=list(STATES).index, default=NO_TEST)


@dataclass(frozen=True)
class Row:
    """A practice or a requirement; ``remarks``: what did not pass, and why."""

    entry: Any
    state: str
    passed: int
    tests: dict[str, str]  # and their states
    remarks: list[str]

    @property
    def colour(self) -> str:
        return (STATES | UNPROVEN)[self.state]


class Found:
    """The tests that were found, also those that ``-k`` leaves out."""

    def __init__(self) -> None:
        self.collected: dict[str, list[str]] = {}  # the cases of each test

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        self.collected.setdefault(item.nodeid.split("[")[0], []).append(item.nodeid)


class WorkerReport(Found):
    """In a worker of pytest-xdist: the others of its reports reach the main process by itself."""

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        session.config.workeroutput["collected"] = self.collected  # type: ignore[attr-defined]


class Report(Found):
    """The outcome of each test."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.practices = traceability.read(root)
        self.requirements = traceability.requirements(root)
        self.states: dict[str, str] = {}  # of each case
        self.reasons: dict[str, str] = {}
        self.folder = root / "build" / "report"

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker of pytest-xdist has ended: each of them has found all tests."""
        self.collected |= getattr(node, "workeroutput", {}).get("collected", {})

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:  # a file that cannot be imported: its tests do not run
            self.states[report.nodeid] = FAILED

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Three reports for each case: set-up, call and teardown."""
        case, state = report.nodeid, report.outcome
        if expected_to_fail := getattr(report, "wasxfail", None):
            state, self.reasons[case] = SKIPPED, f"expected to fail: {expected_to_fail}"
        elif report.skipped:
            self.reasons[case] = str(report.longrepr[-1]).removeprefix("Skipped: ")
        if state != PASSED or report.when == "call":
            self.states[case] = worst({state, self.states.get(case, PASSED)})

    def pytest_sessionfinish(self) -> None:
        requirements = [self.requirement(it) for it in self.requirements]
        green = {row.entry.number for row in requirements if row.colour == "green"}
        content = {
            "practices": [self.row(practice, practice.tests) for practice in self.practices],
            "requirements": requirements,
            "chapters": list(asvs_list.totals(self.requirements, green)),
            "total": Counter(self.states.values()),
            "elsewhere": sorted(
                {case for case, state in self.states.items() if state == FAILED}
                - {case for it in self.practices for t in it.tests for case in self.cases(t)}
            ),
            "made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Python {sys.version.split()[0]}",
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        page = environment.get_template("report.html").render(content)
        (self.folder / "index.html").write_text(page, encoding="utf-8")
        (self.folder / "summary.md").write_text(summary(**content), encoding="utf-8")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.write_line(f"Which practices are proven: {self.folder / 'index.html'}")

    def cases(self, test: str) -> list[str]:
        return self.collected.get(test, [])

    def row(self, entry: object, tests: Iterable[str]) -> Row:
        states = {
            test: worst(self.states.get(case, NOT_RUN) for case in self.cases(test) or [test])
            for test in tests
        }
        remarks = [f"{state}: {test}" for test, state in states.items() if STATES[state] == "red"]
        reasons = Counter(
            self.reasons[case]
            for test in states
            for case in self.cases(test)
            if self.states.get(case) == SKIPPED
        )
        remarks += [f"{number} skipped: {reason}" for reason, number in reasons.items()]
        passed = [*states.values()].count(PASSED)
        return Row(entry, worst(states.values()), passed, states, remarks)

    def requirement(self, entry: asvs_list.Requirement) -> Row:
        if entry.state in UNPROVEN:
            return replace(self.row(entry, entry.tests), state=entry.state, remarks=[entry.reason])
        place = [asvs_list.PLACES] if entry.state == "documented" else []
        row = self.row(entry, entry.tests + place)
        return replace(row, remarks=[entry.reason, *row.remarks]) if place else row


def summary(
    practices: list[Row],
    requirements: list[Row],
    chapters: list[list[str]],
    elsewhere: list[str],
    made: str,
    **_: Any,
) -> str:
    """The tables for the summary of a CI run."""
    proven = sum(row.colour == "green" for row in practices)
    lines = [
        f"## {proven} of {len(practices)} practices proven",
        "",
        "| | Practice | Module | Tests passed | OWASP ASVS 5.0 | Remarks |",
        "|---|---|---|---|---|---|",
    ]
    for row in practices:
        cells = [
            row.entry.title,
            row.entry.module,
            f"{row.passed} of {len(row.tests)}",
            ", ".join(row.entry.asvs),
            "; ".join(row.remarks[:9]) or row.state,
        ]
        lines.append(f"| {SIGNS[row.colour]} | {' | '.join(map(plain, cells))} |")
    lines += [
        "",
        "## Requirements of OWASP ASVS 5.0.0 that this run proves, of those that apply",
        "",
        "| Chapter | Level 1 | Level 2 | Level 3 |",
        "|---|---|---|---|",
        *(f"| {' | '.join(map(plain, cells))} |" for cells in chapters),
    ]
    red = [row.entry.number for row in requirements if row.colour in ("red", "yellow")]
    lines += ["", f"Not proven: {', '.join(red) or 'none'}."]
    lines += ["", f"{plain(made)}. Failed elsewhere: {plain(', '.join(elsewhere)) or 'nothing'}."]
    return "\n".join(lines) + "\n"


def plain(text: str) -> str:
    """Text escaped for Markdown and HTML; it stays in its cell of a table."""
    return re.sub(r"[^A-Za-z0-9 .,:;/()=+-]", lambda it: f"&#{ord(it[0])};", " ".join(text.split()))


def pytest_configure(config: pytest.Config) -> None:
    if config.option.collectonly:
        return
    if hasattr(config, "workeroutput"):
        config.pluginmanager.register(WorkerReport(), "practices")
        return
    try:
        config.pluginmanager.register(Report(config.rootpath), "practices")
    except traceability.TraceabilityError as error:
        raise pytest.UsageError(str(error)) from error
