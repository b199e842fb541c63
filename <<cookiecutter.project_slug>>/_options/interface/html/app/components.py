"""Every part of the pages on one page: what a designer edits ``app/static/app.css`` against.

Development alone has it (:mod:`app.development`): production answers 404.
"""

from __future__ import annotations

from flask import Flask, render_template
from wtforms import BooleanField, Form, StringField, TextAreaField

from app.database import now
from app.fields import SecretField
from app.security.access import public

PATH = "/dev/components"


class Parts(Form):
    """A field of each kind, one of them with an error. Nothing is sent."""

    text = StringField("A field", description="A hint below the label.")
    wrong = StringField("A field with an error", description="Every error says what to do.")
    password = SecretField("A password")
    long = TextAreaField("A long text")
    box = BooleanField("A box to tick")


def init_app(app: Flask) -> None:
    """Show the page."""
    app.add_url_rule(PATH, "components", components)


@public
def components() -> str:
    """The page."""
    form = Parts(data={"wrong": "name@nowhere"})
    form["wrong"].errors = ["Enter an e-mail address such as name@example.com."]
    return render_template("dev/components.html", form=form, moment=now())
