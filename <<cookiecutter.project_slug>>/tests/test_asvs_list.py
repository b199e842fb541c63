"""The list has every requirement of the standard, and says of none what is not so."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path
from uuid import UUID

import pytest

from tests import asvs_list, traceability
from tests.asvs_list import Requirement
from tests.marks import slow

# OWASP ASVS 5.0.0: a line for each chapter, in it a word for each section, in it a digit for each
# requirement, which is its level: 1.1.1 and 1.1.2 are of level 2.
STANDARD = """\
22 1111122223 112222222223 222 123
122 112 12223 23
3 113 12223 11222233 11122333 3 22333
12233 23333 22 1222
2 112333 113 222
122 111111112222 11223333 112233 22222333 2223 33 2222
222 1111 22 11222 223 22
1233 1123 133 23
111 1222
22 223 22223 1111122222233333 22222 22 222
2233 22233 11233 1222 23 23 33
12233 11 22223
2333 222223 2233 1222233
22 12223333 122
12233 12233 1222222 3333
2 22222 2222 222 2223
23 22223333 22
"""
LEVELS = {
    f"{chapter}.{section}.{number}": int(level)
    for chapter, line in enumerate(STANDARD.splitlines(), start=1)
    for section, levels in enumerate(line.split(), start=1)
    for number, level in enumerate(levels, start=1)
}
rows = cache(traceability.requirements)


def test_the_standard_is_whole() -> None:
    assert Counter(LEVELS.values()) == {1: 70, 2: 183, 3: 92}  # as its introduction counts


@slow
def test_every_requirement_of_the_first_two_levels_has_its_line() -> None:
    numbers = [it.number for it in rows()]
    assert sorted(n for n, level in LEVELS.items() if level < 3 and n not in numbers) == []
    assert sorted(set(numbers) - LEVELS.keys()) == []
    assert numbers == sorted(set(numbers), key=asvs_list.by_number), "in their order, each once"


def test_every_line_has_the_level_of_the_standard() -> None:
    assert [it.number for it in rows() if it.level != LEVELS[it.number]] == []
    assert [it.number for it in rows() if it.level == 3 and it.state not in asvs_list.MET] == []
    assert [it.number for it in rows() if not 10 < len(it.text) < 100] == []


def test_the_list_agrees_with_tests_and_documents() -> None:
    """What is proven or absent has a test, what is documented has its heading, and nothing else
    is named by a test. Each problem begins with the number of the requirement."""
    assert traceability.problems() == []


def test_security_md_lists_what_is_not_met() -> None:
    """It is what ``make practices ARGS="--state 'not met'"`` prints."""
    text = Path("SECURITY.md").read_text("utf-8")
    section = text.partition("\n## Requirements that are not met\n")[2].partition("\n## ")[0]
    listed = [line for line in section.splitlines() if line.startswith("- ")]
    assert listed == [f"- {it}" for it in rows() if it.state in asvs_list.MISSING]


# --- What is wrong is seen


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "a.md").write_text("# Title (1.1.1)\n\n## Limits (2.1.3, 2.4.1)\n\n2.1.2 (x)\n")
    return tmp_path


def problems(root: Path, line: str, *tests: str) -> str:
    found = asvs_list.parse(line)
    found[0].tests += tests
    named = {found[0].number: list(tests)} if tests else {}
    return "\n".join(asvs_list.problems(found, named, root))


@pytest.mark.parametrize(
    ("line", "tests", "says"),
    [
        ("1.1.1 | 2 | x | proven", [], "1.1.1: it is proven, and no test names it"),
        ("1.1.1 | 2 | x | absent", [], "1.1.1: it is absent, and no test names it"),
        ("1.1.1 | 2 | x | proven: why", ["t"], "1.1.1: proven has a reason"),
        ("1.1.1 | 2 | x | not met: y", ["t"], "1.1.1: t names it, and the list says not met"),
        ("1.1.1 | 2 | x | not met", [], "1.1.1: not met has no reason"),
        ("1.1.1 | 2 | x | operator", [], "1.1.1: operator has no reason"),
        ("1.1.1 | 2 | x | in part: y", [], "1.1.1: it is in part, and no test names it"),
        ("1.1.1 | 2 | x | in part", ["t"], "1.1.1: in part has no reason"),
        ("1.1.1 | 2 | x | in part: y", ["t"], ""),
        ("1.1.1 | 2 | x | green", [], "1.1.1: 'green' is no state"),
        ("1.1.2 | 2 | x | documented: a.md", [], "1.1.2: no heading of a.md ends with it"),
        ("2.1.1 | 2 | x | documented: b.md", [], "2.1.1: no heading of b.md ends with it"),
        ("2.1.2 | 2 | x | documented: a.md", [], "2.1.2: no heading of a.md ends with it"),
        ("1.1.1 | 2 | x | documented: a.md", [], ""),
        ("2.1.3 | 2 | x | documented: a.md", ["t"], ""),
        ("2.4.1 | 2 | x | documented: a.md", [], ""),
        ("1.1.1 | 2 | x | proven", ["t"], ""),
        ("1.1.1 | 2 | x | does not apply: no x", [], ""),
    ],
)
def test_a_false_line_is_reported(root: Path, line: str, tests: list[str], says: str) -> None:
    found = problems(root, line, *tests)
    assert found.startswith(says) if says else not found


def test_a_number_without_a_line_is_named(root: Path) -> None:
    (found,) = asvs_list.problems([], {"9.9.9": ["t"]}, root)
    assert found.startswith("9.9.9: ")


@pytest.mark.parametrize("line", ["1.1.1 | 2 | proven", "1.1.1 | two | x | proven"])
def test_a_line_of_another_form_is_an_error(line: str) -> None:
    with pytest.raises(ValueError, match=r"unpack|invalid literal"):
        asvs_list.parse(line)


# --- What is shown


def test_totals_count_what_applies() -> None:
    rows = asvs_list.parse(
        "1.1.1 | 1 | x | proven\n1.1.2 | 1 | x | not met: y\n1.1.3 | 2 | x | operator: y\n"
        "2.1.1 | 1 | x | documented: a.md\n2.1.2 | 1 | x | does not apply: y"
    )
    table = {row[0]: row[1:] for row in asvs_list.totals(rows, {"1.1.1", "2.1.1"})}
    assert table["1 Encoding and Sanitization"] == ["1 of 2", "-", "-"]
    assert table["2 Validation and Business Logic"] == ["1 of 1", "-", "-"]
    assert table["All chapters"] == ["2 of 3", "-", "-"]
    assert len(table) == 18


def test_changes_name_each_number() -> None:
    before = [Requirement("1.1.1", 2, "x", "proven"), Requirement("1.1.10", 1, "x", "proven")]
    after = [Requirement("1.1.1", 2, "x", "not met", "y"), Requirement("1.1.2", 2, "x", "absent")]
    assert list(asvs_list.changes(before, after)) == [
        "1 requirements are met, -1 since then.",
        "- 1.1.1: proven → **not met**",
        "- 1.1.2: no line → **absent**",
        "- 1.1.10: proven → **no line**",
    ]


@slow
def test_the_command_shows_requirements(capsys: pytest.CaptureFixture[str]) -> None:
    def shown(*arguments: str) -> str:
        assert traceability.main(arguments) is None
        return capsys.readouterr().out

    everything = shown("--state", "all")
    assert all(str(it) in everything for it in rows())
    assert "V6 Authentication" in everything
    chapter = shown("--chapter", "6")
    assert re.findall(r"(?m)^V\d+", chapter) == ["V6"]
    (proven,) = [it for it in rows() if it.number == "6.3.1"]
    assert all(test in chapter for test in proven.tests)
    state = shown("--chapter", "1", "--state", "does not apply")
    assert re.findall(r"(?m)^  ([\d.]+) ", state) == ["1.2.6", "1.2.7", "1.2.8", "1.3.8", "1.3.9"]
    loaded = json.loads(shown("--json", "--chapter", "6"))["requirements"]
    assert [Requirement(**it) for it in loaded] == [it for it in rows() if it.chapter == 6]


def test_the_command_shows_what_changed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):  # a hook of Git sets them
        monkeypatch.delenv(name, raising=False)
    place = tmp_path / asvs_list.FILE
    place.parent.mkdir(parents=True)
    place.write_text("1.1.1 | 2 | x | not met: y\n")
    assert traceability.main(["--since", "HEAD"], tmp_path) is None
    assert "no such list" in capsys.readouterr().out, "and CI of the first commit goes on"
    author = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for command in (["init", "-q"], ["add", "."], [*author, "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    place.write_text("1.1.1 | 2 | x | documented: a.md\n")
    assert traceability.main(["--since", "HEAD"], tmp_path) is None
    assert "- 1.1.1: not met → **documented**" in capsys.readouterr().out


@slow
def test_the_component_definition_names_what_is_met(capsys: pytest.CaptureFixture[str]) -> None:
    """The fields that NIST's schema of OSCAL 1.1.3 requires; each id is the same in each run."""
    traceability.main(["--oscal"])
    first = capsys.readouterr().out
    definition = json.loads(first)["component-definition"]
    assert {"title", "last-modified", "version", "oscal-version"} <= definition["metadata"].keys()
    (component,) = definition["components"]
    (controls,) = component["control-implementations"]
    implemented = controls["implemented-requirements"]
    assert [it["control-id"] for it in implemented] == [
        f"v5.0.0-{it.number}" for it in rows() if it.state in asvs_list.MET
    ]
    ids = [UUID(it["uuid"]) for it in (definition, component, controls, *implemented)]
    assert len({*ids}) == len(ids)
    traceability.main(["--oscal"])
    again = json.loads(capsys.readouterr().out)["component-definition"]
    assert again["components"] == definition["components"]
