"""Shared by the injection tests: the corpora, and how a browser reads a page."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from selectolax.lexbor import LexborHTMLParser, LexborNode

CORPUS = Path(__file__).parent / "corpus"
URL_ATTRIBUTES = re.compile(
    r"href|src|srcset|action|formaction|data|poster|background|cite|ping|manifest|to|values|xlink:href"
)
# A browser drops these before it looks at the scheme.
IGNORED_IN_URLS = re.compile(r"[\x00-\x20]")


def classes(name: str) -> Iterator[tuple[str, str]]:
    """The attacks in ``corpus/<name>``, one a line, each with the heading that it stands below."""
    heading = ""
    for line in (CORPUS / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("##"):
            heading = line
        elif line:
            yield line, heading


FILES = ("xss.txt", "markdown.txt", "sqli.txt")
CLASSES = {attack: name for file in FILES for attack, name in classes(file)}


def corpus(name: str) -> list[str]:
    """The attacks in ``corpus/<name>``."""
    return [attack for attack, _ in classes(name)]


XSS = [
    *corpus("xss.txt"),
    # What a line of a text file cannot hold.
    "<a href='java\tscript:alert(1)'>x</a>",
    "<a href='java\nscript:alert(1)'>x</a>",
    "<a href='\x01javascript:alert(1)'>x</a>",
    "<scr\0ipt>alert(1)</scr\0ipt>",
    "<img\nsrc=x\nonerror\n=\nalert(1)>",
    "<img\x0csrc=x\x0conerror=alert(1)>",
    "<" * 2 + "script>alert(1)//" + "<" * 2 + "/script>",
    "a\u202etxt.exe",
    "<b>" * 200 + "<img src=x onerror=alert(1)>",
]
MARKDOWN = [
    *corpus("markdown.txt"),
    "[x](java\tscript:alert(1))",
    "[x](<java\nscript:alert(1)>)",
    "[x](\x01javascript:alert(1))",
    "[x][r]\n\n[r]: javascript:alert(1)",
    "[x][r]\n\n[r]: <java&Tab;script:alert(1)> 'title'",
    "[x][r]\n\n[r]: https://x \"' onmouseover='alert(1)\"",
    "```html onload=alert(1)\n<script>alert(1)</script>\n```",
    '~~~ "><script>alert(1)</script>\nx\n~~~',
    "    <script>alert(1)</script>",
    "<div>\n\n*x*<img src=x onerror=alert(1)>\n\n</div>",
    "<script>\nalert(1)\n</script>",
    "- <iframe src=https://evil.example>\n  > <svg onload=alert(1)>",
    "x\n===<img src=x onerror=alert(1)>",
    "*a **b " * 300,
    "*" * 400 + "a" + "*" * 400,
    "> " * 500 + "<img src=x onerror=alert(1)>",
    "- " * 500 + "<img src=x onerror=alert(1)>",
    "[" * 2000 + "a" + "](https://x)" * 500,
    "![" * 1000,
    "`" + "``" * 500 + "<img src=x onerror=alert(1)>",
]
SQL_INJECTION = corpus("sqli.txt")

# `make test` sets it, for tests that send many attacks to the service; `make check` sends them all.
SAMPLED = os.environ.get("ATTACKS") == "sample"
SAMPLE = 20  # of so many attacks of a class one is in the sample
PART = 4  # of so many other cases one is in it

Case = TypeVar("Case")


def sample(attacks: list[str]) -> list[str]:
    """All of the attacks; with ``ATTACKS=sample`` the same part each time, of every class."""
    if not SAMPLED:
        return attacks
    seen: Counter[str] = Counter()
    taken = []
    for attack in attacks:
        name = CLASSES.get(attack, "what no line can hold")
        if seen[name] % SAMPLE == 0:
            taken.append(attack)
        seen[name] += 1
    return taken


def some(cases: Sequence[Case]) -> Sequence[Case]:
    """All of the cases; with ``ATTACKS=sample`` every fourth."""
    return cases[::PART] if SAMPLED else cases


def quarter(cases: Sequence[Case], number: int) -> Sequence[Case]:
    """All of the cases; with ``ATTACKS=sample`` a quarter, and another one for the next number."""
    return cases[number % PART :: PART] if SAMPLED else cases


def elements(page: LexborHTMLParser) -> Iterator[LexborNode]:
    """Every element and comment of a parsed page."""
    assert page.root is not None
    yield from page.root.traverse(include_text=False)


def dangers(page: LexborHTMLParser) -> list[str]:
    """The parts of a page that execute a script, or load from or send to another site."""
    found = []
    for node in elements(page):
        tag, attributes = node.tag or "", {k: v or "" for k, v in node.attributes.items()}
        if tag in ("svg", "math", "iframe", "object", "embed", "base", "style", "template"):
            found.append(f"<{tag}>")
        if tag == "script" and not attributes.get("src", "").startswith("/static/"):
            found.append(f"<script {attributes}>")
        if tag == "meta" and "http-equiv" in attributes:
            found.append(f"<meta {attributes}>")
        for name, value in attributes.items():
            if name.startswith("on") or name in ("style", "srcdoc"):
                found.append(f"<{tag} {name}>")
            if URL_ATTRIBUTES.fullmatch(name) and not is_harmless_url(value, tag):
                found.append(f"<{tag} {name}={value!r}>")
    return found


def is_harmless_url(url: str, tag: str) -> bool:
    """Whether a browser stays on this service, or follows a link of the allowed schemes."""
    url = IGNORED_IN_URLS.sub("", url).replace("\\", "/")
    scheme = re.match(r"([^/?#]*?):", url)
    if scheme:
        return tag == "a" and scheme[1].lower() in ("https", "mailto")
    return not url.startswith("//")


def skeleton(page: LexborHTMLParser) -> list[tuple[str | None, tuple[str, ...]]]:
    """The page's elements and the names of their attributes, in order. No text may change them."""
    return [(node.tag, tuple(node.attributes)) for node in elements(page)]
