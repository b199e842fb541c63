"""Who reaches ``/metrics``: only a client of the listener in ``METRICS_ADDRESS``.

gunicorn passes on the connection that a request came by. That listener answers nothing but
``/metrics``, and no other answers it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def answering(wsgi_app: WSGIApplication, port: int, own: Collector) -> WSGIApplication:
    """WSGI middleware: answers ``/metrics``, and only that, to clients connected to ``port``."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # The accepted connection: its own address is no header, so that no client can choose it.
        connection = environ.get("gunicorn.socket")
        address = connection.getsockname() if connection else ""
        if not isinstance(address, tuple) or address[1] != port:  # text: a Unix socket
            return wsgi_app(environ, start_response)
        if (environ["REQUEST_METHOD"], environ["PATH_INFO"]) != ("GET", "/metrics"):
            start_response("404 Not Found", [("Content-Length", "0")])
            return []
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        registry.register(own)
        body = generate_latest(registry)
        headers = [("Content-Type", CONTENT_TYPE_LATEST), ("Content-Length", str(len(body)))]
        start_response("200 OK", headers)
        return [body]

    return answer
