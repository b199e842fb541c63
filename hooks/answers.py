"""Refuse bad answers as soon as they are known, before a folder is made.

When its pre-gen hook refuses, cookiecutter prints a traceback, and of a folder ``a/b`` it leaves
``a``. An extension of Jinja does neither. It is loaded before the first question, when arguments
have not been run as templates yet; and it renders the folder's name, the last moment to refuse
answers that were replayed or come from a configuration file.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cookiecutter.exceptions import FailedHookException
from cookiecutter.generate import is_copy_only_path
from jinja2 import Environment, Template
from jinja2.ext import Extension

from hooks import command_line, escapes
from hooks.bytecode import Bytecode
from hooks.pre_gen_project import all_problems, problems, report

TEMPLATE = Path(__file__).parent.parent
FOLDER = "<<cookiecutter.project_slug>>"


class Answers(Extension):
    """Checks the arguments; offers ``check(answers)`` to the expressions in cookiecutter.json.

    Documents write answers with its filter ``markdown``.
    """

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        if arguments := command_line.answers():
            questions = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
            refuse(arguments, argument_problems(arguments, questions))
        environment.globals["check"] = check
        environment.filters["markdown"] = escapes.markdown
        # cookiecutter compiles the path of every file, which is a third of what rendering costs.
        compiled = environment.from_string

        def template(source: Any, *args: Any, **kwargs: Any) -> Text | Folder | Template:
            if "<" not in str(source):
                return Text("." if folder.left_out(str(source)) else source)  # no file's name
            found = compiled(source, *args, **kwargs)
            return folder.named(found) if source == FOLDER else found

        folder = Folder()

        environment.from_string = template
        environment.bytecode_cache = Bytecode()


class Text:
    """A template without a tag: it renders to itself."""

    def __init__(self, text: str) -> None:
        self.text = text

    def render(self, *args: object, **kwargs: object) -> str:
        return self.text


class Folder:
    """The name of the service's folder; the answers are checked before it is made.

    From then on it is known what the post-gen hook throws away. Most of that is not even rendered,
    which would cost as much as all the rest.
    """

    template: Template
    context: dict[str, Any]
    chosen: tuple[str, ...] = ("",)

    def named(self, template: Template) -> Folder:
        self.template = template
        return self

    def render(self, **context: Any) -> str:
        self.context, answers = context, context["cookiecutter"]
        refuse(answers, all_problems(answers, context.get("_cookiecutter", {})))
        axes = {"interface": "__interface", "runtime": "__runtime", "door": "__door"}
        axes |= {axis: axis for axis in ("database", "auth", "deployment")}
        chosen = {
            f"_options/{axis}": f"_options/{axis}/{answers.get(key)}" for axis, key in axes.items()
        }
        self.chosen = tuple(f"{overlay}/" for overlay in chosen.values())
        copied = answers.get("_copy_without_render", [])
        answers["_copy_without_render"] = [chosen.get(pattern, pattern) for pattern in copied]
        return self.template.render(**context)

    def left_out(self, path: str) -> bool:
        """Whether the file belongs to a choice that was not made, and would be rendered."""
        other = path.startswith("_options/") and not path.startswith(self.chosen)
        return other and not is_copy_only_path(path, self.context)


def argument_problems(arguments: Mapping[str, str], questions: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with answers that were given as ``name=value``, by name.

    :param questions: what cookiecutter.json holds.
    """
    asked = [name for name in questions if not name.startswith("_")]
    found: dict[str, str] = {}
    for name, value in arguments.items():
        if name.startswith("_"):
            found[name] = "is set by the template itself; leave that out"
        elif name not in asked:
            near = difflib.get_close_matches(name, asked, n=1)
            hint = f"the nearest is {near[0]}" if near else f"there are {', '.join(asked)}"
            found[name] = f"answers no question; {hint}"
        elif isinstance(questions[name], list) and value not in questions[name]:
            found[name] = f"is not offered; choose one of: {', '.join(questions[name])}"
    return found | problems({**arguments, "_reserved_slugs": questions["_reserved_slugs"]})


def check(answers: Mapping[str, Any]) -> str:
    """Return nothing.

    :raises FailedHookException: naming every bad answer; cookiecutter prints it and stops.
    """
    refuse(answers, problems(answers))
    return ""


def refuse(answers: Mapping[str, Any], refused: Mapping[str, str]) -> None:
    if refused:
        start = os.environ.get("MAKE_COMMAND") or command_line.again()
        raise FailedHookException(report(answers, refused, start))
