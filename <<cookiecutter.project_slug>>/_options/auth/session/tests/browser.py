"""A browser of somebody who signs up and in with a password."""

from __future__ import annotations

from typing import Any, Self

from flask import Flask
from werkzeug.test import TestResponse

from app.secret import Secret
from tests.client import DOMAIN, ORIGIN, PASSWORD
from tests.mailbox import newest_token, token_for
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
SETTINGS: dict[str, str] = {}  # of this way to sign in
# What the shared tests ask for by name, because it is different elsewhere.
SIGN_IN, SIGN_UP, HOME = "/auth/login", "/auth/register", "/"
FORGOT, CONFIRM, RESET = "/auth/forgot", "/auth/confirm", "/auth/reset"
CHANGE_ADDRESS, NEW_ADDRESS, UNDO_ADDRESS = "/account/email", "/auth/email", "/auth/undo"
CREATE_ACCOUNT = "create"
CREATE_OPTIONS: list[str] = []
ACCOUNT_KEY = "email"  # the column that tells accounts apart
FAILED_SIGN_IN = ["authn_login_fail"]  # the log events of a wrong password
ASKED = SIGNED_UP = PASSWORD_SET = SIGNED_IN = CHANGED = WRITTEN = 302  # the page that comes next
NO_LINK = 404  # there is no such link, or it does not count any more
CHALLENGED = 302  # the sign-in page, for somebody who has to sign in first
DISABLED = 401
SIGNED_OUT = "/"
CLEARED = '"cache", "storage"'  # on signing out: the cookie of a known device stays
FORM_ACTION = "'self'"
PUBLIC_ROUTES = {"links.register", "links.confirm", "links.forgot", "links.reset"}
PUBLIC_ROUTES |= {"address.change", "address.undo", "rescue.unlock", "rescue.keep"}
LINKS = ("links.confirm", "links.reset", "address.change", "address.undo")
LINKS += ("rescue.unlock", "rescue.keep")
OTHER_ANSWERS = dict.fromkeys(LINKS, 404)  # without a token
PUBLIC_ROUTES |= {f"second_step.{name}" for name in ("code", "options", "passkey")}
PUBLIC_ROUTES |= {"second_step.options_alone", "second_step.passkey_alone"}
OTHER_ANSWERS["second_step.code"] = 302  # without a ticket
PRIVATE_ROUTES = {"password.change", "address.request_change"}
PRIVATE_ROUTES |= {"account.export_data", "deletion.delete"}
PRIVATE_ROUTES |= {f"step_up.{name}" for name in ("prove", "options", "passkey")}
PRIVATE_ROUTES |= {f"second_factors.{name}" for name in ("index", "app", "begin_app", "remove_app")}
PRIVATE_ROUTES |= {"second_factors.passkey_options", "second_factors.add_passkey"}
PRIVATE_ROUTES |= {"second_factors.recovery_codes", "rescue.keep_by_session"}
WRONG_FORMS = {SIGN_IN: 401, SIGN_UP: 422, FORGOT: 422, WRITE: 422, "/account/password": 422}
WRONG_FORMS |= {CHANGE_ADDRESS: 422, "/account/step-up": 422}
WRONG_FORMS |= {"/account/second-factors/authenticator": 422}
FORM_REFUSED = 400  # a form that another site made, without our token
# The fields of the forms about accounts.
FIELDS = {"email", "password", "confirm", "current_password", "new_password", "token"}
FIELDS |= {"code", "name", "credential", "stay"}
# Of pages that show a form only between two steps, or to an account that has set something up.
SHOWN_LATER = {"second_step.code": {"code"}, "second_step.passkey": {"credential"}}
SHOWN_LATER |= {"step_up.prove": {"code"}, "step_up.passkey": {"credential"}}
SHOWN_LATER |= {"second_factors.app": {"code"}}
SHOWN_LATER |= {
    "auth.login": {"stay"},
    "second_step.passkey_alone": {"stay"},
}  # where it is offered
SENT = (
    "If this address can be used here, we have sent a mail to it. If you asked a moment ago, use the"
    " link in that earlier mail."
)
# The last message that each endpoint gives to the next page, in tests/scenarios.py.
SAID = {
    "password.change": "Your password is changed. You are signed out everywhere else.",
    "account.revoke": "That session has ended.",
    "account.revoke_others": "Sessions ended: 1.",
    "address.change": "Your address is changed.",
    "address.request_change": SENT,
    "address.undo": "Your account has its old address again. Sign in.",
    "links.forgot": SENT,
    "links.reset": "Your password is changed. Sign in.",
    "rescue.keep": "The account keeps its second factors.",
    "rescue.keep_by_session": "You keep your second factors.",
    "rescue.unlock": "You can sign in with your password again.",
    "second_factors.add_passkey": "The passkey is added.",
    "second_factors.remove_app": "The authenticator app is removed. "
    "You are signed out everywhere else.",
    "second_factors.remove_passkey": "The passkey is removed. You are signed out everywhere else.",
}


def account(name: str) -> dict[str, Any]:
    """The columns of the account that has this name."""
    return {"email": Secret(name)}


def link_query(app: Flask, endpoint: str, email: str) -> str:
    """What follows the path of a page in the link of a mail to this user."""
    token = token_for(app, endpoint, email)
    return f"?token={token}" if token else ""


class Browser(Visitor):
    sign_in_path = SIGN_IN

    def register(self, email: str, password: str = PASSWORD) -> TestResponse:
        """Ask for an account and open it by the mail's link; the last answer."""
        asked = self.ask_for_mail(SIGN_UP, email)
        if asked.status_code != ASKED:
            return asked
        return self.choose_password(CONFIRM, newest_token(self.app, email), password)

    def ask_for_mail(self, path: str, email: str) -> TestResponse:
        """Ask for a mail with a link."""
        return self.submit(path, {"email": email})

    def choose_password(self, path: str, token: str, password: str) -> TestResponse:
        """Set a password by the token of a mail."""
        data = {"token": token, "password": password, "confirm": password}
        # The form of another page: there is none behind a link that has ended.
        return self.post(path, {**data, "csrf_token": self.token(SIGN_IN)})

    def sign_up(self, email: str) -> Self:
        assert self.register(email, self.password).status_code == SIGNED_UP
        assert self.sign_in(email, self.password).status_code == SIGNED_IN
        return self

    def signed_in(self, email: str) -> Self:
        """Have an account and a session, both from rows."""
        self.email = email
        self.hold_session(account(email), self.password)
        return self

    def change_password(self, current: str, new: str) -> TestResponse:
        data = {"current_password": current, "new_password": new, "confirm": new}
        return self.submit("/account/password", data)

    def sign_in(
        self, email: str, password: str = PASSWORD, path: str = "/auth/login"
    ) -> TestResponse:
        self.email, self.password = email, password
        return self.submit(path, {"email": email, "password": password})
