"""A browser of a user with an account at the provider.

Here the provider is :mod:`tests.stub`; ``tests/test_identity_provider.py`` runs a real one.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Self

from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.test import TestResponse

from app.auth.models import LOCAL, User
from app.auth.outbound import Client
from app.database import db
from app.secret import Secret
from tests.client import DOMAIN, ORIGIN, PASSWORD
from tests.stub import CLIENT_ID, CLIENT_SECRET, ISSUER, STUB, subject_of
from tests.visitor import PROFILE, SAMPLES, WRITE, Visitor, after_sign_in, csrf_token, html

__all__ = [
    "DOMAIN",
    "ORIGIN",
    "PASSWORD",
    "PROFILE",
    "SAMPLES",
    "WRITE",
    "Browser",
    "after_sign_in",
    "csrf_token",
    "html",
]

PAGES = True
SETTINGS = {  # of this way to sign in
    "OIDC_ISSUER": ISSUER,
    "OIDC_CLIENT_ID": CLIENT_ID,
    "OIDC_CLIENT_SECRET": CLIENT_SECRET,
    "EMERGENCY_LOGIN": "1",
}
# What the shared tests ask for by name, because it is different elsewhere.
SIGN_IN, HOME = "/auth/emergency", "/"  # the sign-in by password
STEP_UP = "/account/step-up"
CREATE_ACCOUNT = "create-operator"
CREATE_OPTIONS = ["--password", PASSWORD]
ACCOUNT_KEY = "subject"  # the column that tells accounts apart
FAILED_SIGN_IN = ["authn_emergency_login", "authn_login_fail"]  # the log events of a wrong password
CLEARED = '"cache", "cookies", "storage"'  # on signing out
SIGNED_UP = SIGNED_IN = WRITTEN = 302  # the page that comes next
CHALLENGED = 302  # the sign-in page, for somebody who has to sign in first
DISABLED = 403
SIGNED_OUT = (
    f"{ISSUER}/logout?client_id={CLIENT_ID}&post_logout_redirect_uri=https%3A%2F%2F{DOMAIN}%2F"
)
FORM_ACTION = f"'self' {ISSUER}"
PUBLIC_ROUTES = {"auth.callback", "auth.emergency", "backchannel.logout"}
# What a user gets there: nothing without an answer of the provider; the page is for operators.
OTHER_ANSWERS = {"auth.callback": 401, "operators.index": 403}
PRIVATE_ROUTES = {
    *("account.export_data", "deletion.delete"),
    *("operators.disable", "operators.enable", "operators.index", "step_up.prove"),
}
SHOWN_LATER: dict[str, set[str]] = {}
WRONG_FORMS = {SIGN_IN: 401, WRITE: 422}
FORM_REFUSED = 400  # a form that another site made, without our token

# The fields of the forms about accounts that a user sees.
FIELDS = {"email", "password"}

# No test of the shared suite reaches for the network.
Client.get_adapter = lambda self, url: STUB
# The last message that each endpoint gives to the next page, in tests/scenarios.py.
SAID = {
    "account.revoke": "That session has ended.",
    "account.revoke_others": "Sessions ended: 1.",
    "operators.disable": "erin@example.com is disabled. Sessions ended: 0.",
    "operators.enable": "erin@example.com may sign in again.",
}


def account(name: str) -> dict[str, Any]:
    """The columns of the account that has this name."""
    return {"issuer": ISSUER, "subject": Secret(name), "email": Secret("any@example.com")}


def link_query(app: Flask, endpoint: str, email: str) -> str:
    """Nothing: no mail has a link."""
    return ""


class Browser(Visitor):
    sign_in_path = SIGN_IN

    def register(self, email: str) -> TestResponse:
        """Sign in at the provider for the first time."""
        self.email = email
        return self.get(STUB.authorize(self.start(), email))

    def sign_up(self, email: str) -> Self:
        assert self.register(email).status_code == SIGNED_UP
        return self

    def signed_in(self, email: str) -> Self:
        """Have an account at the provider and a session, both from rows."""
        self.email = email
        subject = Secret(subject_of(email))
        columns = {"issuer": ISSUER, "subject": subject, "email": Secret(email)}
        self.hold_session(columns, None)
        return self

    def signed_in_with_password(self, email: str) -> Self:
        """The same, as an emergency operator: other accounts have no password."""
        self.email = email
        columns = {"issuer": LOCAL, "subject": Secret(email), "email": Secret(email)}
        self.hold_session(columns, self.password)
        return self

    def with_password(self, email: str) -> Self:
        """Sign in with a password: as an emergency operator."""
        command = ["users", CREATE_ACCOUNT, email, "--password", self.password]
        assert self.app.test_cli_runner().invoke(args=command).exit_code == 0
        assert self.sign_in(email, self.password).status_code == SIGNED_IN
        return self

    def sign_in(
        self, email: str, password: str = PASSWORD, path: str = "/auth/login"
    ) -> TestResponse:
        """At the provider; users who cannot sign in there try their password here."""
        self.email, self.password = email, password
        if not self.is_at_provider(email) or password != PASSWORD:
            return self.submit(SIGN_IN, {"email": email, "password": password})
        return self.get(STUB.authorize(self.start(path), email))

    def is_at_provider(self, email: str) -> bool:
        with self.app.app_context(), suppress(SQLAlchemyError):
            known = User.issuer == ISSUER, User.subject == Secret(subject_of(email))
            return db.session.scalar(select(User.id).where(*known)) is not None
        return True  # nobody knows: the database does not answer

    def step_up(self, **claims: Any) -> TestResponse:
        """Sign in at the provider once more; ``claims`` change what it says of it."""
        return self.get(STUB.authorize(self.start(STEP_UP), self.email, **claims))

    def start(self, path: str = "/auth/login") -> str:
        """Press the button; return the provider's address with its parameters."""
        response = self.submit(path, {})
        assert response.status_code == 302, response.status
        return str(response.headers["Location"])
