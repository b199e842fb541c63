"""Notices by mail: an attacker changes an account, and its owner does not notice. ASVS 6.3.7.

Somebody with a stolen session changes the password; an operator disables the account. A notice goes
out with the change, in the same transaction. It carries nothing that a stranger has typed.
"""

from __future__ import annotations

from flask import has_request_context, request

# <% if cookiecutter.auth == "oidc" %>
from app.auth.models import LOCAL, MAX_EMAIL, User
# <% else %>
from app.auth.models import User
# <% endif %>
from app.mail import outbox


def send(kind: str, user: User, **values: object) -> None:
    """Write the notice ``mail/<kind>.txt`` to the user. The caller commits.

    :param values: for the template; nothing that a stranger has typed.
    """
    # <% if cookiecutter.auth == "oidc" %>
    if not has_mailbox(user):
        return
    # <% endif %>
    outbox.add(kind, user.email, {"address": client(), **values})


# <% if cookiecutter.auth == "oidc" %>
def has_mailbox(user: User) -> bool:
    """Whether the address is one: the provider may name none, or one that it has not verified.

    See :func:`app.auth.members.shown_name`.
    """
    return user.issuer == LOCAL or user.email != user.subject.reveal()[:MAX_EMAIL]


# <% endif %>
def client() -> str:
    """Who asked, as far as the service knows: an address, or the operator at a terminal."""
    return (has_request_context() and request.remote_addr) or "unknown"
