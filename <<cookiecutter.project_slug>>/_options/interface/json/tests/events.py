"""Security events of an API, for ``tests/security/test_logs.py``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from flask import Flask

from tests.browser import SAMPLES, Browser
from tests.token_actions import age_tokens, make_token, revoke_token, script


def use_a_refresh_token_twice(app: Flask, alice: Browser, cli: Callable[..., object]) -> None:
    stolen = alice.refresh_token
    alice.refresh()
    Browser(app).refresh(stolen)


def use_a_token_after_its_end(app: Flask, alice: Browser, cli: Callable[..., object]) -> None:
    made = make_token(alice, "read", days=1).json
    age_tokens(app, timedelta(days=1))
    script(app, made["token"]).get(SAMPLES)
    revoke_token(alice, made["id"])


INTERFACE_EVENTS: dict[str, tuple[Callable[..., object], list[str]]] = {
    "refresh token used twice": (use_a_refresh_token_twice, ["authn_token_reuse"]),
    "personal access token": (
        use_a_token_after_its_end,
        ["authn_token_created", "authn_token_expired", "authn_token_revoked"],
    ),
}
