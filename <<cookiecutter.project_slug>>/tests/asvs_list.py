"""The list of ASVS: each requirement of OWASP ASVS 5.0.0, whether it is met, and by what.

``security/asvs.list`` has a line for each requirement of levels 1 and 2, and for each of level 3
that is met: number, level, what it asks for in our words, and the state with its reason or its
place.

- ``proven``: a test fails as soon as the requirement is broken; ``@asvs("3.5.1")`` marks it;
- ``absent``: what would be dangerous is not there, and a marked test fails when it comes in;
- ``documented: docs/a.md``: a heading of that file ends with the number, as in ``(2.1.3)``;
- ``operator: ...``: who runs the service has to do this; ``does not apply: ...``; ``not met: ...``;
- ``in part: ...``: marked tests prove some of it, and the reason says what is missing.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FILE = "tests/security/asvs.list"
BY_TESTS = ("proven", "absent")
MET = (*BY_TESTS, "documented")
MISSING = ("in part", "not met")
STATES = (*MET, "operator", "does not apply", *MISSING)
CHAPTERS = dict(
    enumerate(
        (
            *("Encoding and Sanitization", "Validation and Business Logic", "Web Frontend"),
            *("API and Web Service", "File Handling", "Authentication", "Session Management"),
            *("Authorization", "Self-contained Tokens", "OAuth and OIDC", "Cryptography"),
            *("Secure Communication", "Configuration", "Data Protection"),
            *("Secure Coding and Architecture", "Logging and Error Handling", "WebRTC"),
        ),
        start=1,
    )
)
# A documented requirement is as good as its heading, for the report: this test looks for it.
PLACES = "tests/test_asvs_list.py::test_the_list_agrees_with_tests_and_documents"
STANDARD = "https://github.com/OWASP/ASVS/tree/v5.0.0_release/5.0"
NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # RFC 9562: names that are URLs


@dataclass
class Requirement:
    """One line; ``reason``: why it is so, or the file with the heading."""

    number: str
    level: int
    text: str
    state: str
    reason: str = ""
    tests: list[str] = field(default_factory=list)

    @property
    def chapter(self) -> int:
        return int(self.number.partition(".")[0])

    def __str__(self) -> str:
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.number} (level {self.level}) {self.text} - {self.state}{reason}"


def by_number(requirement: str) -> list[int]:
    """A sort key that puts 6.2.9 before 6.2.10."""
    return [int(number) for number in re.findall(r"\d+", requirement)]


def parse(text: str) -> list[Requirement]:
    """The lines of a list of requirements.

    :raises ValueError: when a line has another form.
    """
    found = []
    for line in text.splitlines():
        number, level, asked, state = line.split(" | ")
        word, _, reason = state.partition(": ")
        found.append(Requirement(number, int(level), asked, word, reason))
    return found


def problems(listed: Iterable[Requirement], named: Collection[str], root: Path) -> Iterator[str]:
    """Errors of the list; ``named``: the numbers that tests name."""
    lines = {it.number: it for it in listed}
    for number in sorted(set(named) - lines.keys(), key=by_number):
        yield f"{number}: a test names it, and the list has no such line"
    for number, it in lines.items():
        if it.state not in STATES:
            yield f"{number}: {it.state!r} is no state"
        elif it.state in (*BY_TESTS, "in part") and not it.tests:
            yield f"{number}: it is {it.state}, and no test names it"
        elif it.state not in (*MET, "in part") and it.tests:
            yield f"{number}: {it.tests[0]} names it, and the list says {it.state}"
        elif (it.state in BY_TESTS) is bool(it.reason):
            yield f"{number}: {it.state} has {'a' if it.reason else 'no'} reason"
        elif it.state == "documented" and not heading(root / it.reason, number):
            yield f"{number}: no heading of {it.reason} ends with it in parentheses"


def heading(path: Path, number: str) -> str | None:
    """The heading of a Markdown file that ends with the number: ``## Limits (2.1.3, 2.4.1)``."""
    text = path.read_text("utf-8") if path.is_file() else ""
    for found in re.finditer(r"^#+ (.+) \(([\d., ]+)\)$", text, re.MULTILINE):
        if number in found[2].split(", "):
            return found[1]
    return None


def totals(listed: Iterable[Requirement], good: Collection[str]) -> Iterator[list[str]]:
    """Rows of a table: chapter, then for each level how many of those that apply are good.

    The last row has the sums. What does not apply, or is the operator's, is in no column.
    """
    counted: Counter[tuple[int, int, bool]] = Counter()
    for it in listed:
        if it.state in (*MET, *MISSING):
            for chapter in (it.chapter, 0):
                counted[chapter, it.level, it.number in good] += 1
    for chapter in (*CHAPTERS, 0):
        name = f"{chapter} {CHAPTERS[chapter]}" if chapter else "All chapters"
        fine = [counted[chapter, level, True] for level in (1, 2, 3)]
        every = [fine[level - 1] + counted[chapter, level, False] for level in (1, 2, 3)]
        yield [name, *(f"{a} of {b}" if b else "-" for a, b in zip(fine, every, strict=True))]


def changes(before: list[Requirement], after: list[Requirement]) -> Iterator[str]:
    """What differs from an earlier list, as Markdown: the numbers met, then each other state."""
    old, new = ({it.number: it.state for it in listed} for listed in (before, after))
    met = [sum(state in MET for state in states.values()) for states in (old, new)]
    yield f"{met[1]} requirements are met, {met[1] - met[0]:+} since then."
    for number in sorted(old.keys() | new.keys(), key=by_number):
        states = [states.get(number, "no line") for states in (old, new)]
        if states[0] != states[1]:
            yield f"- {number}: {states[0]} → **{states[1]}**"


def component(listed: Iterable[Requirement], name: str) -> dict[str, Any]:
    """An OSCAL component definition (NIST, version 1.1.3) with what is met, and by which tests."""

    def identity(what: str) -> str:
        return str(uuid.uuid5(NAMESPACE, f"{STANDARD}#{name}/{what}"))

    implemented = [
        {
            "uuid": identity(it.number),
            "control-id": f"v5.0.0-{it.number}",  # as ASVS itself wants to be cited
            "description": "\n".join([str(it), *it.tests]),
        }
        for it in listed
        if it.state in MET
    ]
    controls = {
        "uuid": identity("controls"),
        "source": STANDARD,
        "description": "Requirements of OWASP ASVS 5.0.0 that the service meets",
        "implemented-requirements": implemented,
    }
    service = {
        "uuid": identity("component"),
        "type": "software",
        "title": name,
        "description": "The service of this repository",
        "control-implementations": [controls],
    }
    return {
        "component-definition": {
            "uuid": identity("definition"),
            "metadata": {
                "title": f"{name} and OWASP ASVS 5.0.0",
                "last-modified": datetime.now(UTC).isoformat(timespec="seconds"),
                "version": "1",
                "oscal-version": "1.1.3",
            },
            "components": [service],
        }
    }
