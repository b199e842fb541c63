"""Refuse invalid answers as early as possible, before any folder is created.

If a pre-gen hook refuses, cookiecutter prints a traceback and, for a folder ``a/b``, leaves ``a``
behind. An extension of Jinja avoids both. cookiecutter loads it before the first question and
before it renders the arguments as templates. The extension checks the answers again when the
folder's name is rendered: the last moment to refuse answers from a replay or configuration file.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment
from jinja2.ext import Extension

from hooks import command_line, escapes, line_editing, source
from hooks.pre_gen_project import all_problems, problems, report

TEMPLATE = Path(__file__).parent.parent
FOLDER = "<<cookiecutter.project_slug>>"
CHECKED_FOLDER = "<< check_all(cookiecutter, _cookiecutter|default({})) >>" + FOLDER


class Answers(Extension):
    """Checks the arguments. Adds the function ``check`` and the filter ``markdown`` to Jinja.

    cookiecutter.json calls ``check(answers)``; documents write answers with ``markdown``.
    """

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        if arguments := command_line.answers():
            questions = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
            refuse(arguments, argument_problems(arguments, questions))
        line_editing.switch_on()
        start = os.getcwd()  # cookiecutter leaves it before it renders; its path may be relative
        environment.globals.update(
            check=check,
            check_answer=check_answer,
            check_all=check_all,
            template_source=lambda folder: source.of(folder and os.path.join(start, folder)),
        )
        environment.filters["markdown"] = escapes.markdown

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Make the name of the service's folder check the answers when it is rendered."""
        return CHECKED_FOLDER if source == FOLDER else source


def argument_problems(arguments: Mapping[str, str], questions: Mapping[str, Any]) -> dict[str, str]:
    """Return the problems of answers that were given as ``name=value``, by name.

    :param questions: the contents of cookiecutter.json.
    """
    asked = [name for name in questions if not name.startswith("_")]
    found: dict[str, str] = {}
    for name in arguments:
        if name.startswith("_"):
            found[name] = "is set by the template; remove it"
        elif name not in asked:
            near = difflib.get_close_matches(name, asked, n=1)
            hint = f"did you mean {near[0]}" if near else f"the questions are {', '.join(asked)}"
            found[name] = f"is not a question; {hint}"
    fixed = {name: questions[name] for name in ("_reserved_slugs", "_choices")}
    return found | problems({**arguments, **fixed})


def check(answers: Mapping[str, Any]) -> str:
    """Return an empty string if all answers are valid.

    :raises FailedHookException: with all invalid answers; cookiecutter prints it and stops.
    """
    refuse(answers, problems(answers))
    return ""


def check_answer(answers: Mapping[str, Any]) -> str:
    """Check the answers between two questions, before a default is built on an invalid one.

    Without questions this does nothing, so that :func:`check` can report all problems at once.
    """
    return check(answers) if command_line.is_asking() else ""


def check_all(answers: Mapping[str, Any], unrendered: Mapping[str, Any]) -> str:
    """Also check the answers as they were before cookiecutter rendered them as templates."""
    refuse(answers, all_problems(answers, unrendered))
    return ""


def kept(answers: Mapping[str, Any], refused: Mapping[str, str]) -> dict[str, Any]:
    """Return the answers to keep, including those that were given for later questions.

    This leaves out a default that was built on a refused answer.
    """
    gone: set[str] = set()
    if "project_name" in refused or "project_slug" in refused:
        gone = {"project_slug", "domain_name"} - refused.keys()
    found = {name: value for name, value in answers.items() if name not in gone}
    return command_line.given() | found


def refuse(answers: Mapping[str, Any], refused: Mapping[str, str]) -> None:
    if refused:
        start = os.environ.get("MAKE_COMMAND") or command_line.again()
        raise FailedHookException(report(kept(answers, refused), refused, start))
