"""The form of the URL of Redis, and what is unsafe about it in production."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from app.environment import is_loopback

VERIFIED = {"ssl_cert_reqs": "required", "ssl_check_hostname": "true"}  # redis-py's defaults
TLS_FILES = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}


def redis_problem(url: str) -> str | None:
    """Why ``url`` is not the URL of a Redis; None when it is."""
    try:
        parts = urlsplit(url)
        given = parse_qsl(parts.query, strict_parsing=bool(parts.query))
        place = parts.path if parts.scheme == "redis+unix" else parts.hostname
        known = parts.scheme in ("redis", "rediss", "redis+unix")
        usable = known and bool(place) and parts.port != 0 and int(dict(given).get("db", 0)) >= 0
    except ValueError:  # a port that is no number, half a bracket, an option without value
        usable = False
    if not usable:
        return "REDIS_URL is not a Redis URL; write redis://, rediss:// or redis+unix://"
    allowed = {"db", *TLS_FILES, *VERIFIED} if parts.scheme == "rediss" else {"db"}
    for name, value in given:
        if name not in allowed:
            return f"REDIS_URL has the unknown option {name}; allowed: {', '.join(sorted(allowed))}"
        if [other for other, _ in given].count(name) > 1:
            return f"REDIS_URL has the option {name} twice; write it once"
        if name in TLS_FILES and not Path(value).is_file():
            return f"REDIS_URL names a file that is not there: {name}={value}"
    return None


def redis_risk(url: str, private_host: str) -> str | None:
    """What is unsafe about the Redis of a service in production; None when nothing is.

    An attacker who reads the network could take the password and reset every counter. Allowed are
    a unix socket, this machine, verified TLS, and plain text to ``private_host`` only.

    :param url: a URL without a :func:`redis_problem`.
    :param private_host: a host in a network that only this service reaches, or an empty string.
    """
    parts = urlsplit(url)
    options, host = dict(parse_qsl(parts.query)), parts.hostname or ""
    for option, safe in VERIFIED.items():
        if options.get(option, safe) != safe:
            return f"REDIS_URL does not verify the server; remove {option} from it"
    if parts.scheme == "redis" and not is_loopback(host) and host != private_host.lower():
        return (
            f"REDIS_URL sends to {host} without TLS; write rediss://, or name the host in"
            " REDIS_PRIVATE_HOST when only this service reaches the network in between"
        )
    return None
