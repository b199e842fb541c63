"""Text that was typed: a form that meets an ended session would lose it.

The answer shows the text again, in a form that sends it once more. It is in that page alone:
nothing is stored for somebody who is not signed in. It is never sent without a click, and shown
only to a form of this site: another site could fill in a form of ours and wait for the click.
"""

from __future__ import annotations

from flask import render_template, request
from flask_wtf.csrf import generate_csrf

from app.security.logs import SECRET_NAME


def kept_fields() -> list[tuple[str, str]]:
    """Name and text of each field that this request's form has, without secrets.

    Empty for a request that did not come from a form of this site, and for one without text.
    """
    if request.method != "POST" or request.headers.get("Sec-Fetch-Site") != "same-origin":
        return []
    secret = {name for name in request.form if name == "confirm" or SECRET_NAME.search(name)}
    fields = [it for it in request.form.items(multi=True) if it[0] not in secret]
    return [] if secret - {"csrf_token"} else fields


def send_again(fields: list[tuple[str, str]], *, signed_in: bool) -> str:
    """The page that shows the fields and sends them again, to the same address.

    :param signed_in: whether sending works at once; otherwise the user has to sign in before.
    """
    token = generate_csrf() if signed_in else ""
    return render_template("kept_form.html", fields=fields, token=token, signed_in=signed_in)
