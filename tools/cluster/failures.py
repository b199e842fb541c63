"""Failures of nodes and pods. Each ends when every pod is ready again."""

from __future__ import annotations

import time
from collections import Counter

from tools.cluster import nodes
from tools.cluster.environment import kubectl, wait_until
from tools.cluster.service import Service
from tools.cluster.testbed import Testbed, pods, settle

DARK = 45  # seconds without a node: the balancer needs 24, the controllers 20


def busiest(testbed: Testbed) -> str:
    """The node with most pods; marks the services without a pod there as untouched."""
    places = {
        service.name: [pod["spec"].get("nodeName") for pod in pods(service)]
        for service in testbed.services
    }
    found = Counter(node for names in places.values() for node in names if node)
    node = str(found.most_common(1)[0][0])
    testbed.untouched = {name for name, names in places.items() if node not in names}
    return node


def killed_pod(testbed: Testbed) -> None:
    """Kill one pod of each service with SIGKILL, without notice."""

    def kill(service: Service) -> None:
        victim = pods(service)[0]["metadata"]["name"]
        service.kubectl("delete", "pod", victim, "--grace-period=0", "--force")

    testbed.each(kill)
    testbed.each(settle)


def drain(testbed: Testbed) -> None:
    """Drain a node (``kubectl drain``), then use it again."""
    node = busiest(testbed)
    options = ["--ignore-daemonsets", "--delete-emptydir-data", "--timeout=240s"]
    kubectl("drain", node, *options, timeout=250)
    kubectl("uncordon", node)
    testbed.each(settle)


def killed_node(testbed: Testbed) -> None:
    """Cut the power of a node, and start it again later."""
    node = busiest(testbed)
    testbed.processes.end(node)
    time.sleep(DARK)
    nodes.start(testbed.processes, node)
    wait_until(f"{node} is ready", lambda: nodes.ready(node))
    nodes.route()
    testbed.each(settle)
