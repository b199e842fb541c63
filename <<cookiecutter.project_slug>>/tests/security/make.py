"""What a target of the Makefile does: make runs it with programs that only record their calls.

This is neither a reading of the Makefile nor ``make --dry-run``, which shows no ``-`` before a
command and no ``.IGNORE``. Whatever hides a failure, or adds an option, shows here. The umask is 0:
a file is as open as the Makefile leaves it.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
# A line for each call: the variables that the Makefile sets, the program, its arguments. It succeeds,
# unless the call contains $FAILS. The Makefile's questions about Python's version are no work.
PROGRAM = r"""#!/bin/sh
case "$1 $2" in "-c import sys; "* | "-c import ensurepip"*) echo True; exit ;; esac
ours='PATH|CALLS|FAILS|CI|GITHUB_ACTIONS|PYTHON|UV|TEMPLATE|FROM|TO|MAKE[A-Z]*|MFLAGS|PWD|OLDPWD|SHLVL|_'
set_here=$(env | grep -Ev "^($ours)=" | tr '\n' ' ')
echo "$set_here${0#"$PWD"/} $*" >> "$CALLS"
case "$0 $*" in *"$FAILS"*) exit 1 ;; esac
"""
RUN, AUDIT, FOUND = ".venv/bin", ".venv/audit/bin", "programs"  # FOUND: by the search path
PROGRAMS = (
    *(f"{RUN}/python", f"{AUDIT}/python"),
    # deploy-check puts this folder first, so it finds this shell, which runs no script.
    *(f"{AUDIT}/{name}" for name in ("zizmor", "gixy", "hadolint", "sh")),
    *(f"{FOUND}/{name}" for name in ("python3", "uv", "git", "gitleaks")),
)
SYSTEM = ("make", "sh", "env", "grep", "tr", "mkdir", "rm", "touch", "awk")
INSTALLED = (".venv/installed", ".venv/audit/installed")


@dataclass
class Result:
    """How make ended, and the calls of programs, one a line."""

    status: int
    calls: list[str]


class Make:
    """A folder with the files of the service and with programs that only record."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        own = {".venv", ".env", ".git", "build"}
        for path in ROOT.iterdir():
            if path.name not in own:
                (folder / path.name).symlink_to(path)
        (folder / ".env").touch()
        for name in PROGRAMS:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(PROGRAM)
            path.chmod(0o755)
        for name in SYSTEM:
            (folder / FOUND / name).symlink_to(str(shutil.which(name)))
        for name in INSTALLED:
            (folder / name).touch()

    def run(self, *arguments: str, fails: str = "no call", ci: bool = False) -> Result:
        """Run make.

        :param arguments: a target, and variables.
        :param fails: the text of the calls that fail.
        :param ci: whether it runs as in a workflow of GitHub.
        """
        log = self.folder / "calls"
        log.write_text("")
        environment = {
            "PATH": str(self.folder / FOUND),  # no other program is there
            "CALLS": str(log),
            "FAILS": fails,
            **(dict.fromkeys(("CI", "GITHUB_ACTIONS"), "true") if ci else {}),
        }
        command = ["make", "--silent", f"PYTHON={FOUND}/python3", *arguments]
        ended = subprocess.run(
            command, cwd=self.folder, env=environment, umask=0, capture_output=True, timeout=60
        )
        return Result(ended.returncode, log.read_text().splitlines())

    def install(self, *arguments: str) -> list[str]:
        """The calls that install both environments, as in a new clone."""
        for name in INSTALLED:
            (self.folder / name).unlink()
        result = self.run(INSTALLED[1], *arguments)
        assert result.status == 0
        assert all((self.folder / name).exists() for name in INSTALLED)
        return result.calls
