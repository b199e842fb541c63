"""The fields of a resource: which lines of the source stand for one, and what they become."""

from __future__ import annotations

import re
from dataclasses import dataclass

from names import label


class ShapeError(Exception):
    """The source does not look as this program expects it."""


@dataclass(frozen=True)
class Kind:
    """A kind of field.

    :param changes: what its lines have instead of those of a text: patterns and replacements.
    :param imports: what the lines need, by the end of the name of the file.
    :param value: what a new row has in this field, as Python; accepted from pages and by the API.
    :param stored: the same as the column stores it.
    :param lines: the lines of the source that stand for it, when they are not those of a text.
    """

    changes: tuple[tuple[str, str], ...] = ()
    imports: tuple[tuple[str, str], ...] = ()
    value: str = ""
    stored: str = ""
    lines: tuple[str, ...] = ()


def _typed(
    python: str, column: str, form: str, checks: str, schema: str
) -> tuple[tuple[str, str], ...]:
    return (
        (r"Mapped\[str\]", f"Mapped[{python}]"),
        (r"\bString\(MAX_\w+\)", column),
        (r"\bStringField\((\".*?\"), \[.*\]\)", rf"{form}(\1{checks})"),
        (r": Annotated\[str, .*\]$", f": {schema}"),
        (r": str$", f": {python}"),
    )


BOUND = "2**31 - 1"  # the largest number that a column of each database holds
KINDS = {
    "text": Kind(),
    "rich": Kind(lines=("rich", "html")),
    "date": Kind(
        _typed("date", "Date", "DateField", ", [InputRequired()]", "date"),
        (
            ("models.py", "from datetime import date"),
            ("models.py", "from sqlalchemy import Date"),
            ("forms.py", "from wtforms import DateField"),
            ("forms.py", "from wtforms.validators import InputRequired"),
            ("schemas.py", "from datetime import date"),
            ("resources.py", "from datetime import date"),
        ),
        '"2030-01-31"',
        "date(2030, 1, 31)",
    ),
    "number": Kind(
        _typed(
            *("int", "Integer", "IntegerField"),
            f", [InputRequired(), NumberRange(-({BOUND}), {BOUND})]",
            f"Annotated[int, Field(ge=-({BOUND}), le={BOUND})]",
        ),
        (
            ("models.py", "from sqlalchemy import Integer"),
            ("forms.py", "from wtforms import IntegerField"),
            ("forms.py", "from wtforms.validators import InputRequired, NumberRange"),
            ("schemas.py", "from pydantic import Field"),
        ),
        "7",
        "7",
    ),
    "flag": Kind(
        _typed("bool", "Boolean", "BooleanField", "", "bool"),
        (
            ("models.py", "from sqlalchemy import Boolean"),
            ("forms.py", "from wtforms import BooleanField"),
        ),
        "True",
        "True",
    ),
}


@dataclass(frozen=True)
class Field:
    name: str
    kind: str


@dataclass(frozen=True)
class Example:
    """The fields of the source: one of the kind text and one of the kind rich."""

    text: str
    rich: str


def example_of(models: str) -> Example:
    """The fields of the source, from its models.

    :raises ShapeError: when there is not exactly one of each of both kinds.
    """
    line = r"(?m)^    (\w+): Mapped\[%s\] = %s$"
    kinds = (("str", r"mapped_column\(String\(MAX_\w+\)\)"), ("RichText", r"rich_text\(\"\w+\"\)"))
    found = [re.findall(line % kind, models) for kind in kinds]
    if [len(names) for names in found] != [1, 1]:
        raise ShapeError
    return Example(found[0][0], found[1][0])


def expanded(text: str, example: Example, fields: list[Field]) -> str:
    """A module with the lines of the example's fields once for each of ``fields``.

    :raises ShapeError: when a line names a field in another way than those that are known.
    """
    limit = f"MAX_{example.text.upper()}"
    html = f"{example.rich}_html"  # what an answer has beside the source
    mention = re.compile(rf"\b({example.text}|{example.rich}|{html}|{limit})\b")
    known = re.compile(rf"\s*({example.text}|{example.rich}|{html})(: | = |=)|{limit} = ")
    lines, block = [], dict[str, str]()
    for line in text.split("\n"):
        if found := known.match(line):
            kind = {example.rich: "rich", html: "html"}.get(found[1], "text")
            if kind in block:
                raise ShapeError
            block[kind] = line
            continue
        lines += _for_each(block, example, fields)
        block = {}
        if line.startswith("from ") and limit in line:
            names = ", ".join(f"MAX_{it.name.upper()}" for it in fields if it.kind == "text")
            line = line.replace(limit, names)
        elif mention.search(line):
            raise ShapeError
        lines.append(line)
    lines += _for_each(block, example, fields)
    return "\n".join(lines)


def _for_each(block: dict[str, str], example: Example, fields: list[Field]) -> list[str]:
    """The lines of each field, in the order of the fields."""
    lines = []
    wanted = ((it, kind) for it in fields for kind in (KINDS[it.kind].lines or ("text",)))
    for field, kind in wanted:
        line = block.get(kind)
        if line is None:
            continue
        for pattern, replacement in KINDS[field.kind].changes:
            line = re.sub(pattern, replacement, line)
        if field.kind not in ("text", "rich") and "MAX_" in line:
            continue  # the limit of a text
        old = example.rich if field.kind == "rich" else example.text
        line = re.sub(rf"\b{old}(?=\b|_html\b)", field.name, line)
        line = line.replace(f"MAX_{old.upper()}", f"MAX_{field.name.upper()}")
        lines.append(line.replace(f'"{label(old)}"', f'"{label(field.name)}"'))
    return lines
