"""What a document tells the operator to do, done on a machine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tests.live.machines import Machine

PART = re.compile(r"^##+ (.*)\n((?:(?!##+ ).*\n)*)", re.MULTILINE)
BLOCK = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (/\S+)\n")  # the first line of a block that is a file


def instructions(document: Path, title: str) -> list[str]:
    """The blocks below a heading, in their order."""
    blocks = BLOCK.findall(dict(PART.findall(document.read_text("utf-8")))[title])
    assert blocks, f"{document} does not say what to do: {title}"
    return blocks


def follow(machine: Machine, blocks: Sequence[str]) -> None:
    """Do what the blocks say: a file is written where its first line says, the rest is run."""
    for block in blocks:
        if path := FILE.match(block):
            machine.run("mkdir", "-p", str(Path(path[1]).parent))
            machine.write(path[1], block)
        else:
            machine.shell(block)
