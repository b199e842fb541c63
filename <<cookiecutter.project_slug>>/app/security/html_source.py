"""Markdown for rich text that users of an older version wrote as HTML, so that they can edit it.

The HTML is clean (:mod:`app.security.sanitization`), so tags are known and closed. This is only the
source that a form shows; what is stored stays as it is until the text is saved again, or until the
operator runs ``rerender``. Text below more than ``MAX_DEPTH`` quotes and lists moves up: each
level adds to each line.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

MAX_DEPTH = 10  # levels of nesting, more than people write; each level costs work
LINK = ("href", "title")
MARKS = {"strong": "**", "b": "**", "em": "*", "i": "*"}
SPECIAL = re.compile(r"[\\`*_\[\]<&]")
# What begins a heading, a quote, a list or a line below a heading, at the beginning of a line.
BEGINNING = re.compile(r"(?m)^([ \n]*)(?:([#>+=~-])|(\d{1,9})(?=[.)]))")
EDGE = "\0"  # between blocks; clean HTML has none


def markdown_of(html: str) -> str:
    """Markdown that becomes this clean HTML again, or nearly: blocks are separated by one line."""
    writer = _Writer()
    writer.feed(html)
    writer.close()
    return _joined(writer.texts[0])


def _joined(parts: list[str]) -> str:
    return re.sub(rf"[ \n]*{EDGE}[ \n{EDGE}]*", "\n\n", "".join(parts)).strip("\n ")


class _Writer(HTMLParser):
    """Collects the text of each open element; an element that ends becomes text of its parent."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[list[str]] = [[]]
        self.open: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self.texts[-1].append("\\\n")
        elif tag == "hr":
            self.texts[-1].append(f"{EDGE}---{EDGE}")
        else:
            self.open.append((tag, dict(attrs)))
            self.texts.append([])

    def handle_data(self, data: str) -> None:
        names = [tag for tag, _ in self.open]
        if names[-1:] in (["ul"], ["ol"]) and not data.strip():
            return
        if "pre" not in names and "code" not in names:
            data = SPECIAL.sub(r"\\\g<0>", re.sub(r"[ \t]*\n[ \t]*", "\n", data))
            data = re.sub(r"[ \t]+", " ", data)
            data = BEGINNING.sub(lambda it: f"{it[1]}{it[3] or ''}\\{it[2] or ''}", data)
        self.texts[-1].append(data)

    def handle_endtag(self, tag: str) -> None:
        while self.open:
            name, attributes = self.open.pop()
            self.texts[-2:] = [[*self.texts[-2], self._element(name, attributes, self.texts[-1])]]
            if name == tag:
                break

    def close(self) -> None:
        super().close()
        self.handle_endtag("")  # whatever is still open

    def _element(self, tag: str, attributes: dict[str, str | None], parts: list[str]) -> str:
        around = [name for name, _ in self.open]
        depth = around.count("li") + around.count("blockquote") + 1
        if tag == "code" and "pre" in around:
            return "".join(parts)
        if tag in ("pre", "code"):
            return _code("".join(parts), is_block=tag == "pre")
        text = _joined(parts) if tag not in MARKS else "".join(parts)
        if not text.strip():
            return text
        if tag in MARKS:
            inner = text.strip()
            start = text.index(inner[0])
            mark = MARKS[tag]
            return f"{text[:start]}{mark}{inner}{mark}{text[start + len(inner) :]}"
        if tag == "a":
            url, title = (re.sub(r'[<>"\\\n]', "", attributes.get(it) or "") for it in LINK)
            title = title and f' "{title}"'
            return f"[{text}](<{url}>{title})" if url else text
        if tag in ("h2", "h3"):
            mark = "#" if tag == "h2" else "##"
            return f"{EDGE}{mark} {' '.join(text.split())}{EDGE}"
        if tag in ("li", "blockquote") and depth <= MAX_DEPTH:
            return self._nested(tag, text, around)
        return f"{EDGE}{text}{EDGE}"

    def _nested(self, tag: str, text: str, around: list[str]) -> str:
        if tag == "blockquote":
            return EDGE + re.sub(r"(?m)^", "> ", text) + EDGE
        mark = "1. " if around and around[-1] == "ol" else "- "
        return mark + text.replace("\n", "\n" + " " * len(mark)) + "\n"


def _code(text: str, *, is_block: bool) -> str:
    longest = max(map(len, re.findall("`+", text)), default=0)
    if is_block:
        fence = "`" * max(3, longest + 1)
        return "\n".join([EDGE + fence, text.strip("\n"), fence + EDGE])
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}" if text.strip() else text
