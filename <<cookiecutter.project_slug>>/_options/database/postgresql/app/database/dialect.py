"""TLS to the database: an attacker on the network reads data or poses as the server.

PostgreSQL: what the engine needs on this database, and nowhere else. Over a network, it connects to
a verified server only. By default, libpq accepts any certificate, and plain text when the server
offers no TLS (``sslmode=prefer``).
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import URL, Engine, event, make_url
from sqlalchemy.exc import ArgumentError

from app.database import timeouts
from app.database.driver_errors import hide_values
from app.environment import is_loopback

NAME = "PostgreSQL"
HINT = "write postgresql+psycopg://user:password@host/database"
# How to get a server for development that lets `make db` work.
HELP = """\
Install and start one. On Debian and Ubuntu:
  sudo apt-get install postgresql && sudo service postgresql start
  sudo -u postgres createuser --superuser "$USER"
Then run: make db"""
OPTIONS = {"application_name", "host", "port", "sslcert", "sslkey", "sslmode", "sslrootcert"}
OPTIONS |= {"target_session_attrs"}  # which of several hosts: the one that accepts writes
VERIFIED = "verify-full"  # the only sslmode that verifies certificate and name

TIMEOUTS = {
    # Milliseconds. Each ends before Nginx answers 504 (35 s). The transaction of a request hashes a
    # password.
    "statement_timeout": 5_000,
    "lock_timeout": 5_000,
    "idle_in_transaction_session_timeout": 10_000,
}
LOCK_TIMEOUT = {"lock_timeout": 10_000}  # of a migration: it must not queue up every request


def development_url(role: str, password: str, database: str) -> str:
    """The database of development on this machine."""
    return f"postgresql+psycopg://{role}:{password}@127.0.0.1/{database}"


def admin_url() -> str:
    """The local server, as the operating system's user, through its unix socket."""
    return "postgresql+psycopg:///postgres"


def engine_options(url: str, *, timeouts: bool = True) -> dict[str, Any]:
    """Options of the engine.

    :param timeouts: False for migrations and backups, which may take long.
    """
    settings = TIMEOUTS if timeouts else LOCK_TIMEOUT
    arguments = {
        "connect_timeout": 5,  # seconds
        "tcp_user_timeout": 10_000,  # milliseconds until a server that vanished is given up
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
    }
    return {
        "url": url,
        "connect_args": arguments | connect_arguments(make_url(url)),
        "pool_pre_ping": True,
        "pool_recycle": 1800,
    }


def set_up(engine: Engine) -> None:
    """Limit how long a connection waits; keep values out of the messages of errors."""
    event.listen(engine, "do_connect", timeouts.connect)
    event.listen(engine, "handle_error", hide_values)


def connect_arguments(url: URL) -> dict[str, Any]:
    """The driver's arguments for ``url``, with safe defaults."""
    given = dict(url.get_dialect()().create_connect_args(url)[1])
    if _is_local(given) or given.get("sslmode", VERIFIED) != VERIFIED:
        return given
    # libpq's own "system" is a folder that psycopg's package does not have; older tools lack it.
    authorities = ssl.get_default_verify_paths().cafile or "system"
    return {"sslmode": VERIFIED, "sslrootcert": authorities} | given


def url_problem(url: str, name: str = "DATABASE_URL", *, admin: bool = False) -> str | None:
    """Why ``url`` cannot be used at all, or None. Only an administrator's may lack a database."""
    try:
        parsed = make_url(url)
        if parsed.drivername not in ("postgresql", "postgresql+psycopg"):
            return f"{name} is for {parsed.drivername}; this service was rendered for {NAME}"
        given = connect_arguments(parsed)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        return f"{name} is not a database URL; {HINT}"
    if unknown := sorted(set(parsed.query) - OPTIONS):
        return f"{name} has the unknown option {unknown[0]}; allowed: {', '.join(sorted(OPTIONS))}"
    if repeated := [key for key, value in parsed.query.items() if not isinstance(value, str)]:
        return f"{name} has the option {repeated[0]} twice; write it once"
    if not parsed.username or not given.get("host") or not (parsed.database or admin):
        return f"{name} does not name role, host and database; {HINT}"
    return None


def check(url: URL, name: str, *, admin: bool = False) -> Iterator[str]:
    """What is unsafe about the database of a service in production."""
    given = connect_arguments(url)
    if not _is_local(given) and given.get("sslmode") != VERIFIED:
        yield f"{name} does not verify the server; remove sslmode from it"
    if url.username == "postgres" and not admin:
        yield f"{name} is of the superuser; use the role that `flask db create` makes"


def _is_local(arguments: Mapping[str, Any]) -> bool:
    """Whether no network lies in between: a unix socket, or the loopback.

    Without a host it is unknown: libpq takes it from PGHOST, or a socket, which ignores TLS.
    """
    hosts = str(arguments.get("host", "")).split(",")
    return all(host.startswith("/") or is_loopback(host) for host in hosts)
