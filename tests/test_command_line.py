"""Plain cookiecutter: arguments are checked together, before cookiecutter renders them."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from cookiecutter.exceptions import FailedHookException

from tests.template import ROOT, environment, render, run
from tools.pictures.terminal import wait_for_readline

NOTICE = "Nothing was rendered. These answers are invalid:"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "output").mkdir()
    return tmp_path / "output"


def start(
    output: Path, *arguments: str, no_input: bool = True, **options: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cookiecutter", str(ROOT), "--output-dir", str(output)]
    return run(
        *command,
        *(["--no-input"] if no_input else []),
        *arguments,
        cwd=output,
        env=environment(output.parent / "home"),
        **options,
    )


def refused(result: subprocess.CompletedProcess[str], output: Path) -> list[str]:
    """Return the names of the refused answers; the run printed a message and left no file."""
    assert result.returncode == 1
    assert "Traceback" not in result.stdout
    assert NOTICE in result.stdout
    assert list(output.iterdir()) == []
    return re.findall(r"^  (\w+) ['\"]", result.stdout, re.MULTILINE)


def test_all_wrong_answers_are_reported_at_once(output: Path) -> None:
    result = start(
        output, "databse=mysql", "project_slug=a/b", "_template_url=x", "domain_name=x", "x=y"
    )
    names = ["databse", "_template_url", "x", "project_slug", "domain_name"]
    assert refused(result, output) == names
    assert "  databse 'mysql' is not a question; did you mean database.\n" in result.stdout
    assert "  x 'y' is not a question; the questions are project_name, " in result.stdout
    assert "  _template_url 'x' is set by the template; remove it.\n" in result.stdout


def test_arguments_are_refused_before_the_first_question(output: Path) -> None:
    result = start(output, "databse=mysql", no_input=False)
    assert refused(result, output) == ["databse"]
    assert "[1/9]" not in result.stdout


@pytest.mark.parametrize(
    ("name", "replies"),
    [
        ("project_name", ['The "Service"']),
        ("project_slug", ["", "Büro"]),
        ("description", ["Billing", "", "1 << 2"]),
        ("domain_name", ["", "", "", "", "", "https://x"]),
        ("database", ["", "", "", "", "", "", "2"]),
        ("deployment", ["", "", "", "", "", "", "mysql", "oidc", "Docker"]),
    ],
)
def test_a_reply_is_refused_before_the_next_question(
    name: str, replies: list[str], output: Path
) -> None:
    """Otherwise the next question would show a default made from the invalid reply."""
    typed = "".join(f"{reply}\n" for reply in replies)
    result = start(output, "author_name=Me", no_input=False, input=typed)
    assert refused(result, output) == [name]
    assert f"[{len(replies)}/9]" in result.stdout
    assert f"[{len(replies) + 1}/9]" not in result.stdout


def test_a_choice_is_typed_by_its_name(output: Path) -> None:
    replies = "\n\n\n\n\n\npostgresql\ntoken\n\n"
    result = start(output, no_input=False, input=replies)
    assert result.returncode == 0, result.stdout
    record = (output / "hardened-service/.template/answers.yaml").read_text(encoding="utf-8")
    for answer in ('database: "postgresql"', 'auth: "token"', 'deployment: "docker"'):
        assert answer in record


def test_the_command_it_prints_has_nothing_that_was_derived_from_a_bad_answer(
    output: Path,
) -> None:
    configuration = output.parent / "configuration.yaml"
    configuration.write_text("default_context: {project_slug: Café Notizen}\n", encoding="utf-8")
    result = start(output, "--config-file", str(configuration))
    assert refused(result, output) == ["project_slug", "domain_name"]
    command = result.stdout.strip().splitlines()[-1]
    assert "Notizen" not in command
    assert "domain_name" not in command
    assert "author_name" in command


def test_arrow_keys_edit_a_reply(output: Path) -> None:
    """In a terminal: readline must know the column of the cursor, or it overwrites the question."""
    with terminal([sys.executable, "-m", "cookiecutter", str(ROOT)], output) as screen:
        screen.wait_for(b"): ")
        screen.type(b"lling API\x1b[H" + b"Bi\x1b[F" + b"x\x7f\n")  # Home, End, backspace
        assert b"(billing-api): " in screen.wait_for(b"): ")
        screen.type(b"\x04")


def test_the_command_it_prints_keeps_options_and_good_answers(output: Path) -> None:
    configuration = output.parent / "my=configuration.yaml"
    configuration.write_text("default_context: {author_name: Somebody}\n", encoding="utf-8")
    given = ["project_name=It's Billing", "description=a $5 `bill`; & more", "domain_name=x"]
    result = start(output, "--config-file", str(configuration), *given)
    assert refused(result, output) == ["domain_name"]
    words = shlex.split(result.stdout.strip().splitlines()[-1])
    assert "--no-input" not in words, "it asks again"
    again = run(*words, "--no-input", cwd=output, env=environment(output.parent / "home"))
    assert again.returncode == 0, again.stdout
    project = (output / "it-s-billing" / "pyproject.toml").read_text(encoding="utf-8")
    assert "a $5 `bill`; & more" in project
    assert "Somebody" in project


@dataclass
class Screen:
    """The other end of a terminal that a program runs in."""

    descriptor: int

    def wait_for(self, text: bytes) -> bytes:
        """What the program shows, up to ``text``."""
        shown = b""
        while text not in shown:
            assert select.select([self.descriptor], [], [], 30)[0], shown
            shown = re.sub(rb"\x1b\[[0-9;?]*\w", b"", shown + os.read(self.descriptor, 4096))
        return shown

    def type(self, keys: bytes) -> None:
        wait_for_readline(self.descriptor)
        os.write(self.descriptor, keys)


@contextmanager
def terminal(command: list[str], folder: Path) -> Iterator[Screen]:
    """Run the command in a terminal."""
    controller, child = pty.openpty()
    values = environment(folder.parent / "home", TERM="xterm-256color")
    with subprocess.Popen(
        command, cwd=folder, env=values, stdin=child, stdout=child, stderr=child
    ) as process:
        os.close(child)
        try:
            yield Screen(controller)
        finally:
            process.terminate()
            process.wait(30)
            os.close(controller)


ATTACK = "<< cycler.__init__.__globals__.os.system('touch {}') >>"


@pytest.mark.parametrize("name", ["description", "domain_name", "database", "__slug", "x"])
def test_code_in_an_argument_is_not_run(name: str, output: Path) -> None:
    """cookiecutter renders the arguments as templates, which may call any function of Python."""
    trace = output.parent / "trace"
    result = start(output, f"{name}={ATTACK.format(trace)}")
    assert result.returncode != 0
    assert not trace.exists()
    assert list(output.iterdir()) == []


@pytest.mark.parametrize("value", ["a << b", "a << b >> c >>", "# <% if", "<# comment #>"])
def test_template_delimiters_in_an_argument_are_refused(value: str, output: Path) -> None:
    assert refused(start(output, f"description={value}"), output) == ["description"]


def test_a_choice_that_is_not_offered_is_refused(output: Path) -> None:
    result = start(output, "database=oracle")
    assert refused(result, output) == ["database"]
    assert "is not offered; choose one of: sqlite, postgresql, mysql." in result.stdout


def test_a_configuration_may_hold_answers_for_other_templates(output: Path) -> None:
    configuration = "default_context: {github_username: me, author_name: Somebody}\n"
    (output.parent / "home" / ".cookiecutterrc").write_text(configuration, encoding="utf-8")
    result = start(output)
    assert result.returncode == 0, result.stdout
    project = (output / "hardened-service" / "pyproject.toml").read_text(encoding="utf-8")
    assert "Somebody" in project


def test_a_number_in_a_configuration_is_taken_as_text(output: Path) -> None:
    configuration = output.parent / "configuration.yaml"
    configuration.write_text("default_context: {author_name: 2024}\n", encoding="utf-8")
    result = start(output, "--config-file", str(configuration))
    assert result.returncode == 0, result.stdout
    record = (output / "hardened-service/.template/answers.yaml").read_text(encoding="utf-8")
    assert 'author_name: "2024"' in record


@pytest.mark.parametrize("name", ["description", "project_slug", "author_email", "auth"])
def test_a_configuration_without_a_value_is_refused(name: str, output: Path) -> None:
    """YAML reads it as null, which would be rendered as the word None."""
    configuration = output.parent / "configuration.yaml"
    configuration.write_text(f"default_context:\n  {name}:\n", encoding="utf-8")
    result = start(output, "--config-file", str(configuration))
    refused(result, output)
    assert f"  {name} None is not text; put it in quotes.\n" in result.stdout


def test_arguments_of_other_programs_are_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["program", "-k", "databse=mysql"])
    context = click.Context(click.Command("program", callback=lambda: None))
    context.params = {"extra_context": {"databse": "mysql"}}
    with context:
        assert render(tmp_path, project_name="Billing").name == "billing"
        with pytest.raises(FailedHookException) as stopped:
            render(tmp_path, domain_name="x")
    assert NOTICE in str(stopped.value)
    assert "asks again" not in str(stopped.value), "that program has no such command"


def test_code_from_elsewhere_is_refused_after_it_ran(output: Path) -> None:
    """cookiecutter has already rendered the configuration; its author sees the refusal."""
    configuration = "default_context: {description: << 7*7 >>}\n"
    (output.parent / "home" / ".cookiecutterrc").write_text(configuration, encoding="utf-8")
    assert refused(start(output), output) == ["description"]
    with pytest.raises(FailedHookException, match="which are tags of the template"):
        render(output, description="<< 7*7 >>")
    assert list(output.iterdir()) == []
