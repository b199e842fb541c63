"""HTTPS: an attacker on the network reads or changes traffic between browser and service.

Nginx terminates TLS (``deploy/nginx/``), redirects plain HTTP and sends HSTS. This module decides
which headers of Nginx the app believes. It trusts exactly one hop, because Nginx sets
``X-Forwarded-For`` and ``X-Forwarded-Proto`` itself and drops the client's. The host comes only
from the ``Host`` header and must be in ``TRUSTED_HOSTS``. ASVS 12.2.1, 12.3.1, 4.1.2.
"""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask, abort, request
from werkzeug.middleware.proxy_fix import ProxyFix

HEALTH_CHECKS = ("/healthz", "/readyz")  # probes reach the socket without passing Nginx


def init_app(app: Flask) -> None:
    """Trust one proxy hop and refuse plain HTTP in production; accept only known hosts."""
    app.config.update(
        TRUSTED_HOSTS=list(app.config["SETTINGS"].trusted_hosts), PREFERRED_URL_SCHEME="https"
    )
    if app.config["SETTINGS"].production:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=1, x_proto=1, x_host=0, x_port=0, x_prefix=0
        )
        app.before_request(refuse_plain_http)


def check(app: Flask) -> Iterator[str]:
    """Yield what would let a request forge its host or scheme."""
    hosts = app.config["TRUSTED_HOSTS"]
    if not hosts:
        yield "TRUSTED_HOSTS is empty; set DOMAIN_NAME to the host name that users see"
    for host in hosts or ():
        if host.startswith(".") or "*" in host:
            yield f"TRUSTED_HOSTS has the wildcard {host!r}; name every host"
    if refuse_plain_http not in app.before_request_funcs.get(None, []):
        yield "plain HTTP is answered; run with APP_ENV=production behind deploy/nginx"


def refuse_plain_http() -> None:
    """Refuse a request that did not come over TLS.

    It is not redirected: its cookie or token has already crossed the network unencrypted.
    """
    if not request.is_secure and request.path not in HEALTH_CHECKS:
        abort(403, "This service accepts only HTTPS.")
