"""Stop a script at one of the programs that it calls, in a copy of this machine's files.

Stand-ins replace the programs that would change the machine. The tests check what the script does
on a signal: Ctrl-C and a lost connection reach every process of the terminal, a cancelled CI job
only the script.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tests.live.conftest import lacking
from tests.template import run

HERE = Path(__file__).parent / "stops"
# Stops of each command. With STOPS=1000 it is stopped at each of its steps, by each signal.
STOPS = int(os.environ.get("STOPS", "6"))
SIGNALS = {"HUP": 129, "INT": 130, "TERM": 143}  # the exit status of a script that it stopped
# Programs that the scripts really run.
REAL = """awk base64 basename cat chmod cmp cp cut date dirname env find getent grep head id install
ln mkdir mktemp mv openssl printf readlink rm rmdir sed seq setsid sh sha256sum sleep sort stty tail
tar touch tr userdel useradd""".split()


@dataclass
class Left:
    """The result of an attempt: its output, its number of steps, and the files that it changed."""

    layer: Path
    said: str
    steps: int

    @property
    def statuses(self) -> tuple[int, ...]:
        return tuple(int(number) for number in re.findall(r"^status (\d+)", self.said, re.M))

    @property
    def temporary(self) -> list[str]:
        return [it for it in re.findall(r"^left (.*)", self.said, re.M) if not it.endswith("/*")]

    def files(self, *places: str) -> list[str]:
        """Files below these places that exist or were deleted; TIME replaces time stamps."""
        upper = self.layer / "upper"
        found = []
        for place in places:
            for path in sorted([upper / place, *(upper / place).rglob("*")]):
                if path.is_symlink() or path.exists():
                    target = f" -> {path.readlink()}" if path.is_symlink() else ""
                    kind = "gone" if path.is_char_device() else oct(path.lstat().st_mode)
                    kind += " empty" * (path.is_file() and not path.stat().st_size)
                    name = f"{path.relative_to(upper)} {kind}{target}"
                    found.append(re.sub(r"\d{8}T\d{6}Z", "TIME", name))
        return found


class Machine:
    """A copy of this machine's files, with stand-ins for some programs."""

    def __init__(self, folder: Path, standins: dict[str, str], **values: str) -> None:
        if os.geteuid() != 0:
            lacking("needs root, for a copy of the machine's files")
        self.folder = folder
        for name in ("bin", "standins", "tmp"):
            (folder / name).mkdir(parents=True)
        for name in {*REAL, *standins}:
            (folder / "bin" / name).symlink_to(HERE / "step.sh")
        for name, text in standins.items():
            (folder / "standins" / name).write_text(text, "utf-8")
        self.values = {"STEPS": str(folder / "steps"), "STANDINS": str(folder / "standins")}
        self.values |= {"STEPPING": str(folder / "bin"), "TMPDIR": str(folder / "tmp")} | values

    def run(self, before: Left | None, *command: str, step: int = 0, signal: str = "") -> Left:
        """Run the command; with ``step``, stop it at this step and run it again.

        :param before: an earlier attempt, with whose files the command starts.
        """
        layer = self.folder / f"layer{len(list(self.folder.iterdir()))}"
        if before:
            run("cp", "--archive", before.layer, layer)
        stop = {"STOP_AT": str(step), "SIGNAL": signal} if step else {}
        result = run(
            *("unshare", "--mount", "sh", HERE / "enter.sh", layer),
            *("/bin/sh", HERE / "attempt.sh", *command),
            env=os.environ | self.values | stop,
        )
        counted = layer / "upper" / str(self.folder / "steps")[1:]
        return Left(layer, result.stdout, len(counted.read_text("utf-8")))

    def wrong(self, before: Left | None, places: tuple[str, ...], *command: str) -> list[str]:
        """Differences after a stop and a second run. Without a stop the command must succeed."""
        whole = self.run(before, *command)
        assert whole.statuses == (0,), whole.said
        assert whole.temporary == [], whole.said
        wanted = whole.files(*places)
        found = []
        number = min(whole.steps, STOPS)
        for turn in range(number):
            step = 1 + turn * whole.steps // number
            for order, (signal, status) in enumerate(SIGNALS.items()):
                if number < whole.steps and turn % 3 != order:
                    continue  # one of the three
                left = self.run(before, *command, step=step, signal=signal)
                # The last step removes the temporary files, when all is done.
                statuses = (0 if step == whole.steps and left.statuses[0] == 0 else status, 0)
                files = left.files(*places)
                differ = sorted({*files} ^ {*wanted})
                if left.statuses != statuses or left.temporary or differ:
                    found.append(f"{signal} at {step} of {whole.steps}: {differ}\n{left.said}")
        return found
