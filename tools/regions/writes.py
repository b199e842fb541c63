"""Acknowledged writes that are lost with the first region, because no other region has them.

Users of the first region write 20 notes a second. At a moment the region is gone, and the replica
of the second region becomes the primary.
"""

from __future__ import annotations

from dataclasses import dataclass

from tools.regions.world import Network

RATE = 20  # notes a second
GONE = 100.0  # seconds since the start


@dataclass(frozen=True)
class Design:
    """When a write is acknowledged.

    :param waits_for_replica: True: a replica in another region has it; False: the primary has it.
    """

    name: str
    waits_for_replica: bool


DESIGNS = (
    Design("asynchronous: the primary has it", waits_for_replica=False),
    Design("synchronous: a replica in another region has it", waits_for_replica=True),
)


def run(design: Design, network: Network) -> tuple[int, float]:
    """The number of lost acknowledged notes, and the seconds that a write waits for the network."""
    lost = 0
    waited = network.round_trip if design.waits_for_replica else 0.0
    for number in range(int(GONE * RATE)):
        written = number / RATE + 0.001  # not at the very moment of the loss
        acknowledged = written + waited < GONE
        replicated = written <= network.newest("second", GONE)
        lost += acknowledged and not replicated
    return lost, waited


def table() -> list[list[str]]:
    """A row for each design, with the usual delay and with a replica that is 2 seconds behind."""
    rows = []
    for design in DESIGNS:
        lost, waited = run(design, Network())
        behind, waited_behind = run(design, Network(round_trip=4.0))
        found = [f"{waited * 1000:.0f} ms", str(lost), f"{waited_behind:.0f} s", str(behind)]
        rows.append([design.name, *found])
    return rows


COLUMNS = (
    "A write is acknowledged when",
    "it waits",
    "acknowledged and lost",
    "it waits, replica 2 s behind",
    "acknowledged and lost",
)
