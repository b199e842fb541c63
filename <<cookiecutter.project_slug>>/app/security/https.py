"""HTTPS: someone on the network reads or changes what travels between browser and service.

Nginx terminates TLS (``deploy/nginx/``), redirects plain HTTP and sends HSTS. Here: what the app
may believe of a request that came through it. Exactly one hop is trusted, because Nginx sets
``X-Forwarded-For`` and ``X-Forwarded-Proto`` itself and drops what the client sent; the host comes
from the ``Host`` header alone and must be on the list. ASVS 12.2.1, 12.3.1, 4.1.2.
"""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask, abort, request
from werkzeug.middleware.proxy_fix import ProxyFix

HEALTH_CHECKS = ("/healthz", "/readyz")  # probes reach the socket without passing Nginx


def init_app(app: Flask) -> None:
    """Trust one proxy hop and refuse plain HTTP in production; answer only to known hosts."""
    app.config.update(
        TRUSTED_HOSTS=list(app.config["SETTINGS"].trusted_hosts), PREFERRED_URL_SCHEME="https"
    )
    if app.config["SETTINGS"].production:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=1, x_proto=1, x_host=0, x_port=0, x_prefix=0
        )
        app.before_request(refuse_plain_http)


def check(app: Flask) -> Iterator[str]:
    """Yield what would let a request lie about its host or scheme."""
    hosts = app.config["TRUSTED_HOSTS"]
    if not hosts:
        yield "TRUSTED_HOSTS is empty; set DOMAIN_NAME to the host name that users see"
    for host in hosts or ():
        if host.startswith(".") or "*" in host:
            yield f"TRUSTED_HOSTS has the wildcard {host!r}; name every host"
    if refuse_plain_http not in app.before_request_funcs.get(None, []):
        yield "plain HTTP is answered; run with APP_ENV=production behind deploy/nginx"


def refuse_plain_http() -> None:
    """Refuse what did not come over TLS.

    It is not redirected: the cookie or token in the request has already been sent in the clear.
    """
    if not request.is_secure and request.path not in HEALTH_CHECKS:
        abort(403, "This service answers over HTTPS only.")
