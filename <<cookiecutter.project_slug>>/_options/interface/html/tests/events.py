"""Security events of a service with pages, for ``tests/security/test_logs.py``."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask

from tests.browser import Browser

INTERFACE_EVENTS: dict[
    str, tuple[Callable[[Flask, Browser, Callable[..., object]], object], list[str]]
] = {
    "no CSRF token": (lambda app, alice, cli: alice.post("/notes/new"), ["malicious_csrf"]),
}
