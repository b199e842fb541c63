"""Where users go: the links of the navigation and of the home page. Sign-in leads to the first."""

from __future__ import annotations

# The endpoint of a page without a variable part, and the text of its link.
LINKS: list[tuple[str, str]] = [
    ("notes.index", "Notes"),
]


def start() -> str:
    """The endpoint that sign-in leads to: the first link, or the account while there is none."""
    return LINKS[0][0] if LINKS else "account.index"
