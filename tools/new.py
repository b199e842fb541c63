"""``make new``: check the answers, then let cookiecutter ask and render.

Without ``ANSWERS``, cookiecutter asks the nine questions. This program checks ``ANSWERS`` and
``OUTPUT`` before cookiecutter starts.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from pathlib import Path

from cookiecutter.exceptions import CookiecutterException, FailedHookException
from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from hooks.answers import argument_problems  # noqa: E402
from hooks.pre_gen_project import report  # noqa: E402

DEFAULT_OUTPUT = ".."


def parse(text: str) -> dict[str, str]:
    """Split ``name=value`` pairs; a value with spaces is in double quotes.

    :raises ValueError: with the part that is not such a pair.
    """
    lexer = shlex.shlex(text, posix=True, punctuation_chars="")
    lexer.whitespace_split = True
    lexer.quotes, lexer.escape, lexer.commenters = '"', "", ""
    answers: dict[str, str] = {}
    for part in lexer:
        name, equals, value = part.partition("=")
        if not equals:
            raise ValueError(
                f"{part!a} is not name=value; put a value with spaces in double quotes: "
                "ANSWERS='project_name=\"Billing API\" auth=session'"
            )
        if name in answers:
            raise ValueError(f"{name} has two answers; keep one")
        answers[name] = value
    return answers


def output_problem(output: Path) -> str | None:
    """Return why ``output`` is not a usable folder, or None."""
    if output.is_relative_to(ROOT) and not output.is_relative_to(ROOT / "build"):
        return f"OUTPUT={output} is inside the template; choose a folder outside"
    parent = next(path for path in (output, *output.parents) if path.exists())
    if not os.access(parent, os.W_OK) or not parent.is_dir():
        return f"OUTPUT={output} is not a writable folder; choose another folder"
    return None


def main() -> str | None:
    """Render a service; return an error message, or None."""
    output_option = os.environ.get("OUTPUT") or DEFAULT_OUTPUT
    output = Path(output_option).expanduser().resolve()
    make = "make new"
    if output_option != DEFAULT_OUTPUT:
        make += f" OUTPUT={shlex.quote(str(output))}"
    os.environ["MAKE_COMMAND"] = make

    questions = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
    try:
        answers = parse(os.environ.get("ANSWERS", ""))
    except ValueError as error:
        return f"ANSWERS: {error}."
    os.environ["GIVEN_ANSWERS"] = json.dumps(answers)
    if refused := argument_problems(answers, questions):
        return report(answers, refused, make)
    if problem := output_problem(output):
        return f"{problem}."

    logging.getLogger("cookiecutter").addHandler(logging.NullHandler())
    logging.getLogger("cookiecutter").propagate = False
    try:
        output.mkdir(parents=True, exist_ok=True)
        cookiecutter(
            str(ROOT),
            no_input=bool(os.environ.get("NO_INPUT")),
            extra_context=answers,
            output_dir=str(output),
        )
    except FailedHookException as error:
        return str(error)  # contains the full message
    except (CookiecutterException, OSError) as error:
        return f"Nothing was rendered: {error}."
    except (EOFError, KeyboardInterrupt):
        return "\nStopped; nothing was rendered."
    return None


if __name__ == "__main__":
    sys.exit(main())
