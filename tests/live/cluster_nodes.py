"""A thread that pretends to be three nodes of a cluster; no pod really runs."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from http.client import HTTPException
from typing import Any

from tests.live.cluster_api import Cluster

ROOM = {"cpu": "64", "memory": "256Gi", "pods": "500", "ephemeral-storage": "999Gi"}
MERGE = "application/strategic-merge-patch+json"
NODES = ("node0", "node1", "node2")
HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"


def register(cluster: Cluster) -> None:
    """Register three ready nodes, large enough for all tests, without a zone."""
    for name in NODES:
        about = {"name": name, "labels": {HOSTNAME: name}}
        cluster.call("POST", "/api/v1/nodes", {"metadata": about})
    beat(cluster)


def beat(cluster: Cluster) -> None:
    """Report all nodes as ready. After 40 seconds without that, the controllers give one up."""
    for name in NODES:
        ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": now()}
        status = {"capacity": ROOM, "allocatable": ROOM, "conditions": [ready]}
        cluster.call("PATCH", f"/api/v1/nodes/{name}/status", {"status": status}, MERGE)


def zones(cluster: Cluster, *names: str | None) -> None:
    """Set the zone label of each node; None removes it."""
    for node, zone in zip(NODES, names, strict=True):
        labels = {"metadata": {"labels": {ZONE: zone}}}
        cluster.call("PATCH", f"/api/v1/nodes/{node}", labels, MERGE)


def run(cluster: Cluster, stopped: threading.Event) -> None:
    """Report each pod on a node as ready; pods of Jobs end as ``Cluster.ends`` says."""
    while not stopped.is_set():
        with suppress(OSError, HTTPException):  # the server was busy, or has ended
            beat(cluster)
            for pod in cluster.watch("/api/v1/pods"):
                with suppress(OSError):  # it is gone; a server that was busy is asked again
                    move_on(cluster, pod)


def move_on(cluster: Cluster, pod: Any) -> None:
    about, phase = pod["metadata"], pod["status"].get("phase")
    path = f"/api/v1/namespaces/{about['namespace']}/pods/{about['name']}"
    job = about.get("labels", {}).get("job-name")
    end = cluster.ends.get(f"{about['namespace']}/{job}", "Succeeded")
    if about.get("deletionTimestamp"):
        cluster.call("DELETE", path, {"gracePeriodSeconds": 0})
    elif phase == "Pending" and pod["spec"].get("nodeName"):
        report(cluster, pod, path, "Running", {"running": {"startedAt": now()}})
    elif phase == "Running" and end and job:
        code = 0 if end == "Succeeded" else 1
        ended = {"exitCode": code, "startedAt": now(), "finishedAt": now()}
        report(cluster, pod, path, end, {"terminated": ended})


def report(cluster: Cluster, pod: Any, path: str, phase: str, state: dict[str, Any]) -> None:
    ready = phase == "Running"
    names = [container["name"] for container in pod["spec"]["containers"]]
    known = {"ready": ready, "restartCount": 0, "image": "i", "imageID": "i", "state": state}
    conditions = [{"type": name, "status": str(ready)} for name in ("Ready", "ContainersReady")]
    status = {"phase": phase, "conditions": conditions}
    status["containerStatuses"] = [known | {"name": name} for name in names]
    cluster.call("PATCH", f"{path}/status", {"status": status}, MERGE)


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
