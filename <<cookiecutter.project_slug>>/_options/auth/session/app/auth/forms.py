"""The forms of accounts. A password is taken as it was typed: nothing is stripped or cut."""

from __future__ import annotations

from wtforms import BooleanField, Field, Form, ValidationError
from wtforms.validators import EqualTo, InputRequired, Length
from wtforms.widgets import HiddenInput, TextInput

from app.auth.models import MAX_EMAIL, normalize_email
from app.fields import SecretField
from app.forms import TextForm
from app.secret import Secret
from app.security.passwords import password_problem
from app.settings import SERVICE_NAME


def valid_email(form: Form, field: Field) -> None:
    """Check and normalize an address."""
    try:
        field.data = normalize_email(field.data)
    except ValueError as error:
        raise ValidationError(str(error)) from error


def good_password(form: NewPasswordForm | PasswordForm, field: Field) -> None:
    """Refuse a weak password for the account whose address is the form's ``owner_email``."""
    if problem := password_problem(field.data, SERVICE_NAME, form.owner_email):
        raise ValidationError(problem)


class LoginForm(TextForm):
    """Sign-in. The rules for new passwords do not apply: an old one must still work."""

    email = SecretField("E-mail", [InputRequired(), Length(max=MAX_EMAIL)], widget=TextInput())
    password = SecretField("Password", [InputRequired()])
    stay = BooleanField("Stay signed in on this device")  # shown by app.auth.stay_signed_in


class AddressForm(TextForm):
    """An address to which a mail goes."""

    email = SecretField(
        "E-mail", [InputRequired(), Length(max=MAX_EMAIL), valid_email], widget=TextInput()
    )


class NewAddressForm(AddressForm):
    """Another address for one's own account, which has ``owner_email`` now."""

    def __init__(self, owner_email: Secret) -> None:
        super().__init__()
        self.owner_email = owner_email

    def validate_email(self, field: Field) -> None:
        if field.data == self.owner_email:
            raise ValidationError("Your account has this address already.")


class NewPasswordForm(TextForm):
    """A password for the account whose address is ``email``, by the link of a mail."""

    token = SecretField(widget=HiddenInput(), validators=[InputRequired()])
    password = SecretField("Password", [InputRequired(), good_password])
    confirm = SecretField("Repeat the password", [EqualTo("password", "The two passwords differ.")])

    def __init__(self, email: Secret, token: Secret) -> None:
        super().__init__(data={"token": token})
        self.owner_email = email


class PasswordForm(TextForm):
    """Change of one's own password; the new one must not repeat ``email``."""

    current_password = SecretField("Current password", [InputRequired()])
    new_password = SecretField("New password", [InputRequired(), good_password])
    confirm = SecretField(
        "Repeat the new password", [EqualTo("new_password", "The two passwords differ.")]
    )

    def __init__(self, email: Secret) -> None:
        super().__init__()
        self.owner_email = email
