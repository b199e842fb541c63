"""Mutants of the modules that protect: the service's tests must kill nine of ten.

``make sabotage`` takes a random sample (``MUTANTS=50 SEED=7`` for another one) and prints the
survivors: each is a test that is missing, or a change that makes no difference.
"""

from __future__ import annotations

import ast
import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.sabotage.defect import Service
from tests.sabotage.mutants import PLACES, mutants, sample

pytestmark = pytest.mark.sabotage

LEAST_KILLED = 0.9
NUMBER = int(os.environ.get("MUTANTS") or 30)
SEED = int(os.environ.get("SEED") or random.randrange(1000))  # noqa: S311 - no secret


def test_every_mutant_is_another_program(rendered: Callable[[dict[str, str]], Path]) -> None:
    project = rendered({})
    for place in PLACES:
        found = 0
        for path in (project / place).rglob("*.py"):
            source = path.read_text("utf-8")
            before = ast.dump(ast.parse(source))
            for mutant in mutants(source, path.name):
                assert ast.dump(ast.parse(mutant.text)) != before, mutant.id
                found += 1
        assert found > 100, f"{place} has too few for a sample"


@pytest.mark.skipif(
    os.environ.get("SABOTAGE") != "all", reason="make sabotage runs the tests for each mutant"
)
def test_nine_of_ten_mutants_are_killed(service: Callable[[dict[str, str]], Service]) -> None:
    own = service({})
    own = replace(own, environment=own.environment | {"ATTACKS": "sample"})
    assert own.passes(), "the tests fail without a mutant: each one would count as killed"
    survivors = []
    for number, mutant in enumerate(sample(own.folder, NUMBER, SEED), 1):
        survived = own.survives(mutant)
        print(f"{number}/{NUMBER} {'SURVIVES' if survived else 'killed'} {mutant.id}", flush=True)
        if survived:
            survivors.append(mutant.id)
    killed = NUMBER - len(survivors)
    print(f"Killed {killed} of {NUMBER} (SEED={SEED})")
    assert killed >= LEAST_KILLED * NUMBER, "\n".join(survivors)
