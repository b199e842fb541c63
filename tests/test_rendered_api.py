"""The JSON API of a new user: `make run`, its own tests, and its client."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.template import environment, get, pass_checks, render, run, serving, with_uv

PASSWORD = "wool-lantern-orbit-7-thistle"


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("home")
    return with_uv(home / "programs", environment(home))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render(tmp_path_factory.mktemp("api"), auth="token")


@pytest.fixture(scope="module")
def address(project: Path, values: dict[str, str]) -> Iterator[str]:
    """`make run`: the host and port it is served on."""
    with serving("run", project, values, project.parent / "run.log") as address:
        yield address


def test_it_serves_the_api_and_no_page(address: str) -> None:
    status, description = get(address, "/api/v1/openapi.json")
    assert status == 200
    assert json.loads(description)["info"]["title"] == "Hardened Service"
    assert get(address, "/readyz")[0] == 200, "the database is migrated"
    for path in ("/", "/auth/login", "/notes/", "/static/app.css"):
        status, problem = get(address, path)
        assert (status, json.loads(problem)["status"]) == (404, 404)


def test_the_client_works_against_it(project: Path, address: str, values: dict[str, str]) -> None:
    account = {"email": "carol@example.com", "password": PASSWORD}
    connection = HTTPConnection(address, timeout=30)
    try:
        json_type = {"Content-Type": "application/json"}
        connection.request("POST", "/api/v1/auth/register", json.dumps(account), json_type)
        assert connection.getresponse().status == 201
    finally:
        connection.close()
    program = [project / ".venv" / "bin" / "python", project / "examples" / "client.py"]
    result = run(*program, f"http://{address}", account["email"], input=f"{PASSWORD}\n", env=values)
    assert result.returncode == 0, result.stdout
    assert re.search(r"\d{4}-\d\d-\d\dT\S+  carol@example\.com$", result.stdout, re.MULTILINE)


def test_a_service_with_an_odd_name_passes_its_tests(
    project: Path, address: str, values: dict[str, str], tmp_path: Path
) -> None:
    name = "</b>{{ 7*7 }} 'x': ${y} $(id) # 日本"
    folder = render(tmp_path, auth="token", project_name=name, project_slug="odd")
    python = project / ".venv" / "bin" / "python"
    quick = ["tests/test_health.py", "tests/security/test_headers.py"]
    result = run(python, "-m", "pytest", "--quiet", *quick, cwd=folder, env=values)
    assert result.returncode == 0, result.stdout[-20_000:]
    settings = "import dotenv; dotenv.load_dotenv('.env')"
    path = "/api/v1/openapi.json"
    title = f"app.create_app().test_client().get('{path}').json['info']['title']"
    program = f"{settings}; import app; print(ascii({title}))"
    assert run(python, "-c", program, cwd=folder, env=values).stdout == f"{name!a}\n"


def test_the_suite_of_the_service_passes(
    project: Path, address: str, values: dict[str, str]
) -> None:
    pass_checks(project, values)
