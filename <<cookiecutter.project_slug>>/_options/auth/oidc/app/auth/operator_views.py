"""Pages for operators: a user must not call a function that is for operators only.

An operator lists accounts, disables and enables them; a stolen session of an operator lists them at
most (:mod:`app.auth.step_up`). The provider's groups make a user an operator
(``OIDC_OPERATOR_GROUPS``, :mod:`app.auth.members`); emergency accounts are operators as well. The
guard covers the whole blueprint, so that no route can be forgotten. ASVS 8.2.1.
"""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import load_only
from wtforms import IntegerField
from wtforms.validators import NumberRange
from wtforms.widgets import HiddenInput

from app.auth import account_lock, accounts, identity
from app.auth.models import LOCAL, User
from app.database import db
from app.forms import TextForm
from app.security.access import fresh

PAGE = 50  # accounts
# The columns that the list shows; password hashes are not loaded.
SHOWN = load_only(User.email, User.issuer, User.subject, User.is_operator, User.disabled_at)
MAX_ID = 2**31 - 1  # what an INTEGER holds in each of the databases

blueprint = Blueprint("operators", __name__, url_prefix="/operators")


class AccountForm(TextForm):
    """The account that is disabled or enabled."""

    account = IntegerField(widget=HiddenInput(), validators=[NumberRange(1, MAX_ID)])


@blueprint.before_request
def require_operator() -> None:
    """Refuse every user who is no operator."""
    if not identity.current_user().is_operator:
        abort(403, "This page is for operators.")


@blueprint.get("/accounts")
def index() -> str:
    """The newest accounts, or the page before the account ``before``."""
    before = max(0, min(request.args.get("before", MAX_ID, type=int), MAX_ID))
    query = select(User).where(User.id < before).order_by(User.id.desc()).options(SHOWN)
    found = list(db.session.scalars(query.limit(PAGE + 1)))
    older = found[PAGE - 1].id if len(found) > PAGE else None
    return render_template(
        "operators/accounts.html", accounts=found[:PAGE], local=LOCAL, older=older
    )


@blueprint.post("/disable")
@fresh
def disable() -> ResponseReturnValue:
    """Disable an account and sign it out everywhere."""
    user = chosen_account()
    ended = accounts.disable(user)
    db.session.commit()
    done = "disabled already." if ended is None else f"disabled. Sessions ended: {ended}."
    flash(f"{user.email.reveal()} is {done}")
    return redirect(url_for("operators.index"))


@blueprint.post("/enable")
@fresh
def enable() -> ResponseReturnValue:
    """Enable an account again."""
    user = chosen_account()
    enabled = accounts.enable(user)
    db.session.commit()
    done = "may sign in again." if enabled else "is enabled already."
    flash(f"{user.email.reveal()} {done}")
    return redirect(url_for("operators.index"))


def chosen_account() -> User:
    """The account that the form names, locked until the commit. Nobody locks themselves out.

    :raises werkzeug.exceptions.NotFound: when there is none, or none any more.
    :raises werkzeug.exceptions.Conflict: when it is the operator's own.
    """
    form = AccountForm()
    user = db.session.get(User, form.account.data) if form.validate_on_submit() else None
    if user is None:
        abort(404)
    if user.id == identity.current_user().id:
        abort(409, "This is your own account. Only another operator can do that.")
    if not account_lock.lock(user):
        abort(404)
    return user
