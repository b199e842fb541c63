"""The template's commands, in a copy that has no virtual environment yet."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.template import ROOT, SERVICE, environment, run, targets


def make(checkout: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    home = checkout.parent / "home"
    home.mkdir(exist_ok=True)
    values = options.pop("values", {})
    command = ("make", "--no-print-directory", *arguments)
    return run(*command, cwd=checkout, env=environment(home, **values), timeout=600, **options)


@pytest.fixture(scope="module")
def ready(checkout: Path) -> Path:
    """The copy, after its first command has made the virtual environment."""
    result = make(checkout, "new", "NO_INPUT=1", 'ANSWERS=project_name="First Service"')
    assert result.returncode == 0, result.stdout
    assert (checkout.parent / "first-service" / "wsgi.py").exists(), "next to the template"
    return checkout


def test_the_first_command_says_what_it_installs_and_the_next_does_not(ready: Path) -> None:
    assert (ready / ".venv" / "installed").exists()
    result = make(ready, "new", "NO_INPUT=1", "ANSWERS=project_name=Second")
    assert result.returncode == 0, result.stdout
    assert "Installing" not in result.stdout
    project = ready.parent / "second"
    assert f"  cd {project}\n  make test\n  make run\n" in result.stdout
    for axis, choice in (("database", "sqlite"), ("auth", "session"), ("deployment", "docker")):
        assert re.search(rf"^  {axis} +{choice}$", result.stdout, re.MULTILINE)
    assert "safe to commit" in result.stdout


def test_help_is_the_default_and_lists_every_command(ready: Path) -> None:
    result = make(ready)
    assert result.returncode == 0
    for command in targets(ROOT / "Makefile"):
        assert f"  make {command} " in result.stdout


@pytest.mark.parametrize("folder", [ROOT, SERVICE], ids=["template", "service"])
def test_the_commands_of_the_readme_exist(folder: Path) -> None:
    named = commands(folder / "README.md")
    assert {"test"} < named
    # The template's README shows commands of the service as well.
    known = targets(folder / "Makefile") | (
        targets(SERVICE / "Makefile") if folder == ROOT else set()
    )
    assert named <= known


def commands(readme: Path) -> set[str]:
    return set(
        re.findall(r"(?:^|`)make ([a-z-]+)", readme.read_text(encoding="utf-8"), re.MULTILINE)
    )


def test_answers_arrive_as_they_are_typed(ready: Path, tmp_path: Path) -> None:
    description = "it's $5, `id` $(HOME) $HOME {{ x }} a=b; & | more"
    answers = f'project_name="Odd Signs" auth=session description="{description}"'
    result = make(ready, "new", "NO_INPUT=1", f"OUTPUT={tmp_path}", f"ANSWERS={answers}")
    assert result.returncode == 0, result.stdout
    text = (tmp_path / "odd-signs" / "pyproject.toml").read_text(encoding="utf-8")
    assert f'description = "{description}"' in text


def test_make_new_asks_the_questions(ready: Path, tmp_path: Path) -> None:
    replies = "Billing API\n" + "\n" * 8
    result = make(ready, "new", f"OUTPUT={tmp_path}", input=replies)
    assert result.returncode == 0, result.stdout
    assert "[9/9]" in result.stdout
    assert (tmp_path / "billing-api").is_dir()


REFUSED = {
    "unknown": ("databse=sqlite", "databse 'sqlite' is not a question; did you mean database."),
    "private": ("_extensions=os", "_extensions 'os' is set by the template"),
    "not offered": ("database=oracle", "database 'oracle' is not offered; choose one of: sqlite"),
    "no pair": ("project_name=Billing API", "'API' is not name=value"),
    "open quote": ('project_name="Billing', "No closing quotation"),
    "twice": ("auth=session auth=session", "auth has two answers"),
    "template code": ('description="1 << 2"', "contains <<"),
    "run code": ('description="<< 7*7 >>"', "contains << >>"),
    "path": ("project_slug=../evil", "project_slug '../evil' is not a valid short name"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_make_new_refuses_bad_answers_without_a_traceback(
    case: tuple[str, str], ready: Path, tmp_path: Path
) -> None:
    answers, reason = case
    result = make(ready, "new", "NO_INPUT=1", f"OUTPUT={tmp_path}", f"ANSWERS={answers}")
    assert result.returncode != 0
    assert reason in result.stdout
    assert "Traceback" not in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_it_refuses_all_at_once_and_prints_the_command_to_go_on(
    ready: Path, tmp_path: Path
) -> None:
    answers = 'project_name="It\'s $5" databse=x domain_name=x auth=none description="a b"'
    result = make(ready, "new", "NO_INPUT=1", f"OUTPUT={tmp_path}", f"ANSWERS={answers}")
    refused = re.findall(r"^  (\w+) '", result.stdout, re.MULTILINE)
    assert sorted(refused) == ["auth", "databse", "domain_name"]
    command = next(line for line in result.stdout.splitlines() if line.startswith("  make new"))
    again = run(
        *("sh", "-c", f"{command} NO_INPUT=1"),
        cwd=ready,
        env=environment(ready.parent / "home"),
    )
    assert again.returncode == 0, again.stdout
    assert (tmp_path / "it-s-5").is_dir()


def test_a_bad_reply_is_refused_before_the_next_question(ready: Path, tmp_path: Path) -> None:
    replies = 'The "Service"\n\n1 << 2\n\n\nhttps://x\n1\n1\n1\n'
    result = make(ready, "new", f"OUTPUT={tmp_path}", "ANSWERS=author_name=Me", input=replies)
    assert result.returncode != 0
    assert "\n  project_name '" in result.stdout
    assert "[2/9]" not in result.stdout
    assert f"make new OUTPUT={tmp_path} ANSWERS=author_name=Me\n" in result.stdout
    assert "Traceback" not in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_make_new_stops_at_the_end_of_input(ready: Path, tmp_path: Path) -> None:
    result = make(ready, "new", f"OUTPUT={tmp_path}")
    assert result.returncode != 0
    assert "Stopped; nothing was rendered." in result.stdout
    assert "Traceback" not in result.stdout


@pytest.mark.parametrize("output", [".", "tests", "<<cookiecutter.project_slug>>", "build/../docs"])
def test_it_does_not_render_into_the_template(ready: Path, output: str) -> None:
    before = sorted(ready.rglob("*.py"))
    result = make(ready, "new", "NO_INPUT=1", f"OUTPUT={output}")
    assert result.returncode != 0
    assert "inside the template" in result.stdout
    assert sorted(ready.rglob("*.py")) == before


def test_make_new_does_not_overwrite_a_folder(ready: Path, tmp_path: Path) -> None:
    (tmp_path / "hardened-service").mkdir()
    result = make(ready, "new", "NO_INPUT=1", f"OUTPUT={tmp_path}")
    assert result.returncode != 0
    assert "already exists" in result.stdout
    assert list((tmp_path / "hardened-service").iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_make_new_reports_a_folder_without_write_permission(ready: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    result = make(ready, "new", "NO_INPUT=1", f"OUTPUT={tmp_path}")
    assert result.returncode != 0
    assert "is not a writable folder" in result.stdout


# --- Which Python


def pretend_python(folder: Path, name: str, version: str, *, ensurepip: bool = True) -> Path:
    """A program that reports ``version`` as its Python version and is the real Python otherwise."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(
        f"""#!/bin/sh
case "$2" in
*"version_info < "*) exit {int(version < "3.11")} ;;
*ensurepip*) exit {int(not ensurepip)} ;;
esac
exec {shutil.which("python3")} "$@"
""",
        encoding="utf-8",
    )
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("folder", ["template", "service"])
def test_the_wrong_python_is_named(folder: str, checkout: Path, tmp_path: Path) -> None:
    place = checkout if folder == "template" else checkout / SERVICE.name
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("Makefile", "requirements.lock", "requirements-dev.lock"):
        if (place / name).exists():
            shutil.copyfile(place / name, copy / name)
    command = "new" if folder == "template" else "setup"

    result = make(copy, command, f"PYTHON={tmp_path}/nowhere")
    assert result.returncode != 0
    assert "nowhere is not Python 3.11 or newer" in result.stdout

    old = pretend_python(tmp_path / "old", "python3", "3.09")
    result = make(copy, command, f"PYTHON={old}")
    assert result.returncode != 0
    assert "python3 is not Python 3.11 or newer" in result.stdout

    bare = pretend_python(tmp_path / "bare", "python3", "3.12", ensurepip=False)
    result = make(copy, command, f"PYTHON={bare}")
    assert result.returncode != 0
    assert re.search(r"apt-get install python3\.\d+-venv", result.stdout)
    assert not (copy / ".venv").exists()

    # No python3 that will do, but a newer one under its own name
    pretend_python(tmp_path / "path", "python3", "3.09")
    pretend_python(tmp_path / "path", "python3.14", "3.14", ensurepip=False)
    path = f"{tmp_path / 'path'}{os.pathsep}/usr/bin{os.pathsep}/bin"
    result = make(copy, command, values={"PATH": path})
    assert "apt-get install" in result.stdout, "it went on with python3.14"

    # None at all
    for name in ("sh", "make", "awk"):
        (tmp_path / "old" / name).symlink_to(str(shutil.which(name)))
    for name in ("python3.14", "python3.13", "python3.12", "python3.11"):
        pretend_python(tmp_path / "old", name, "3.09")
    result = make(copy, command, values={"PATH": str(tmp_path / "old")})
    assert result.returncode != 0
    assert "Found no Python 3.11 or newer" in result.stdout
