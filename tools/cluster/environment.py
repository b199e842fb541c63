"""Folders, addresses and processes that all parts of the cluster share.

The hub is the network namespace of the command itself: control plane, registry, databases, balancer
and visitors. Each node has a network namespace of its own and one cable to the hub.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = Path(__file__).resolve().parent
BUILD = ROOT / "build" / "cluster"  # kept between runs: unpacked programs, logs of the last run
UNPACKED = BUILD / "root"  # Debian's packages for the nodes
PROGRAMS = BUILD / "bin"  # Kubernetes' own programs

# With kind, kind.sh prints the address of this machine in its network, and its nodes.
KIND = "CLUSTER_HUB" in os.environ
HUB = os.environ.get("CLUSTER_HUB", "10.77.0.1")
OURS = "node1=10.77.0.11 node2=10.77.0.12 node3=10.77.0.13"
NODES = dict(node.split("=") for node in os.environ.get("CLUSTER_NODES", OURS).split())
PODS = "10.244.0.0/16"
SERVICES = "10.96.0.0/16"
DNS = "10.96.0.10"
API = f"https://{HUB}:6443"
REGISTRY = f"{HUB}:5000"


def run_folder() -> Path:
    """The folder of this run; it is removed at the end."""
    return Path(os.environ["CLUSTER"])


class ClusterError(Exception):
    """A part of the cluster failed; the message names it."""


class Processes:
    """Background processes. They are children of the command and end with it."""

    def __init__(self) -> None:
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str | Path, **options: Any) -> subprocess.Popen[bytes]:
        """Start a command with its output in ``build/cluster/logs/NAME.log``."""
        with (BUILD / "logs" / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **options,
            )
        return self.running[name]

    def end(self, name: str) -> None:
        """End one process with SIGKILL, as a power cut does."""
        process = self.running.pop(name)
        process.kill()
        process.wait(30)


def run(*command: str | Path, timeout: float = 120, **options: Any) -> str:
    """Run a command that must succeed; return its output.

    :raises ClusterError: with its output.
    """
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
        **({} if "input" in options else {"stdin": subprocess.DEVNULL}) | options,
    )
    if done.returncode:
        raise ClusterError(f"{' '.join(map(str, command))}: {done.stdout[-3000:]}")
    return done.stdout


def kubectl(*arguments: str | Path, timeout: float = 120, **options: Any) -> str:
    """``kubectl`` as the cluster's administrator."""
    config = run_folder() / "pki" / "admin.conf"
    return run("kubectl", "--kubeconfig", config, *arguments, timeout=timeout, **options)


def listens(port: int) -> bool:
    """Whether a program in the hub accepts connections at this port."""
    try:
        socket.create_connection((HUB, port), 1).close()
    except OSError:
        return False
    return True


def wait_until(
    what: str, condition: Callable[[], object], seconds: float = 120, pause: float = 0.5
) -> float:
    """Wait for the condition; return the seconds that it took.

    :param pause: seconds between two looks.
    :raises ClusterError: when it takes longer than ``seconds``.
    """
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            raise ClusterError(f"waited {seconds:.0f} seconds until {what}")
        time.sleep(pause)
    return time.monotonic() - start


def succeeds(*arguments: str) -> bool:
    """Whether this ``kubectl`` command succeeds now."""
    try:
        kubectl(*arguments, timeout=30)
    except (ClusterError, subprocess.TimeoutExpired):
        return False
    return True
