"""Services that several tests read; a test that changes files renders its own service."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.groups import FIRST, group
from tests.template import COMBINATIONS, PAIRWISE, copied, render


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put slow groups first; ``--dist loadgroup`` gives processes whole groups in this order."""
    order = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: order.get(group(item.nodeid), len(FIRST)))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item.nodeid)))


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
