"""The requests of the visitors during one scenario."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

GOOD = ("200", "302", "303")


@dataclass
class Phase:
    """Counts by kind of visitor (``new``, ``kept``, ``write``) and by result.

    :param gap: the longest time between two good answers to newcomers, in seconds.
    :param refusals: refused requests by kind and status, such as ``write 503``.
    :param slowest: the longest time of one visitor until an answer, in seconds.
    """

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    gap: float = 0.0
    refusals: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0

    def other(self, what: str) -> int:
        """How many requests on kept connections and of writers were ``lost`` or ``refused``."""
        return self.counts[f"kept {what}"] + self.counts[f"write {what}"]

    def all(self, what: str) -> int:
        """``lost``: no answer. ``refused``: an answer that is not the page, such as 503 or 429."""
        return self.counts[f"new {what}"] + self.other(what)


def total(phases: list[Phase]) -> Phase:
    """The sum of these phases, with the longest gap and the slowest answer of them."""
    together = Phase()
    for phase in phases:
        together.counts += phase.counts
        together.gap = max(together.gap, phase.gap)
        together.refusals += phase.refusals
        together.slowest = max(together.slowest, phase.slowest)
    return together
