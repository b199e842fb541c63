"""A real API server with its controllers, on the loopback; a thread stands in for the nodes."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.live.compose import wait_until
from tests.live.conftest import install
from tests.template import ROOT, run

ARCHIVE = ROOT.parent / "shared" / "cluster" / "all.zst"  # one program, called by several names
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
TOKENS = 'operator,operator,1,"system:masters"\nnobody,nobody,2\n'
ROOM = {"cpu": "8", "memory": "16Gi", "pods": "110", "ephemeral-storage": "99Gi"}
MERGE = "application/strategic-merge-patch+json"


def programs() -> Path:
    """The folder with the programs: ``KUBERNETES_BIN``, or what the archive beside us holds."""
    needed = ("etcd", "kubectl", "setpriv")  # Debian: etcd-server, kubectl, util-linux
    if missing := [name for name in needed if shutil.which(name) is None]:
        pytest.skip(f"needs {', '.join(missing)}")
    if named := os.environ.get("KUBERNETES_BIN"):
        return Path(named)
    if not ARCHIVE.exists() or shutil.which("zstd") is None:
        pytest.skip(f"KUBERNETES_BIN names no folder with {', '.join(PROGRAMS)}")
    links = [["ln", "-s", "all", name] for name in PROGRAMS]
    unpack = ["zstd", "-d", "-q", str(ARCHIVE), "-o", "all"]
    return install("cluster", [ARCHIVE], [unpack, ["chmod", "+x", "all"], *links])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


class Cluster:
    """What answers to ``kubectl``. ``end`` is how each Job ends: "Succeeded", "Failed" or ""."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.end = "Succeeded"
        self.stopped = threading.Event()

    def environment(self, user: str = "operator") -> dict[str, str]:
        return {"KUBECONFIG": str(self.folder / f"{user}.conf")}

    def kubectl(self, *arguments: str, **options: Any) -> str:
        """The output of a command, which has to succeed."""
        env = os.environ | self.environment()
        result = run("kubectl", *arguments, env=env, **{"timeout": 60} | options)
        assert result.returncode == 0, result.stdout
        return result.stdout

    def write_access(self, user: str) -> None:
        server = {"server": f"https://127.0.0.1:{self.port}"}
        server["certificate-authority"] = str(self.folder / "certificates" / "apiserver.crt")
        access = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": server}],
            "users": [{"name": "u", "user": {"token": user}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "c",
        }
        (self.folder / f"{user}.conf").write_text(json.dumps(access), "utf-8")

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """One request to the API."""
        context = ssl.create_default_context(
            cafile=str(self.folder / "certificates" / "apiserver.crt")
        )
        headers = {"Authorization": "Bearer operator", "Content-Type": kind}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}{path}", data, headers, method=method
        )
        with urllib.request.urlopen(request, context=context, timeout=10) as answer:  # noqa: S310
            return json.load(answer)

    def be_the_nodes(self) -> None:
        """Every pod with a node runs and is ready; that of a Job ends."""
        for number in range(3):
            self.call("POST", "/api/v1/nodes", {"metadata": {"name": f"node{number}"}})
            ready = {"type": "Ready", "status": "True"}
            status = {"capacity": ROOM, "allocatable": ROOM, "conditions": [ready]}
            path = f"/api/v1/nodes/node{number}/status"
            self.call("PATCH", path, {"status": status}, MERGE)
        while not self.stopped.wait(0.3):
            with suppress(OSError):  # a pod that is gone or has changed, a server that is busy
                for pod in self.call("GET", "/api/v1/pods")["items"]:
                    self.move_on(pod)

    def move_on(self, pod: Any) -> None:
        about, phase = pod["metadata"], pod["status"].get("phase")
        path = f"/api/v1/namespaces/{about['namespace']}/pods/{about['name']}"
        if about.get("deletionTimestamp"):
            self.call("DELETE", path, {"gracePeriodSeconds": 0})
        elif phase == "Pending" and pod["spec"].get("nodeName"):
            self.report(pod, path, "Running", {"running": {"startedAt": now()}})
        elif phase == "Running" and self.end and "job-name" in about.get("labels", {}):
            code = 0 if self.end == "Succeeded" else 1
            ended = {"exitCode": code, "startedAt": now(), "finishedAt": now()}
            self.report(pod, path, self.end, {"terminated": ended})

    def report(self, pod: Any, path: str, phase: str, state: dict[str, Any]) -> None:
        ready = phase == "Running"
        names = [container["name"] for container in pod["spec"]["containers"]]
        known = {"ready": ready, "restartCount": 0, "image": "i", "imageID": "i", "state": state}
        conditions = [{"type": name, "status": str(ready)} for name in ("Ready", "ContainersReady")]
        status = {"phase": phase, "conditions": conditions}
        status["containerStatuses"] = [known | {"name": name} for name in names]
        self.call("PATCH", f"{path}/status", {"status": status}, MERGE)


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """etcd, API server, controllers and scheduler, until the end of the tests."""
    place, cluster = programs(), Cluster(folder)
    key, store = folder / "accounts.key", f"http://127.0.0.1:{free_port()}"
    assert run("openssl", "genrsa", "-out", key, "2048").returncode == 0
    (folder / "tokens").write_text(TOKENS, "utf-8")
    for user in ("operator", "nobody"):
        cluster.write_access(user)
    peers = f"http://127.0.0.1:{free_port()}"
    etcd = ["etcd", "--data-dir", f"{folder}/etcd", "--unsafe-no-fsync", "--log-level", "error"]
    for option, address in (("client", store), ("peer", peers)):
        etcd += [f"--listen-{option}-urls", address]
    etcd += ["--advertise-client-urls", store, "--initial-advertise-peer-urls", peers]
    server = [place / PROGRAMS[0], "--etcd-servers", store, "--bind-address", "127.0.0.1"]
    server += ["--secure-port", str(cluster.port), "--cert-dir", f"{folder}/certificates"]
    server += ["--token-auth-file", f"{folder}/tokens", "--authorization-mode", "RBAC"]
    server += ["--service-account-issuer", "https://kubernetes.default.svc"]
    server += ["--service-account-key-file", key, "--service-account-signing-key-file", key]
    server += ["--service-cluster-ip-range", "10.96.0.0/16", "--endpoint-reconciler-type", "none"]
    access = [
        "--kubeconfig",
        folder / "operator.conf",
        "--leader-elect=false",
        "--secure-port",
        "0",
    ]
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str | Path) -> None:
        # They end with us, also when we are killed.
        ending = ("setpriv", "--pdeathsig", "KILL", *command)
        with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
            started.append(subprocess.Popen(ending, stdout=log, stderr=log, cwd=folder))

    nodes = threading.Thread(target=cluster.be_the_nodes, daemon=True)
    try:
        start(*etcd, "--initial-cluster", f"default={peers}")
        start(*server)
        probe = ("kubectl", "get", "--raw", "/readyz")
        env = os.environ | cluster.environment()
        wait_until(
            lambda: run(*probe, env=env, timeout=20).returncode == 0,
            lambda: (folder / "kube-apiserver.log").read_text("utf-8")[-2000:],
        )
        patient = ("--node-monitor-grace-period", "1h")  # the nodes report once
        start(place / PROGRAMS[1], *access, *patient, "--service-account-private-key-file", key)
        start(place / PROGRAMS[2], *access)
        nodes.start()
        yield cluster
    finally:
        cluster.stopped.set()
        if nodes.is_alive():
            nodes.join(20)
        for process in reversed(started):
            process.kill()
            process.wait(20)
