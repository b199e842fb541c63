"""Rich text: users write Markdown, which becomes HTML in which a browser runs no script.

The source is CommonMark without raw HTML and without images: markdown-it-py shows a tag as text. A
link has one of the allowed schemes, or its brackets are shown. The HTML that results is cleaned as
:mod:`app.security.sanitization` says, once, when the text is written, and is stored beside the
source: if one library has a bug, the others catch it. Text is bounded before it is parsed, and
what it becomes is bounded before it is cleaned. ASVS 1.3.1, 1.3.5, 2.2.1.
"""

from __future__ import annotations

import re
from typing import Self

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup
from sqlalchemy import Text
from sqlalchemy.orm import Composite, composite, mapped_column

from app.normalization import normalize
from app.security.html_source import markdown_of
from app.security.sanitization import (
    FORBIDDEN,
    MAX_HTML,
    SCHEMES,
    StoredHTML,
    markup,
    sanitize_html,
)

MAX_RICH_TEXT = 10_000  # characters of Markdown: five pages, which the parser reads within 0.1 s
MAX_NESTING = 20  # quotes and lists in each other; the parser's own, text below is left out
# A page has one <h1> already. "#" is the heading below it, and there is one more level.
HEADINGS = {"h1": "h2", "h2": "h3", "h3": "h3", "h4": "h3", "h5": "h3", "h6": "h3"}
# Pages show a line break in a text as one; these are between blocks, or follow a <br>.
NO_BREAK = re.compile(r"(?<=<br>)\n|\n(?=</?(?:p|ul|ol|li|blockquote|pre|hr|h2|h3)\b)|\n\Z")


class Parser(MarkdownIt):
    """Makes a link of an address with an allowed scheme alone."""

    def validateLink(self, url: str) -> bool:  # the library's name # noqa: N802
        return url.partition(":")[0].lower() in SCHEMES


class RichText(str):
    """Markdown as a user wrote it. Templates show ``{{ row.body.html }}``; the text is the source.

    :param html: as it is stored. When it is not given, it is made of the source.
    :raises ValueError: with a sentence for the user, when nothing is left to show, and for text
        that :func:`render` refuses.
    """

    html: Markup
    stored: str  # the same; a column does not clean it again

    def __new__(cls, source: str | None, html: Markup | None = None) -> Self:
        stored: str | None = html
        if html is None:
            source = _bounded(source or "")
            stored = sanitize_html(render(source))
            html = markup(stored)
            if not html.strip():
                raise ValueError("Write some text that is visible.")
        elif source is None:  # of a version of this service whose users wrote HTML
            source = markdown_of(html)
        text = super().__new__(cls, source)
        text.html, text.stored = html, stored or ""
        return text

    def __composite_values__(self) -> tuple[str, str]:
        return str(self), self.stored


def rich_text(name: str) -> Composite[RichText]:
    """Two columns for one text: ``body: Mapped[RichText] = rich_text("body")``.

    ``body`` has the clean HTML, ``body_source`` the Markdown; a row of a version of this service
    whose users wrote HTML has none.
    """
    return composite(
        RichText,
        mapped_column(f"{name}_source", Text, nullable=True),
        mapped_column(name, StoredHTML, key=f"{name}_html", nullable=False),
    )


def render(source: str) -> str:
    """The HTML of a Markdown text; it still has to be cleaned.

    :raises ValueError: with a sentence for the user, for references that would repeat a long
        address more often than ``MAX_HTML`` characters hold.
    """
    # One parser per call: its rules are compiled at the first use, and threads would share them.
    parser = Parser("commonmark", {"html": False, "xhtmlOut": False, "maxNesting": MAX_NESTING})
    parser.disable("image")  # it would tell another site who reads, and when
    environment: dict[str, object] = {}
    tokens = parser.parse(source, environment)
    if sum(map(_length_of_attributes, tokens)) > MAX_HTML:
        raise ValueError("The links in this text are too long. Use fewer or shorter links.")
    for token in tokens:
        token.tag = HEADINGS.get(token.tag, token.tag)
    html: str = parser.renderer.render(tokens, parser.options, environment)
    return NO_BREAK.sub("", html)


def _bounded(source: str) -> str:
    """The text in Unicode NFC, with one kind of line breaks and no empty lines around it.

    :raises ValueError: with a sentence for the user.
    """
    source = normalize(source, MAX_RICH_TEXT).replace("\r\n", "\n").replace("\r", "\n")
    source = source.strip("\n")  # a form loses the first one with each edit
    if len(source) > MAX_RICH_TEXT:
        raise ValueError(f"Enter at most {MAX_RICH_TEXT:,} characters.")
    if FORBIDDEN.search(source):
        raise ValueError("Control characters are not allowed here.")
    return source


def _length_of_attributes(token: Token) -> int:
    # "[a]: https://long" once, then "[a]" 3,000 times: 10,000 characters become 8 MB.
    own = sum(len(str(value)) for value in token.attrs.values())
    return own + sum(map(_length_of_attributes, token.children or ()))
