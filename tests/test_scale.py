"""docs/scale.md: the page shows what the simulation of three regions and `make bench` found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.regions import cost, limits, sessions, writes
from tools.regions.__main__ import PAGE, written
from tools.regions.world import Network


def test_the_page_has_the_tables_of_this_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.count("<!-- regions:") == text.count("<!-- /regions:") == 4
    assert written(text) == text, "docs/scale.md is out of date: run make scale"


def test_a_new_measurement_makes_the_costs_out_of_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = json.loads(cost.KEPT.read_text(encoding="utf-8"))
    (row,) = [row for row in kept["overhead"]["rows"] if row[0] == "HTML page"]
    row[2] = "5400"  # microseconds
    (tmp_path / "bench.json").write_text(json.dumps(kept), "utf-8")
    monkeypatch.setattr(cost, "KEPT", tmp_path / "bench.json")
    assert cost.table()[0] == ("public HTML page", "5.4 ms", "1.5 h", "0.06")
    text = PAGE.read_text(encoding="utf-8")
    assert written(text) != text
    kept["signin"]["rows"].pop(0)
    (tmp_path / "bench.json").write_text(json.dumps(kept), "utf-8")
    with pytest.raises(KeyError, match="CPU of a hash"):
        cost.table()


def test_the_speeds_in_the_text_are_those_of_the_measurement() -> None:
    hashing = cost.measured("signin", "CPU of a hash", 1)
    pages = cost.measured("scale", "first page of 20, answers a second", 2)
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f"about {round(pages, -1):.0f} signed-in pages a second from PostgreSQL" in text
    assert f"about {1000 / hashing:.0f} sign-ins per second and core" in text
    assert f"a password hash takes {hashing:.0f} ms" in text
    assert f"at {cost.PRICE} USD for an hour" in text
    assert f"| sign-in | {1000 / hashing:.0f} a second and core;" in text


def test_a_message_takes_half_a_round_trip_or_is_lost() -> None:
    network = Network((10, 20), round_trip=0.2)
    assert network.arrival("first", "second", 15) == pytest.approx(15.1)
    assert network.arrival("first", "third", 9) == pytest.approx(9.1)
    assert network.arrival("first", "third", 10) is None
    assert network.arrival("third", "third", 15) == 15
    assert network.arrival("third", "second", 20) == pytest.approx(20.1)


def test_a_replica_that_is_cut_off_stays_as_it_is_and_then_catches_up() -> None:
    network = Network((10, 20), round_trip=0.2)
    assert network.newest("third", 10) == pytest.approx(9.9)
    assert network.newest("third", 15) == 10
    assert network.newest("third", 20.05) == 10
    assert network.newest("third", 20.1) == pytest.approx(20)
    assert network.newest("second", 15) == pytest.approx(14.9)


def test_one_redis_counts_exactly_and_a_partition_adds_a_limit_for_each_worker() -> None:
    one = limits.DESIGNS[0]
    assert limits.run(one, Network()).guesses == limits.LIMIT
    cut = limits.run(one, Network(limits.PARTITION)).guesses
    assert cut == limits.LIMIT * (1 + limits.WORKERS)


def test_a_redis_in_each_region_allows_a_limit_for_each_region() -> None:
    _, _, each, divided = limits.DESIGNS
    for network in (Network(), Network(limits.PARTITION)):
        assert limits.run(each, network).guesses == 3 * limits.LIMIT
        assert limits.run(divided, network).guesses <= limits.LIMIT


def test_refusing_without_redis_keeps_the_limit_and_locks_users_out() -> None:
    refusing = limits.run(limits.DESIGNS[1], Network(limits.PARTITION))
    assert refusing.guesses == limits.LIMIT
    assert refusing.refused > 0


def test_only_the_primary_ends_a_session_at_once() -> None:
    primary, replica, fresh, token = sessions.DESIGNS
    calm, cut = Network(), Network(sessions.PARTITION)
    assert sessions.run(primary, calm).works_for == sessions.run(primary, cut).works_for == 0
    assert 0 < sessions.run(replica, calm).works_for <= calm.round_trip / 2
    assert sessions.run(replica, cut).works_for > 500
    assert 0 < sessions.run(fresh, cut).works_for <= sessions.STALE
    assert sessions.run(fresh, cut).unavailable > 500
    assert sessions.run(token, calm).works_for == pytest.approx(sessions.LIFETIME, abs=0.1)


def test_a_write_that_waits_for_the_replica_is_not_lost() -> None:
    asynchronous, synchronous = writes.DESIGNS
    assert writes.run(asynchronous, Network())[0] > 0
    assert writes.run(synchronous, Network()) == (0, Network().round_trip)
