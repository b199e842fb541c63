"""What a developer's machine runs also works with the tools of BSD and macOS."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.template import ROOT, SERVICE

# Flags that only GNU's tools have, or that BSD's understand otherwise.
GNU_ONLY = re.compile(
    r"\b(sed -i|sed -r|sed --|readlink -[fe]|grep -\w*P|stat -c|date -d|date --|xargs -r|sort -V"
    r"|head -n -|cp -\w*[dT]|cp --|ln -\w*T|mktemp --|find \S+ -printf|base64 -w|wc -L|tac\b)"
)
SCRIPTS = [
    ROOT / "Makefile",
    SERVICE / "Makefile",
    SERVICE / ".template" / "update.sh",
    *SERVICE.glob("_options/deployment/*/deploy/*/check.sh"),
]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_command_needs_gnu(script: Path) -> None:
    lines = script.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if GNU_ONLY.search(line)] == []
