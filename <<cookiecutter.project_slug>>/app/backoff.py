"""Exponential backoff: pauses that double, up to a longest one."""

from __future__ import annotations

from datetime import timedelta

MOST_DOUBLINGS = 16  # 65,536 times the first pause; without a bound the number would overflow


def backoff(first: timedelta, doublings: int, longest: timedelta) -> timedelta:
    """The ``first`` pause, doubled ``doublings`` times; at most ``longest``."""
    return min(first * int(2 ** min(doublings, MOST_DOUBLINGS)), longest)
