"""The network between hub and nodes, and the nodes: each is one process that can be killed."""

from __future__ import annotations

import os
import sys

from tools.cluster.environment import (
    BUILD,
    HERE,
    HUB,
    NODES,
    PODS,
    PROGRAMS,
    ROOT,
    SERVICES,
    UNPACKED,
    ClusterError,
    Processes,
    kubectl,
    run,
    wait_until,
)

NAMESPACES = ("--net", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child")


def lay_out() -> None:
    """Create the hub's side of the network in the namespace of this process."""
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "hub", "type", "bridge")
    run("ip", "addr", "add", f"{HUB}/24", "dev", "hub")
    run("ip", "link", "set", "hub", "up")
    run("sysctl", "-qw", "net.ipv4.ip_forward=1")


def route() -> None:
    """Add the routes to pods and Services. The nodes must be running."""
    for number, address in enumerate(NODES.values(), start=1):
        run("ip", "route", "replace", PODS.replace("0.0/16", f"{number}.0/24"), "via", address)
    run("ip", "route", "replace", SERVICES, "via", NODES["node1"])


def start(processes: Processes, name: str) -> None:
    """Start a node, new or stopped before, and connect it to the network."""
    number = name.removeprefix("node")
    environment = {
        "LOGS": str(BUILD / "logs"),
        "PROGRAMS": str(PROGRAMS),
        "PYTHON": sys.executable,
        "UNPACKED": str(UNPACKED),
    }
    command = ["unshare", *NAMESPACES, "sh", HERE / "node.sh", number]
    process = processes.start(name, *command, env=os.environ | environment, cwd=ROOT)
    own = os.readlink("/proc/self/ns/net")
    wait_until(
        f"{name} has a network namespace",
        lambda: os.readlink(f"/proc/{process.pid}/ns/net") != own,
        10,
    )
    cable = f"cable{number}"
    peer = ["peer", "name", "eth0", "netns", str(process.pid)]
    run("ip", "link", "add", cable, "type", "veth", *peer)
    run("ip", "link", "set", cable, "master", "hub", "up")


def ready(name: str) -> bool:
    """Whether the API reports this node as ready."""
    path = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
    try:
        return kubectl("get", "node", name, "--output", path) == "True"
    except ClusterError:  # it has not registered yet
        return False
