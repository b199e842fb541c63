"""Security events of an API, for ``tests/security/test_logs.py``."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask

from tests.browser import Browser


def use_a_refresh_token_twice(app: Flask, alice: Browser, cli: Callable[..., object]) -> None:
    stolen = alice.refresh_token
    alice.refresh()
    Browser(app).refresh(stolen)


INTERFACE_EVENTS: dict[str, tuple[Callable[..., object], list[str]]] = {
    "refresh token used twice": (use_a_refresh_token_twice, ["authn_token_reuse"]),
}
