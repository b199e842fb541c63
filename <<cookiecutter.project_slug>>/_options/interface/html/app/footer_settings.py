"""The links at the foot of every page; :mod:`app.settings` reads them with all others.

The law requires some of these pages of many services. The owner of the service decides which.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from app.environment import HTTPS_URL

# One slash: browsers read "//evil.example" as another site.
OWN_PAGE = re.compile(r"/([A-Za-z0-9._~-][A-Za-z0-9/._~-]*)?")


def read_footer(read: Callable[..., str], problems: list[str]) -> dict[str, str]:
    """The address of each page that is set, by the text of its link.

    A value that is not an address is added to ``problems``: a link with a scheme such as
    ``javascript:`` would run as script.
    """
    links = {
        "Privacy": ("PRIVACY_URL", read("PRIVACY_URL")),
        "Terms": ("TERMS_URL", read("TERMS_URL")),
        "Accessibility": ("ACCESSIBILITY_URL", read("ACCESSIBILITY_URL")),
        "Report a security problem": ("SECURITY_URL", read("SECURITY_URL")),
    }
    for name, url in links.values():
        if url and not HTTPS_URL.fullmatch(url) and not OWN_PAGE.fullmatch(url):
            problems.append(f"{name} is {url!r}; write https://host/path, or /path for a page here")
    return {text: url for text, (_, url) in links.items() if url}
