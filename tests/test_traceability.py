"""The list of ASVS of every choice agrees with the marks of the tests that this choice has."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from tests.template import SERVICE

LIST = "tests/security/asvs.list"
BY_TESTS = {"proven", "absent", "in part"}


def named(project: Path) -> set[str]:
    """The numbers of all requirements that the tests name."""
    found = set()
    planting = project / "tests/test_traceability.py"
    for path in set((project / "tests").rglob("test_*.py")) - {planting}:
        text = path.read_text("utf-8")
        for arguments in re.findall(r"^@asvs\(([^)]+)\)$", text, re.MULTILINE):
            found |= set(re.findall(r'"([\d.]+)"', arguments))
    return found


def states(listed: str) -> dict[str, str]:
    """The first word of the state of each requirement, by its number."""
    lines = [line.split(" | ") for line in listed.splitlines() if " | " in line]
    return {line[0]: line[3].partition(": ")[0] for line in lines}


def test_each_proven_requirement_has_a_test_and_each_named_one_is_proven(pair: Path) -> None:
    said, tests = states((pair / LIST).read_text("utf-8")), named(pair)
    assert len(said) > 253
    assert sorted(number for number, it in said.items() if it in BY_TESTS) == sorted(
        number for number in tests if said.get(number) != "documented"
    )


def test_each_requirement_is_written_once_for_all_choices() -> None:
    """Otherwise its text or level could differ between two choices."""
    text = (SERVICE / LIST).read_text("utf-8")
    numbers = Counter(re.findall(r"(?m)^([\d.]+) \| ", text))
    assert len(numbers) > 253
    assert set(numbers.values()) == {1}
