"""Where a session is looked up: how long a stolen cookie works after its owner signed out.

A user signs out in the first region. A thief uses a copy of the cookie in the third region, all the
time. A second run cuts the third region off a second before the user signs out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tools.regions.world import Network

SIGN_OUT = 301.0  # seconds since the start
PARTITION = (300.0, 900.0)
END = 1000.0
STEP = 0.01  # seconds between two requests of the thief
STALE = 5.0  # seconds: a replica that is further behind is not asked
LIFETIME = 600.0  # seconds of a signed token without a lookup

# What a request of the third region gets at a time: whether it is answered, and whether the session
# counts as running.
Look = Callable[[Network, float], tuple[bool, bool]]


def primary(network: Network, at: float) -> tuple[bool, bool]:
    """The one database, in the first region."""
    arrived = network.arrival("third", "first", at)
    return arrived is not None, arrived is not None and arrived < SIGN_OUT


def replica(network: Network, at: float) -> tuple[bool, bool]:
    """A replica in the third region, with rows of any age."""
    return True, network.newest("third", at) < SIGN_OUT


def fresh_replica(network: Network, at: float) -> tuple[bool, bool]:
    """A replica in the third region, as long as it is at most ``STALE`` seconds behind."""
    fresh = at - network.newest("third", at) <= STALE
    return fresh, fresh and network.newest("third", at) < SIGN_OUT


def token(network: Network, at: float) -> tuple[bool, bool]:
    """A signed token without a lookup; the newest one was issued at the sign-out."""
    return True, at < SIGN_OUT + LIFETIME


@dataclass(frozen=True)
class Design:
    """A place to look a session up.

    :param waits: whether a page waits for another region.
    """

    name: str
    look: Look
    waits: bool


DESIGNS = (
    Design("the primary, in the first region", primary, waits=True),
    Design("a replica in each region", replica, waits=False),
    Design(f"a replica that is at most {STALE:.0f} s behind", fresh_replica, waits=False),
    Design("nowhere: a signed token of 10 minutes", token, waits=False),
)


@dataclass(frozen=True)
class Outcome:
    """The result of one design.

    :param works_for: seconds from the sign-out to the last request that the copied cookie allowed.
    :param unavailable: seconds in which the third region cannot answer signed-in requests.
    """

    works_for: float
    unavailable: float


def run(design: Design, network: Network) -> Outcome:
    """Simulate requests with the copied cookie over this network."""
    works_for = unavailable = 0.0
    for step in range(int(END / STEP)):
        at = step * STEP
        answered, running = design.look(network, at)
        unavailable += 0 if answered else STEP
        if running and at > SIGN_OUT:
            works_for = at - SIGN_OUT
    return Outcome(works_for, unavailable)


def seconds(value: float) -> str:
    """The duration as text for the table."""
    return "0" if value == 0 else f"{value:.2f} s" if value < 1 else f"{value:.0f} s"


def table() -> list[list[str]]:
    """A row for each design, without and with the partition."""
    rows = []
    for design in DESIGNS:
        calm, cut = run(design, Network()), run(design, Network(PARTITION))
        waits = f"{Network().round_trip * 1000:.0f} ms" if design.waits else "0"
        found = (calm.works_for, cut.works_for, cut.unavailable)
        rows.append([design.name, waits, *map(seconds, found)])
    return rows


COLUMNS = (
    "Where a session is looked up",
    "each page waits",
    "a stolen cookie works after sign-out",
    "with partition",
    "signed-in pages are down",
)
