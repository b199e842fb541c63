"""The forms of second factors and of a fresh proof."""

from __future__ import annotations

from wtforms import HiddenField, StringField
from wtforms.validators import InputRequired, Length
from wtforms.widgets import TextInput

from app.auth.passkeys import MAX_NAME
from app.fields import PlainText, SecretField
from app.forms import TextForm

MAX_CODE = 64  # characters: a recovery code has 32, and some people type spaces


class CodeForm(TextForm):
    """A code of the authenticator app, or a recovery code."""

    code = SecretField("Code", [InputRequired(), Length(max=MAX_CODE)], widget=TextInput())


class ProofForm(TextForm):
    """The password, as a fresh proof of who the user is."""

    password = SecretField("Password", [InputRequired()])


class PasskeyForm(TextForm):
    """A new passkey: what its owner calls it, and what the authenticator has answered."""

    name = StringField("Name of a new passkey", [PlainText(1, MAX_NAME)])
    credential = HiddenField(validators=[InputRequired("The browser sent no passkey.")])
