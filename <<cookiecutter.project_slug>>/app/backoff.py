"""Exponential backoff: pauses that double, up to a longest one."""

from __future__ import annotations

from datetime import timedelta

MOST_DOUBLINGS = 16  # 65,536 times the first pause: no number grows without bound


def backoff(first: timedelta, doublings: int, longest: timedelta) -> timedelta:
    """The pause after so many doublings of the ``first`` one, at most the ``longest``."""
    return min(first * int(2 ** min(doublings, MOST_DOUBLINGS)), longest)
