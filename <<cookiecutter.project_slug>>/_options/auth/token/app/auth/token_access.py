"""What a personal access token may do: a token from a repository takes over the whole account.

It reads (safe methods) or writes (all others), as its scopes say, what features store. It cannot
call a route of the account itself (password, address, second factors, sessions, tokens, export),
nor one that requires a fresh proof, which no script can give. There a request with it is anonymous,
also on public routes. OWASP REST Security cheat sheet; ASVS 8.2.1, 8.3.1.
"""

from __future__ import annotations

from flask import Flask, current_app, request

from app.auth import second_factors
from app.auth.personal_tokens import PersonalToken
from app.security.access import needs_fresh_proof
from app.security.safe_methods import SAFE

# Where the routes of the account are. A test compares it with where their views are: app.auth.
ACCOUNT = ("/api/v1/auth/", "/api/v1/me/")
NOT_ACCOUNT = "A personal access token may not use this route. Sign in."


def is_open(app: Flask, rule: str, endpoint: str) -> bool:
    """Whether personal access tokens may call a route, if their scopes allow its method."""
    return not f"{rule}/".startswith(ACCOUNT) and not needs_fresh_proof(app, endpoint)


def refusal(token: PersonalToken) -> str | None:
    """Why this token may not call the present route; None when it may."""
    if not is_open(current_app, str(request.url_rule), str(request.endpoint)):
        return NOT_ACCOUNT
    scope = "read" if request.method in SAFE else "write"
    if scope not in token.scopes.split():
        return f"This personal access token may not {scope}."
    if second_factors.are_required() and not second_factors.of(token.user):
        return "This service requires a second factor. Set one up first."
    return None
