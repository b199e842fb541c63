"""TLS to the database: an attacker on the network reads data or poses as the server.

MySQL and MariaDB: what the engine needs on this database, and nowhere else. Over a network, it
connects to a verified server only. By default, PyMySQL accepts any certificate, and plain text when
the server offers no TLS.
"""

from __future__ import annotations

import getpass
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, event, make_url
from sqlalchemy.exc import ArgumentError

from app.database.driver_errors import hide_values
from app.environment import is_loopback

NAME = "MySQL"
HINT = "write mysql+pymysql://user:password@host/database"
# How to get a server for development that lets `make db` work.
HELP = """\
Install and start one. On Debian and Ubuntu (with MySQL, it is IDENTIFIED WITH auth_socket):
  sudo apt-get install mariadb-server && sudo service mariadb start
  sudo mariadb -e "CREATE USER '$USER'@localhost IDENTIFIED VIA unix_socket"
  sudo mariadb -e "GRANT ALL ON *.* TO '$USER'@localhost WITH GRANT OPTION"
Then run: make db"""
OPTIONS = {"ssl_ca", "ssl_cert", "ssl_key", "unix_socket"}
SOCKETS = ("/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock")
COLLATION = "utf8mb4_bin"  # others take jose@ and josé@ for the same account
# What a server may be configured without: bad values are refused, never cut or changed.
SESSION = """SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,\
ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,ONLY_FULL_GROUP_BY', time_zone = '+00:00'"""
# Seconds; MySQL's own limit is in milliseconds and for SELECT alone. MariaDB skips /*!50708 */.
TIMEOUTS = """, innodb_lock_wait_timeout = 5 /*M! , max_statement_time = 5 */\
 /*!50708 , max_execution_time = 5000 */"""
LOCK_TIMEOUT = ", lock_wait_timeout = 10"  # of a migration: it must not queue up every request


def development_url(role: str, password: str, database: str) -> str:
    """The database of development on this machine."""
    return f"mysql+pymysql://{role}:{password}@127.0.0.1/{database}"


def admin_url() -> str:
    """The local server, as the operating system's user, through its unix socket."""
    found = next((path for path in SOCKETS if Path(path).exists()), SOCKETS[0])
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # the user of a container may have no name
        user = "root"
    return f"mysql+pymysql://{user}@localhost?unix_socket={found}"


def engine_options(url: str, *, timeouts: bool = True) -> dict[str, Any]:
    """Options of the engine.

    :param timeouts: False for migrations and backups, which may take long.
    """
    arguments: dict[str, Any] = {
        "charset": "utf8mb4",
        "init_command": SESSION + (TIMEOUTS if timeouts else LOCK_TIMEOUT),
    }
    if timeouts:
        arguments |= {"read_timeout": 10, "write_timeout": 10}  # seconds without a word
    return {
        "url": url,
        "connect_args": arguments | connect_arguments(make_url(url)),
        "isolation_level": "READ COMMITTED",  # as PostgreSQL: fewer locks, so fewer deadlocks
        "pool_pre_ping": True,
        "pool_recycle": 1800,
    }


def set_up(engine: Engine) -> None:
    """Keep values out of the messages of errors."""
    event.listen(engine, "handle_error", hide_values)


def connect_arguments(url: URL) -> dict[str, Any]:
    """The driver's arguments for ``url``; over a network they verify the server."""
    given = dict(url.get_dialect()().create_connect_args(url)[1])
    given.pop("ssl", None)  # SQLAlchemy's form of the options below
    given.pop("client_flag", None)  # a default of SQLAlchemy that only matters inside an engine
    given["connect_timeout"] = 5  # seconds
    if is_local(url) and "ssl_ca" not in url.query:
        return given | {"ssl_disabled": True}
    # The dictionary that PyMySQL's documentation shows verifies nothing without "ca"; this does.
    context = ssl.create_default_context(cafile=option(url, "ssl_ca"))
    if certificate := option(url, "ssl_cert"):
        context.load_cert_chain(certificate, option(url, "ssl_key"))
    return given | {"ssl": context}


def url_problem(url: str, name: str = "DATABASE_URL", *, admin: bool = False) -> str | None:
    """Why ``url`` cannot be used at all, or None. Only an administrator's may lack a database."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        return f"{name} is not a database URL; {HINT}"
    if parsed.drivername not in ("mysql+pymysql", "mariadb+pymysql"):
        return f"{name} is for {parsed.drivername}; this service was rendered for {NAME}"
    if unknown := sorted(set(parsed.query) - OPTIONS):
        return f"{name} has the unknown option {unknown[0]}; allowed: {', '.join(sorted(OPTIONS))}"
    if repeated := [key for key, value in parsed.query.items() if not isinstance(value, str)]:
        return f"{name} has the option {repeated[0]} twice; write it once"
    if not parsed.username or not parsed.host or not (parsed.database or admin):
        return f"{name} does not name user, host and database; {HINT}"
    for file in ("ssl_ca", "ssl_cert", "ssl_key"):
        if (path := option(parsed, file)) and not Path(path).is_file():
            return f"{name} names a file that is not there: {file}={path}"
    return None


def check(url: URL, name: str, *, admin: bool = False) -> Iterator[str]:
    """What is unsafe about the database of a service in production."""
    if url.username == "root" and not admin:
        yield f"{name} is of root; use the user that `flask db create` makes"


def is_local(url: URL) -> bool:
    """Whether no network lies in between: a unix socket, or the loopback."""
    return "unix_socket" in url.query or is_loopback(str(url.host))


def option(url: URL, name: str) -> str | None:
    """The option ``name`` of ``url``."""
    value = url.query.get(name)
    return value if isinstance(value, str) else None
