"""DNS and storage in the cluster, and routes to its pods."""

from __future__ import annotations

import json
from typing import Any

from tools.cluster.environment import HERE, NODES, kubectl, run_folder

VOLUMES = 6  # of each node


def volume(name: str, node: str) -> dict[str, Any]:
    """A local volume of a node, as a manifest; its folder is made."""
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
    """Add them; the nodes are there."""
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
