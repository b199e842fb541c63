"""Security events of a service with pages, for ``tests/security/test_logs.py``."""

from __future__ import annotations

from collections.abc import Callable

INTERFACE_EVENTS: dict[str, tuple[Callable[..., object], list[str]]] = {
    "no CSRF token": (lambda app, alice, cli: alice.post("/notes/new"), ["malicious_csrf"]),
}
