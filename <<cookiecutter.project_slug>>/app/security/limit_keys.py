"""The keys of the limits, for :mod:`app.security.rate_limits`: a client's address, an account.

A client cannot choose them: Nginx reports the address, and the account is the attacked one.
"""

from __future__ import annotations

from hashlib import sha256
from ipaddress import ip_address, ip_network

from flask import g, request


def client_address() -> str:
    """The client's network: an IPv4 address, or the /64 that one IPv6 subscriber owns whole."""
    try:
        address = ip_address(request.remote_addr or "")
    except ValueError:
        return "unknown"  # never empty: Flask-Limiter skips a limit whose key is empty
    if address.version == 6:
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ip_network((address, 64), strict=False))
    return str(address)


def hashed_key(kind: str, name: str) -> str:
    """The key for ``name``, hashed because tools show keys; without one, the client's address."""
    digest = sha256(name.encode()).hexdigest()
    return f"{kind}:{digest}" if name else f"no {kind}:{client_address()}"


def signed_in_account() -> str:
    """The account of the signed-in user; the client's address when nobody is signed in."""
    return f"user:{g.user.id}" if g.get("user") else client_address()


def signed_in_session() -> str:
    """The session that sends the request: a thief in one does not use up the limit of another.

    Not by the id of its row: SQLite gives that of the newest row again, with the count. The
    client's address when nobody is signed in.
    """
    return hashed_key("session", g.session.public_id) if g.get("session") else client_address()
# <% if cookiecutter.auth == "token" %>


def personal_token() -> str:
    """The personal access token of this request: each has a limit of its own."""
    return f"personal token:{g.personal_token.id}"
# <% endif %>
