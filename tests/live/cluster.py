"""A real API server with its controllers and scheduler, on the loopback.

By the programs of ``KUBERNETES_BIN`` (docs/cluster.md); without them by ``kind``, if installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.live import cluster_kind, cluster_nodes
from tests.live.cluster_api import GO, Cluster
from tests.live.compose import wait_until
from tests.template import free_ports, run
from tools.cluster.programs import has_kubernetes, link

PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
TOKENS = 'operator,operator,1,"system:masters"\nnobody,nobody,2\n'


def lacks(*names: str) -> list[str]:
    return [name for name in names if shutil.which(name) is None]


def answers(cluster: Cluster) -> bool:
    with suppress(OSError):  # no certificate yet, no server, not ready
        cluster.call("GET", "/readyz")
        return True
    return False


@contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """A cluster without a kubelet, until the end of the tests."""
    # Debian: etcd-server, kubernetes-client, util-linux, zstd
    missing = lacks("etcd", "kubectl", "setpriv", "zstd")
    start = control_plane
    if not has_kubernetes(*PROGRAMS) and not lacks("kind", "docker", "kubectl"):
        start, missing = cluster_kind.control_plane, []
    elif not has_kubernetes(*PROGRAMS):
        missing.append(f"kind, or a folder KUBERNETES_BIN with {', '.join(PROGRAMS)}")
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    cluster, stopped = Cluster(folder), threading.Event()
    nodes = threading.Thread(target=cluster_nodes.run, args=(cluster, stopped), daemon=True)
    try:
        with start(cluster):
            cluster_nodes.register(cluster)
            nodes.start()
            try:
                yield cluster
            finally:
                stopped.set()
    finally:
        if nodes.is_alive():
            nodes.join(20)  # its connection has ended with the server
        cluster.disconnect()


@contextmanager
def control_plane(cluster: Cluster) -> Iterator[None]:
    """etcd, API server, controllers and scheduler, by the programs of ``KUBERNETES_BIN``."""
    place, folder = link(*PROGRAMS), cluster.folder
    ports = free_ports(2)
    key, store = folder / "accounts.key", f"http://127.0.0.1:{ports[0]}"
    assert run("openssl", "genrsa", "-out", key, "2048").returncode == 0
    (folder / "tokens").write_text(TOKENS, "utf-8")
    cluster.write_access()
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
    # The autoscaler looks every 15 s by itself.
    controllers = ["--horizontal-pod-autoscaler-sync-period", "1s"]
    controllers += ["--service-account-private-key-file", key]
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str | Path) -> None:
        # They end with us, also when we are killed.
        ending = ("setpriv", "--pdeathsig", "KILL", *command)
        with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
            started.append(
                subprocess.Popen(ending, stdout=log, stderr=log, cwd=folder, env=os.environ | GO)
            )

    try:
        start(*etcd, "--initial-cluster", f"default={peers}")
        start(*server)
        wait_until(
            lambda: answers(cluster),
            lambda: (folder / "kube-apiserver.log").read_text("utf-8")[-2000:],
        )
        start(place / PROGRAMS[1], *access, *controllers)
        start(place / PROGRAMS[2], *access)
        yield
    finally:
        for process in reversed(started):
            process.kill()
            process.wait(20)
