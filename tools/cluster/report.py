"""The table in docs/cluster.md: the scenarios and their results.

``docs/cluster.json`` keeps the last run of each scenario and service: one of them can run alone.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from tools.bench.__main__ import machine
from tools.bench.report import between_marks
from tools.cluster.environment import ROOT, ClusterError
from tools.cluster.phases import Phase
from tools.cluster.scenarios import SCENARIOS
from tools.cluster.testbed import Row

PAGE = ROOT / "docs" / "cluster.md"
KEPT = ROOT / "docs" / "cluster.json"
ORDER = ["deploy", *SCENARIOS, "all of it"]
COLUMNS = (
    "Scenario",
    "Service",
    "Took, s",
    "New connections",
    "of these lost",
    "refused",
    "Other requests",
    "lost",
    "refused",
    "Longest gap, s",
    "Result",
    "Date",
)


def numbers(phase: Phase) -> list[str]:
    """The cells "New connections" to "Longest gap"; dashes if there was no visitor."""
    if not phase.counts:
        return ["-"] * 7
    others = phase.counts["kept"] + phase.counts["write"]
    counts = [phase.counts["new"], phase.counts["new lost"], phase.counts["new refused"]]
    counts += [others, phase.other("lost"), phase.other("refused")]
    return [*map(str, counts), f"{phase.gap:.1f}"]


def cells(row: Row) -> dict[str, Any]:
    """One line of the table."""
    wrong = "; ".join(row.wrong).replace("\n", " ").replace("|", "/")
    date = str(datetime.now(UTC).date())
    return {
        "scenario": row.scenario,
        "service": row.service.name,
        "cells": [f"{row.seconds:.0f}", *numbers(row.phase), wrong[:200] or row.result, date],
    }


def table(kept: dict[str, Any]) -> str:
    """The stored lines, in Markdown."""
    lines = sorted(kept.values(), key=lambda line: (line["service"], ORDER.index(line["scenario"])))
    return "\n".join(
        [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
        + [f"| {x['scenario']} | {x['service']} | {' | '.join(x['cells'])} |" for x in lines]
    )


def write(rows: list[Row]) -> None:
    """Store these rows, and write the table of all stored rows.

    :raises ClusterError: when docs/cluster.md has lost its marks.
    """
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    for line in map(cells, rows):
        kept[f"{line['service']} {line['scenario']}"] = line
    text = PAGE.read_text(encoding="utf-8")
    if "<!-- bench:cluster -->" not in text:
        raise ClusterError("docs/cluster.md has no <!-- bench:cluster -->")
    content = f"{table(kept)}\n\nThe last run was on {machine()}."
    PAGE.write_text(between_marks(text, "cluster", content), encoding="utf-8")
    KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
