"""PostgreSQL: how it carries a statement out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine

WHOLE = "Seq Scan"  # how a step begins that goes through a whole table


def analyze(engine: Engine) -> None:
    """Have the planner know how the tables are filled, as autovacuum does after a while."""
    with engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE")


def explain(cursor: Any, statement: str, parameters: Any) -> tuple[list[str], int]:
    """The steps of the plan, and how many rows were looked at when it was carried out.

    What it writes is taken back.
    """
    cursor.execute("SAVEPOINT explained")
    cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + statement, parameters)
    nodes = list(_nodes(cursor.fetchone()[0][0]["Plan"]))
    cursor.execute("ROLLBACK TO explained")
    return [_step(node) for node in nodes], sum(_looked_at(node) for node in nodes)


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", []):
        yield from _nodes(below)


def _step(node: dict[str, Any]) -> str:
    shown = ("Node Type", "Relation Name", "Index Name", "Index Cond", "Filter", "Sort Key")
    return " ".join(str(node[name]) for name in shown if name in node)


def _looked_at(node: dict[str, Any]) -> int:
    """The rows that a step has read itself: those of the steps below it are theirs."""
    if "Scan" not in node["Node Type"]:
        return 0
    kinds = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    return round(node["Actual Loops"] * sum(node.get(kind, 0) for kind in kinds))
