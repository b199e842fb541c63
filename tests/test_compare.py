"""``make compare`` shows what answers change, and the README's table agrees with it."""

from __future__ import annotations

import re
import sys
from subprocess import CompletedProcess

import pytest

from tests.template import AXES, ROOT, environment, run
from tools import compare


def compare_command(a: str, b: str) -> CompletedProcess[str]:
    values = {"A": a, "B": b, "PYTHONUTF8": "1"}
    return run(
        *(sys.executable, "tools/compare.py"),
        cwd=ROOT,
        env=environment(ROOT / "build", **values),
    )


def test_the_table_of_the_readme_is_current() -> None:
    readme = compare.README.read_text(encoding="utf-8")
    assert readme == compare.with_table(readme, compare.table()), "run `make choices`"
    for axis, (_, *others) in AXES.items():
        for choice in others:
            assert re.search(rf"^\| `{axis}=\w+` \| `{choice}` \|", readme, re.MULTILINE)


def test_a_readme_without_the_marks_is_not_written() -> None:
    with pytest.raises(ValueError, match=r"README\.md lacks"):
        compare.with_table("# No marks\n", "| a |\n")


def test_the_summary_comes_first_and_locks_are_folded() -> None:
    result = compare_command("auth=session", "auth=oidc deployment=kubernetes")
    assert result.returncode == 0, result.stdout
    summary, first, patches = result.stdout.partition("\n--- A/")
    assert first
    assert summary.startswith("A: auth=session\nB: auth=oidc deployment=kubernetes\n")
    only_a, only_b = summary.partition("Only in B")[::2]
    assert re.search(r"^  compose\.yaml +\(\d+ lines\)$", only_a, re.MULTILINE)
    assert re.search(r"^  app/auth/provider\.py +\(\d+ lines\)$", only_b, re.MULTILINE)
    assert re.search(
        r"^  requirements\.lock +\(-\d+ \+\d+, written by a tool: not shown\)$", summary, re.M
    )
    assert "+++ B/app/auth/views.py" in patches
    assert "B/requirements.lock" not in patches
    assert "--hash=" not in patches


def test_every_file_of_the_summary_is_counted_and_shown() -> None:
    """The numbers agree with the patch, and the patch has every changed file."""
    a, b = ({"pyproject.toml": "one\ntwo\n", "same": "", "x.lock": "1\n"}, {})
    b = a | {"pyproject.toml": "one\n2\n3\n", "x.lock": "2\n", "new.py": "a\n"}
    shown = compare.compared(a, b)
    assert "Only in B, 1 file:\n  new.py  (1 lines)\n" in shown
    assert "Different, 2 files:\n  pyproject.toml  (-1 +2)\n  x.lock  (-1 +1, written" in shown
    assert shown.endswith(
        "--- A/pyproject.toml\n+++ B/pyproject.toml\n@@ -1,2 +1,3 @@\n one\n-two\n+2\n+3\n"
    )


def test_equal_answers_render_the_same_and_no_secret_is_shown() -> None:
    result = compare_command("", "database=sqlite")
    assert result.returncode == 0, result.stdout
    assert result.stdout == (
        "A: the defaults\nB: database=sqlite\n\nBoth render the same files.\n"
    ), "the random key of .env would differ"


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ("databse=mysql", "databse 'mysql' is not a question; did you mean database."),
        ("database=oracle", "database 'oracle' is not offered; choose one of: sqlite"),
        ('description="<< 7*7 >>"', "contains << >>"),
        ("Billing", "B: 'Billing' is not name=value"),
    ],
)
def test_bad_answers_are_refused(answers: str, reason: str) -> None:
    result = compare_command("", answers)
    assert result.returncode == 1
    assert reason in result.stdout
    assert "Traceback" not in result.stdout
