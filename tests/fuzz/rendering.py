"""Render without cookiecutter's program: only the files with tags, and only in memory.

This uses cookiecutter's own environment of Jinja, with the template's extension, and cookiecutter's
own completion of the answers. test_program.py compares the result with that of the program.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from cookiecutter.generate import is_copy_only_path
from cookiecutter.prompt import prompt_for_config
from cookiecutter.utils import create_env_with_context
from jinja2 import Environment, FileSystemLoader, Template

from tests.fuzz import formats
from tests.template import AXES, QUESTIONS, SERVICE, files

TEXTS = [name for name in QUESTIONS if not name.startswith("_") and name not in AXES]
# Answers that tests can find in a rendering: unique, and no word of the template.
MARKS = {
    "project_name": "MarkOfTheName",
    "project_slug": "mark-of-the-slug-of-more-than-22",
    "description": "MarkOfTheDescription",
    "author_name": "MarkOfTheAuthor",
    "author_email": "mark.of.the.mail@mail.example",
    "domain_name": "mark-of-the-domain.example",
}
TAG = re.compile(r"<<|# <[%#]")
DERIVED = ("__user", "__token_prefix")  # parts of the slug

Answers = Mapping[str, str]


def completed(answers: Answers) -> dict[str, Any]:
    """Complete the answers as cookiecutter does: defaults, derived values, checks.

    :raises FailedHookException: if an answer is invalid.
    """
    questions = json.loads(json.dumps(QUESTIONS))
    questions |= answers
    return dict(prompt_for_config({"cookiecutter": questions}, no_input=True))


@cache
def environment() -> Environment:
    logging.getLogger("cookiecutter").setLevel(logging.ERROR)
    made = create_env_with_context({"cookiecutter": QUESTIONS})
    made.loader = FileSystemLoader(SERVICE)
    return made


@cache
def templates(overlays: tuple[str, ...]) -> dict[str, Template]:
    """The files with tags that ``overlays`` render, by their path in the service."""
    folders = [SERVICE, *(SERVICE / "_options" / overlay for overlay in overlays)]
    found = {}
    for folder in folders:
        for path in files(folder):
            source = path.relative_to(SERVICE)
            if folder == SERVICE and source.parts[0] == "_options":
                continue
            name = path.relative_to(folder).as_posix()
            found.pop(name, None)  # an overlay replaces it
            is_copied = any(
                is_copy_only_path(str(part), {"cookiecutter": QUESTIONS})
                for part in (source, *source.parents)
            )
            if not is_copied and TAG.search(path.read_text(encoding="utf-8")):
                found[name] = environment().get_template(source.as_posix())
    return found


def rendered(context: Mapping[str, Any]) -> dict[str, str]:
    """The rendered text of each file with tags, by its path in the service."""
    axes = {axis: context[axis] for axis in AXES} | {"interface": context["__interface"]}
    if context["__runtime"] == "container":
        axes["runtime"] = "container"
    overlays = tuple(f"{axis}/{choice}" for axis, choice in sorted(axes.items()))
    return {
        name: template.render(cookiecutter=context)
        for name, template in templates(overlays).items()
    }


class Expected:
    """The expected words of each file with tags, for one combination of choices."""

    def __init__(self, choices: tuple[str, ...]) -> None:
        context = completed(MARKS | dict(zip(AXES, choices, strict=True)))
        marks = {name: context[name] for name in (*TEXTS, *DERIVED)}
        self.names = {mark: name for name, mark in marks.items()}
        longest_first = sorted(self.names, key=len, reverse=True)
        self.mark = re.compile("|".join(map(re.escape, longest_first)))
        self.texts = rendered(context)
        # A file without an answer must not change with the answers.
        self.answered = {
            name: (formats.words(name, text), text.splitlines())
            for name, text in self.texts.items()
            if self.mark.search(text)
        }

    def check(self, context: Mapping[str, Any], actual: Mapping[str, str]) -> None:
        """Compare a rendering of ``context`` with the expected words.

        :raises AssertionError: with the name of the file in which an answer became code or markup.
        """
        assert actual.keys() == self.texts.keys()

        def answer(found: re.Match[str]) -> str:
            return str(context[self.names[found.group()]])

        for name, text in actual.items():
            if name not in self.answered:
                assert text == self.texts[name], f"{name}: an answer changed it"
                continue
            words, lines = self.answered[name]
            actual_lines = text.splitlines()
            assert len(actual_lines) == len(lines), f"{name}: an answer is more than its line"
            assert [
                line
                for line, mine in zip(lines, actual_lines, strict=True)
                if line != mine and not self.mark.search(line)
            ] == [], f"{name}: an answer changed another line"
            actual_words = formats.words(name, text)
            expected = [self.mark.sub(answer, word) for word in words]
            if actual_words != expected:
                pairs = zip(expected, actual_words, strict=False)
                wrong = next((pair for pair in pairs if pair[0] != pair[1]), "more or fewer words")
                raise AssertionError(f"{name}: an answer became code or markup: {wrong!a}")


@cache
def expected(choices: tuple[str, ...]) -> Expected:
    return Expected(choices)


def check(context: Mapping[str, Any]) -> dict[str, str]:
    """Render the completed answers, check each file, return the texts of the files."""
    actual = rendered(context)
    expected(tuple(context[axis] for axis in AXES)).check(context, actual)
    return actual
