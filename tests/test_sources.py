"""The template from a path, a git URL and a zip file, and again with ``--replay``."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.template import (
    ROOT,
    SERVICE,
    commit,
    copied,
    environment,
    files,
    git,
    render,
    run,
)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Write no log."""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[str]]]:
    """The arguments for the template on the command line, by kind; v1 is the current version."""
    folder = tmp_path_factory.mktemp("sources")
    copy = copied(folder / "hardened-flask")
    git(copy, "init", "--quiet")
    commit(copy, "one")
    git(copy, "tag", "v1")
    git(copy, "archive", "--prefix=hardened-flask-1/", "--output", folder / "v1.zip", "v1")
    (copy / SERVICE.name / "wsgi.py").unlink()
    commit(copy, "two")
    git(folder, "clone", "--quiet", "--bare", copy, folder / "hardened-flask.git")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield {
            "path": [str(ROOT)],
            "git": [f"file://{folder}/hardened-flask.git", "--checkout", "v1"],
            "zip": [str(folder / "v1.zip")],
            "zip URL": [f"http://127.0.0.1:{server.server_port}/v1.zip"],
        }
        server.shutdown()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return content(render(tmp_path_factory.mktemp("expected"), project_name="Billing"))


def content(project: Path) -> dict[str, bytes]:
    """All files of a rendering, except `.env` and the record of the template's source."""
    found = {str(path.relative_to(project)): path.read_bytes() for path in files(project)}
    assert found.pop(".env")
    record = found[".template/answers.yaml"]
    found[".template/answers.yaml"] = re.sub(rb"(?m)^(template|commit): .*$", b"", record)
    return found


def cookiecutter(
    home: Path, output: str, *words: str, reply: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run cookiecutter with access to the loopback network only."""
    (home / output).mkdir(exist_ok=True)
    return run(
        *(sys.executable, "-m", "cookiecutter", *words, "--output-dir", output),
        cwd=home,
        env=environment(home, NO_PROXY="127.0.0.1"),
        input=reply,
    )


@pytest.mark.parametrize("kind", ["path", "git", "zip", "zip URL"])
def test_it_renders_the_same_from_everywhere(
    kind: str, sources: dict[str, list[str]], expected: dict[str, bytes], tmp_path: Path
) -> None:
    source = sources[kind]
    result = cookiecutter(tmp_path, "first", *source, "--no-input", "project_name=Billing")
    assert result.returncode == 0, result.stdout
    assert content(tmp_path / "first" / "billing") == expected

    # The checks also run if cookiecutter has copied the template to another folder.
    replies = kept(kind) + 'The "Service"' + "\n" * 9
    result = cookiecutter(tmp_path, "bad", *source, "author_name=Me", reply=replies)
    assert result.returncode == 1
    assert "project_name 'The \"Service\"' contains" in result.stdout
    again = " ".join(["cookiecutter", *source, "--output-dir bad "])
    assert again in result.stdout.strip().splitlines()[-1]
    assert list((tmp_path / "bad").iterdir()) == []

    # A refused run must not replace the answers for --replay.
    result = cookiecutter(tmp_path, "second", *source, "--replay", reply=kept(kind))
    assert result.returncode == 0, result.stdout
    assert content(tmp_path / "second" / "billing") == expected


def kept(kind: str) -> str:
    """The reply to cookiecutter's question whether its copy of the template may be replaced."""
    return "y\n" if kind in ("git", "zip URL") else ""


@pytest.mark.parametrize("extension", [True, False], ids=["by the extension", "by the hook"])
def test_replayed_answers_are_checked(extension: bool, tmp_path: Path) -> None:
    """A replay file may be edited or from an older version; so may the extension's name in it."""
    result = cookiecutter(tmp_path, "first", str(ROOT), "--no-input", "author_name=Me")
    assert result.returncode == 0, result.stdout
    replay = tmp_path / ".cookiecutter_replay" / f"{ROOT.name}.json"
    answers = json.loads(replay.read_text(encoding="utf-8"))
    answers["cookiecutter"] |= {"project_name": 'B"', "domain_name": "https://x"}
    if not extension:
        answers["cookiecutter"]["_extensions"] = []
    replay.write_text(json.dumps(answers), encoding="utf-8")

    result = cookiecutter(tmp_path, "bad", str(ROOT), "--replay")
    assert result.returncode == 1
    for name in ("project_name", "domain_name"):
        assert f"\n  {name} '" in result.stdout
    assert " author_name=Me" in result.stdout
    assert "--replay" not in result.stdout, "it cannot be combined with answers"
    assert list((tmp_path / "bad").iterdir()) == []
    assert extension is ("Traceback" not in result.stdout), "cookiecutter shows where a hook failed"


def test_a_template_that_cannot_be_written_to_renders(
    expected: dict[str, bytes], tmp_path: Path
) -> None:
    template = copied(tmp_path / "template")
    # Where even root makes no file.
    (template / "hooks" / "__pycache__").symlink_to("/proc/self")
    result = cookiecutter(tmp_path, "first", str(template), "--no-input", "project_name=Billing")
    assert result.returncode == 0, result.stdout
    assert content(tmp_path / "first" / "billing") == expected
