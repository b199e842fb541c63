"""Form fields that apply :mod:`app.security.sanitization`."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_wtf import FlaskForm
from wtforms import Field, Form, TextAreaField
from wtforms.form import BaseForm
from wtforms.validators import StopValidation

from app.security.refusals import unknown_fields
from app.security.sanitization import MAX_RICH_TEXT, clean_line, sanitize_html

RICH_TEXT_HINT = (
    "Plain text, or a little HTML: strong, em, a, ul, ol, li, blockquote, code, pre, h2, h3, p, br."
    " Anything else is removed."
)


class TextForm(FlaskForm):  # type: ignore[misc]
    """The base of every form here: a form whose fields are text.

    ``FlaskForm`` fills a field from a file or a JSON value of the same name as well. Validators of
    text do not expect these: an attacker would get an error 500 and fill the log. A form for
    uploads derives from ``FlaskForm`` and has file fields only.
    """

    def __init__(self, **kwargs: Any) -> None:
        sent = request.form if self.is_submitted() else None
        super().__init__(sent or None, **kwargs)

    def validate(self, extra_validators: Any = None) -> bool:
        """Whether what was sent is accepted. Fields that the form does not have are ignored."""
        if unknown := request.form.keys() - self.data.keys():
            unknown_fields(unknown)
        return bool(super().validate(extra_validators))


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
    """A text area for a ``RichText`` column: its data are clean HTML after validation."""

    def __init__(self, label: str, **kwargs: Any) -> None:
        known = {"description": RICH_TEXT_HINT, "render_kw": {"rows": 14, "data-toolbar": True}}
        super().__init__(label, **known | kwargs)
        self.flags.required = True
        self.flags.maxlength = MAX_RICH_TEXT

    def pre_validate(self, form: BaseForm) -> None:
        try:
            self.data = sanitize_html(self.data or "")
        except ValueError as error:
            raise StopValidation(str(error)) from error
        if not self.data.strip():
            raise StopValidation("Write something. (Tags that are not allowed do not count.)")

    def _value(self) -> str:
        # After an error the user sees what was typed. A stored body is Markup, which a text area
        # would not escape: a saved "&lt;script&gt;" would come back as a tag and be removed.
        return str(self.raw_data[0] if self.raw_data else self.data or "")
