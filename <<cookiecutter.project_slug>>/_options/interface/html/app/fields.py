"""Form fields that apply :mod:`app.security.sanitization`."""

from __future__ import annotations

from typing import Any

from wtforms import Field, Form, TextAreaField
from wtforms.form import BaseForm
from wtforms.validators import StopValidation
from wtforms.widgets import PasswordInput

from app.secret import Secret
from app.security.rich_text import MAX_RICH_TEXT, RichText
from app.security.sanitization import clean_line

RICH_TEXT_HINT = (
    "Plain text, or Markdown: **bold**, *italic*, [link](https://example.org), lines that begin"
    " with - for a list, with > for a quote, with # for a heading."
)


class SecretField(Field):
    """A password or a code that somebody types, or a token in a hidden field.

    Its data are a :class:`Secret` from the moment they are read, empty when nothing was sent: a log
    or a traceback that has the form, or what a validator got, does not show them.

    :param widget: of another look; only that of a password leaves out in the page what was typed.
    """

    widget = PasswordInput()
    data: Secret

    def process_data(self, value: Secret | None) -> None:
        self.data = value or Secret("")

    def process_formdata(self, valuelist: list[str]) -> None:
        self.raw_data = [Secret(text) for text in valuelist]
        self.data = self.raw_data[0] if valuelist else Secret("")

    def _value(self) -> str:
        return self.data.reveal()


class PlainText:
    """Validator that replaces a line of text by what ``clean_line`` returns.

    :param minimum: characters after normalization, like ``maximum``.
    """

    def __init__(self, minimum: int, maximum: int) -> None:
        self.minimum, self.maximum = minimum, maximum
        self.field_flags = {"required": minimum > 0, "maxlength": maximum}

    def __call__(self, form: Form, field: Field) -> None:
        try:
            field.data = clean_line(field.data or "", self.maximum, self.minimum)
        except ValueError as error:
            raise StopValidation(str(error)) from error


class RichTextField(TextAreaField):
    """A text area for Markdown: its data are a ``RichText`` after validation."""

    def __init__(self, label: str, **kwargs: Any) -> None:
        known = {"description": RICH_TEXT_HINT, "render_kw": {"rows": 14, "data-toolbar": True}}
        super().__init__(label, **known | kwargs)
        self.flags.required = True
        self.flags.maxlength = MAX_RICH_TEXT

    def pre_validate(self, form: BaseForm) -> None:
        try:
            self.data = RichText(self.data)
        except ValueError as error:
            raise StopValidation(str(error)) from error

    def _value(self) -> str:
        # After an error and in a preview the user sees what was typed.
        return str(self.raw_data[0] if self.raw_data else self.data or "")
