"""Hostile answers to cookiecutter's program: as arguments, and as replies to its questions."""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.fuzz import rendering, strategies
from tests.fuzz.test_data import DEFAULTS, wrong
from tests.template import AXES, COMBINATIONS, QUESTIONS, ROOT, environment, files, render, run

EXAMPLES = 24
REPLAY = "home/.cookiecutter_replay"


def everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@cache
def complete(choices: tuple[str, ...]) -> set[str]:
    """The files of a service with these choices."""
    with tempfile.TemporaryDirectory() as folder:
        project = render(Path(folder), **dict(zip(AXES, choices, strict=True)))
        return {path.relative_to(project).as_posix() for path in files(project)}


def replies(answers: dict[str, str]) -> str:
    """The typed replies to all questions; an empty reply selects the default."""
    asked = [name for name in QUESTIONS if not name.startswith("_")]
    return "".join(f"{answers.get(name, '')}\n" for name in asked)


def check(folder: Path, answers: dict[str, str], is_typed: bool) -> str:
    """Run the program in an empty home with the answers; return the outcome."""
    for name in ("home", "tmp", "output"):
        (folder / name).mkdir()
    before = everything(folder)
    result = run(
        *(sys.executable, "-m", "cookiecutter", str(ROOT), "--output-dir", "output"),
        *([] if is_typed else ["--no-input", *(f"{k}={v}" for k, v in answers.items())]),
        cwd=folder,
        env=environment(folder / "home", TMPDIR=str(folder / "tmp"), LC_ALL="C.UTF-8"),
        input=replies(answers) if is_typed else "",
        errors="surrogateescape",
    )
    assert "Traceback" not in result.stdout
    if problems := wrong(answers):
        if is_typed:  # one question after the other
            first = next(name for name in QUESTIONS if name in problems)
            problems = {first: problems[first]}
        assert result.returncode == 1, result.stdout
        assert "Nothing was rendered. These answers are invalid:\n" in result.stdout
        for name, problem in problems.items():
            assert f"\n  {name} {answers[name]!r} {problem}.\n" in result.stdout
        assert everything(folder) == before, "it left something"
        return "refused"

    assert result.returncode == 0, result.stdout
    context = rendering.completed(answers)
    project = folder / "output" / context["project_slug"]
    for name, text in rendering.check(context).items():
        made_of = (project / name).read_bytes().decode()
        if name == ".template/answers.yaml":  # the source is that of the run, not of the answers
            made_of = re.sub(r'(?m)^(template|commit): ".*"$', r'\1: ""', made_of)
        assert made_of == text, f"{name} is rendered otherwise"
    made = {path.relative_to(project).as_posix() for path in files(project)}
    assert made == complete(tuple(context[axis] for axis in AXES))
    outside = {
        name
        for name in everything(folder) - before
        if not name.startswith((f"output/{project.name}", "tmp/"))
    }
    assert outside <= {REPLAY, f"{REPLAY}/{ROOT.name}.json", "home/.cookiecutters"}
    scripts = [path for path in files(project) if path.suffix == ".sh"]
    for script in scripts:
        assert run("sh", "-n", script).returncode == 0, script
    return "rendered"


@pytest.mark.parametrize("is_typed", [False, True], ids=["arguments", "replies"])
def test_the_program_refuses_or_renders_all(is_typed: bool) -> None:
    # The operating system ends an argument at NUL; a line end ends a reply. cookiecutter strips a
    # reply, and an empty one selects the default.
    gone = "\0\r\n" if is_typed else "\0"

    def given_so(answers: dict[str, str]) -> dict[str, str]:
        words = {
            name: "".join(sign for sign in value if sign not in gone and not is_half(sign))
            for name, value in strategies.typed(answers).items()
        }
        if is_typed:
            words = {name: kept for name, value in words.items() if (kept := value.strip())}
        return words | {axis: answers[axis] for axis in AXES}

    outcomes: Counter[str] = Counter()

    @settings(
        max_examples=EXAMPLES // 2,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],  # each takes half a second
        suppress_health_check=list(HealthCheck),
    )
    @given(strategies.answers(), st.sampled_from(COMBINATIONS[::7]))
    @example({"project_name": "\udc80"}, DEFAULTS)
    @example({"description": "$(id) `id` ${HOME} 日本 👩\u200d🔧"}, DEFAULTS)
    @example({"project_name": "\x1b[31m", "description": 'a "quote"'}, DEFAULTS)
    def one(answers: dict[str, str], choices: dict[str, str]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            outcomes[check(Path(folder), given_so(answers | choices), is_typed)] += 1

    one()
    print(f"{outcomes.total()} runs: {dict(outcomes)}")
    assert min(outcomes["rendered"], outcomes["refused"]) > 4, "both were tried"


def is_half(sign: str) -> bool:
    """Half of a surrogate pair, which is no valid text."""
    return "\ud800" <= sign <= "\udfff" and not "\udc80" <= sign <= "\udcff"
