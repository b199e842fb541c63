"""The forms of emergency accounts. A password is taken as it was typed."""

from __future__ import annotations

from wtforms.validators import InputRequired, Length
from wtforms.widgets import TextInput

from app.auth.models import MAX_EMAIL
from app.fields import SecretField
from app.forms import TextForm


class LoginForm(TextForm):
    """Sign-in. The rules for new passwords do not apply: an old one must still work."""

    email = SecretField("E-mail", [InputRequired(), Length(max=MAX_EMAIL)], widget=TextInput())
    password = SecretField("Password", [InputRequired()])


class ProofForm(TextForm):
    """The password of somebody who is signed in already."""

    password = SecretField("Password", [InputRequired()])
