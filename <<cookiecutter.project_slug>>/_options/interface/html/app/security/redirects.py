"""Open redirects: a link to this service sends its user on to another site after sign-in."""

from __future__ import annotations

import re
from urllib.parse import quote

from flask import request

MAX_LENGTH = 2000  # characters as sent; Nginx answers 502 to 4 KiB of headers from the app
# One slash, then no second one. Browsers read a backslash as a slash, and drop tabs and line breaks
# first: for them "/\t/evil.example" is "//evil.example".
OWN_PATH = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")


def own_path(target: str | None) -> str | None:
    """``target`` when it is a path on this service, else None."""
    if target is None or not OWN_PATH.fullmatch(target):
        return None
    return target if len(quote(target, errors="replace")) <= MAX_LENGTH else None


def next_page() -> str | None:
    """The path on this service to return to, from ``next``; None when it is not such a path."""
    return own_path(request.args.get("next"))
