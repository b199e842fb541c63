"""The log of development is for people; production never writes it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask

from app.security import check
from tests.browser import HOME, Browser
from tests.marks import asvs, practice

pytestmark = practice("logs")


def ask(app: Flask, path: str, capfd: pytest.CaptureFixture[str]) -> list[str]:
    """What the log has of one request."""
    capfd.readouterr()
    Browser(app).get(path)
    return capfd.readouterr().err.splitlines()


def test_a_request_is_one_readable_line(
    make_app: Callable[..., Flask], capfd: pytest.CaptureFixture[str]
) -> None:
    app = make_app(APP_ENV="development")
    (line,) = ask(app, f"{HOME}nothing%1b%5b31m", capfd)
    assert re.fullmatch(rf"\d\d:\d\d:\d\d GET {HOME}nothing\\x1b\[31m 404 in [\d.]+ ms", line), line


def test_a_traceback_is_shown_as_python_prints_it_and_without_the_key(
    make_app: Callable[..., Flask], capfd: pytest.CaptureFixture[str]
) -> None:
    app = make_app(APP_ENV="development")

    def fail() -> None:
        raise RuntimeError(f"the key is {app.secret_key}")

    app.before_request(fail)
    lines = ask(app, HOME, capfd)
    assert re.fullmatch(r"\d\d:\d\d:\d\d ERROR unexpected error", lines[0])
    assert lines[1] == "Traceback (most recent call last):"
    assert lines[-2] == "RuntimeError: the key is [redacted]"


@practice("audits")
@asvs("15.2.3")
def test_production_does_not_start_with_it(make_app: Callable[..., Flask]) -> None:
    """A line break in a value would start a line of its own."""
    assert [problem for problem in check(make_app(APP_ENV="development")) if "JSON" in problem]
