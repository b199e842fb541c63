"""Each practice has its tests, no more and no less; the report is green only for what ran.

``test_asvs_list.py`` looks at the requirements.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from selectolax.lexbor import LexborHTMLParser

from app.security import PRACTICES
from tests import asvs_list, traceability

Plant = Callable[..., Path]


def entry(root: Path, name: str) -> traceability.Practice:
    (found,) = [practice for practice in traceability.read(root) if practice.name == name]
    return found


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    """A folder with these tests: ``plant({"test_a.py": "def test_b(): ..."})``."""

    def make(files: dict[str, str]) -> Path:
        root = tmp_path_factory.mktemp("planted")
        (root / "tests/security").mkdir(parents=True)
        shutil.copy(traceability.ROOT / asvs_list.FILE, root / asvs_list.FILE)
        (root / "pytest.ini").write_text("[pytest]\nmarkers =\n    asvs\n    practice\n")
        for name, content in files.items():
            path = root / "tests" / name
            path.write_text(f"import pytest\nfrom tests.marks import asvs, practice\n{content}\n")
        return root

    return make


# --- What this service's tests say


def test_every_practice_says_its_attack_its_tests_and_its_requirements() -> None:
    practices = traceability.read()
    assert [it.module for it in practices[: len(PRACTICES)]] == [
        f"{module.__name__.replace('.', '/')}.py" for module in PRACTICES
    ]
    for practice in practices:
        assert practice.title
        assert len(practice.attack) > 20, practice.module
        assert (traceability.ROOT / practice.module).is_file()
        assert practice.tests, practice.name
        # ASVS has no requirement about security.txt, which is RFC 9116.
        assert practice.asvs or practice.name == "security_txt", practice.name
        assert len(set(practice.tests)) == len(practice.tests)
        assert list(practice.asvs) == sorted(practice.asvs, key=traceability.by_number)


def test_every_module_with_a_check_is_a_practice() -> None:
    modules = (traceability.ROOT / "app/security").glob("[!_]*.py")
    checked = {path.stem for path in modules if "\ndef check(" in path.read_text("utf-8")}
    assert {module.__name__.rpartition(".")[2] for module in PRACTICES} == checked


def test_no_test_is_left_out() -> None:
    listed = {test for practice in traceability.read() for test in practice.tests}
    tests = dict(traceability._tests(traceability.ROOT))
    lost = {test for test, marks in tests.items() if "asvs" in dict(marks)} - listed
    assert not lost, "a requirement is named, and no practice"
    attacks = {test for test in tests if test.startswith("tests/security/")}
    assert attacks
    assert attacks <= listed


# --- What is planted


def test_tests_are_found_by_name_and_by_mark(plant: Plant) -> None:
    root = plant(
        {
            "security/test_csrf.py": """
def test_by_name(): ...
@asvs("3.5.10", "3.5.9")
async def test_with_numbers(): ...
@practice("cookies")
@pytest.mark.asvs("3.5.9")
def test_of_two_practices(): ...
def helper(): ...
""",
            "test_file.py": """
pytestmark = [pytest.mark.slow, practice("csrf"), asvs("1.2.1")]
class TestClass:
    pytestmark = practice("cookies")
    @asvs("1.1.1")
    def test_method(self): ...
""",
            "test_other.py": "def test_of_nothing(): ...",
            "not_a_test.py": 'pytestmark = practice("csrf")\ndef test_x(): ...',
        }
    )
    csrf, both = "tests/security/test_csrf.py", "tests/security/test_csrf.py::test_of_two_practices"
    method = "tests/test_file.py::TestClass::test_method"
    numbers = f"{csrf}::test_with_numbers"
    assert entry(root, "csrf").tests == [f"{csrf}::test_by_name", numbers, both, method]
    assert entry(root, "csrf").asvs == {
        "1.1.1": [method],
        "1.2.1": [method],
        "3.5.9": [numbers, both],
        "3.5.10": [numbers],
    }
    assert list(entry(root, "csrf").asvs) == ["1.1.1", "1.2.1", "3.5.9", "3.5.10"]
    assert entry(root, "cookies").tests == [both, method]
    assert entry(root, "logs").tests == []

    path = root / csrf
    path.write_text(path.read_text().replace("test_of_two_practices", "renamed"))
    assert entry(root, "csrf").tests == [f"{csrf}::test_by_name", numbers, method]
    path.unlink()
    assert entry(root, "csrf").tests == entry(root, "cookies").tests == [method]


def test_any_module_of_the_app_can_be_a_practice(plant: Plant) -> None:
    root = plant({"test_own.py": 'pytestmark = practice("auth.sessions")\ndef test_a(): ...'})
    assert entry(root, "auth.sessions").module == "app/auth/sessions.py"
    root = plant({"test_own.py": 'pytestmark = practice("crsf")\ndef test_a(): ...'})
    with pytest.raises(traceability.TraceabilityError, match="crsf"):
        traceability.read(root)


# --- make practices


def test_the_command_shows_it_to_people_and_to_tools(capsys: pytest.CaptureFixture[str]) -> None:
    practices = traceability.read()
    assert traceability.main([]) is None
    shown = capsys.readouterr().out
    for practice in practices:
        for text in (practice.title, practice.attack, practice.module, ", ".join(practice.asvs)):
            assert text in shown
    traceability.main(["--json"])
    loaded = json.loads(capsys.readouterr().out)["practices"]
    assert [traceability.Practice(**it) for it in loaded] == practices

    traceability.main(["csrf"])
    one = capsys.readouterr().out
    for test in entry(traceability.ROOT, "csrf").tests:
        assert test in one
    assert "app/security/logs.py" not in one
    assert traceability.main(["crsf"]) == "There is no practice crsf."


def test_the_command_says_that_a_folder_has_no_tests(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for options in ([], ["--json"]):
        problem = traceability.main(options, tmp_path)
        assert problem == f"There are no tests in {tmp_path}; run this in a checkout."
        assert capsys.readouterr().out == ""


# --- make report

INJECTION = "</td><script>alert(1)</script>|`x`[y](https://evil.example)\\n# z"
PLANTED = {
    "security/test_cookies.py": "@asvs('3.3.1')\ndef test_good(): ...",
    "security/test_csrf.py": """
@asvs("3.5.1")
def test_good(): ...
@asvs("3.5.1")
@pytest.mark.parametrize("case", [1, 2])
def test_bad(case):
    assert case == 1
""",
    "security/test_headers.py": f'''
@asvs("3.4.4")
def test_good(): ...
@pytest.mark.skip(reason="{INJECTION}")
def test_skipped(): ...
''',
    "security/test_logs.py": "@pytest.mark.xfail(reason='not yet')\ndef test_a():\n    assert 0",
    "security/test_errors.py": """
@pytest.fixture
def broken():
    yield
    raise RuntimeError
def test_tidying_up_fails(broken): ...
""",
    "security/test_access.py": """
@pytest.fixture
def late():
    yield
    pytest.skip("too late")
def test_bad(late):
    assert 0
""",
    "security/test_secret_key.py": "@pytest.mark.skipif(True, reason='x')\ndef test_a(): ...",
    "security/test_https.py": "def test_a(): ...\nimport nowhere",
    "security/test_passwords.py": "def test_a(): ...\ndel test_a",
    "test_elsewhere.py": f"""
@pytest.mark.parametrize("x", [1], ids=["{INJECTION}"])
def test_a(x):
    assert 0
""",
}


def run(root: Path, *options: str) -> tuple[int, LexborHTMLParser, str]:
    """The exit status, the page and the summary of a run of the planted tests."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.report"]
    command += ["-p", "no:cacheprovider", "-p", "no:hypothesispytest"]  # half a second to import
    command += [f"--rootdir={root}", f"--config-file={root}/pytest.ini", *options, f"{root}/tests"]
    result = subprocess.run(
        command, cwd=traceability.ROOT, capture_output=True, text=True, timeout=120
    )
    folder = root / "build/report"
    assert "build/report/index.html" in result.stdout, result.stdout + result.stderr
    page = LexborHTMLParser((folder / "index.html").read_text("utf-8"))
    return result.returncode, page, (folder / "summary.md").read_text("utf-8")


def states(page: LexborHTMLParser) -> dict[str, tuple[str, str]]:
    """Colour and word of each row."""
    rows = page.css("tbody tr[id]")
    assert len(rows) >= len(PRACTICES)
    cells = {str(row.attributes["id"]): row.css_first("td.state") for row in rows}
    return {
        name: (str(cell.attributes["class"]).removeprefix("state "), cell.text())
        for name, cell in cells.items()
    }


@pytest.fixture(scope="module")
def reported(plant: Plant) -> tuple[int, LexborHTMLParser, str]:
    """As ``make report`` runs them: in a process beside the one that reports."""
    return run(plant(PLANTED), "--continue-on-collection-errors", "--numprocesses=1")


EXPECTED = {
    "cookies": ("green", "passed"),
    "asvs-3.3.1": ("green", "passed"),
    "csrf": ("red", "failed"),
    "asvs-3.5.1": ("red", "failed"),
    "headers": ("yellow", "skipped"),
    "asvs-3.4.4": ("green", "passed"),
    "asvs-3.4.1": ("red", "no test"),
    "asvs-1.2.6": ("grey", "does not apply"),
    "asvs-13.2.1": ("red", "not met"),
    "asvs-12.2.2": ("grey", "operator"),
    "logs": ("yellow", "skipped"),
    "errors": ("red", "failed"),
    "access": ("red", "failed"),
    "secret_key": ("yellow", "skipped"),
    "https": ("red", "not run"),
    "passwords": ("red", "not run"),
    "queries": ("red", "no test"),
}


def test_a_row_is_green_only_when_all_its_tests_ran_and_passed(
    reported: tuple[int, LexborHTMLParser, str],
) -> None:
    status, page, summary = reported
    assert status == 1, "pytest's own"
    found = states(page)
    assert EXPECTED.items() <= found.items()
    assert {name for name, state in found.items() if state[0] == "green"} == {
        name for name, state in EXPECTED.items() if state[0] == "green"
    }
    lines = summary.splitlines()
    assert lines[0] == f"## 1 of {len(PRACTICES)} practices proven"
    rows = [line.split(" | ") for line in lines if line.startswith("| ")]
    signs = {cells[1]: cells[0] for cells in rows}
    assert signs["Secure cookies"] == "| ✅"
    assert signs["CSRF"] == "| ❌"
    assert signs["Content headers"] == "| ⚠️"
    chapter = next(line for line in lines if line.startswith("| 3 Web Frontend"))
    assert re.fullmatch(r"\| 3 Web Frontend \| 1 of \d+ \| 1 of \d+ \| .+", chapter)


def test_what_did_not_pass_is_named_with_its_reason(
    reported: tuple[int, LexborHTMLParser, str],
) -> None:
    _, page, summary = reported
    remarks = {str(row.attributes["id"]): row.text() for row in page.css("tbody tr[id]")}
    assert "failed: tests/security/test_csrf.py::test_bad" in remarks["csrf"]
    assert "1 of 2 passed" in remarks["csrf"]
    assert "1 skipped: </td><script>alert(1)</script>|" in remarks["headers"]
    assert "1 skipped: expected to fail: not yet" in remarks["logs"]
    for case in ("tests/test_elsewhere.py::test_a", "tests/security/test_https.py"):
        assert case in page.css_first("p.red").text()
    assert "test&#95;elsewhere.py" in summary


def test_nothing_that_a_test_says_becomes_markup(
    reported: tuple[int, LexborHTMLParser, str],
) -> None:
    _, page, summary = reported
    assert not page.css("script, img, link, iframe, [src], [onclick], [href]:not([href^='#asvs-'])")
    assert "default-src 'none'" in str(page.css_first("meta[http-equiv]").attributes["content"])
    practices, chapters = summary.split("\n## ")[:2]
    for part, columns in ((practices, 7), (chapters, 5)):
        table = [line for line in part.splitlines() if line.startswith("|")]
        assert {line.count("|") for line in table} == {columns}
    assert not re.search(r"<|`|\]\(|^# ", summary, re.MULTILINE)


def test_nothing_is_green_without_a_run(plant: Plant) -> None:
    two, one = "def test_a(): ...\ndef test_b(): ...", "def test_b(): ..."
    root = plant({"security/test_cookies.py": two, "security/test_csrf.py": one})
    status, page, summary = run(root, "-p", "no:xdist", "-k", "test_a")
    assert status == 0
    assert states(page)["cookies"] == states(page)["csrf"] == ("red", "not run")
    assert summary.startswith("## 0 of ")
