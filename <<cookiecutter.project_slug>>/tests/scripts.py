"""Runs a copy of the deployment's scripts below a folder, by programs that record their calls.

The scripts find the programs of ``PATH`` alone: those named here, which are this machine's, and
stand-ins for those that would change the machine. Every call is noted with its arguments, because
/proc shows those to every user. The umask is 0: a file is as open as the script leaves it.
"""

from __future__ import annotations

import os
import pty
import re
import shutil
import stat
import subprocess
import termios
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIG_DFL, SIGHUP, SIGINT, default_int_handler, signal

from tests import needs

SHELL = "/bin/sh"
TIMEOUT = 60  # seconds


@dataclass(frozen=True)
class Outcome:
    """How a script has ended, and the command lines that it has run."""

    status: int
    said: str
    calls: list[str]

    def of(self, program: str) -> list[str]:
        return [call for call in self.calls if call.split(" ")[0] == program]


class Scratch:
    """A folder with the scripts and their programs.

    :param real: programs of this machine.
    :param standins: the text of shell scripts that take the place of programs.
    """

    def __init__(self, folder: Path, real: Iterable[str], standins: Mapping[str, str]) -> None:
        self.folder, self.programs = folder, folder / "programs"
        self.record = folder / "record"
        self.programs.mkdir()
        for name in {*real, *standins}:
            text = standins[name] if name in standins else f'exec {needs.program(name)} "$@"'
            program = self.programs / name
            line = f'printf "%s\\n" "{name} $*" >>"$RECORD"'
            program.write_text(f"#!{SHELL}\n{line}\n{text}\n", "utf-8")
            program.chmod(0o755)

    def run(self, *command: str | Path, **values: str) -> Outcome:
        """Run a script in the folder, with these variables and no others."""
        with heard_signals():
            result = subprocess.run(
                [SHELL, *command],
                cwd=self.folder,
                env=self._environment(values),
                umask=0,
                check=False,
                timeout=TIMEOUT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        return Outcome(result.returncode, result.stdout, self.record.read_text().splitlines())

    def shown(self, *command: str | Path, typed: str, **values: str) -> str:
        """What a terminal shows while somebody answers each question of a script with ``typed``."""
        controller, child = pty.openpty()
        process = subprocess.Popen(
            [SHELL, *command],
            cwd=self.folder,
            env=self._environment(values),
            stdin=child,
            stdout=child,
            stderr=child,
            start_new_session=True,
        )
        os.close(child)
        late = threading.Timer(TIMEOUT, process.kill)
        late.start()
        said = b""
        with suppress(OSError):  # the script has ended, and its terminal with it
            while piece := os.read(controller, 4096):
                said += piece
                if said.endswith(b": "):
                    _wait_until_silent(controller)
                    os.write(controller, f"{typed}\n".encode())
        process.wait()
        late.cancel()
        os.close(controller)
        return said.decode()

    def _environment(self, values: Mapping[str, str]) -> dict[str, str]:
        self.record.write_text("", "utf-8")
        fixed = {"PATH": str(self.programs), "RECORD": str(self.record), "TMPDIR": str(self.folder)}
        return fixed | dict(values)


def _wait_until_silent(terminal: int) -> None:
    """Give the script time to switch the echo off: a person takes longer to type."""
    end = time.monotonic() + 2
    while termios.tcgetattr(terminal)[3] & termios.ECHO and time.monotonic() < end:
        time.sleep(0.01)


def modes(folder: Path) -> dict[str, str]:
    """The mode of each file and folder below this one, by its path: "0600", or "link"."""
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        shown = "link" if stat.S_ISLNK(mode) else f"{stat.S_IMODE(mode):04o}"
        found[path.relative_to(folder).as_posix()] = shown
    return found


# What written_backups returns if no attempt loses the backup from before a migration.
KEPT = [
    {"before-update": "1"},
    {"before-update": "2", "before-update-older": "1"},
    {"before-update": "2", "before-update-older": "1"},
]


def written_backups(folder: Path, command: list[str]) -> list[dict[str, str]]:
    """The backups after each of three runs of what a container runs; the third one fails."""
    (folder / "backups").mkdir()
    programs = folder / "of-the-container"
    programs.mkdir()
    flask = f'#!{SHELL}\necho "$RUN" >"$3"; [ "$RUN" != 3 ]\n'
    (programs / "flask").write_text(flask, "utf-8")
    (programs / "flask").chmod(0o755)
    found = []
    for number in ("1", "2", "3"):
        env = {"PATH": f"{programs}:{os.environ['PATH']}", "RUN": number}
        status = subprocess.run(command, cwd=folder, env=env, check=False).returncode
        assert (status == 0) == (number != "3")
        kept = (folder / "backups").glob("before-update*")
        found.append({path.name: path.read_text("utf-8").strip() for path in kept})
    return found


@contextmanager
def heard_signals() -> Iterator[None]:
    """Tests in the background, or with nohup, ignore these signals; so would their children."""
    before = signal(SIGHUP, SIG_DFL), signal(SIGINT, default_int_handler)
    try:
        yield
    finally:
        signal(SIGHUP, before[0])
        signal(SIGINT, before[1])


def shown_secrets(outcome: Outcome, secrets: Mapping[str, str]) -> list[str]:
    """The secrets that a command line or the script's output has shown."""
    places = "\n".join([*outcome.calls, outcome.said])
    values = {
        name: {text.strip(), *re.findall(r"://[^/\s:@]*:([^/\s@]+)@", text)}
        for name, text in secrets.items()
    }
    return [
        name for name, texts in values.items() if any(len(it) > 8 and it in places for it in texts)
    ]


def below(folder: Path, text: str) -> str:
    """A script with each path of the system moved below the folder."""
    return re.sub(r"(?<![\w/.}$])/(etc|opt|run|srv|var)(?=/)", rf"{folder}/\1", text)


def copied(source: Path, target: Path) -> None:
    """Copy a folder, without what an operator has written into it."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", *UNTRACKED)
    shutil.copytree(source, target, ignore=ignored)


def named(*folders: str) -> str:
    """The scripts of these folders, as a shell names them."""
    found = [sorted(Path(folder).glob("*.sh")) for folder in folders]
    return " ".join(path.as_posix() for paths in found for path in paths)


UNTRACKED = ("SECRET_KEY*", "*_URL", "users.acl", "OIDC_CLIENT_*", "OIDC_ISSUER", "ADMIN_*")
