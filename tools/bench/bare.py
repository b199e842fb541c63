"""The app that the service is compared with: the same pages with bare Flask and no practices.

It runs in the service's folder, under the same gunicorn, with the service's own templates, models,
engine and database, so a page needs the same work. The user's id is in Flask's cookie or in a token
of PyJWT, and the user is loaded from the database, as Flask-Login does. The app closes database
sessions and writes no log.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from app.auth.models import User
from app.database import POOL, dialect
from app.notes.models import Note
from flask import Flask, abort, g, render_template, request, session
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session, sessionmaker

app = Flask("app", static_url_path="/static")
app.secret_key = os.environ["SECRET_KEY"]
engine = create_engine(**dialect.engine_options(os.environ["DATABASE_URL"]), **POOL)
dialect.set_up(engine)
new_session = sessionmaker(engine)


def database() -> Session:
    """The database session of this request."""
    if "database" not in g:
        g.database = new_session()
    return g.database


@app.teardown_appcontext
def close(error: BaseException | None) -> None:
    if "database" in g:
        g.pop("database").close()


def signed_in(number: Any) -> User:
    user = database().get(User, number) if number else None
    if user is None:
        abort(401)
    g.user = user
    return user


@app.get("/healthz")
def alive() -> dict[str, str]:
    return {"status": "ok"}


if Path("app/templates/base.html").exists():
    from app.auth.forms import LoginForm
    from app.pages import Asset
    from app.security.redirects import next_page

    class Form(LoginForm):
        class Meta:
            csrf = False

    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    # The same length as the text of the service.
    app.jinja_env.globals["asset"] = lambda name: Asset(
        f"/static/{name}?v=0123456789abcdef", "sha384-" + 64 * "A"
    )
    app.jinja_env.globals["next_page"] = next_page
    app.jinja_env.globals["csrf_token"] = lambda: 91 * "A"
    app.config["SETTINGS"] = {"sign_up": "open", "sessions": {"stay": None}}
    app.context_processor(
        lambda: {
            "current_user": g.get("user"),
            "navigation": [("notes.index", "Notes")],
            "service_name": "Hardened Service",
        }
    )
    for rule, endpoint in {
        "/auth/register": "links.register",
        "/auth/forgot": "links.forgot",
        "/auth/logout": "auth.logout",
        "/auth/passkey": "second_step.passkey_alone",
        "/auth/passkey/options": "second_step.options_alone",
        "/account/": "account.index",
        "/notes/new": "notes.create",
        "/notes/<public_id>": "notes.show",
    }.items():
        app.add_url_rule(rule, endpoint, lambda **_: abort(404))

    @app.get("/", endpoint="home")
    def home() -> str:
        return render_template("home.html")

    @app.get("/auth/login", endpoint="auth.login")
    def login() -> str:
        return render_template("auth/login.html", form=Form(), error=None)

    @app.get("/notes/", endpoint="notes.index")
    def notes() -> str:
        user = signed_in(session.get("user"))
        query = select(Note).where(Note.owner_id == user.id).limit(21)
        newest = Note.created_at.desc(), Note.id.desc()
        found = list(database().scalars(query.order_by(*newest)))
        words = {"name": "note", "names": "notes", "label": "title"}
        return render_template("resources/index.html", rows=found[:20], older=None, **words)

    @app.get("/sign-in")
    def sign_in() -> str:
        session["user"] = 1
        return ""

else:
    import jwt

    @app.get("/api/v1/me")
    def profile() -> dict[str, str]:
        _, _, token = request.headers["Authorization"].partition(" ")
        claims = jwt.decode(token, str(app.secret_key), algorithms=["HS256"])
        user = signed_in(int(claims["sub"]))
        return {"email": user.email.reveal(), "created_at": user.created_at.isoformat()}

    @app.get("/sign-in")
    def token() -> str:
        return jwt.encode({"sub": "1"}, str(app.secret_key), "HS256")
