"""What forms use to keep to :mod:`app.security.sanitization`."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_wtf import FlaskForm
from wtforms import Field, Form, TextAreaField
from wtforms.form import BaseForm
from wtforms.validators import StopValidation

from app.security.sanitization import MAX_RICH_TEXT, clean_line, sanitize_html


class TextForm(FlaskForm):  # type: ignore[misc]
    """A form whose fields are text; every form here is one.

    ``FlaskForm`` alone also takes a file, or any value in JSON, for the field of that name. No
    validator of a text field expects them: whoever sends one gets an error 500, and the log a
    traceback. A form for uploads derives from ``FlaskForm`` and has file fields alone.
    """

    def __init__(self, **kwargs: Any) -> None:
        sent = request.form if self.is_submitted() else None
        super().__init__(sent or None, **kwargs)


class PlainText:
    """Validator of a line of text: the field's data becomes what ``clean_line`` makes of it.

    :param minimum: characters, as ``maximum``; counted after normalization.
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
    """The field of a ``RichText`` column. It refuses; the cleaning is done by the column."""

    def __init__(self, label: str, **kwargs: Any) -> None:
        super().__init__(label, **kwargs)
        self.flags.required = True
        self.flags.maxlength = MAX_RICH_TEXT

    def pre_validate(self, form: BaseForm) -> None:
        try:
            cleaned = sanitize_html(self.data or "")
        except ValueError as error:
            raise StopValidation(str(error)) from error
        if not cleaned.strip():
            raise StopValidation("Write something. (Tags that are not allowed do not count.)")

    def _value(self) -> str:
        # A note's body is Markup, which a textarea would show unescaped: the browser would send a
        # saved "&lt;script&gt;" back as a tag, and saving it again would remove it.
        return str(self.data or "")
