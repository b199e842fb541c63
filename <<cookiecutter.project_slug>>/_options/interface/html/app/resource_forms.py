"""Forms that write a row of :mod:`app.resources`. No text that was typed is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import request
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import Conflict
from wtforms import IntegerField
from wtforms.validators import InputRequired
from wtforms.widgets import HiddenInput

from app.database import db
from app.forms import TextForm
from app.quotas import QuotaError
from app.resources import Resource

Row = TypeVar("Row", bound=Resource)


class RowForm(TextForm):
    """A form whose fields are called like the columns of a row.

    ``is_previewed`` has the page show what a rich text becomes; nothing is stored.
    """

    is_previewed = False

    def values(self) -> dict[str, Any]:
        """What was entered, by field."""
        return {name: value for name, value in self.data.items() if name != "csrf_token"}


class Versioned:
    """Mixin for the form of an edit: the version of the row that was shown for editing."""

    version = IntegerField(widget=HiddenInput(), validators=[InputRequired()])


def save(form: RowForm, write: Callable[[], Row], row: Row | None = None) -> tuple[Row | None, int]:
    """Write a row if the form was sent and is valid.

    :param write: calls :func:`app.resources.create` or ``update``.
    :param row: the row that is changed, for a form that is :class:`Versioned`.
    :return: the row as it is stored; or None and the status of the page that shows the form, with
        the reason in its errors or the preview.
    """
    if not form.validate_on_submit():
        return None, 422 if form.is_submitted() else 200
    if "preview" in request.args:  # the button "Preview" sends the form there
        form.is_previewed = True
        return None, 200
    try:
        return write(), 302
    except (Conflict, StaleDataError):
        if row is None:
            raise
        # The form keeps the text, and the user decides whether to overwrite the other change.
        db.session.rollback()
        form["version"].data, form["version"].raw_data = row.version, None
        form.form_errors.append("This was changed in the meantime. Save again to replace it.")
        return None, 409
    except QuotaError as full:
        db.session.rollback()
        form.form_errors.append(full.description)
        return None, 403
