"""The database or the cluster's DNS is cut off: what users may see, and that they go on."""

from __future__ import annotations

import time

from tools.cluster import databases
from tools.cluster.environment import ClusterError, kubectl, wait_until
from tools.cluster.phases import Phase
from tools.cluster.service import Service
from tools.cluster.testbed import Testbed, settle
from tools.cluster.visitors import WRITERS

CUT = 40  # seconds without the database, or without DNS
# Seconds of one answer: app/database/ waits 10 for the server and 5 to connect again; 5 for a busy
# machine.
LONGEST = 20
RECOVERED = 45  # seconds until each writer has written again: one may have begun LONGEST before
OUTAGES = ("database-off", "dns-off")


def database_off(testbed: Testbed) -> None:
    """Drop packets to the database for a while."""
    testbed.untouched = {each.name for each in testbed.services if each.database == "sqlite"}
    with databases.cut_off():
        time.sleep(CUT)
    go_on(testbed)


def dns_off(testbed: Testbed) -> None:
    """Stop all pods of the cluster's DNS for a while."""
    patch = ["patch", "daemonset", "dns", "--namespace", "kube-system", "--type=merge", "--patch"]
    kubectl(*patch, '{"spec": {"template": {"spec": {"nodeSelector": {"none": "none"}}}}}')
    try:
        time.sleep(CUT)
    finally:
        kubectl(*patch, '{"spec": {"template": {"spec": {"nodeSelector": null}}}}')
    go_on(testbed)


def go_on(testbed: Testbed) -> None:
    """Wait until each writer writes again; then look for all notes that were acknowledged.

    :raises ClusterError: when a writer does not, when a note is missing, or pods are not ready.
    """

    def look(service: Service) -> None:
        visitors = testbed.visitors[service.name]
        before = {number: len(visitors.notes[number]) for number in range(WRITERS)}

        def written() -> bool:
            return all(len(visitors.notes[number]) > before[number] for number in before)

        wait_until(f"every writer of {service.name} writes again", written, RECOVERED)
        settle(service)
        visitors.quiet.set()
        try:
            time.sleep(2)  # writes that had begun have finished
            if missing := visitors.missing():
                raise ClusterError(f"{service.name}: {len(missing)} acknowledged notes are lost")
        finally:
            visitors.quiet.clear()

    testbed.each(look)


def faults(database: str, phase: Phase) -> list[str]:
    """What users must not see meanwhile: no answer, a slow one, or another refusal than 503.

    Only what needs the database may be refused: writers, but not visitors of the sign-in page.
    """
    allowed = set() if database == "sqlite" else {"write 503"}
    refused = {what: number for what, number in phase.refusals.items() if what not in allowed}
    found = [f"{lost} lost"] if (lost := phase.all("lost")) else []
    found += [f"refused: {refused}"] if refused else []
    slow = phase.slowest > LONGEST
    return found + [f"an answer took {phase.slowest:.0f} s"] * slow
