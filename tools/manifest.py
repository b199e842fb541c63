"""``make manifest``: tests/manifest.txt, the files that each combination of choices renders.

Each line has the mode and name of a file and the choices that render it; without choices, all do.
The diff of a change shows each file that it adds, removes or makes executable, and the choices.
"""

from __future__ import annotations

import stat
import sys
from functools import cache
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools import compare, lock  # noqa: E402

MANIFEST = ROOT / "tests" / "manifest.txt"
HEADER = (
    "# Written by make manifest: mode, file, and the choices that render it (none: all choices).\n"
)

Combination = tuple[str, ...]  # one choice of each axis
FileSet = dict[str, int]  # the mode of each file, by its path in the service


def file_set(combination: Combination) -> FileSet:
    """Return the files that these choices render.

    As in Git, the mode only tells whether a file is executable, because the rest depends on the
    umask of the clone. Secrets have the mode that their hook sets.
    """
    answers = dict(zip(compare.AXES, combination, strict=True))
    with compare.rendered(answers) as found:
        modes = {name: stat.S_IMODE(path.stat().st_mode) for name, path in found.items()}
    return {
        name: mode if name in compare.SECRETS else 0o755 if mode & stat.S_IXUSR else 0o644
        for name, mode in modes.items()
    }


def manifest(file_sets: dict[Combination, FileSet]) -> str:
    """Return the text of the manifest."""

    @cache
    def choices(owners: frozenset[Combination]) -> str:
        return lock.condition(set(owners), compare.AXES).replace("cookiecutter.", "")

    owners: dict[tuple[str, int], set[Combination]] = {}
    for combination, files in file_sets.items():
        for entry in files.items():
            owners.setdefault(entry, set()).add(combination)
    lines = (
        f"{mode:o} {name}  {choices(frozenset(owners[name, mode]))}".rstrip()
        for name, mode in sorted(owners)
    )
    return HEADER + "".join(f"{line}\n" for line in lines)


def current() -> str:
    """Return the manifest of the current template."""
    combinations = [*product(*compare.AXES.values())]
    found = {}
    for number, choices in enumerate(combinations, 1):
        print(f"  {number} of {len(combinations)}: {', '.join(choices)}", flush=True)
        found[choices] = file_set(choices)
    return manifest(found)


if __name__ == "__main__":
    MANIFEST.write_text(current(), encoding="utf-8")
