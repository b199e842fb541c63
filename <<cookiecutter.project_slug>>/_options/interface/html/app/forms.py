"""The base of every form here."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_wtf import FlaskForm

from app.security.refusals import unknown_fields


class TextForm(FlaskForm):  # type: ignore[misc]
    """A form whose fields are text.

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
