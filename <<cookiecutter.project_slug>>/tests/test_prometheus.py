"""A real Prometheus asks the service under load, while a worker is killed: the sums are right."""

from __future__ import annotations

import http.client
import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests import live, needs
from tests.client import DOMAIN
from tests.marks import practice
from tests.test_instances import processes

pytestmark = practice("logs")
DOCUMENT = Path("docs/monitoring.md").read_text("utf-8")
RULES = Path("deploy/monitoring/alerts.yml").resolve()
DASHBOARD = Path("deploy/monitoring/dashboard.json")
CLIENTS = 4
REQUESTS = 150  # of each client
HEADERS = {"Host": DOMAIN, "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}


class Prometheus:
    """What it knows, by its API."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, path: str) -> Any:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request("GET", f"/api/v1/{path}")
            answer = json.loads(connection.getresponse().read())
        assert answer["status"] == "success", answer
        return answer["data"]

    def value(self, expression: str) -> float:
        """The only value of the expression; 0 if there is none."""
        results = self.ask(f"query?query={quote(expression)}")["result"]
        assert len(results) < 2, results
        return float(results[0]["value"][1]) if results else 0.0


@pytest.fixture(scope="module")
def job() -> str:
    """The name that the documented configuration gives to the service."""
    return DOCUMENT.split("job_name: ")[1].splitlines()[0]


@pytest.fixture(scope="module")
def service(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, int]]:
    """gunicorn's socket, and the port of its metrics."""
    folder = tmp_path_factory.mktemp("service")
    port, _ = live.free_ports("127.0.0.1")
    values = {"METRICS_ADDRESS": f"127.0.0.1:{port}", "TMPDIR": str(folder)}
    with live.gunicorn(folder, environment | values) as socket:
        yield socket, port


@pytest.fixture(scope="module")
def prometheus(
    job: str, service: tuple[Path, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """A Prometheus that asks the service each second, with our alerts."""
    folder = tmp_path_factory.mktemp("prometheus")
    targets = [{"targets": [f"127.0.0.1:{service[1]}"]}]
    configuration = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": job, "static_configs": targets}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    port, _ = live.free_ports("127.0.0.1")
    command = [
        needs.program("prometheus"),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with live.running(
        command, folder / "log", lambda: live.accepts(("127.0.0.1", port)), dict(os.environ)
    ):
        yield Prometheus(port)


def send(socket: Path, requests: int) -> Counter[str]:
    """The load: how many requests of each of the clients were answered, and how many lost."""

    def client() -> Counter[str]:
        results: Counter[str] = Counter()
        for _ in range(requests):
            try:
                with live.connect_unix(socket) as connection:
                    connection.request("GET", "/healthz", headers=HEADERS)
                    results[str(connection.getresponse().status)] += 1
            except (OSError, http.client.HTTPException):
                results["lost"] += 1
        return results

    with ThreadPoolExecutor(CLIENTS) as threads:
        running = [threads.submit(client) for _ in range(CLIENTS)]
        return sum((it.result() for it in running), Counter())


def now_counted(port: int) -> float:
    """What the service says itself."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    samples = (it for family in text_string_to_metric_families(text) for it in family.samples)
    wanted = ("app_requests_total", "/healthz", "2xx")
    return sum(
        it.value
        for it in samples
        if (it.name, it.labels.get("route"), it.labels.get("status")) == wanted
    )


def test_the_sums_are_those_of_the_load(
    job: str, service: tuple[Path, int], prometheus: Prometheus
) -> None:
    socket, port = service
    answers = f'app_requests_total{{job="{job}", route="/healthz", status="2xx"}}'
    counted = f"sum({answers})"

    first = send(socket, REQUESTS)
    assert first == {"200": CLIENTS * REQUESTS}
    live.wait_until(lambda: prometheus.value(counted) == first["200"], 30)

    # A worker dies under load. A request is counted when its answer was sent: of those at hand,
    # one for each client, an answer that arrived may not be counted, and one that was lost may be.
    _, victim, *_ = processes(socket)
    with ThreadPoolExecutor(1) as thread:
        load = thread.submit(send, socket, REQUESTS)
        live.wait_until(lambda: prometheus.value(counted) > first["200"], 30)
        os.kill(victim, signal.SIGKILL)
        second = load.result()
    live.wait_until(lambda: len(set(processes(socket)) - {victim}) == 3, 30)
    assert sum(second.values()) == CLIENTS * REQUESTS
    answered = first["200"] + second["200"]
    # A client is ahead of the count for a moment: wait until two seconds have changed nothing.
    earlier = f"sum({answers} offset 2s)"
    live.wait_until(
        lambda: prometheus.value(earlier) == prometheus.value(counted) == now_counted(port),
        30,
    )
    after = prometheus.value(counted)
    assert answered - CLIENTS <= after <= answered + second["lost"]

    third = send(socket, REQUESTS)
    assert third == {"200": CLIENTS * REQUESTS}
    live.wait_until(lambda: prometheus.value(counted) == after + third["200"], 30)
    count = f'sum(app_request_seconds_count{{job="{job}", route="/healthz"}})'
    live.wait_until(lambda: prometheus.value(count) == after + third["200"], 30)
    print(f"sent: {first + second + third}; Prometheus: {after + third['200']:.0f}")
    # A successor that began at 0 would be a reset: increase() would then add what it had before.
    resets = f'sum(resets(app_requests_total{{job="{job}", route="/healthz"}}[5m]))'
    assert prometheus.value(resets) == 0


def test_it_takes_the_alerts_and_reaches_the_service(job: str, prometheus: Prometheus) -> None:
    live.wait_until(lambda: prometheus.value(f'up{{job="{job}"}}') == 1)
    live.wait_until(
        lambda: all(
            rule["health"] == "ok"
            for group in prometheus.ask("rules")["groups"]
            for rule in group["rules"]
        )
    )
    firing = {it["labels"]["alertname"] for it in prometheus.ask("alerts")["alerts"]}
    assert not firing & {"NoMetrics", "InstanceDown", "Errors", "DatabaseUnreadable"}


def test_it_takes_each_expression_of_the_dashboard(prometheus: Prometheus) -> None:
    board = json.loads(DASHBOARD.read_text("utf-8"))
    for expression in (target["expr"] for panel in board["panels"] for target in panel["targets"]):
        prometheus.ask(f"query?query={quote(expression)}")
