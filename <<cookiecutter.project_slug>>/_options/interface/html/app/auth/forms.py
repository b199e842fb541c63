"""The form for a password. It is taken as typed: nothing is stripped, cut or filtered."""

from __future__ import annotations

from wtforms import PasswordField, StringField
from wtforms.validators import InputRequired, Length

from app.auth.models import MAX_EMAIL
from app.fields import TextForm


class LoginForm(TextForm):
    """No rule for passwords is repeated here: an old one must still work, however it is typed."""

    email = StringField("E-mail", [InputRequired(), Length(max=MAX_EMAIL)])
    password = PasswordField("Password", [InputRequired()])
