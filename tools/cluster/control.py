"""etcd, the API server, the controllers and the scheduler, in the hub."""

from __future__ import annotations

from tools.cluster.environment import (
    API,
    HERE,
    HUB,
    PODS,
    PROGRAMS,
    SERVICES,
    Processes,
    kubectl,
    run,
    run_folder,
    succeeds,
    wait_until,
)
from tools.cluster.programs import definitions

ETCD = "http://127.0.0.1:2379"
PEER = "http://127.0.0.1:2380"


def start(processes: Processes) -> None:
    """Start the control plane and wait until it answers."""
    pki = run_folder() / "pki"
    pki.mkdir()
    run("sh", HERE / "certificates.sh", API, cwd=pki)
    processes.start(
        *("etcd", "etcd", "--name", "one", "--data-dir", run_folder() / "etcd"),
        *("--listen-client-urls", ETCD, "--advertise-client-urls", ETCD),
        *("--listen-peer-urls", PEER, "--initial-advertise-peer-urls", PEER),
        *("--initial-cluster", f"one={PEER}", "--unsafe-no-fsync", "--log-level", "warn"),
    )
    processes.start(
        *("apiserver", PROGRAMS / "kube-apiserver", "--etcd-servers", ETCD),
        *("--secure-port", "6443", "--advertise-address", HUB),
        *("--service-cluster-ip-range", SERVICES, "--client-ca-file", pki / "ca.crt"),
        *("--tls-cert-file", pki / "apiserver.crt", "--tls-private-key-file"),
        *(pki / "apiserver.key", "--service-account-issuer", "https://kubernetes.default.svc"),
        *("--service-account-key-file", pki / "accounts.pub"),
        *("--service-account-signing-key-file", pki / "accounts.key"),
        *("--authorization-mode", "Node,RBAC", "--enable-admission-plugins", "NodeRestriction"),
        *("--kubelet-client-certificate", pki / "kubelet-client.crt"),
        *("--kubelet-client-key", pki / "kubelet-client.key"),
        *("--kubelet-preferred-address-types", "InternalIP"),
    )
    wait_until("the API server answers", lambda: succeeds("get", "--raw", "/readyz"))
    for name, *more in (
        (
            "kube-controller-manager",
            *("--service-account-private-key-file", pki / "accounts.key"),
            *("--root-ca-file", pki / "ca.crt", "--use-service-account-credentials"),
            *("--cluster-cidr", PODS, "--node-monitor-grace-period", "20s"),
        ),
        ("kube-scheduler",),
    ):
        config = pki / f"{name}.conf"
        processes.start(
            *(name, PROGRAMS / name, "--kubeconfig", config, "--leader-elect=false", *more),
            *("--authentication-kubeconfig", config, "--authorization-kubeconfig", config),
        )
    folders = [f"--filename={folder}" for folder in definitions()]
    kubectl("apply", "--server-side", *folders)
