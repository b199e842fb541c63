"""The state that scenarios change, and the conditions that they wait for."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from tests.live.images import Docker
from tools.cluster.environment import Processes, wait_until
from tools.cluster.phases import Phase
from tools.cluster.service import Service
from tools.cluster.visitors import Visitors


@dataclass
class Testbed:
    """What the scenarios act on."""

    processes: Processes
    docker: Docker
    services: list[Service]
    visitors: dict[str, Visitors]
    rows: list[Row] = field(default_factory=list)
    untouched: set[str] = field(default_factory=set)  # services that this failure did not affect

    def each(self, act: Callable[[Service], object]) -> None:
        """Call the function for all services at once; raise the error of one that fails."""
        with ThreadPoolExecutor(len(self.services)) as pool:
            for result in [pool.submit(act, service) for service in self.services]:
                result.result()


@dataclass
class Row:
    """The result of one scenario for one service."""

    scenario: str
    service: Service
    phase: Phase
    seconds: float
    wrong: list[str] = field(default_factory=list)
    result: str = "measured"


def pods(service: Service, components: str = "web") -> list[dict[str, Any]]:
    """The pods of these components, also terminating ones."""
    chosen = f"--selector=app.kubernetes.io/component in ({components})"
    return list(json.loads(service.kubectl("get", "pods", chosen, "--output=json"))["items"])


def ready(pod: dict[str, Any]) -> bool:
    """Whether the pod is ready and not terminating."""
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def settled(service: Service) -> bool:
    """Whether the wanted number of pods is ready, and none is terminating."""
    chosen = "--selector=app.kubernetes.io/component=web"
    text = service.kubectl("get", "deployments,pods", chosen, "--output=json")
    items = json.loads(text)["items"]
    found = [item for item in items if item["kind"] == "Pod"]
    (wanted,) = [item["spec"]["replicas"] for item in items if item["kind"] == "Deployment"]
    return len(found) == wanted and all(map(ready, found))


def settle(service: Service) -> None:
    """Wait until the pods are stable. Each check costs 0.2 s of processor time."""
    wait_until(f"{service.name} has settled", lambda: settled(service), 240, pause=2)


def image(service: Service) -> str:
    """The image of its Deployment, with the digest."""
    path = 'jsonpath={.spec.template.spec.containers[?(@.name=="app")].image}'
    return service.kubectl("get", "deployment", "web", "--output", path)
