"""The command line of cookiecutter, if it is the running program and not used as a library."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys

import click
from click.core import ParameterSource

# These options cannot be combined with answers as arguments.
LEFT_OUT = ("no_input", "replay", "replay_file")


def context() -> click.Context | None:
    """Return the parsed command line of the program cookiecutter, or None in another program."""
    current = click.get_current_context(silent=True)
    run = current and current.command.callback
    return current if run and run.__module__ == "cookiecutter.cli" else None


def answers() -> dict[str, str]:
    """Return the ``name=value`` arguments as they were typed."""
    called = context()
    return dict(called.params["extra_context"] or {}) if called else {}


def given() -> dict[str, str]:
    """Return the answers of the command line, also those of ``make new``."""
    return answers() or json.loads(os.environ.get("GIVEN_ANSWERS", "{}"))


def is_asking() -> bool:
    """Return whether cookiecutter or ``make new`` asks the questions one by one."""
    if called := context():
        return not called.params["no_input"]
    return "MAKE_COMMAND" in os.environ and not os.environ.get("NO_INPUT")


def again() -> str | None:
    """Return the start of a shell command that repeats this call, or None without a call."""
    if not (called := context()):
        return None
    words = [called.params["template"]]
    for option in called.command.params:
        given = called.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
        if given and isinstance(option, click.Option) and option.name not in LEFT_OUT:
            value = called.params[option.name]
            words += [option.opts[-1]] if option.is_flag else [option.opts[-1], str(value)]
    if shutil.which("cookiecutter"):
        return shlex.join(["cookiecutter", *words])
    return shlex.join([sys.executable, "-m", "cookiecutter", *words])  # as under `pipx run`
