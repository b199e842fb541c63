"""DNS and storage in the cluster."""

from __future__ import annotations

import json
from typing import Any

from tools.cluster.environment import HERE, NODES, kubectl, run_folder

VOLUMES = 6  # of each node


def volume(name: str, node: str) -> dict[str, Any]:
    """The manifest of a local volume of a node; creates its folder."""
    folder = run_folder() / "volumes" / name
    folder.mkdir(parents=True)
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "10Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "local",
            "local": {"path": str(folder)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    }


def add() -> None:
    """Install DNS and storage. The nodes must be running."""
    code = f"--from-file={HERE / 'names.py'}"
    kubectl("create", "configmap", "dns", "--namespace", "kube-system", code)
    kubectl("apply", "--filename", HERE / "addons.yaml")
    volumes = [volume(f"{node}-{i}", node) for node in NODES for i in range(VOLUMES)]
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": volumes})
    kubectl("apply", "--filename", "-", input=manifest)
    kubectl(
        *("rollout", "status", "daemonset/dns", "--namespace", "kube-system", "--timeout=120s"),
        timeout=130,
    )
