"""The JSON API of a new user: `make run`, its own tests, and its client."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.template import environment, get, pass_checks, render, run, serving, with_uv

PASSWORD = "wool-lantern-orbit-7-thistle"
CODE = re.compile(r"^  ([\w-]{43})$", re.MULTILINE)  # of a mail, on a line of its own


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


def test_the_lines_of_the_guide_run_as_they_stand(
    project: Path, address: str, values: dict[str, str]
) -> None:
    guide = (project / "docs" / "sign-in.md").read_text("utf-8")
    lines = guide.split("```")[1].replace("127.0.0.1:5000", address)
    result = run("sh", "-eu", "-c", lines, cwd=project, env=values)
    row = '"title":"First","body":"*Hello*","body_html":"<p><em>Hello</em></p>"'
    assert result.stdout.count(row) == 2, result.stdout  # as it was written, and read by a script
    mail = newest_mail(project)
    assert "To: you@example.com" in mail
    log = (project.parent / "run.log").read_text("utf-8")
    assert code_of(mail) in log, "the terminal shows the code"


def test_the_client_works_against_it(project: Path, address: str, values: dict[str, str]) -> None:
    """It opens an account, then signs in again, then sets a new password."""
    for first, password in (("register", PASSWORD), (None, PASSWORD), ("forgot", PASSWORD[::-1])):
        before = mails(project)
        program = [project / ".venv" / "bin" / "python", project / "examples" / "client.py"]
        program += [f"http://{address}", "carol@example.com", *([first] if first else [])]
        with subprocess.Popen(
            program, env=values, stdin=PIPE, stdout=PIPE, stderr=subprocess.STDOUT, text=True
        ) as client:
            code = ""
            if first:
                wait_for(lambda before=before: mails(project) > before)
                code = f"{code_of(newest_mail(project))}\n"
            said, _ = client.communicate(f"{code}{password}\n", timeout=60)
        assert client.returncode == 0, said
        assert re.search(r"\d{4}-\d\d-\d\dT\S+  carol@example\.com$", said, re.MULTILINE), said


def mails(project: Path) -> set[Path]:
    """The mails with a code. Other mails report a new password or a new device."""
    files = (project / "instance" / "mail").glob("*.eml")
    return {path for path in files if CODE.search(path.read_text("utf-8"))}


def newest_mail(project: Path) -> str:
    """The newest mail with a code; in development, each mail is a file."""
    newest = max(mails(project), key=lambda path: path.stat().st_mtime_ns)
    return newest.read_text("utf-8")


def code_of(mail: str) -> str:
    return str(CODE.findall(mail)[0])


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.1)


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
