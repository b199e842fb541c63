"""``make lock``: the locks of the template's tools, of its live tests and of the service.

The service's ``pyproject.toml`` depends on its database and auth style. This module runs ``make
lock`` of each rendering, so that users get the same locks from that command. Then it merges the
results into one lock, with conditions around packages that only some choices have.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import chain, combinations, groupby, product
from pathlib import Path

from jinja2 import Environment

ROOT = Path(__file__).resolve().parent.parent
SERVICE = ROOT / "<<cookiecutter.project_slug>>"
LIVE = ROOT / "tests" / "live"
TOOLS = Path(sys.executable).parent
RESOLVE = [
    *("uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
    *("--generate-hashes", "--exclude-newer", "7 days", "--no-emit-index-url", "--no-annotate"),
    *("--custom-compile-command", "make lock"),
]
QUESTIONS = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
# The packages depend only on these axes.
CHOICES = {axis: QUESTIONS["_choices"][axis] for axis in ("database", "auth")}

Combination = tuple[str, ...]  # one choice of each axis


def lock_tools(options: list[str]) -> None:
    """Lock the template's own tools."""
    print("  the template's tools", flush=True)
    command = [*RESOLVE, *options, "--group", "dev", "--output-file", "requirements-dev.lock"]
    subprocess.run(command, cwd=ROOT, env=environment(), check=True)


def lock_live_tests(options: list[str]) -> None:
    """Lock the external checkers of the live tests; sslyze is released as source only."""
    wheels = ["requirements.in", "--no-emit-package", "sslyze", "--output-file", "requirements.txt"]
    sources = ["-", "--no-deps", "--output-file", "requirements-sdist.txt"]
    name = "requirements-deployments"  # checkov wants other versions than schemathesis
    deployments = [f"{name}.in", "--output-file", f"{name}.txt"]
    for arguments, text in ((wheels, None), (sources, "sslyze\n"), (deployments, None)):
        print(f"  the live tests: {arguments[-1]}", flush=True)
        command = [*RESOLVE, *options, *arguments]
        subprocess.run(command, cwd=LIVE, env=environment(), input=text, text=True, check=True)


def lock_service(options: list[str]) -> None:
    """Lock the service for each database and sign-in choice."""
    with tempfile.TemporaryDirectory() as folder:
        projects = {
            combination: render(Path(folder, "-".join(combination)), combination)
            for combination in product(*CHOICES.values())
        }
        # First resolve all together: this binds the other locks, so no package gets two versions.
        union = Path(folder, "union.lock")
        union.write_text(without_conditions(SERVICE / "requirements.lock"), encoding="utf-8")
        packages = [project / "pyproject.toml" for project in projects.values()]
        command = [*RESOLVE, *options, *packages, "--output-file", union]
        print("  all services together", flush=True)
        subprocess.run(command, env=environment(), check=True)

        arguments = " ".join([*options, "--constraint", str(union)])
        for number, (combination, project) in enumerate(projects.items(), 1):
            print(f"  service {number} of {len(projects)}: {', '.join(combination)}", flush=True)
            (project / ".venv").symlink_to(TOOLS.parent)
            command = ["make", "--silent", "--old-file=.venv/installed", "lock"]
            subprocess.run(
                [*command, f"ARGS={arguments}"], cwd=project, env=environment(), check=True
            )
        merged = {
            name: merge(
                {
                    combination: (project / name).read_text(encoding="utf-8")
                    for combination, project in projects.items()
                },
                CHOICES,
            )
            for name in ("requirements.lock", "requirements-dev.lock", "requirements-audit.lock")
        }
    for name, text in merged.items():
        (SERVICE / name).write_text(text, encoding="utf-8")
        print(f"Wrote {name} of the service, for {len(projects)} combinations")


def render(folder: Path, combination: Combination) -> Path:
    """Render the service with these choices, and the defaults for the rest."""
    answers = [f"{axis}={choice}" for axis, choice in zip(CHOICES, combination, strict=True)]
    command = [sys.executable, "-m", "cookiecutter", str(ROOT), "--no-input", "-o", str(folder)]
    subprocess.run([*command, *answers], stdout=subprocess.DEVNULL, check=True)
    (project,) = folder.iterdir()
    return project


def without_conditions(lock: Path) -> str:
    """Return the lock without conditions: the packages of all combinations."""
    return re.sub(r"^# <% .*\n", "", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)


def merge(locks: Mapping[Combination, str], choices: Mapping[str, Sequence[str]]) -> str:
    """Merge ``locks`` into one lock with conditions that renders to each of them.

    :raises ValueError: if a package has different versions in two locks.
    """
    header = ""
    owners: dict[str, set[Combination]] = {}  # of each pin with its hashes
    versions: dict[str, list[str]] = {}
    for combination, lock in locks.items():
        header, *pins = re.split(r"^(?=\w)", lock, flags=re.MULTILINE)
        for pin in pins:
            owners.setdefault(pin, set()).add(combination)
        for name, group in groupby(pins, key=name_of):
            found = [re.split(r"[= ]+", pin, maxsplit=2)[1] for pin in group]
            if versions.setdefault(name, found) != found:
                raise ValueError(
                    f"{name} is {', '.join(found)} for {' and '.join(combination)}, "
                    f"but {', '.join(versions[name])} for others; give it one version"
                )
    merged = header
    for test, group in groupby(
        sorted(owners, key=name_of), key=lambda pin: condition(owners[pin], choices)
    ):
        text = "".join(group)
        merged += f"# <% if {test} %>\n{text}# <% endif %>\n" if test else text

    for combination, lock in locks.items():
        if rendered(merged, dict(zip(choices, combination, strict=True))) != lock:
            raise ValueError(
                f"The merged lock does not render to that of {' and '.join(combination)}"
            )
    return merged


def name_of(pin: str) -> str:
    return pin.partition("==")[0]


def condition(owners: set[Combination], choices: Mapping[str, Sequence[str]]) -> str:
    """Return the shortest expression that is true only for ``owners``; empty for all choices."""
    # A block is a set of choices on each axis, all of whose combinations are owners.
    blocks = sorted(
        (
            block
            for block in product(*map(subsets, choices.values()))
            if owners.issuperset(product(*block))
        ),
        key=lambda block: -len(list(product(*block))),
    )
    fewest = next(
        some
        for count in range(1, len(owners) + 1)
        for some in combinations(blocks, count)
        if owners == set(chain.from_iterable(product(*block) for block in some))
    )
    return " or ".join(
        " and ".join(
            f'cookiecutter.{axis} == "{chosen[0]}"'
            if len(chosen) == 1
            else f"cookiecutter.{axis} in {json.dumps(chosen)}"
            for (axis, offered), chosen in zip(choices.items(), block, strict=True)
            if len(chosen) < len(offered)
        )
        for block in fewest
    )


def subsets(choices: Sequence[str]) -> list[tuple[str, ...]]:
    return [some for count in range(len(choices)) for some in combinations(choices, count + 1)]


def rendered(text: str, answers: dict[str, str]) -> str:
    """Render ``text`` as cookiecutter does."""
    tags = QUESTIONS["_jinja2_env_vars"]
    template = Environment(keep_trailing_newline=True, **tags).from_string(text)  # noqa: S701
    return template.render(cookiecutter=answers)


def environment() -> dict[str, str]:
    """Return the environment with the template's tools first and without variables of make."""
    kept = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return kept | {"PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}"}


if __name__ == "__main__":
    try:
        for lock in (lock_tools, lock_live_tests, lock_service):
            lock(sys.argv[1:])
    except ValueError as error:
        sys.exit(f"Nothing was written for the service: {error}.")
