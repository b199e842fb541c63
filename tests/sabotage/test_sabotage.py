"""Small defects, each planted alone: the service's own checks must find every one.

``make sabotage`` plants all; otherwise it is one for each of the nine practices and a few more, in
a service with the default answers.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.conftest import lacking
from tests.sabotage.defect import Defect, Service, is_target, node_id
from tests.sabotage.defects import ALL, SELECTED
from tests.template import run

pytestmark = pytest.mark.sabotage

ANSWERS = list({str(defect.answers): defect.answers for defect in ALL}.values())
PRACTICES = "sanitization csrf queries passwords https cookies audits rate_limits errors"


def test_the_list_has_enough_defects() -> None:
    counts = Counter(defect.practice for defect in ALL)
    assert len(ALL) >= 60
    assert {name: n for name, n in counts.items() if n < 2} == {}
    assert {name: counts[name] for name in PRACTICES.split() if counts[name] < 4} == {}
    assert len({defect.id for defect in ALL}) == len(ALL)


@pytest.mark.parametrize("answers", ANSWERS, ids=lambda it: "-".join(it.values()) or "default")
def test_every_defect_still_fits(
    rendered: Callable[[dict[str, str]], Path], tmp_path: Path, answers: dict[str, str]
) -> None:
    """It changes one place of a file, and what comes out is whole: a typing error is no defect."""
    for defect in ALL:
        if defect.answers == answers:
            path, planted = defect.plant(rendered(answers))
            if path.suffix == ".py":
                (tmp_path / f"{defect.id}.py").write_text(planted, "utf-8")
            assert is_target(defect.guard) or node_id(rendered(answers), defect.guard)
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--select=F821"]
    result = run(*ruff, tmp_path)  # an unknown name, or no Python at all
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("defect", [pytest.param(it, id=it.id) for it in SELECTED])
def test_the_tests_of_the_service_find_the_defect(
    defect: Defect,
    service: Callable[[dict[str, str]], Service],
    clean: Callable[[Defect], str],
    record_property: Callable[[str, object], None],
) -> None:
    state = clean(defect)
    if state.startswith("skipped"):
        lacking(f"{defect.guard} is {state}")
    assert state == "passed", f"without any defect: {state[-8000:]}"
    record_property("practice", defect.practice)
    assert service(defect.answers).finds(defect) is None
