"""Pages for operators: a user calls what is for operators alone.

An operator may see who has an account, refuse somebody, let them in again. Who is an operator is
the provider's word (``OIDC_OPERATOR_GROUPS``), or an emergency account; see
:mod:`app.auth.members`. Function-level access control, ASVS 8.2.1: the whole blueprint is guarded,
so that a route that is added here cannot be forgotten.
"""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import load_only
from wtforms import IntegerField
from wtforms.validators import NumberRange
from wtforms.widgets import HiddenInput

from app.auth import accounts, identity
from app.auth.models import LOCAL, User
from app.database import db
from app.fields import TextForm
from app.security import rate_limits
from app.security.logs import security_event

PAGE = 50  # accounts
# The columns that the list shows: no hash of a password is loaded for it.
SHOWN = load_only(User.email, User.issuer, User.subject, User.is_operator, User.disabled_at)
MAX_ID = 2**31 - 1  # what an INTEGER holds in each of the databases

blueprint = Blueprint("operators", __name__, url_prefix="/operators")


class AccountForm(TextForm):
    """An account that something is done with."""

    account = IntegerField(widget=HiddenInput(), validators=[NumberRange(1, MAX_ID)])


@blueprint.before_request
def require_operator() -> None:
    """Stop everybody who is no operator; nobody gets here without having signed in."""
    user = identity.current_user()
    if not user.is_operator:
        security_event("authz_fail", account=user.id, reason="operator", path=request.path)
        abort(403, "This page is for operators.")


@blueprint.get("/accounts")
def index() -> str:
    """The newest accounts, or those before another one."""
    before = max(0, min(request.args.get("before", MAX_ID, type=int), MAX_ID))
    query = select(User).where(User.id < before).order_by(User.id.desc()).options(SHOWN)
    found = list(db.session.scalars(query.limit(PAGE + 1)))
    older = found[PAGE - 1].id if len(found) > PAGE else None
    return render_template(
        "operators/accounts.html", accounts=found[:PAGE], local=LOCAL, older=older
    )


@blueprint.post("/disable")
@rate_limits.write
def disable() -> ResponseReturnValue:
    """Refuse somebody, and sign them out everywhere."""
    user = named()
    ended = accounts.disable(user)
    db.session.commit()
    flash(f"{user.email} is disabled. Sessions ended: {ended}.")
    return redirect(url_for("operators.index"))


@blueprint.post("/enable")
@rate_limits.write
def enable() -> ResponseReturnValue:
    """Let somebody in again."""
    user = named()
    accounts.enable(user)
    db.session.commit()
    flash(f"{user.email} may sign in again.")
    return redirect(url_for("operators.index"))


def named() -> User:
    """The account that the form names, which is not one's own: nobody locks themselves out.

    :raises werkzeug.exceptions.NotFound: when there is none.
    :raises werkzeug.exceptions.Conflict: when it is one's own.
    """
    form = AccountForm()
    user = db.session.get(User, form.account.data) if form.validate_on_submit() else None
    if user is None:
        abort(404)
    if user.id == identity.current_user().id:
        abort(409, "This is your own account. Another operator can do that.")
    return user
