"""Three regions and the network between them, in simulated time.

Nothing here waits: a time is a number of seconds since the start, so a run is exact and repeatable.
"""

from __future__ import annotations

from dataclasses import dataclass

REGIONS = ("first", "second", "third")  # the first has the primary database
ROUND_TRIP = 0.1  # seconds between two regions: about Frankfurt to Virginia
TIMEOUT = 1.0  # seconds until a caller gives up; TIMEOUT of the service's limit_storage.py


@dataclass(frozen=True)
class Network:
    """The network between the regions.

    :param partition: start and end, in seconds, of the time in which the third region reaches no
        other; None: never.
    :param round_trip: seconds from one region to another and back.
    """

    partition: tuple[float, float] | None = None
    round_trip: float = ROUND_TRIP

    def is_cut(self, source: str, target: str, at: float) -> bool:
        """Whether the network loses a message that is sent at this time."""
        if source == target or "third" not in (source, target) or self.partition is None:
            return False
        begin, end = self.partition
        return begin <= at < end

    def arrival(self, source: str, target: str, at: float) -> float | None:
        """The arrival time of a message that is sent at this time; None if it is lost."""
        if self.is_cut(source, target, at):
            return None
        return at if source == target else at + self.round_trip / 2

    def newest(self, target: str, at: float) -> float:
        """The time up to which a replica in the target region has all writes of the primary.

        What was written during the partition arrives at its end: replication sends it again.
        """
        sent = at if target == "first" else at - self.round_trip / 2
        if self.partition is not None and self.is_cut("first", target, sent):
            return self.partition[0]
        return sent
