"""Rate limits: passwords tried, sign-ups flooded, limits dodged, and the store gone."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from limits.strategies import SlidingWindowCounterRateLimiter
from redis.connection import AbstractConnection
from sqlalchemy import event

from app.database import db
from app.security import check
from app.security.access import is_public, public
from app.security.limit_keys import client_address
from app.security.rate_limits import limited, limiter
# <% if cookiecutter.auth == "oidc" %>
from tests.browser import DOMAIN, FORM_REFUSED, PASSWORD, SIGN_IN, WRITE, Browser
# <% else %>
from tests.browser import CHANGED, DOMAIN, FORM_REFUSED, PASSWORD, SIGN_IN, SIGN_UP, WRITE, Browser
# <% endif %>
from tests.conftest import running_redis
from tests.live import connect_unix, free_ports, gunicorn, wait_until
from tests.marks import asvs, slow
from tests.resources import WRITABLE, Resource, add
from tests.routes import routes
from tests.security.client import OTHER_ANSWERS

WRONG = "wrong-lantern-orbit-7-thistle"


def attempt(browser: Browser, email: str = "somebody@example.com", **kwargs: Any) -> int:
    """One sign-in with a wrong password."""
    return browser.attempt(email, WRONG, **kwargs).status_code


@pytest.fixture
def attacker(browser: Browser) -> Browser:
    return browser


@asvs("2.4.1", "6.3.1")
@slow
def test_sign_in_by_address(attacker: Browser, new_browser: Callable[..., Browser]) -> None:
    # Credential stuffing: one machine, an account each.
    statuses = [attempt(attacker, f"user{number}@example.com") for number in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    assert attempt(new_browser("192.0.2.99")) == 401  # others are not affected


@asvs("6.3.1")
def test_sign_in_by_account(alice: Browser, new_browser: Callable[..., Browser]) -> None:
    # A botnet: one account, a machine each.
    statuses = [attempt(new_browser(f"192.0.2.{n}"), alice.email) for n in range(12)]
    assert statuses == [401] * 10 + [429] * 2


@asvs("6.3.1")
@pytest.mark.parametrize(
    "spelling", ["ALICE@example.com", " alice@example.com ", "Alice@EXAMPLE.com"]
)
def test_another_spelling_is_the_same_account(
    alice: Browser, new_browser: Callable[..., Browser], spelling: str
) -> None:
    for number in range(10):
        attempt(new_browser(f"192.0.2.{number}"), spelling)
    assert attempt(new_browser("192.0.2.200"), alice.email) == 429


@asvs("4.1.3", "6.3.1", "15.3.4")
@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP", "True-Client-IP"]
)
def test_forged_headers_change_nothing(attacker: Browser, header: str) -> None:
    statuses = []
    for number in range(12):
        value = f"for=203.0.113.{number}" if header == "Forwarded" else f"203.0.113.{number}"
        if header == "X-Forwarded-For":  # Nginx puts the peer's address last, whatever came before
            value = f"{value}, {attacker.address}"
        statuses.append(attempt(attacker, f"u{number}@example.com", headers={header: value}))
    assert statuses == [401] * 10 + [429] * 2


@asvs("6.3.1")
def test_one_ipv6_subscriber_is_one_address(new_browser: Callable[..., Browser]) -> None:
    statuses = [
        attempt(new_browser(f"2001:db8:1:2:{n:x}::1"), f"u{n}@example.com") for n in range(11)
    ]
    assert statuses == [401] * 10 + [429]
    assert attempt(new_browser("2001:db8:1:3::1")) == 401


@asvs("6.3.1")
def test_an_ipv4_address_in_ipv6_is_that_address(app: Flask) -> None:
    """All of them are in one /64 network: one client would use up everybody's limit."""
    for sent, key in {"::ffff:192.0.2.7": "192.0.2.7", "192.0.2.8": "192.0.2.8"}.items():
        with app.test_request_context(environ_base={"REMOTE_ADDR": sent}):
            assert client_address() == key


@asvs("2.4.1", "6.3.1")
def test_every_open_route_that_changes_something_has_a_limit_of_its_own(app: Flask) -> None:
    """That of writes is for users: 60 tries a minute are too many for who is not signed in."""
    views = {
        r.endpoint: app.view_functions[r.endpoint]
        for r in routes(app)
        if not r.is_safe and is_public(app, r.endpoint)
    }
    assert views
    assert [name for name, view in views.items() if not hasattr(view, "rate_limit")] == []


@asvs("6.3.1")
def test_an_unknown_address_is_limited_too(new_browser: Callable[..., Browser]) -> None:
    # Flask-Limiter skips a limit whose key is empty.
    nobody = new_browser("nonsense")
    statuses = [attempt(nobody, f"u{number}@example.com") for number in range(11)]
    assert statuses[-1] == 429


def test_attempts_that_are_refused_before_are_counted(browser: Browser) -> None:
    statuses = [browser.post_form(SIGN_IN).status_code for _ in range(11)]
    assert statuses == [FORM_REFUSED] * 10 + [429]


def test_requests_without_an_account_are_limited_by_address(
    new_browser: Callable[..., Browser],
) -> None:
    # A limit that strangers share is one that anybody can use up.
    statuses = [new_browser(f"192.0.2.{n}").post_form(SIGN_IN).status_code for n in range(12)]
    assert statuses == [FORM_REFUSED] * 12


@asvs("6.3.1")
def test_a_limited_account_cannot_be_signed_in_to_even_with_the_right_password(
    alice: Browser, new_browser: Callable[..., Browser]
) -> None:
    for number in range(10):
        attempt(new_browser(f"192.0.2.{number}"), alice.email)
    assert new_browser("192.0.2.200").attempt(alice.email, PASSWORD).status_code == 429


@asvs("6.3.1")
@slow
def test_an_attack_does_not_lock_the_owner_out_of_a_running_session(
    alice: Browser, new_browser: Callable[..., Browser]
) -> None:
    for number in range(12):
        attempt(new_browser(f"192.0.2.{number}"), alice.email)
    assert alice.is_signed_in()
    alice.write()
    # <% if cookiecutter.auth != "oidc" %>
    assert alice.change_password(PASSWORD, WRONG).status_code == CHANGED
    # <% endif %>


def test_the_refusal_says_when_to_come_back(attacker: Browser) -> None:
    for _ in range(10):
        attempt(attacker)
    response = attacker.attempt("a@example.com", WRONG)
    assert response.status_code == 429
    assert 1 <= int(response.headers["Retry-After"]) <= 301  # seconds, rounded up


# <% if cookiecutter.auth != "oidc" %>
@asvs("2.4.1")
def test_sign_up(browser: Browser) -> None:
    statuses = [browser.post_form(SIGN_UP).status_code for _ in range(21)]
    assert statuses == [FORM_REFUSED] * 20 + [429]


@asvs("6.3.1")
def test_password_change_by_account(app: Flask, alice: Browser) -> None:
    statuses = []
    for number in range(11):
        alice.address = f"192.0.2.{number}"
        statuses.append(alice.change_password(WRONG, WRONG + "!").status_code)
    assert statuses == [422] * 10 + [429]


# <% endif %>
@asvs("2.4.1")
def test_writing_by_account(alice: Browser, bob: Browser) -> None:
    statuses = []
    for number in range(61):
        alice.address = f"192.0.2.{number}"
        statuses.append(alice.post_form(WRITE).status_code)
    assert statuses == [FORM_REFUSED] * 60 + [429]
    bob.write()


@asvs("2.4.1")
@pytest.mark.parametrize("resource", WRITABLE, ids=str)
def test_every_route_that_writes_comes_to_its_limit(app: Flask, resource: Resource) -> None:
    """By account: each request comes from another address, and is refused after it was counted."""
    for number, route in enumerate(it for it in routes(app) if it.endpoint in resource.routes):
        if route.is_safe:
            continue
        user = Browser(app).signed_in(f"user{number}@example.com")
        path, statuses = route.path(add(app, resource, user.email)), []
        while statuses[-1:] != [429]:
            user.address = f"192.0.2.{len(statuses)}"
            statuses.append(user.open(route.method, path, data=b"").status_code)
            assert len(statuses) < 200, f"{route.method} {route.rule} has no limit"
        assert len(statuses) > 1


def test_reading_is_not_counted_and_asks_no_store(
    app: Flask, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> bool:
        raise AssertionError("a public page asked the store of the limits")

    monkeypatch.setattr(type(limiter.limiter), "hit", fail)
    monkeypatch.setattr(type(limiter.limiter), "test", fail)
    read = {
        r.path()
        for r in routes(app)
        if r.method == "GET" and is_public(app, r.endpoint) and r.endpoint not in OTHER_ANSWERS
    }
    assert len(read) >= 4
    for path in sorted(read):
        assert browser.get(path).status_code == 200, path


def test_a_public_page_asks_neither_redis_nor_the_database(
    needs_redis: None, app: Flask, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A flood of what anybody may read would take down what only Nginx should have to bear.
    asked: list[str] = []
    send = AbstractConnection.send_packed_command

    def count(connection: AbstractConnection, *args: Any, **kwargs: Any) -> None:
        asked.append("Redis")
        send(connection, *args, **kwargs)

    def checked_out(*_: object) -> None:
        asked.append("database")

    monkeypatch.setattr(AbstractConnection, "send_packed_command", count)
    with app.app_context():
        engines = [*db.engines.values()]
    for engine in engines:
        event.listen(engine, "checkout", checked_out)
    public = {
        r.path()
        for r in routes(app)
        if r.method == "GET" and is_public(app, r.endpoint) and r.endpoint not in OTHER_ANSWERS
    }
    assert len(public) >= 4
    for path in sorted(public - {"/readyz"}):
        assert browser.get(path).status_code == 200, path
        assert asked == [], path
    # And it would have been noticed: both are asked by what has to ask them.
    browser.get("/readyz")
    assert set(asked) == {"Redis", "database"}
    for engine in engines:
        event.remove(engine, "checkout", checked_out)


@asvs("16.3.3")
def test_events_are_logged_without_the_account(
    attacker: Browser, log: Callable[[], list[dict[str, Any]]]
) -> None:
    for _ in range(11):
        attempt(attacker, "somebody@example.com")
    lines = log()
    (event,) = [line for line in lines if line["event"] == "excess_rate_limit_exceeded"]
    assert event["limit"] == "10 per 5 minute"
    assert event["path"] == SIGN_IN
    assert "somebody@example.com" not in str(lines)


def test_keys_in_the_store_name_no_account(
    needs_redis: None, attacker: Browser, environment: dict[str, str]
) -> None:
    attempt(attacker, "somebody@example.com")
    keys = [key.decode() for key in limiter.storage.redis.storage.keys("*")]  # type: ignore[attr-defined]
    assert keys
    assert not [key for key in keys if "somebody" in key]


@asvs("2.4.1", "6.3.1")
@slow
def test_the_count_is_exact_over_all_workers(
    needs_redis: None, app: Flask, environment: dict[str, str], tmp_path: Path
) -> None:
    # Counted in each worker's memory, four workers would let four times the limit pass.
    headers = {"Content-Type": "application/x-www-form-urlencoded"} | Browser(app).headers("POST")

    def post(path: Path) -> int:
        with connect_unix(path) as connection:
            connection.request("POST", SIGN_IN, headers=headers | {"Host": DOMAIN})
            return connection.getresponse().status

    four_workers = environment | {"WEB_CONCURRENCY": "4"}
    with gunicorn(tmp_path, four_workers) as path, ThreadPoolExecutor(8) as pool:
        statuses = Counter(pool.map(post, [path] * 40))
    assert statuses == {FORM_REFUSED: 10, 429: 30}


@asvs("16.5.2")
@slow
def test_without_redis_the_limits_go_on_and_readiness_says_so(
    needs_redis: None, make_app: Callable[..., Flask], tmp_path: Path
) -> None:
    store = tmp_path / "redis.sock"
    with running_redis(store):
        app = make_app(REDIS_URL=f"redis+unix://{store}")
        attacker = Browser(app)
        assert attacker.get("/readyz").json["rate_limits"] == "ok"
        assert [attempt(attacker) for _ in range(3)] == [401] * 3
    store.unlink(missing_ok=True)
    ready = attacker.get("/readyz")
    assert (ready.status_code, ready.json["rate_limits"]) == (200, "degraded")
    statuses = [attempt(attacker) for _ in range(11)]
    assert statuses == [401] * 10 + [429]  # counted anew, in this worker's memory
    with running_redis(store):
        assert attacker.get("/readyz").json["rate_limits"] == "ok"
        deadline = time.monotonic() + 10
        while attempt(attacker) == 429:
            assert time.monotonic() < deadline, "the limits do not return to Redis"
            time.sleep(0.1)
        assert limiter.storage.redis.storage.keys("*")  # type: ignore[attr-defined]


@pytest.mark.parametrize("half", [0, 8192])  # of the 16384 slots of a Redis Cluster
@asvs("16.5.2")
def test_readiness_notices_a_node_of_a_cluster(
    needs_redis: None, make_app: Callable[..., Flask], tmp_path: Path, half: int
) -> None:
    # It counts the keys of its slots; each worker counts the others in its own memory.
    store = tmp_path / "redis.sock"
    options = {"cluster-enabled": "yes", "cluster-require-full-coverage": "no"}
    options |= {"cluster-port": str(free_ports("127.0.0.1")[0]), "bind": "127.0.0.1"}
    with running_redis(store, **options):
        browser = Browser(make_app(REDIS_URL=f"redis+unix://{store}"))
        node: Any = limiter.storage.redis.storage  # type: ignore[attr-defined]
        node.execute_command("CLUSTER ADDSLOTSRANGE", half, half + 8191)
        wait_until(lambda: node.execute_command("CLUSTER INFO")["cluster_state"] == "ok")
        ready = browser.get("/readyz")
        assert (ready.status_code, ready.json["rate_limits"]) == (200, "degraded")
        node.execute_command("CLUSTER ADDSLOTSRANGE", 8192 - half, 8192 - half + 8191)
        assert browser.get("/readyz").json["rate_limits"] == "ok"


def test_the_window_slides(app: Flask) -> None:
    # Twice a limit passes around the moment at which a fixed window ends.
    assert isinstance(limiter.limiter, SlidingWindowCounterRateLimiter)


def test_start_up_notices_limits_in_memory(app: Flask, make_app: Callable[..., Flask]) -> None:
    assert list(check(app)) == []
    app = make_app(APP_ENV="development", REDIS_URL=None)
    assert [line for line in check(app) if "REDIS_URL" in line]


def test_a_route_that_only_reads_counts_every_request(
    app: Flask, own_app: None, browser: Browser
) -> None:
    def search() -> str:
        return "found"

    limit = limited("search", "2 per minute", lambda: "key")
    app.add_url_rule("/search", view_func=public(limit(search)))
    methods = "GET", "HEAD", "GET", "HEAD"
    statuses = [browser.open(method, "/search").status_code for method in methods]
    assert statuses == [200, 200, 429, 429]


def test_start_up_notices_limits_that_are_off(app: Flask) -> None:
    app.config["RATELIMIT_ENABLED"] = False
    assert [line for line in check(app) if "RATELIMIT_ENABLED" in line]
    app.config["RATELIMIT_ENABLED"] = True
    app.extensions["limiter"].clear()
    assert [line for line in check(app) if "init_app" in line]
