"""A flood of sign-ins from everywhere, against gunicorn as in production.

No limit stops it: each attempt comes from another address, for another account. It must take
neither all memory nor the last thread of a worker.
"""

from __future__ import annotations

import os
import re
import runpy
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from app.security import hash_slots, passwords
from tests import live, needs
from tests.browser import PROFILE, Browser
from tests.marks import asvs, practice
from tests.races import TIMEOUT
from tests.test_instances import Remote, processes, straight

FLOOD = 40  # sign-ins at once
HASH = passwords.HASHER.memory_cost  # KiB that one takes


class Held(PasswordHasher):
    """Checks no password as long as the file is there."""

    def verify(self, *args: object) -> bool:
        while Path(os.environ["HELD"]).exists():
            time.sleep(0.02)
        return super().verify(*args)  # type: ignore[arg-type]


def held() -> Flask:
    """The service, run by gunicorn; a hash takes as long as the test wants it to."""
    passwords.HASHER = Held(time_cost=1, memory_cost=HASH, parallelism=1)
    return create_app()


@contextmanager
def flooded(app: Flask, path: Path) -> Iterator[list[Future[TestResponse]]]:
    """Sign-ins with a wrong password, under way at once while the block runs."""

    def attempt(number: int) -> TestResponse:
        browser = Browser(Remote(app, straight(path)), f"192.0.2.{number}")
        return browser.attempt(f"user{number}@example.com", "wrong")

    with ThreadPoolExecutor(FLOOD) as threads:
        yield [threads.submit(attempt, number) for number in range(FLOOD)]


def there(browser: Browser, path: Path) -> Browser:
    """The same user, at the gunicorn that listens there."""
    moved = Browser(Remote(browser.app, straight(path)), browser.address)
    moved.use_credential(browser.credential())
    return moved


@practice("passwords")
@asvs("15.2.2")
def test_a_flood_leaves_a_thread_for_who_is_signed_in(
    app: Flask, alice: Browser, environment: dict[str, str], tmp_path: Path
) -> None:
    """Each started hash lasts as long as the flood: until then only refusals are answered."""
    (tmp_path / "held").touch()
    settings = {"WEB_CONCURRENCY": "1", "HELD": str(tmp_path / "held")}
    with (
        live.gunicorn(tmp_path, environment | settings, "tests.test_floods:held()") as path,
        flooded(app, path) as flood,
    ):
        try:
            answers = as_completed(flood, TIMEOUT)
            refused = [next(answers).result() for _ in range(FLOOD - hash_slots.SLOTS)]
            assert {answer.status_code for answer in refused} == {503}
            assert {answer.headers["Retry-After"] for answer in refused} == {"5"}
            user = there(alice, path)
            assert [user.get(PROFILE).status_code for _ in range(10)] == [200] * 10
            assert sum(not answer.done() for answer in flood) == hash_slots.SLOTS
        finally:
            (tmp_path / "held").unlink()
        assert [answer.result(TIMEOUT).status_code for answer in answers] == [401] * 3


def peak(pid: int) -> int:
    """The most memory that the process has had, in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0])


@practice("passwords")
@asvs("15.2.2")
def test_a_flood_takes_no_more_memory_than_is_meant_for_it(
    app: Flask, alice: Browser, environment: dict[str, str], tmp_path: Path
) -> None:
    """Also where an operator gave the worker many threads."""
    needs.linux()
    settings = {"WEB_CONCURRENCY": "1", "GUNICORN_THREADS": "16"}
    with live.gunicorn(tmp_path, environment | settings) as path:
        user = there(alice, path)
        for _ in range(20):  # warm, but for hashing
            assert user.get(PROFILE).status_code == 200
        before = processes(path)
        idle = peak(before[1])
        with flooded(app, path) as flood:
            while not all(answer.done() for answer in flood):
                assert user.get(PROFILE).status_code == 200
        statuses = Counter(answer.result().status_code for answer in flood)
        assert processes(path) == before  # nothing was killed
        taken = peak(before[1]) - idle
    assert set(statuses) == {401, 503}
    assert HASH < taken < (hash_slots.SLOTS + 1) * HASH


@practice("passwords")
@pytest.mark.parametrize("threads", ["", "1", "3", "8"])
def test_a_worker_has_more_threads_than_may_hash(
    monkeypatch: pytest.MonkeyPatch, threads: str
) -> None:
    if threads:
        monkeypatch.setenv("GUNICORN_THREADS", threads)
    settings = runpy.run_path("deploy/gunicorn.conf.py")
    assert settings["threads"] == max(hash_slots.SLOTS + 1, int(threads or 0))
