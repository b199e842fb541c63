"""The cost of a rendering compared with a template of one file, and the time until its tests pass.

The two alternate, so a busy machine slows both. The minimum of the runs counts, because other load
only adds to it. The goal: at most 5 s from the command to an installed service that answers.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools.bench.measure import ROOT, Place, Result

ROUNDS = 15
MEMORY = Path("/dev/shm")  # noqa: S108 - what a disk takes to make files is not ours
STARTS = 3
SMOKE = "tests/test_health.py"


def one_file_template(folder: Path) -> Path:
    """Write a template with the same delimiters, one question and one file."""
    context = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
    small = {"project_slug": "small", "_jinja2_env_vars": context["_jinja2_env_vars"]}
    project = folder / "<<cookiecutter.project_slug>>"
    project.mkdir(parents=True)
    (folder / "cookiecutter.json").write_text(json.dumps(small), encoding="utf-8")
    (project / "README.md").write_text("# << cookiecutter.project_slug >>\n", encoding="utf-8")
    return folder


def render_seconds(template: Path, place: Path | None = None) -> float:
    """CPU time of one rendering and its hooks, user and system.

    :param place: the parent folder; by default the folder for temporary files.
    """
    with tempfile.TemporaryDirectory(dir=place) as output:
        command = [sys.executable, "-m", "cookiecutter", str(template), "--no-input", "-o", output]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        # In another folder: Python would import the hooks of this checkout from here.
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, env=environment(), cwd=output
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def environment() -> dict[str, str]:
    """The environment of a user: no variables of this make, and Python stores its bytecode."""
    ours = ("MAKE", "PYTHONDONTWRITEBYTECODE")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)}


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, env=environment())


def steps(folder: Path, uv: Path | str) -> dict[str, float]:
    """Seconds of each step from an empty folder to a service whose first tests pass.

    :param uv: the path of uv, which installs the packages; empty for pip.
    """
    service = folder / "hardened-service"
    commands: dict[str, list[str | Path]] = {
        "rendered": [sys.executable, "-m", "cookiecutter", ROOT, "--no-input", "-o", folder],
        "installed": ["make", "-C", service, "setup", f"PYTHON={sys.executable}", f"UV={uv}"],
        "smoke": ["make", "-C", service, "test", f"ARGS={SMOKE}", "JOBS=0"],
    }
    took = {}
    for name, command in commands.items():
        started = time.perf_counter()
        run(*command)
        took[name] = time.perf_counter() - started
    return took


def least(runs: list[dict[str, float]]) -> dict[str, float]:
    """The shortest time of each step."""
    return {step: min(run[step] for run in runs) for step in runs[0]}


def full_suite(service: Path, command: str) -> float:
    """Seconds that ``make test`` or ``make check`` of the service takes, run once."""
    started = time.perf_counter()
    run("make", "-C", service, command)
    return time.perf_counter() - started


def recorded() -> str:
    """Minutes and tests of ``make test``, from its output in the file ``BENCH_TEST_LOG``."""
    log = os.environ.get("BENCH_TEST_LOG")
    text = Path(log).read_text(encoding="utf-8", errors="replace") if log else ""
    found = re.findall(r"(\d+) passed.* in ([\d.]+)s", text)
    if not found:
        return "not recorded"
    number, seconds = max(found, key=lambda it: float(it[1]))
    return f"{float(seconds) / 60:.0f} min ({number} tests)"


def measure(place: Place) -> Result:
    """CPU time of a rendering, and the time from an empty folder to passing tests."""
    with tempfile.TemporaryDirectory() as folder:
        small, full = one_file_template(Path(folder, "small")), Path(folder, "full")
        # Copy the template without files of tools, as in a user's clone.
        ours = shutil.ignore_patterns(".git", ".venv", "build", "__pycache__", ".*cache")
        shutil.copytree(ROOT, full, ignore=ours)
        in_memory, on_disk = [], []
        for _ in range(ROUNDS):
            in_memory.append((render_seconds(small, MEMORY), render_seconds(full, MEMORY)))
            on_disk.append((render_seconds(small), render_seconds(full)))
        uv = Path(sys.executable).with_name("uv")
        with_uv, with_pip = (
            least([steps(Path(folder, name, str(n)), program) for n in range(STARTS)])
            for name, program in {"uv": uv, "pip": ""}.items()
        )
        rendered = Path(folder, "pip", "0", "hardened-service")
        whole, checked = (full_suite(rendered, command) for command in ("test", "check"))
    one_file, service = (min(times) for times in zip(*in_memory, strict=True))
    one_on_disk, service_on_disk = (min(times) for times in zip(*on_disk, strict=True))
    return Result(
        "A rendering, and its way to green",
        ("", "Time", "Goal"),
        [
            ("CPU of a template of one file", f"{one_file:.3f} s", ""),
            ("CPU of this one", f"{service:.3f} s ({service / one_file:.2f}x)", ""),
            ("the difference", f"{service - one_file:.3f} s", ""),
            ("the difference, on this disk", f"{service_on_disk - one_on_disk:.3f} s", ""),
            ("rendered", f"{with_uv['rendered']:.1f} s", ""),
            ("`make setup` with uv: installed, with hashes", f"{with_uv['installed']:.1f} s", ""),
            ("the first tests pass", f"{with_uv['smoke']:.1f} s", ""),
            ("together", f"{sum(with_uv.values()):.1f} s", "5 s"),
            ("`make setup` with pip", f"{with_pip['installed']:.1f} s", ""),
            ("together, with pip", f"{sum(with_pip.values()):.1f} s", ""),
            ("`make test` of the service", f"{whole:.0f} s", "30 s"),
            ("`make check` of the service", f"{checked:.0f} s", "120 s"),
            ("`make test` of the template", recorded(), "20 min"),
        ],
        [
            f"CPU: the shortest time of {ROUNDS} alternating runs, written to memory unless the "
            f"row says otherwise. Steps: the shortest wall time of {STARTS} runs, with packages "
            "in the cache of uv and pip. The first tests create the database, start the service "
            f"and run {SMOKE}.",
        ],
    )
