"""Input validation and sanitization: text that a browser runs as code (XSS), or that is too big.

Input has limits: size and parts of the body, length and characters of a text. Plain text is stored
as it is and escaped wherever it is shown. The HTML of rich text (:mod:`app.security.rich_text`) is
cleaned once, on its way in: Bleach keeps what is listed below and nh3 serializes it, as Bleach has
had its last release. A column of :class:`StoredHTML` stores nothing else, and no other code tells
templates not to escape.
OWASP XSS Prevention cheat sheet; ASVS 1.1.1, 1.2.1, 1.3.1, 1.3.3, 2.2.1, 2.2.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import bleach
import nh3
from flask import Flask
from markupsafe import Markup
from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

from app.normalization import normalize
from app.security.bodies import read_body

LIMITS = {
    # Bytes of a request, as client_max_body_size in Nginx; a character of a text takes up to 12.
    "MAX_CONTENT_LENGTH": 256 * 1024,
    "MAX_FORM_MEMORY_SIZE": 64 * 1024,  # bytes of a multipart field; a rich text has up to 40,000
    "MAX_FORM_PARTS": 50,  # fields of a form; the largest form here has 4
}
# Bleach is quadratic in nested tags: 10,000 characters of "<ul><li>" take 0.16 s, 100,000 take
# 16 s. With 500 "<", the worst that we found takes 0.02 s. A column of MySQL holds 64 KiB.
MAX_HTML = 15_000
MAX_TAGS = 500
TAGS = {"p", "br", "strong", "em", "b", "i", "a", "ul", "ol", "li", "blockquote", "code", "pre"}
TAGS |= {"h2", "h3", "hr"}
LINK_ATTRIBUTES = ["href", "title"]  # of <a>; no other tag keeps any
SCHEMES = {"https", "mailto"}
# NUL and other controls end strings early in C code and forge log lines, a lone surrogate cannot be
# encoded, bidirectional controls show text in an order that it does not have (CVE-2021-42574).
FORBIDDEN = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
LINE_BREAK = re.compile("[\t\n\r\u2028\u2029]")


class CleanHTML(str):
    """What :func:`sanitize_html` returns. A part of it, or more than it, is an ordinary text."""


class StoredHTML(TypeDecorator[str]):
    """A column of HTML: clean on write, Markup on read, which templates do not escape.

    :raises sqlalchemy.exc.StatementError: on write, for text that :func:`sanitize_html` refuses.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else sanitize_html(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Markup | None:
        return None if value is None else Markup(value)  # clean on write # nosec B704 # noqa: S704


def init_app(app: Flask) -> None:
    """Bound the body of every request; escape in every template, whatever its file is called."""
    app.config.update(LIMITS)
    # Flask alone leaves .txt, .j2 and .html.j2 unescaped.
    app.jinja_options = {**app.jinja_options, "autoescape": True}
    app.before_request(read_body)


def check(app: Flask) -> Iterator[str]:
    """Yield every limit that is off or above ours, and autoescaping that is not always on."""
    for name, limit in LIMITS.items():
        if not 0 < (app.config[name] or 0) <= limit:
            yield f"{name} is {app.config[name]}; set it to {limit} or less"
    if app.jinja_env.autoescape is not True:
        yield "jinja_options: autoescape is not on for every template; set it to True"
    if read_body not in app.before_request_funcs.get(None, []):
        yield "big requests are refused too late; call sanitization.init_app(app)"


def clean_line(text: str, maximum: int, minimum: int = 1) -> str:
    """One line of plain text, in Unicode NFC and without white space around it.

    :param maximum: characters of the result, as ``minimum``.
    :raises ValueError: with a sentence for the user.
    """
    text = normalize(text.strip(), maximum)
    if FORBIDDEN.search(text) or LINE_BREAK.search(text):
        raise ValueError("Control characters and line breaks are not allowed here.")
    if not minimum <= len(text) <= maximum:
        raise ValueError(f"Enter {minimum} to {maximum} characters.")
    return text


def sanitize_html(text: str) -> CleanHTML:
    """The allowed part of ``text``, as HTML in Unicode NFC. A clean text is returned at once.

    :raises ValueError: with a sentence for the user, when the text has a forbidden character, more
        than ``MAX_HTML`` characters or more than ``MAX_TAGS`` "<", before or after cleaning.
    """
    if isinstance(text, CleanHTML):
        return text
    # Mutation XSS is markup that changes its meaning when it is parsed again. So text is kept only
    # when cleaning does not change it. Two passes were enough for all that we tried.
    for _ in range(5):
        cleaned = _clean(text)
        if cleaned == text:
            return CleanHTML(cleaned)
        text = cleaned
    raise ValueError("The HTML cannot be cleaned. Remove some tags and try again.")


def markup(html: CleanHTML) -> Markup:
    """Clean HTML for a template that shows it before it is stored."""
    return Markup(html)  # clean by its type # nosec B704 # noqa: S704


def _clean(text: str) -> str:
    _refuse(text)
    # Bleach would show the code in <script> and <style> as text; nh3 drops it with its tag.
    text = normalize(_nh3(text), MAX_HTML).replace("\r", "\n")
    # Every parser drops the first line break in <pre>: one more would go with each edit.
    text = re.sub("<pre>\n+", "<pre>", text)
    _refuse(text)
    # One clean() per call: threads that share a bleach.Cleaner get each other's text.
    return _nh3(bleach.clean(text, TAGS, {"a": LINK_ATTRIBUTES}, SCHEMES, strip=True))


def _nh3(text: str) -> str:
    attributes: dict[str, set[str]] = {"a": set(LINK_ATTRIBUTES), "*": set()}  # else title, lang
    return nh3.clean(
        text, tags=TAGS, attributes=attributes, url_schemes=SCHEMES, url_relative="deny"
    )


def _refuse(text: str) -> None:
    if len(text) > MAX_HTML or text.count("<") > MAX_TAGS:
        raise ValueError(
            "This text has too much formatting or is too long. Use fewer links, lists and quotes,"
            " or shorten it."
        )
    if FORBIDDEN.search(text):
        raise ValueError("Control characters are not allowed here.")
