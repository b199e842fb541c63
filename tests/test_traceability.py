"""The table of ASVS requirements in a service's report has a text for each number in the tests."""

from __future__ import annotations

import re

from tests.template import SERVICE


def test_the_table_has_exactly_the_numbers_that_some_choice_proves() -> None:
    named = set()
    planting = SERVICE / "tests/test_traceability.py"
    for path in set(SERVICE.rglob("test_*.py")) - {planting}:
        for arguments in re.findall(r"^@asvs\(([^)]+)\)$", path.read_text("utf-8"), re.MULTILINE):
            named |= set(re.findall(r'"([\d.]+)"', arguments))
    table = (SERVICE / "tests/security/asvs.txt").read_text("utf-8").splitlines()
    numbers = [line.split(" ")[0] for line in table]
    assert len(numbers) > 100
    assert numbers == sorted(named, key=lambda number: [int(part) for part in number.split(".")])
