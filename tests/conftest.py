"""Services that several tests read; a test that changes files renders its own service."""

from __future__ import annotations

from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.groups import FIRST, group
from tests.template import COMBINATIONS, PAIRWISE, copied, render


class Groups(LoadScopeScheduling):
    """Gives each process of pytest-xdist whole groups of tests (tests/groups.py)."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Groups | None:
    """Distribute the tests by group; with another ``--dist`` as pytest-xdist does."""
    return Groups(config, log) if config.getoption("dist") == "loadscope" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow groups first; ``--no-loadscope-reorder`` keeps this order."""
    order = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: order.get(group(item.nodeid), len(FIRST)))


@pytest.fixture(
    scope="session", params=COMBINATIONS, ids=lambda answers: "-".join(answers.values())
)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The service with each combination of choices; defaults for the other answers."""
    return render(tmp_path_factory.mktemp("rendered"), **request.param)


@pytest.fixture(scope="session", params=PAIRWISE, ids=lambda answers: "-".join(answers.values()))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The service with nine combinations (``PAIRWISE``), for tests that take seconds."""
    return render(tmp_path_factory.mktemp("rendered"), **request.param)


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the template like a new clone, without a virtual environment."""
    return copied(tmp_path_factory.mktemp("checkout") / "template")
