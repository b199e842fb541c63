"""MySQL and MariaDB: how they execute a statement."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from app.database import Base
from tests.resources import RESOURCES

WHOLE = ("ALL ", "index ")  # how a step begins that goes through a whole table, or a whole index
# What both servers count of each connection. Left out is rnd_next: rows of a table that is read
# from end to end, which the plan tells, and of those in which the server shows its counts.
COUNTED = """SHOW SESSION STATUS WHERE variable_name IN ('Handler_read_first', 'Handler_read_last',
'Handler_read_key', 'Handler_read_next', 'Handler_read_prev', 'Handler_read_rnd')"""


def analyze(engine: Engine) -> None:
    """Have the optimizer know how the tables are filled, as the server does after a while."""
    with engine.begin() as connection:
        for table in {*Base.metadata.tables, *map(str, RESOURCES)}:
            connection.exec_driver_sql("ANALYZE TABLE " + table).all()


def explain(cursor: Any, statement: str, parameters: Any) -> tuple[list[str], int]:
    """The steps of the plan, and how many rows were looked at when it was carried out.

    What it writes is taken back.
    """
    cursor.execute("EXPLAIN FORMAT=TRADITIONAL " + statement, parameters)
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    shown = ("type", "table", "key", "Extra")
    steps = [" ".join(str(row[name]) for name in shown if row[name]) for row in rows]
    cursor.execute("SAVEPOINT explained")
    before = _counted(cursor)
    cursor.execute(statement, parameters)
    cursor.fetchall()
    looked_at = _counted(cursor) - before
    cursor.execute("ROLLBACK TO explained")
    return steps, looked_at


def _counted(cursor: Any) -> int:
    cursor.execute(COUNTED)
    return sum(int(number) for _, number in cursor.fetchall())
