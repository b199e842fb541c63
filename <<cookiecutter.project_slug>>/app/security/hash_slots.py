"""Slots for hashes of passwords: a flood of sign-ins takes all memory and all threads.

A hash takes 46 MiB and a thread for a while. Without a bound, the system would end the service
because the memory is full. Therefore a process makes few hashes at once, and refuses further ones.
ASVS 15.2.2.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from werkzeug.exceptions import ServiceUnavailable

from app.security.errors import RETRY_AFTER
from app.security.logs import security_event

# There are fewer slots than threads of a worker (deploy/gunicorn.conf.py), and no request waits for
# a slot, because waiting takes a thread as well: one thread is always left for signed-in users.
SLOTS = 3
slots = threading.BoundedSemaphore(SLOTS)
# Called for each slot that is taken (+1), free again (-1), or refused (0): app/metrics.
watch: Callable[[int], None] | None = None


@contextmanager
def hash_slot() -> Iterator[None]:
    """Hold one slot while a password is hashed.

    :raises ServiceUnavailable: when all slots are taken.
    """
    if not slots.acquire(blocking=False):
        _tell(0)
        security_event("excess_rate_limit_exceeded", limit=f"{SLOTS} password hashes at once")
        raise ServiceUnavailable(
            "Too many people are signing in. Please try again shortly.", retry_after=RETRY_AFTER
        )
    try:
        _tell(+1)
        yield
    finally:
        slots.release()
        _tell(-1)


def _tell(change: int) -> None:
    if watch:
        watch(change)
