"""The forms of emergency accounts. A password is taken as it was typed."""

from __future__ import annotations

from wtforms import StringField
from wtforms.validators import InputRequired, Length

from app.auth.models import MAX_EMAIL
from app.fields import SecretField, TextForm


class LoginForm(TextForm):
    """Sign-in. The rules for new passwords do not apply: an old one must still work."""

    email = StringField("E-mail", [InputRequired(), Length(max=MAX_EMAIL)])
    password = SecretField("Password", [InputRequired()])


class ProofForm(TextForm):
    """The password of somebody who is signed in already."""

    password = SecretField("Password", [InputRequired()])
