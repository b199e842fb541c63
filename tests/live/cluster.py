"""A real API server with its controllers and scheduler, on the loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.live import cluster_nodes
from tests.live.cluster_api import GO, Cluster
from tests.live.compose import wait_until
from tests.live.conftest import install
from tests.template import ROOT, free_ports, run

ARCHIVE = ROOT.parent / "shared" / "cluster" / "all.zst"  # one program, called by several names
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
TOKENS = 'operator,operator,1,"system:masters"\nnobody,nobody,2\n'


def programs() -> Path:
    """The folder with Kubernetes' programs: ``KUBERNETES_BIN``, or unpacked from ``ARCHIVE``."""
    needed = ("etcd", "kubectl", "setpriv")  # Debian: etcd-server, kubectl, util-linux
    if missing := [name for name in needed if shutil.which(name) is None]:
        pytest.skip(f"needs {', '.join(missing)}")
    if named := os.environ.get("KUBERNETES_BIN"):
        return Path(named)
    if not ARCHIVE.exists() or shutil.which("zstd") is None:
        pytest.skip(f"set KUBERNETES_BIN to a folder with {', '.join(PROGRAMS)}")
    links = [["ln", "-s", "all", name] for name in PROGRAMS]
    unpack = ["zstd", "-d", "-q", str(ARCHIVE), "-o", "all"]
    return install("cluster", [ARCHIVE], [unpack, ["chmod", "+x", "all"], *links])


def answers(cluster: Cluster) -> bool:
    with suppress(OSError):  # no certificate yet, no server, not ready
        cluster.call("GET", "/readyz")
        return True
    return False


@contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """etcd, API server, controllers and scheduler, until the end of the tests."""
    place, cluster = programs(), Cluster(folder)
    ports = free_ports(2)
    key, store = folder / "accounts.key", f"http://127.0.0.1:{ports[0]}"
    assert run("openssl", "genrsa", "-out", key, "2048").returncode == 0
    (folder / "tokens").write_text(TOKENS, "utf-8")
    for user in ("operator", "nobody"):
        cluster.write_access(user)
    peers = f"http://127.0.0.1:{ports[1]}"
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
    access = ["--kubeconfig", folder / "operator.conf", "--leader-elect=false"]
    access += ["--secure-port", "0"]
    # The nodes report once; the autoscaler looks every 15 s by itself.
    controllers = ["--node-monitor-grace-period", "1h"]
    controllers += ["--horizontal-pod-autoscaler-sync-period", "1s"]
    controllers += ["--service-account-private-key-file", key]
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str | Path) -> None:
        # They end with us, also when we are killed.
        ending = ("setpriv", "--pdeathsig", "KILL", *command)
        with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
            started.append(
                subprocess.Popen(ending, stdout=log, stderr=log, cwd=folder, env=os.environ | GO)
            )

    stopped = threading.Event()
    nodes = threading.Thread(target=cluster_nodes.run, args=(cluster, stopped), daemon=True)
    try:
        start(*etcd, "--initial-cluster", f"default={peers}")
        start(*server)
        wait_until(
            lambda: answers(cluster),
            lambda: (folder / "kube-apiserver.log").read_text("utf-8")[-2000:],
        )
        start(place / PROGRAMS[1], *access, *controllers)
        start(place / PROGRAMS[2], *access)
        cluster_nodes.register(cluster)
        nodes.start()
        yield cluster
    finally:
        stopped.set()
        if nodes.is_alive():
            nodes.join(20)
        cluster.disconnect()
        for process in reversed(started):
            process.kill()
            process.wait(20)
