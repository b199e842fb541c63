"""Write the tables of docs/scale.md: ``python -m tools.regions``, by `make scale`."""

from __future__ import annotations

from pathlib import Path

from tools.bench.measure import Result
from tools.bench.report import between_marks, table
from tools.regions import cost, limits, sessions, writes

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "scale.md"
PARTS = {"limits": limits, "sessions": sessions, "writes": writes, "cost": cost}


def written(text: str) -> str:
    """The text of docs/scale.md with the tables of this run."""
    for name, part in PARTS.items():
        content = table(Result(name, part.COLUMNS, part.table()))
        text = between_marks(text, name, content, kind="regions")
    return text


if __name__ == "__main__":
    before = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(written(before), encoding="utf-8")
    for part in PARTS.values():
        print(table(Result("", part.COLUMNS, part.table())), end="\n\n")
