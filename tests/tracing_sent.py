"""Run in a service with docs/tracing.md applied: make a request fail, print what would be sent.

``tracing_sent.py opentelemetry|sentry``. Secrets are planted wherever a request has them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from app import create_app
from app.security.access import public
from flask import Flask


def ask(app: Flask, within: Callable[[], Any]) -> None:
    """Send a request whose view fails; ``within`` is a context manager around the view."""

    @app.get("/broken/<token>")
    @public
    def broken(token: str) -> str:
        unprinted = "canary-variable"
        with within():
            raise RuntimeError(f"canary-message of {token}, {len(unprinted)}")

    client = app.test_client()
    client.set_cookie("__Host-session", "canary-cookie", domain="localhost")
    answer = client.get(
        "/broken/canary-path?order=canary-query",
        data={"password": "canary-password", "confirm": "canary-password"},
        headers={"Authorization": "Bearer canary-authorization"},
        environ_overrides={"REMOTE_ADDR": "192.0.2.77"},
    )
    if answer.status_code != 500:
        raise SystemExit(f"answered {answer.status}")
    client.get("/nothing/canary-unknown")


def opentelemetry() -> str:
    from app import tracing
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    app, exporter = create_app(), InMemorySpanExporter()
    provider = tracing.init_app(app, exporter)
    ask(app, lambda: provider.get_tracer("own").start_as_current_span("own work"))
    provider.force_flush()
    return "\n".join(span.to_json() for span in exporter.get_finished_spans())


def sentry() -> str:
    import sentry_sdk
    from app import error_reports
    from sentry_sdk.envelope import Envelope
    from sentry_sdk.transport import Transport

    envelopes = []

    class Kept(Transport):
        def capture_envelope(self, envelope: Envelope) -> None:
            envelopes.append(envelope.serialize().decode())

    error_reports.start("https://key@sentry.invalid/1", transport=Kept)
    ask(create_app(), nullcontext)
    sentry_sdk.flush()
    return "\n".join(envelopes).replace('":', '": ')


if __name__ == "__main__":
    tools = {"opentelemetry": opentelemetry, "sentry": sentry}
    print(json.dumps({"sent": tools[sys.argv[1]]()}))
