"""``make compare`` and ``make choices``: compare renderings with different answers.

First the list of files, then the differences of files in both renderings. Generated files and files
of one rendering only are listed without their contents.
"""

from __future__ import annotations

import difflib
import json
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from fnmatch import fnmatch
from io import StringIO
from pathlib import Path

from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from hooks.answers import argument_problems  # noqa: E402
from tools import new  # noqa: E402

GENERATED = ("*.lock", "*package-lock.json", "*.min.js")
SECRETS = {".env"}
QUESTIONS = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
AXES = QUESTIONS["_choices"]
README = ROOT / "README.md"
MARKS = ("<!-- choices: written by make choices -->", "<!-- choices: end -->")
PIN = re.compile(r"^([a-z0-9][a-z0-9.-]*)==", re.MULTILINE)

Rendering = dict[str, str]


@contextmanager
def rendered(answers: dict[str, str]) -> Iterator[dict[str, Path]]:
    """Yield the rendered files by their path in the service; remove them afterwards."""
    logging.getLogger("cookiecutter").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as output:
        # Hide the output of the hooks; they write to the file descriptor.
        kept = os.dup(1)
        sys.stdout.flush()
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            try:
                folder = Path(
                    cookiecutter(
                        str(ROOT),
                        no_input=True,
                        default_config=True,
                        extra_context=answers,
                        output_dir=output,
                    )
                )
            finally:
                os.dup2(kept, 1)
                os.close(kept)
        yield {
            path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts
        }


def rendering(answers: dict[str, str]) -> Rendering:
    """Return the text of each rendered file, without the secrets of development."""
    with rendered(answers) as found:
        return {
            name: path.read_text(encoding="utf-8")
            for name, path in found.items()
            if name not in SECRETS
        }


def is_generated(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in GENERATED)


def differences(a: Rendering, b: Rendering) -> tuple[list[str], list[str], list[str]]:
    """Return the files only in ``a``, only in ``b``, and those in both that differ."""
    both = a.keys() & b.keys()
    return (
        sorted(a.keys() - both),
        sorted(b.keys() - both),
        sorted(name for name in both if a[name] != b[name]),
    )


def patch(name: str, a: Rendering, b: Rendering) -> list[str]:
    """Return the unified diff of a file."""
    sides = (a[name].splitlines(), b[name].splitlines())
    return list(difflib.unified_diff(*sides, f"A/{name}", f"B/{name}", lineterm=""))


def compared(a: Rendering, b: Rendering) -> str:
    """Return the output of ``make compare`` without its heading."""
    only_a, only_b, changed = differences(a, b)
    if not only_a and not only_b and not changed:
        return "Both render the same files.\n"
    output = StringIO()
    with redirect_stdout(output):
        for side, names, files in (("A", only_a, a), ("B", only_b, b)):
            if names:
                print(f"Only in {side}, {count(names)}:")
                for name in names:
                    print(f"  {name}  ({len(files[name].splitlines())} lines)")
                print()
        if changed:
            print(f"Different, {count(changed)}:")
        patches = {name: patch(name, a, b) for name in changed}
        for name in changed:
            lines = patches[name][2:]
            less, more = (sum(line.startswith(sign) for line in lines) for sign in "-+")
            folded = ", written by a tool: not shown" if is_generated(name) else ""
            print(f"  {name}  (-{less} +{more}{folded})")
        for name in changed:
            if not is_generated(name):
                print()
                print("\n".join(patches[name]))
    return output.getvalue()


def count(names: list[str]) -> str:
    return "1 file" if len(names) == 1 else f"{len(names)} files"


# --- The table of the README


def grouped(names: list[str]) -> str:
    """Return file names for the table; a folder stands for three or more files in it."""
    left_out = ("tests/", ".template/")  # the second records the answers
    shown = [name for name in names if not name.startswith(left_out) and not is_generated(name)]
    folders: dict[str, list[str]] = {}
    for name in shown:
        folders.setdefault("/".join(name.split("/")[:-1][:2]), []).append(name)
    entries = []
    for folder, inside in folders.items():
        whole = folder and len(inside) > 2
        entries += [f"`{folder}/`"] if whole else [f"`{name}`" for name in inside]
    return ", ".join(entries) or "-"


def packages(rendered: Rendering) -> set[str]:
    return set(PIN.findall(rendered["requirements.lock"]))


def table() -> str:
    """Return the table of the changes of each choice compared with the default."""
    default = rendering({})
    rows = [
        "| Instead of | | Adds | Leaves out | Changes | Packages |",
        "|---|---|---|---|---|---|",
    ]
    for axis, (first, *others) in AXES.items():
        for choice in others:
            print(f"  {axis}={choice}", flush=True)
            other = rendering({axis: choice})
            less, more, changed = differences(default, other)
            pins = [f"+ {name}" for name in sorted(packages(other) - packages(default))]
            pins += [f"- {name}" for name in sorted(packages(default) - packages(other))]
            cells = (grouped(more), grouped(less), grouped(changed), ", ".join(pins) or "-")
            rows.append(f"| `{axis}={first}` | `{choice}` | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def with_table(readme: str, text: str) -> str:
    """The README with the table between its marks.

    :raises ValueError: if README.md lacks one of ``MARKS``.
    """
    before, start, rest = readme.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not start or not end:
        raise ValueError(f"README.md lacks {' or '.join(MARKS)}; put both around the table")
    return f"{before}{start}\n\n{text}\n{end}{after}"


def main(arguments: list[str]) -> str | None:
    """Compare, or write the table; return an error message, or None."""
    if arguments == ["choices"]:
        readme = README.read_text(encoding="utf-8")
        README.write_text(with_table(readme, table()), encoding="utf-8")
        return None
    sides = []
    for side in "AB":
        try:
            answers = new.parse(os.environ.get(side, ""))
        except ValueError as error:
            return f"{side}: {error}."
        if refused := argument_problems(answers, QUESTIONS):
            listed = [f"  {name} {answers[name]!r} {why}." for name, why in refused.items()]
            return "\n".join(
                [f"Nothing was compared, because of these answers in {side}:", *listed]
            )
        sides.append(answers)
    for side, answers in zip("AB", sides, strict=True):
        said = " ".join(f"{name}={value}" for name, value in answers.items())
        print(f"{side}: {said or 'the defaults'}")
    print()
    a, b = map(rendering, sides)
    print(compared(a, b), end="")
    return None


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        sys.exit(main(sys.argv[1:]))
    except BrokenPipeError:  # the pager was closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
