"""Run the instructions of a document on a machine, as an operator would."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tests.live.machines import Machine

PART = re.compile(r"^##+ (.*)\n((?:(?!##+ ).*\n)*)", re.MULTILINE)
BLOCK = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (/\S+)\n")  # the first line of a block that is a file


def instructions(document: Path, title: str) -> list[str]:
    """The code blocks below the heading ``title``, in order; at least one."""
    blocks = BLOCK.findall(dict(PART.findall(document.read_text("utf-8")))[title])
    assert blocks, f"{document} does not say what to do: {title}"
    return blocks


def follow(machine: Machine, blocks: Sequence[str]) -> None:
    """Run each block in a shell; a block whose first line is "# /PATH" is written to that file."""
    for block in blocks:
        if path := FILE.match(block):
            machine.run("mkdir", "-p", str(Path(path[1]).parent))
            machine.write(path[1], block)
        else:
            machine.shell(block)
