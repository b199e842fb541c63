"""Security events of a service with pages, for ``tests/security/test_logs.py``."""

from __future__ import annotations

from collections.abc import Callable

from tests.browser import WRITE

INTERFACE_EVENTS: dict[str, tuple[Callable[..., object], list[str]]] = {
    "no CSRF token": (lambda app, alice, cli: alice.post(WRITE), ["malicious_csrf"]),
}
