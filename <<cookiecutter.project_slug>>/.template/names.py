"""The names of a resource, and how a text about one becomes a text about another."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass

# "an" is for the sound of a vowel: an invoice, an hour; a user, a unit, a one-off.
VOWEL = re.compile(r"(?!one|once|eu|uni|us[aeiu]|ut[ei])[aeiou]|hour|hono|heir")


def plural_of(word: str) -> str:
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + ("es" if re.search(r"(s|x|z|ch|sh)$", word) else "s")


def camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def words(name: str) -> str:
    return name.replace("_", " ")


def label(name: str) -> str:
    """As a page shows it: ``Due date``."""
    return words(name).capitalize()


@dataclass(frozen=True)
class Names:
    """One and several, as Python writes them: ``line_item``, ``line_items``."""

    one: str
    many: str

    def identifiers(self) -> set[str]:
        """What the code of a resource calls its rows, its model and its package."""
        return {self.one, self.many, camel(self.one), self.many.upper()}


def renamed(text: str, old: Names, new: Names, *, python: bool = True) -> str:
    """The same text about another resource: names as Python writes them, sentences in words."""
    sentences = list(_sentences(text, old)) if python else [range(len(text))]
    pattern = re.compile(
        r"(?P<article>\b[Aa]n? )?(?P<slash>/)?(?:"
        rf"(?P<lower>(?<![A-Za-z])({old.many}|{old.one})(?![a-z]))"
        rf"|(?P<camel>({camel(old.many)}|{camel(old.one)})(?![a-z]))"
        rf"|(?P<upper>(?<![A-Z])({old.many.upper()}|{old.one.upper()})(?![A-Z])))"
    )

    def replaced(found: re.Match[str]) -> str:
        name = str(found["lower"] or found["camel"] or found["upper"])
        several = name.lower() == old.many.replace("_", "" if found["camel"] else "_")
        result = new.many if several else new.one
        start = found.start(found.lastgroup or 0)
        sentence = any(start in span for span in sentences)
        article, slash = found["article"] or "", found["slash"] or ""
        if article:
            article = article[0] + ("n " if VOWEL.match(result) else " ")
        if found["upper"]:
            result = result.upper()
        elif found["camel"]:
            alone = text[start - 1 : start] in ('"', "'") or sentence
            inside = text[start - 1 : start].isalpha()
            result = label(result) if alone and not inside else camel(result)
        elif slash and not sentence:
            result = result.replace("_", "-")  # the path of a route
        elif sentence:
            result = words(result)
        return article + slash + result

    return pattern.sub(replaced, text)


def _sentences(text: str, names: Names) -> Iterator[range]:
    """Where Python code has text for people: comments, and strings that are no identifier."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        start = starts[token.start[0] - 1] + token.start[1]
        end = starts[token.end[0] - 1] + token.end[1]
        word = token.string[1:-1]
        spoken = " " in word or word == names.one or text[:start].endswith('"names": ')
        if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and spoken):
            yield range(start, end)
