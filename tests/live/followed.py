"""What a README says of the log on another system, followed by a machine as by an operator."""

from __future__ import annotations

import re
from pathlib import Path

from tests.live.machines import Machine

SECTION = re.compile(r"^## The log on another system\n(.*?)^## ", re.MULTILINE | re.DOTALL)
PART = re.compile(r"^### (.*)\n((?:(?!### ).*\n)*)", re.MULTILINE)
BLOCK = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (/\S+)\n")  # the first line of a block that is a file


def instructions(readme: Path, title: str) -> list[str]:
    """The blocks of a part of the section on logs, in their order."""
    (section,) = SECTION.findall(readme.read_text("utf-8"))
    blocks = BLOCK.findall(dict(PART.findall(section))[title])
    assert blocks, f"{readme} does not say what to do: {title}"
    return blocks


def follow(machine: Machine, blocks: list[str]) -> None:
    """Do what the blocks say: a file is written where its first line says, the rest is run."""
    for block in blocks:
        if path := FILE.match(block):
            machine.run("mkdir", "-p", str(Path(path[1]).parent))
            machine.write(path[1], block)
        else:
            machine.shell(block)
