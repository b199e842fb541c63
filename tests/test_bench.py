"""What `make bench` writes. test_rendered_suite.py limits the calls and time of a request."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from importlib import import_module

import pytest

from tools.bench import overhead, report
from tools.bench.__main__ import PARTS, main
from tools.bench.measure import Bar, Load, Result, alternately, http_request, ratio

RESULT = Result("Title", ("A", "B"), [("x", "1"), ("y", "2")], ["A note."])


@pytest.mark.parametrize("name", PARTS)
def test_every_part_says_what_it_measures_and_has_a_place(name: str) -> None:
    part = import_module(f"tools.bench.{name}")
    assert part.__doc__
    assert callable(part.measure)
    pages = "".join(page.read_text("utf-8") for page in report.PAGES)
    assert pages.count(f"<!-- bench:{name} -->") == 1
    assert pages.count(f"<!-- /bench:{name} -->") == 1


def test_the_pages_show_what_was_measured_and_nothing_else() -> None:
    kept = json.loads(report.KEPT.read_text("utf-8"))
    assert kept.keys() <= set(PARTS)
    pages = "".join(page.read_text("utf-8") for page in report.PAGES)
    for part in kept.values():
        for row in part["rows"]:
            assert f"| {' | '.join(row)} |" in pages
    bars = [bar for part in kept.values() for bar in part["bars"]]
    assert report.PICTURE.read_text("utf-8").count('class="bar"') == len(bars)


def test_the_goals_of_the_readme_are_those_of_the_benchmark() -> None:
    kept = json.loads(report.KEPT.read_text("utf-8"))["overhead"]
    goals = {bar["label"]: bar["goal"] for bar in kept["bars"]}
    assert goals == {kind.label: kind.goal for kind in (*overhead.PAGES, *overhead.CALLS)}


def test_a_table_replaces_what_stands_between_its_marks() -> None:
    table = "| A | B |\n|---|---|\n| x | 1 |\n| y | 2 |\n\nA note."
    assert report.table(RESULT) == table
    text = "before <!-- bench:a -->\nold\n<!-- /bench:a --> after <!-- bench:b --><!-- /bench:b -->"
    written = report.between_marks(text, "a", table)
    assert table in written
    assert "old" not in written
    assert written.startswith("before <!-- bench:a -->")
    assert written.endswith("<!-- /bench:a --> after <!-- bench:b --><!-- /bench:b -->")
    assert report.between_marks(written, "a", table) == written
    assert report.between_marks(text, "c", table) == text


def test_the_picture_is_whole_and_escapes_its_labels() -> None:
    drawn = ET.fromstring(report.picture([("A & B", [Bar("<JSON>", 0.8, 0.78), Bar("x", 1.2)])]))  # noqa: S314
    texts = [element.text for element in drawn.iter() if element.tag.endswith("text")]
    assert {"A & B", "<JSON>", "0.80", "1.20"} <= set(texts)
    width = int(drawn.attrib["width"])
    for bar in drawn.iterfind(".//*[@class='bar']"):
        assert float(bar.attrib["x"]) + float(bar.attrib["width"]) < width


def test_an_unknown_part_is_refused() -> None:
    assert "No part everything" in str(main(["everything"]))


def test_sides_take_turns_and_a_round_is_compared_with_itself() -> None:
    order: list[str] = []

    def load(name: str, cpu: float) -> Load:
        order.append(name)
        return Load(100, 1.0, cpu)

    found = alternately(3, {"a": lambda: load("a", 1.0), "b": lambda: load("b", 2.0)})
    assert [set(order[i : i + 2]) for i in range(0, 8, 2)] == [{"a", "b"}] * 4
    assert {name: len(loads) for name, loads in found.items()} == {"a": 3, "b": 3}
    assert found["b"][0].cpu_per_request == 20_000  # microseconds
    # A machine that got ten times slower after the first round changes no ratio.
    assert ratio([1, 10, 10], [2, 20, 20]) == 0.5


def test_a_request_is_as_nginx_passes_it_on() -> None:
    request = http_request("POST", "/a", {"Cookie": "b=c"}, "é")
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /a HTTP/1.1\r\nHost: service.test\r\n")
    assert b"\r\nX-Forwarded-Proto: https\r\n" in head
    assert b"\r\nContent-Length: 2\r\n" in head
    assert head.endswith(b"\r\nCookie: b=c")
    assert body == "é".encode()
    assert b"Content-Length" not in http_request("GET", "/")
