"""SQLite: how it carries a statement out."""

from __future__ import annotations

from itertools import count
from typing import Any

from sqlalchemy import Engine

WHOLE = "SCAN "  # how a step begins that goes through a whole table, or a whole index
PER_ROW = 3  # instructions of its virtual machine to look at a row, at least: read, compare, go on


def analyze(engine: Engine) -> None:
    """Nothing: the service never tells SQLite how its tables are filled either."""


def explain(cursor: Any, statement: str, parameters: Any) -> tuple[list[str], int]:
    """The steps of the plan, and how many rows can have been looked at when it was carried out.

    What it writes is taken back.
    """
    cursor.execute("EXPLAIN QUERY PLAN " + statement, parameters)
    steps = [row[3] for row in cursor.fetchall()]
    instructions = count()
    cursor.execute("SAVEPOINT explained")
    # It is called at each instruction; None lets it go on.
    cursor.connection.set_progress_handler(lambda: next(instructions) and None, 1)
    try:
        cursor.execute(statement, parameters)
        cursor.fetchall()
    finally:
        cursor.connection.set_progress_handler(None, 0)
    cursor.execute("ROLLBACK TO explained")
    cursor.execute("RELEASE explained")
    return steps, next(instructions) // PER_ROW
