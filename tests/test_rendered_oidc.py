"""The OpenID Connect service of a new user: `make run` without a provider, and its own tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.template import environment, get, pass_checks, render, serving, with_uv


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("home")
    return with_uv(home / "programs", environment(home))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render(tmp_path_factory.mktemp("oidc"), auth="oidc")


@pytest.fixture(scope="module")
def address(project: Path, values: dict[str, str]) -> Iterator[str]:
    """`make run`: the host and port it is served on."""
    with serving("run", project, values, project.parent / "run.log") as address:
        yield address


def test_it_says_what_to_do_about_the_provider(address: str) -> None:
    assert get(address, "/readyz")[0] == 200, "the database is migrated"
    status, page = get(address, "/auth/login")
    assert status == 200
    for text in ("http://localhost:9000", "make provider", "OIDC_ISSUER"):
        assert text in page
    assert get(address, "/auth/emergency")[0] == 404


def test_the_suite_of_the_service_passes(
    project: Path, address: str, values: dict[str, str]
) -> None:
    # Its pages are those of session, whose suite sends all attacks to them.
    pass_checks(project, values, all_attacks=False)
