"""Runs a scenario while the visitors send requests, and judges it."""

from __future__ import annotations

import math
import time

from tools.cluster import outages, pod_logs
from tools.cluster.phases import Phase
from tools.cluster.scenarios import SCENARIOS
from tools.cluster.service import Service
from tools.cluster.testbed import Row, Testbed

# Seconds of further requests: to connect may take 10, and the balancer checks every 8. Before a pod
# that is stopped normally is gone, the balancer has removed its node. After a killed pod, it needs
# three failed checks first.
AFTER, AFTER_A_KILL = 10, 25
# With more than one pod, these scenarios may lose no request. They may refuse none either, with one
# exception: during a rotation, a pod with the old key refuses a form of a pod with the new one
# (README.md).
WITHOUT_LOSS = ("update", "again", "rollback", "rotation", "metrics", "drain")


def faults(name: str, database: str, phase: Phase) -> list[str]:
    """The problems of the visitors that this scenario does not allow."""
    if name in outages.OUTAGES:
        return outages.faults(database, phase)
    lost, refused = phase.all("lost"), phase.all("refused")
    if name not in WITHOUT_LOSS or database == "sqlite":
        return []
    if name == "rotation":
        refused -= phase.counts["write refused"]
    return [f"{lost} lost, {refused} refused"] if lost or refused else []


def result(name: str, service: Service, phase: Phase, testbed: Testbed) -> str:
    """The text for a scenario without a problem."""
    if service.name in testbed.untouched:
        return "not touched by it"
    if name in WITHOUT_LOSS and service.database != "sqlite":
        return "nothing lost"
    if name in outages.OUTAGES:
        return f"no answer took more than {math.ceil(phase.slowest)} s"
    return "restored" if name == "backup" else "measured"


def play_scenario(testbed: Testbed, name: str) -> None:
    """Run one scenario and record its result, also if it fails."""
    print(f"{time.strftime('%T')} {name}", flush=True)
    phases = {s.name: testbed.visitors[s.name].begin(name) for s in testbed.services}
    start, wrong, testbed.untouched = time.monotonic(), [], set()
    since = time.strftime("%FT%T", time.gmtime())
    try:
        SCENARIOS[name](testbed)
        seconds = time.monotonic() - start
        time.sleep(AFTER_A_KILL if name == "killed-pod" else AFTER)
    except Exception as error:  # becomes a line of the table; the command fails
        wrong, seconds = [f"{name}: {error}"], time.monotonic() - start
    for service in testbed.services:
        phase = phases[service.name]
        row = Row(name, service, phase, seconds, list(wrong))
        row.wrong += faults(name, service.database, phase)
        row.result = result(name, service, phase, testbed)
        testbed.rows.append(row)
        print(f"  {service.name} {seconds:.0f} s {dict(phase.counts)} gap {phase.gap:.1f} s")
        details = phase.problems[:15] + row.wrong + pod_logs.explain(service.name, since)
        print("".join(f"    {line}\n" for line in details), flush=True)
