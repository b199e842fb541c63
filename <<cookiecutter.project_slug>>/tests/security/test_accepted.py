"""A known weakness that is accepted without an end is accepted for ever."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests import accepted
from tests.accepted import REPAIR, AcceptedError, options
from tests.decisions import Row, tables
from tests.marks import asvs, practice

pytestmark = practice("audits")

TODAY = date(2030, 1, 31)
TABLE = """
| Accepted weakness | Severity | Found | Until | Why it does no harm |
|---|---|---|---|---|
| `{name}` | {severity} | {found} | {until} | {why} |
"""
GOOD = {"name": "GHSA-aaaa-bbbb-cccc", "severity": "high", "why": "we never call it"}
GOOD |= {"found": "2030-01-30", "until": "2030-02-06"}


def table(**changes: str) -> list[Row]:
    (rows,) = tables(TABLE.format(**GOOD | changes))
    return rows


@asvs("15.1.1")
def test_an_accepted_weakness_is_passed_over_until_its_day() -> None:
    assert options([], TODAY) == ""
    assert options(table(), TODAY) == "--ignore-vuln GHSA-aaaa-bbbb-cccc"
    assert options(table(), date(2030, 2, 6))
    two = table() + table(name="CVE-2030-1234")
    assert options(two, TODAY).count("--ignore-vuln") == 2


@asvs("15.1.1")
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"until": ""}, "write the days"),
        ({"until": "never"}, "write the days"),
        ({"found": ""}, "write the days"),
        ({"found": "2030-01-20", "until": "2030-01-27"}, "repair it now"),
        ({"until": "2030-02-07"}, "until 2030-02-06 at most"),
        ({"severity": "critical"}, "until 2030-02-01 at most"),
        ({"severity": "unknown"}, "one of critical, high, medium, low"),
        ({"found": "2030-02-01", "until": "2030-02-02"}, "not found yet"),
        ({"why": ""}, "say why"),
        ({"name": "x --help"}, "no advisory"),
        ({"name": ""}, "no advisory"),
    ],
)
def test_an_exception_without_an_end_or_after_it_fails(changes: dict[str, str], says: str) -> None:
    with pytest.raises(AcceptedError, match=says):
        options(table(**changes), TODAY)


@asvs("15.1.1")
def test_the_audit_fails_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert accepted.main() is None, "the table of this service is right"
    for rows, output in ((table(until="2020-01-01", found="2020-01-01"), ""), ([], "\n")):
        monkeypatch.setattr(accepted, "rows", lambda title, it=rows: it)
        capsys.readouterr()
        problem = accepted.main()
        assert capsys.readouterr().out == output
        assert bool(problem) == bool(rows)


@asvs("15.1.1")
def test_more_severe_weaknesses_have_shorter_repair_times() -> None:
    times = list(REPAIR.values())
    assert times == sorted(times)
    assert times[-1] <= timedelta(days=90)
