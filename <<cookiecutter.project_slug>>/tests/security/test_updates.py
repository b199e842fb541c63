"""Updates and commits: Dependabot looks everywhere, and a hook looks at each commit."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.marks import asvs, practice
from tests.security.test_gates import CONTAINER

pytestmark = practice("audits")

# What there is to update, where it is, and by which file it shows.
UPDATES = {
    ("pip", "/"): "pyproject.toml",
    ("npm", "/tests/provider"): "tests/provider/package.json",
    ("docker", "/"): "Dockerfile",
    ("docker", "/.devcontainer"): ".devcontainer/Dockerfile",
    ("docker-compose", "/"): "compose.yaml",
    ("github-actions", "/"): ".github/workflows",
}
SECRET_FILES = {
    "language": "fail",
    "files": r"(^|/)\.env(\..+)?$|\.(key|pem|p12)$",
    "exclude": r"(^|/)\.env\.example$",
}
PYTHON = {"language": "system", "types_or": ["python", "pyi"]}
TARGET = {"language": "system", "pass_filenames": False}
HOOKS = {
    "no-secret-files": SECRET_FILES,
    "gitleaks": {**TARGET, "entry": "gitleaks protect --staged --redact --no-banner"},
    "ruff-check": {**PYTHON, "entry": ".venv/bin/python -m ruff check --force-exclude"},
    "ruff-format": {**PYTHON, "entry": ".venv/bin/python -m ruff format --check --force-exclude"},
    "bandit": {**TARGET, "entry": "make bandit", "types": ["python"]},
    "zizmor": {**TARGET, "entry": "make workflows", "files": r"^\.github/"},
    "hadolint": {**TARGET, "entry": "make dockerfile", "files": "^Dockerfile$"},
    "gixy": {**TARGET, "entry": "make nginx", "files": "^deploy/nginx/"},
}


@asvs("15.2.1")
def test_updates_come_every_week_for_everything_and_are_a_week_old() -> None:
    """Most malicious releases are found within days."""
    config = yaml.safe_load(Path(".github/dependabot.yml").read_text())
    weekly = {"schedule": {"interval": "weekly"}, "cooldown": {"default-days": 7}}
    assert config == {
        "version": 2,
        "updates": [
            {"package-ecosystem": system, "directory": place, **weekly}
            for (system, place), file in UPDATES.items()
            if Path(file).exists()
        ],
    }


def test_the_commit_hooks_are_as_listed() -> None:
    config = yaml.safe_load(Path(".pre-commit-config.yaml").read_text())
    assert config.keys() == {"repos"}
    (local,) = config["repos"]
    hooks = {}
    for hook in local["hooks"]:
        del hook["name"]
        if hook["id"] == "no-secret-files":
            del hook["entry"]  # the words of its refusal
        hooks[hook.pop("id")] = hook
    expected = {name: does for name, does in HOOKS.items() if CONTAINER or name != "hadolint"}
    assert local["repo"] == "local"
    assert hooks == expected
