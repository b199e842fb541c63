"""Images: one that runs as root, holds what it should not, or is another one tomorrow."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCKERFILE = Path("Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
STAGES = {
    name: stage
    for stage in re.split(r"^(?=FROM )", DOCKERFILE, flags=re.MULTILINE)[1:]
    for name in re.findall(r"\AFROM \S+ AS (\S+)", stage)
}


def test_every_image_stands_on_what_was_looked_at() -> None:
    for base in re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE):
        assert base in STAGES or re.search(r"@sha256:[0-9a-f]{64}$", base), base
    for command in re.findall(r"pip\b.*? install\b.*", DOCKERFILE):
        assert "--require-hashes" in command
    assert not re.search(r"^ADD |\b(curl|wget)\b", DOCKERFILE, re.MULTILINE)


@pytest.mark.parametrize("name", ["app", "nginx", "certbot"])
def test_no_image_runs_as_root(name: str) -> None:
    assert re.findall(r"^USER (.*)", STAGES[name], re.MULTILINE)[-1:] == ["10001:10001"]
    assert STAGES[name].index("USER") > STAGES[name].rindex("RUN")


def test_nothing_gets_into_an_image_unnamed() -> None:
    assert not re.search(r"^COPY (\S+ )*\.{0,2}/? ", DOCKERFILE, re.MULTILINE)
    rules = [
        line
        for line in Path(".dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    allowed = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert not {
        rule for rule in allowed if re.search(r"env|secret|instance|backup|tests|^\.", rule)
    }
    # What comes last counts.
    for secret in ("**/.*", "**/*.key", "**/*.pem", "**/*.sqlite3*"):
        assert rules.index(secret) > max(
            rules.index(f"!{it}") for it in ("app", "deploy/container")
        )
