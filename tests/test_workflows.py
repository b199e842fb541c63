"""The workflows of template and service: least privileges, pinned actions, our commands."""

from __future__ import annotations

import re
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.template import ROOT, SERVICE, run, targets

FOLDERS = {"template": ROOT, "service": SERVICE}
WORKFLOWS = [path for folder in FOLDERS.values() for path in folder.glob(".github/workflows/*.yml")]
PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def load(path: Path) -> dict[str, Any]:
    # YAML 1.1 reads the key `on` as true.
    return {
        "on" if key is True else key: value
        for key, value in yaml.safe_load(path.read_text(encoding="utf-8")).items()
    }


def name(path: Path) -> str:
    folder = "service" if path.is_relative_to(SERVICE) else "template"
    return f"{folder}-{path.stem}"


def test_zizmor_finds_nothing_in_the_template() -> None:
    check_with_zizmor(ROOT)


def test_zizmor_finds_nothing_in_a_rendering(project: Path) -> None:
    check_with_zizmor(project)


def check_with_zizmor(folder: Path) -> None:
    program = Path(sysconfig.get_path("scripts"), "zizmor")
    command = (program, "--quiet", "--offline", "--no-progress", "--persona", "auditor")
    result = run(*command, ".github", cwd=folder)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=name)
def test_jobs_have_no_right_but_to_read(workflow: Path) -> None:
    content = load(workflow)
    assert content["permissions"] == {}
    assert content["concurrency"]["cancel-in-progress"] is True
    for name, job in content["jobs"].items():
        more = {"security-events": "write"} if name == "scanning" else {}
        assert job["permissions"] == {"contents": "read"} | more
        assert job["timeout-minutes"] <= 60
        assert job["runs-on"] == "ubuntu-24.04"
        checkout = job["steps"][0]
        assert checkout["uses"].startswith("actions/checkout@")
        assert checkout["with"]["persist-credentials"] is False
        assert all(step["name"] for step in job["steps"])
    # A value of the event that an outsider chooses, put into a script, is a command of theirs.
    assert not re.search(r"run:.*\$\{\{", workflow.read_text(encoding="utf-8"))


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=name)
def test_actions_are_fixed_to_a_commit_and_say_its_version(workflow: Path) -> None:
    lines = workflow.read_text(encoding="utf-8").splitlines()
    uses = [line.strip().removeprefix("- ") for line in lines if "uses:" in line]
    assert uses
    assert [line for line in uses if not PINNED.fullmatch(line)] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=name)
def test_workflows_run_commands_that_exist(workflow: Path) -> None:
    folder = SERVICE if workflow.is_relative_to(SERVICE) else ROOT
    steps = [step for job in load(workflow)["jobs"].values() for step in job["steps"]]
    commands = [step["run"] for step in steps if "run" in step]
    assert commands
    for command in commands:
        assert set(re.findall(r"\bmake ([\w-]+)", command)) <= targets(folder / "Makefile")
        for script in re.findall(r"\bbash (\S+)", command):
            assert (folder / script).exists()


def test_the_service_is_audited_on_every_change_and_every_week() -> None:
    content = load(SERVICE / ".github/workflows/security.yml")
    assert set(content["on"]) == {"push", "pull_request", "schedule"}
    assert content["on"]["schedule"][0]["cron"].endswith(" * * 1")
    commands = {step.get("run") for step in content["jobs"]["audit"]["steps"]}
    makefile = (SERVICE / "Makefile").read_text(encoding="utf-8")
    audits = re.findall(r"^audit: ([a-z ]+) ##", makefile, re.MULTILINE)
    assert len(audits) == 2, "with a Dockerfile, and without one"
    for audit in audits:
        targets = {f"make {target}" for target in audit.split()}
        assert targets < commands, "locally and in CI alike"


@pytest.mark.parametrize("folder", FOLDERS)
def test_updates_wait_a_week(folder: str) -> None:
    content = yaml.safe_load((FOLDERS[folder] / ".github/dependabot.yml").read_text("utf-8"))
    assert [update["cooldown"]["default-days"] for update in content["updates"]]
    assert all(update["cooldown"]["default-days"] >= 7 for update in content["updates"])
