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
    untouched: set[str] = field(default_factory=set)  # services that this accident did not reach

    def each(self, act: Callable[[Service], object]) -> None:
        """For all services at once; fails when one does."""
        with ThreadPoolExecutor(len(self.services)) as pool:
            for result in [pool.submit(act, service) for service in self.services]:
                result.result()


@dataclass
class Row:
    """What one scenario did to one service."""

    scenario: str
    service: Service
    phase: Phase
    seconds: float
    wrong: list[str] = field(default_factory=list)
    result: str = "measured"


def pods(service: Service, components: str = "web") -> list[dict[str, Any]]:
    """The pods of these components, those that are about to go included."""
    chosen = f"--selector=app.kubernetes.io/component in ({components})"
    return list(json.loads(service.kubectl("get", "pods", chosen, "--output=json"))["items"])


def ready(pod: dict[str, Any]) -> bool:
    """Whether the pod is ready, and is to stay."""
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def settled(service: Service) -> bool:
    """Whether as many pods as there should be are ready, and none is about to go."""
    chosen = "--selector=app.kubernetes.io/component=web"
    text = service.kubectl("get", "deployments,pods", chosen, "--output=json")
    items = json.loads(text)["items"]
    found = [item for item in items if item["kind"] == "Pod"]
    (wanted,) = [item["spec"]["replicas"] for item in items if item["kind"] == "Deployment"]
    return len(found) == wanted and all(map(ready, found))


def settle(service: Service) -> None:
    """Wait until it has settled. Each look costs a fifth of a second of a processor."""
    wait_until(f"{service.name} has settled", lambda: settled(service), 240, pause=2)


def image(service: Service) -> str:
    """What its Deployment runs, with the digest."""
    path = 'jsonpath={.spec.template.spec.containers[?(@.name=="app")].image}'
    return service.kubectl("get", "deployment", "web", "--output", path)
