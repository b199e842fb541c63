"""The tables of ``docs/security-decisions.md``, which tests compare with the service."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

DOCUMENT = Path("docs/security-decisions.md")
HELD = "Held in"
RESOURCES = "each owned resource"  # the row of a rule, in place of a row for each
CLASSES = ("Secret", "Personal", "Internal")

Row = dict[str, str]


def tables(text: str) -> list[list[Row]]:
    """Each table of a document in Markdown: its rows, by the title of the column."""
    found: list[list[Row]] = []
    titles: list[str] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip()[1:-1].split("|")] if line[:1] == "|" else []
        if not cells:
            titles = []
        elif not titles:
            titles = cells
            found.append([])
        elif set("".join(cells)) != {"-"}:
            found[-1].append(dict(zip(titles, cells, strict=True)))
    return found


def rows(title: str) -> list[Row]:
    """The rows of the table that begins with the column ``title``."""
    found = tables(DOCUMENT.read_text("utf-8"))
    return [row for table in found for row in table if next(iter(row)) == title]


def named(cell: str) -> list[str]:
    """What a cell names: the texts between backticks."""
    return re.findall("`([^`]+)`", cell)


def classes(table: str) -> dict[str, set[str]]:
    """The columns of a table of the database by their class; by the rule, if it has no row."""
    found = {name: row for row in rows("Table") for name in named(row["Table"]) or [row["Table"]]}
    row = found.get(table) or found[RESOURCES]
    return {name: set(named(row[name])) for name in CLASSES}


def check(
    title: str, found: Collection[str], row: str, known: Collection[str] | None = None
) -> None:
    """Fail when the first column of a table names less, or more, than there is.

    :param found: what there is, and has to be named.
    :param row: the row to add, with ``{}`` for the name.
    :param known: what may be named; by default what has to be.
    """
    there = {name for it in rows(title) for name in named(it[title])}
    problems = [f"add the row: {row.format(f'`{name}`')}" for name in sorted({*found} - there)]
    more = there - {*(found if known is None else known)}
    problems += [f"remove `{name}`: the service has no such thing" for name in sorted(more)]
    assert not problems, f"{DOCUMENT}, the table {title!r}:\n" + "\n".join(problems)
