"""Where attempts to sign in are counted: guesses at one account from all regions at once.

An attacker tries one password of one account after the other, in all regions, as fast as the
regions answer. A user of the third region signs in once a minute, to another account.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tools.regions.world import REGIONS, TIMEOUT, Network

LIMIT = 10  # attempts in PERIOD, as SIGN_IN of the service
PERIOD = 300.0  # seconds
DURATION = 1200.0  # seconds that the attack takes
STEP = 0.25  # seconds between two guesses in a region
PARTITION = (300.0, 900.0)  # seconds since the start
WORKERS = 4  # of a region; without Redis they count separately


@dataclass
class Counter:
    """Counts in a sliding window: at most ``limit`` in any ``PERIOD`` seconds."""

    limit: int
    hits: list[float] = field(default_factory=list)

    def allows(self, at: float) -> bool:
        """Whether an attempt at this time is allowed; count it if so."""
        self.hits = [hit for hit in self.hits if hit > at - PERIOD]
        if len(self.hits) >= self.limit:
            return False
        self.hits.append(at)
        return True


@dataclass(frozen=True)
class Design:
    """Where attempts are counted.

    :param shared: one Redis in the first region for all; otherwise each region has its own.
    :param share: the part of the limit that a counter of one region allows.
    :param falls_back: without Redis, True: workers count separately; False: they refuse.
    """

    name: str
    shared: bool
    share: float = 1
    falls_back: bool = True


DESIGNS = (
    Design("one Redis for all regions; without it each worker counts", shared=True),
    Design("one Redis for all regions; without it sign-in is refused", True, falls_back=False),
    Design("a Redis in each region, with the whole limit", shared=False),
    Design("a Redis in each region, with a third of the limit", shared=False, share=1 / 3),
)


@dataclass(frozen=True)
class Outcome:
    """The result of one design.

    :param guesses: the largest number of guesses in any 5 minutes, in all regions together.
    :param wait: the most seconds that the network adds to a sign-in in the third region.
    :param refused: refused sign-ins of the user in the third region.
    """

    guesses: int
    wait: float
    refused: int


def run(design: Design, network: Network) -> Outcome:
    """Attack this design over this network."""
    limit = max(1, int(LIMIT * design.share))
    stores = {region: Counter(limit) for region in (REGIONS[:1] if design.shared else REGIONS)}
    alone = {(region, n): Counter(limit) for region in REGIONS for n in range(WORKERS)}
    guessed: list[float] = []
    wait = refused = 0.0
    for step in range(int(DURATION / STEP)):
        sent = step * STEP
        for region in REGIONS:
            home = REGIONS[0] if design.shared else region
            arrived = network.arrival(region, home, sent)
            if arrived is not None:
                allowed = stores[home].allows(arrived)
            else:
                allowed = design.falls_back and alone[region, step % WORKERS].allows(sent)
            if allowed:
                guessed.append(sent)
        if sent % 60 == 0:  # the user of the third region, with another account
            home = REGIONS[0] if design.shared else "third"
            cut = network.is_cut("third", home, sent)
            refused += cut and not design.falls_back
            trip = 0.0 if home == "third" else network.round_trip
            wait = max(wait, TIMEOUT if cut else trip)
    most = max(sum(start <= it < start + PERIOD for it in guessed) for start in guessed)
    return Outcome(most, wait, int(refused))


def table() -> list[list[str]]:
    """A row for each design, without and with the partition."""
    rows = []
    for design in DESIGNS:
        calm, cut = run(design, Network()), run(design, Network(PARTITION))
        rows.append(
            [
                design.name,
                str(calm.guesses),
                str(cut.guesses),
                f"{calm.wait * 1000:.0f} ms",
                f"{cut.wait * 1000:.0f} ms",
                str(cut.refused) if cut.refused else "none",
            ]
        )
    return rows


COLUMNS = (
    "What counts the attempts",
    "guesses in 5 min",
    "with partition",
    "a sign-in waits",
    "with partition",
    "refused meanwhile",
)
