"""Machines to install a service on: Debian that boots systemd, in namespaces of this machine.

A machine has only a loopback network. Its disk is an overlay on a root that all machines share; it
survives a reboot and is deleted with the machine.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from tests.live.conftest import install, lacking, program
from tests.template import run

HERE = Path(__file__).parent / "machine"
TIMEOUT = 120  # seconds for a boot or a shutdown on a slow host
COMMAND_TIMEOUT = 300  # seconds
NAMESPACES = "--mount --pid --uts --ipc --net --cgroup".split()
ENVIRONMENT = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root"]
WHEELS = ["PIP_NO_INDEX=1", "PIP_FIND_LINKS=/srv/wheels"]
numbers = itertools.count(1)


@cache
def as_root() -> list[str]:
    """The start of a command that runs as root: empty for root, otherwise sudo."""
    if os.geteuid() == 0:
        return []
    if run("sudo", "-n", "true").returncode:
        lacking("needs root, or sudo without a password")
    return ["sudo", "-n"]


def make_root() -> Path:
    """Make the root that all machines share, unless it exists; return its folder."""
    for name in ("debootstrap", "unshare", "nsenter"):
        program(name)
    script = HERE / "debian.sh"
    command = [*as_root(), "unshare", "--mount", "sh", script]
    return install("machine", [script], [command]) / "root"


def download_wheels(root: Path, locks: list[Path]) -> Path:
    """Download the wheels of the locks for the Python of ``root``; return their folder."""
    script = HERE / "wheels.sh"
    command = [*as_root(), "unshare", "--mount", "sh", script, root, *locks]
    return install("wheels", [script, *locks], [command]) / "wheels"


class Machine:
    """One machine; :func:`booted` makes and removes it."""

    def __init__(self, folder: Path, root: Path, binds: dict[str, Path]) -> None:
        self.folder = folder
        self.disk = folder / "root"
        self.binds = [f"{source}:{target}" for target, source in binds.items()]
        self.cgroup = cgroups() / f"machine-{os.getpid()}-{next(numbers)}"
        for name in ("root", "upper", "work"):
            (folder / name).mkdir()
        layers = f"lowerdir={root},upperdir={folder}/upper,workdir={folder}/work"
        command = [*as_root(), "mount", "-t", "overlay", "overlay", "-o", layers, self.disk]
        mounted = run(*command)
        if mounted.returncode:
            lacking(f"cannot mount an overlay: {mounted.stdout}")

    def boot(self) -> None:
        """Start the machine and wait until systemd reports "running"."""
        enter = f'mkdir -p {self.cgroup} && echo $$ >{self.cgroup}/cgroup.procs && exec "$@"'
        unshare = ["unshare", *NAMESPACES, "--fork", "--kill-child", "sh", HERE / "boot.sh"]
        with (self.folder / "boot.log").open("w") as log:
            self.process = subprocess.Popen(
                [*as_root(), "sh", "-c", enter, "-", *unshare, self.disk, *self.binds],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + TIMEOUT
        while self.run("systemctl", "is-system-running", "--wait", check=False) != "running":
            said = (self.folder / "boot.log").read_text()
            assert self.process.poll() is None, said
            assert time.monotonic() < deadline, said + self.run("systemctl", "--failed")
            time.sleep(0.2)

    def init(self) -> int | None:
        """The process id, on this host, of the machine's process 1; None if the machine is off."""
        number = self.process.pid
        while children := _read(Path(f"/proc/{number}/task/{number}/children")).split():
            number = int(children[0])
            if "\nNSpid:\t" + f"{number}\t1\n" in _read(Path(f"/proc/{number}/status")):
                return number
        return None

    def start(self, *command: str | Path, check: bool = True, **options: Any) -> tuple[int, str]:
        """Run a command in the machine as root; return its exit status and all output."""
        init = self.init()
        if init is None:
            return -1, "the machine is off"
        prefix = [*as_root(), "nsenter", f"--target={init}", "--all", *ENVIRONMENT, *WHEELS]
        result = run(*prefix, *command, **{"timeout": COMMAND_TIMEOUT} | options)
        assert not check or result.returncode == 0, f"{command}\n{result.stdout}"
        return result.returncode, result.stdout.strip()

    def run(self, *command: str | Path, check: bool = True, **options: Any) -> str:
        """Run a command in the machine; return its output. With ``check`` it must succeed."""
        return self.start(*command, check=check, **options)[1]

    def shell(self, script: str, **options: Any) -> str:
        """Run a shell script in the machine; return its output."""
        return self.run("sh", "-euc", script, **options)

    def write(self, path: str, text: str) -> None:
        """Write a file in the machine."""
        self.run("sh", "-euc", 'cat >"$1"', "-", path, input=text)

    def reboot(self) -> None:
        """Shut the machine down with systemd, and boot it again."""
        self.run("systemctl", "poweroff", check=False)
        self.process.wait(TIMEOUT)
        self.boot()

    def remove(self) -> None:
        """Kill all processes of the machine and delete its disk."""
        init = self.init()
        if init is not None:
            run(*as_root(), "kill", "-KILL", str(init))  # the others of its namespace go with it
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(TIMEOUT)
        # The last processes take a moment to end, and hold the disk until then.
        deadline = time.monotonic() + TIMEOUT
        remove = [*as_root(), "find", self.cgroup, "-depth", "-type", "d", "-delete"]
        while run(*remove).returncode and time.monotonic() < deadline:
            time.sleep(0.1)
        folder = str(self.folder)
        run(*as_root(), "umount", self.disk)
        # An overlay leaves a folder that root alone may remove.
        run(*as_root(), "rm", "-rf", "--one-file-system", f"{folder}/upper", f"{folder}/work")


@contextmanager
def booted(folder: Path, root: Path, binds: dict[str, Path]) -> Iterator[Machine]:
    """Boot a machine; remove it at the end of the block.

    :param binds: folders of this host by their path in the machine, where they are read-only.
    """
    folder.mkdir(parents=True, exist_ok=True)
    machine = Machine(folder, root, binds)
    try:
        machine.boot()
        yield machine
    finally:
        machine.remove()


def cgroups() -> Path:
    """Where the second version of control groups is mounted."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    return lacking("needs control groups, version 2")


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended
        return ""
