"""Text that was typed: a form that meets an ended session would lose it.

The answer shows the text again, in a form that sends it once more. It is in that page alone:
nothing is stored for somebody who is not signed in. It is never sent without a click, and shown
only to a form of this site: another site could fill in a form of ours and wait for the click.
"""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import generate_csrf

from app.security.access_log import request_id
from app.security.logs import SECRET_NAME

SECRET = ("confirm", "code", "credential")  # secret fields that SECRET_NAME does not match


def kept_fields() -> list[tuple[str, str]]:
    """The fields of this request's form, without the CSRF token.

    Empty if the form has a secret, has no text, or is from another site.
    """
    own = request.headers.get("Sec-Fetch-Site") == "same-origin"
    if request.method != "POST" or not own or not request.accept_mimetypes.accept_html:
        return []
    secret = {name for name in request.form if name in SECRET or SECRET_NAME.search(name)}
    fields = [it for it in request.form.items(multi=True) if it[0] not in secret]
    if secret - {"csrf_token"} or not any(text.strip() for _, text in fields):
        return []
    return fields


def send_again(fields: list[tuple[str, str]], *, signed_in: bool) -> ResponseReturnValue:
    """The page that shows the fields and sends them again, to the same address: 400 or 401.

    :param signed_in: whether sending works at once; otherwise the user has to sign in before.
    """
    status, token = (400, generate_csrf()) if signed_in else (401, "")
    known = {"status": status, "token": token, "request_id": request_id()}
    return render_template("kept_form.html", fields=fields, signed_in=signed_in, **known), status
