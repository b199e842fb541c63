"""The storage of :mod:`app.security.rate_limits`: Redis, or memory while Redis fails.

Sign-in must work and limits must hold while Redis does not answer or refuses to write: each worker
then counts in its own memory. A failure of Redis is never an error of a request. This is a custom
storage backend of the library ``limits``.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from limits.storage import MemoryStorage, RedisStorage, SlidingWindowCounterSupport, Storage
from redis import ConnectionError, RedisError, TimeoutError

from app.security.logs import security_event

Answer = TypeVar("Answer")
Question = Callable[[RedisStorage | MemoryStorage], Answer]

TIMEOUT = 1  # seconds, to connect and to answer: a count takes < 1 ms, and a thread waits for it
PAUSE = 5  # seconds until Redis is asked again: only one request in 5 seconds waits for TIMEOUT
PREFIX = "fallback+"
# Written to learn whether Redis counts. The first is in slot 0 of a Redis Cluster, the other in the
# last: a node of one refuses to count the keys of other nodes.
CHECKED = ("check{06S}", "check{6ZJ}")


class FallbackStorage(Storage, SlidingWindowCounterSupport):
    """Counts in the Redis behind ``fallback+redis://`` and so on, or in this worker's memory.

    ``redis`` and ``memory`` are the two storages.
    """

    STORAGE_SCHEME = [f"{PREFIX}{scheme}" for scheme in ("redis", "rediss", "redis+unix")]

    def __init__(self, uri: str, wrap_exceptions: bool = False, **options: float | str | bool):
        super().__init__(uri, wrap_exceptions, **options)
        self.redis = RedisStorage(
            uri.removeprefix(PREFIX), socket_connect_timeout=TIMEOUT, socket_timeout=TIMEOUT
        )
        self.memory = MemoryStorage()
        self._lock = threading.Lock()
        self._failed_at: float | None = None  # the last failure; None while Redis counts
        self._silent_until: float | None = None  # no thread asks Redis before; None: it answers

    @property
    def base_exceptions(self) -> type[Exception]:
        return RedisError

    def acquire_sliding_window_entry(
        self, key: str, limit: int, expiry: int, amount: int = 1
    ) -> bool:
        return self._ask(lambda it: it.acquire_sliding_window_entry(key, limit, expiry, amount))

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        return self._ask(lambda it: it.get_sliding_window(key, expiry))

    def clear_sliding_window(self, key: str, expiry: int) -> None:
        self._ask(lambda it: it.clear_sliding_window(key, expiry))

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        return self._ask(lambda it: it.incr(key, expiry, amount))

    def get(self, key: str) -> int:
        return self._ask(lambda it: it.get(key))

    def get_expiry(self, key: str) -> float:
        return self._ask(lambda it: it.get_expiry(key))

    def clear(self, key: str) -> None:
        self._ask(lambda it: it.clear(key))

    def reset(self) -> int | None:
        self.memory.reset()
        return self._ask(lambda it: it.reset())

    def check(self) -> bool:
        """Whether Redis counts. This writes: a full or read-only Redis still answers reads."""
        try:
            for key in CHECKED:
                self.redis.incr(key, expiry=60)  # seconds
        except RedisError as error:
            self._record_failure(error)
            return False
        self._record_answer(wrote=True)
        return True

    def _ask(self, question: Question[Answer]) -> Answer:
        """The answer of Redis, or of the memory when Redis fails."""
        if self._may_ask_redis():
            try:
                answer = question(self.redis)
            except RedisError as error:
                self._record_failure(error)
            else:
                self._record_answer()
                return answer
        with self._lock:  # threads that start a counter at the same moment would lose counts
            return question(self.memory)

    def _may_ask_redis(self) -> bool:
        """False during the pause. After it one thread tries, and the others do not wait."""
        if self._silent_until is None:
            return True
        with self._lock:
            now = time.monotonic()
            if self._silent_until is not None and now < self._silent_until:
                return False
            self._silent_until = now + PAUSE
            return True

    def _record_failure(self, error: RedisError) -> None:
        with self._lock:
            now = time.monotonic()
            first, self._failed_at = self._failed_at is None, now
            # A Redis that refuses to write still answers, and knows which limits are reached.
            silent = isinstance(error, ConnectionError | TimeoutError)
            self._silent_until = now + PAUSE if silent else None
        if first:
            security_event("sys_rate_limits_degraded", reason=type(error).__name__)

    def _record_answer(self, *, wrote: bool = False) -> None:
        if self._failed_at is None:
            return
        with self._lock:
            self._silent_until = None
            # A full Redis refuses some counts and accepts others: one failure, logged once.
            soon = self._failed_at is not None and time.monotonic() < self._failed_at + PAUSE
            if self._failed_at is None or (soon and not wrote):
                return
            self._failed_at = None
        security_event("sys_rate_limits_restored", level=logging.INFO)
