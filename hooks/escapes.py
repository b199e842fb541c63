"""Escape answers in documents, where some characters are markup."""

from __future__ import annotations

import re

# CommonMark 0.31 and GitHub's tables, strikethrough and formulas: characters that start markup
# anywhere, and characters that do so at the beginning of a line.
MARKDOWN = re.compile(r"[\\`*_\[\]<>&~|$#]|\A[-+=]|\A(\d{1,9})([.)])")


def markdown(text: str) -> str:
    """Escape ``text`` for a heading or a paragraph: no markup, no link, no comment, no HTML."""
    return MARKDOWN.sub(lambda found: f"{found[1] or ''}\\{found[2] or found[0]}", text)
