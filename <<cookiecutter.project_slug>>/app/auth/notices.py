"""Notices by mail: an account changes, and its owner does not learn of it. OWASP ASVS 6.3.7.

Somebody with a stolen session changes the password; an operator disables the account. A notice goes
out with the change, in the same transaction. It carries nothing that a stranger has typed.
"""

from __future__ import annotations

from flask import has_request_context, request

# <% if cookiecutter.auth == "oidc" %>
from app.auth.models import LOCAL, User
# <% else %>
from app.auth.models import User
# <% endif %>
from app.mail import outbox


def send(kind: str, user: User) -> None:
    """Write the notice ``mail/<kind>.txt`` to the user. The caller commits."""
    # <% if cookiecutter.auth == "oidc" %>
    # No address: the provider names none, or has not verified it (app.auth.members.shown_name).
    if user.issuer != LOCAL and user.email == user.subject:
        return
    # <% endif %>
    outbox.add(kind, user.email, {"address": client()})


def client() -> str:
    """Who asked, as far as the service knows: an address, or the operator at a terminal."""
    return (has_request_context() and request.remote_addr) or "unknown"
