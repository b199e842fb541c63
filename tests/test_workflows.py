"""The workflows of the template: least privileges, pinned actions, our commands.

The service's own tests check its workflows; here, zizmor also checks them in each combination.
"""

from __future__ import annotations

import re
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.template import ROOT, run, targets

WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def load(path: Path) -> dict[str, Any]:
    # YAML 1.1 reads the key `on` as true.
    return {
        "on" if key is True else key: value
        for key, value in yaml.safe_load(path.read_text(encoding="utf-8")).items()
    }


def test_zizmor_finds_nothing_in_the_template() -> None:
    check_with_zizmor(ROOT)


def test_zizmor_finds_nothing_in_a_rendering(project: Path) -> None:
    check_with_zizmor(project)


def check_with_zizmor(folder: Path) -> None:
    program = Path(sysconfig.get_path("scripts"), "zizmor")
    command = (program, "--quiet", "--offline", "--no-progress", "--persona", "auditor")
    result = run(*command, ".github", cwd=folder)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_jobs_have_no_right_but_to_read(workflow: Path) -> None:
    content = load(workflow)
    assert content["permissions"] == {}
    assert content["concurrency"]["cancel-in-progress"] is True
    for job in content["jobs"].values():
        assert job["permissions"] == {"contents": "read"}
        assert job["timeout-minutes"] <= 60
        assert job["runs-on"] == "ubuntu-24.04"
        checkout = job["steps"][0]
        assert checkout["uses"].startswith("actions/checkout@")
        assert checkout["with"]["persist-credentials"] is False
        assert all(step["name"] for step in job["steps"])
    # Attack: an outsider chooses a value of the event, and the script runs it as a command.
    steps = [step for job in content["jobs"].values() for step in job["steps"]]
    assert [step["name"] for step in steps if "${{" in step.get("run", "")] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_fixed_to_a_commit_and_say_its_version(workflow: Path) -> None:
    lines = workflow.read_text(encoding="utf-8").splitlines()
    uses = [line.strip().removeprefix("- ") for line in lines if "uses:" in line]
    assert uses
    assert [line for line in uses if not PINNED.fullmatch(line)] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_run_commands_that_exist(workflow: Path) -> None:
    steps = [step for job in load(workflow)["jobs"].values() for step in job["steps"]]
    commands = [step["run"] for step in steps if "run" in step]
    assert commands
    for command in commands:
        assert set(re.findall(r"\bmake ([\w-]+)", command)) <= targets(ROOT / "Makefile")
        for script in re.findall(r"\bbash (\S+)", command):
            assert (ROOT / script).exists()


def test_scripts_are_stopped_at_each_step_every_week() -> None:
    content = load(ROOT / ".github/workflows/ci.yml")
    assert [entry["cron"].split()[2:4] for entry in content["on"]["schedule"]] == [["*", "*"]]
    job = content["jobs"]["stops"]
    (step,) = [step for step in job["steps"] if "STOPS" in step.get("env", {})]
    assert int(step["env"]["STOPS"]) >= 1000
    for arguments in job["strategy"]["matrix"]["tests"]:
        file = ROOT / arguments.split()[0]
        assert "from tests.live.stopped import" in file.read_text(encoding="utf-8")


def test_updates_wait_a_week() -> None:
    content = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text("utf-8"))
    assert content["updates"]
    assert all(update["cooldown"]["default-days"] >= 7 for update in content["updates"])
