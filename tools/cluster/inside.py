"""The part of the command inside the namespaces: their first process. They end with it."""

from __future__ import annotations

import time

from tests.live.images import daemon
from tools.cluster import (
    addons,
    control,
    databases,
    identity,
    images,
    mail,
    nodes,
    pod_logs,
    report,
)
from tools.cluster.balancer import Balancer
from tools.cluster.environment import KIND, NODES, REGISTRY, Processes, run, wait_until
from tools.cluster.loops import PROBLEMS, first_answer
from tools.cluster.phases import Phase, total
from tools.cluster.runner import play_scenario
from tools.cluster.service import Service
from tools.cluster.testbed import Row, Testbed, settle
from tools.cluster.visitors import Visitors


def main(services: list[Service], scenarios: list[str]) -> int:
    """Run the scenarios; return 1 if something was lost that must not be lost."""
    processes = Processes()
    if not KIND:
        nodes.lay_out()
    for number in range(len(services)):
        run("ip", "addr", "add", f"10.77.{10 + number}.1/24", "dev", "lo")
    with pod_logs.keep(), daemon("--insecure-registry", REGISTRY) as docker:
        testbed = Testbed(processes, docker, services, {})
        start = time.monotonic()
        _build(testbed)
        print(
            f"{time.strftime('%T')} three nodes after {time.monotonic() - start:.0f} s", flush=True
        )
        _deploy(testbed)
        for name in scenarios:
            if name != "deploy" and testbed.services:
                play_scenario(testbed, name)
                report.write(testbed.rows)
        return _judge(testbed)


def _build(testbed: Testbed) -> None:
    """Start an empty cluster and the servers outside it."""
    if not KIND:
        images.registry(testbed.processes)
        control.start(testbed.processes)
        for name in NODES:
            nodes.start(testbed.processes, name)
    valkey = images.servers(testbed.docker)
    if not KIND:
        for name in NODES:
            wait_until(f"{name} is ready", lambda name=name: nodes.ready(name))
        nodes.route()
        addons.add()
    databases.authority()
    mail.start(testbed.processes, testbed.docker)
    if domains := [service.domain for service in testbed.services if service.auth == "oidc"]:
        identity.start(testbed.processes, domains)
    testbed.each(lambda service: service.prepare(valkey))
    for name in sorted({service.database for service in testbed.services} - {"sqlite"}):
        databases.start(testbed.processes, testbed.docker, name)


def _deploy(testbed: Testbed) -> None:
    """Deploy each service and wait for a page over HTTPS; leave out services that fail."""

    def deploy(service: Service) -> None:
        start, row = (
            time.monotonic(),
            Row("deploy", service, Phase(), 0, result="served over HTTPS"),
        )
        testbed.rows.append(row)
        try:
            service.certify()
            service.deploy(testbed.docker, "1")
            Balancer(service)
            visitors = Visitors(service, 10 + testbed.services.index(service))
            first_answer(visitors)
            row.seconds = time.monotonic() - start
            settle(service)
            visitors.start()
            wait_until(f"{service.name} has taken a note", visitors.acknowledged, 60)
        except Exception as error:  # becomes a line of the table; the command fails
            row.wrong.append(str(error))
        else:
            testbed.visitors[service.name] = visitors
        print(f"{time.strftime('%T')} {service.name}: {row.seconds:.0f} s, {row.wrong}", flush=True)

    testbed.each(deploy)
    testbed.services = [service for service in testbed.services if service.name in testbed.visitors]


def _judge(testbed: Testbed) -> int:
    """Look for every acknowledged note, write the table; return 1 if something is wrong."""
    for visitors in testbed.visitors.values():
        visitors.stop()

    def look(service: Service) -> None:
        visitors = testbed.visitors[service.name]
        seconds = time.monotonic() - visitors.started
        row = Row("all of it", service, total(list(visitors.phases.values())), seconds)
        testbed.rows.append(row)
        acknowledged = visitors.acknowledged()
        try:
            missing = len(visitors.missing())
        except PROBLEMS as error:
            row.result = f"{acknowledged} notes acknowledged, and then unreadable: {error}"
            row.wrong.append(row.result)
        else:
            row.result = f"{acknowledged} notes acknowledged, {missing} of them lost"
            if missing or not acknowledged:
                row.wrong.append(row.result)
        print(f"{service.name}: {row.result}", flush=True)

    if testbed.services:
        testbed.each(look)
    report.write(testbed.rows)
    wrong = [
        f"{row.service.name}, {row.scenario}: {text}" for row in testbed.rows for text in row.wrong
    ]
    print("\n".join(wrong) or "Nothing was lost.", flush=True)
    return 1 if wrong else 0
