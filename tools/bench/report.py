"""Write the results: tables between marks in README.md and docs/bench.md, and a picture.

``docs/bench.json`` stores the last result of each part, so one part can be measured alone.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from html import escape
from pathlib import Path

from tools.bench.measure import Bar, Result

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = (ROOT / "README.md", ROOT / "docs" / "bench.md")
KEPT = ROOT / "docs" / "bench.json"
PICTURE = ROOT / "docs" / "bench.svg"


def table(result: Result) -> str:
    """The result in Markdown: table, then notes."""
    lines = [f"| {' | '.join(result.columns)} |", "|---" * len(result.columns) + "|"]
    lines += [f"| {' | '.join(row)} |" for row in result.rows]
    return "\n".join(lines) + "".join(f"\n\n{note}" for note in result.notes)


def between_marks(text: str, name: str, content: str, *, kind: str = "bench") -> str:
    """Replace the text between ``<!-- KIND:NAME -->`` and ``<!-- /KIND:NAME -->``.

    Text without these marks stays unchanged.
    """
    start, end = f"<!-- {kind}:{name} -->", f"<!-- /{kind}:{name} -->"
    before, found, rest = text.partition(start)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        return text
    return f"{before}{start}\n\n{content}\n\n{end}{after}"


def write(results: dict[str, Result], machine: str) -> None:
    """Store the results of these parts; write the results of all parts into documents and picture.

    :param machine: the machine, Python and date of the measurement.
    :raises ValueError: if no document has the marks of a part.
    """
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    texts = {page: page.read_text(encoding="utf-8") for page in PAGES}
    for name, result in results.items():
        kept[name] = {"machine": machine, **asdict(result)}
        content = f"{table(result)}\n\nMeasured on {machine}."
        changed = {page: between_marks(text, name, content) for page, text in texts.items()}
        if f"<!-- bench:{name} -->" not in "".join(texts.values()):
            raise ValueError(f"add <!-- bench:{name} --> and its end to README.md or docs/bench.md")
        texts = changed
    for page, text in texts.items():
        page.write_text(text, encoding="utf-8")
    KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    charts = [(part["title"], [Bar(**bar) for bar in part["bars"]]) for part in kept.values()]
    PICTURE.write_text(picture([chart for chart in charts if chart[1]]), encoding="utf-8")


# --- The picture

WIDTH, LABELS, ROW = 720, 260, 26  # pixels
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 } .bar { fill: #2f6f9f } .goal, .whole { stroke: #1f2328 }
  .whole { opacity: .25 } .goal { stroke-width: 2; stroke: #b3541e }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .bar { fill: #6cb0de }
    .whole { stroke: #e6edf3 } .goal { stroke: #f0a060 }
  }
"""


def picture(charts: list[tuple[str, list[Bar]]]) -> str:
    """An SVG of horizontal bars, a chart below the other; a line marks each goal."""
    shapes: list[str] = []
    top = 8
    for title, bars in charts:
        longest = max([1.0, *(bar.value for bar in bars), *(bar.goal or 0 for bar in bars)])
        scale = (WIDTH - LABELS - 70) / longest
        shapes.append(f'<text class="title" x="8" y="{top + 16}">{escape(title)}</text>')
        top += 28
        whole = LABELS + scale
        shapes.append(
            f'<line class="whole" x1="{whole:.1f}" x2="{whole:.1f}" '
            f'y1="{top}" y2="{top + ROW * len(bars)}"/>'
        )
        for bar in bars:
            length = bar.value * scale
            middle = top + ROW / 2
            shapes += [
                f'<text x="{LABELS - 10}" y="{middle + 5}" text-anchor="end">'
                f"{escape(bar.label)}</text>",
                f'<rect class="bar" x="{LABELS}" y="{top + 4}" '
                f'width="{length:.1f}" height="{ROW - 8}" rx="2"/>',
            ]
            end = max(length, (bar.goal or 0) * scale)
            shapes.append(
                f'<text x="{LABELS + end + 8:.1f}" y="{middle + 5}">{bar.value:.2f}</text>'
            )
            if bar.goal is not None:
                x = LABELS + bar.goal * scale
                shapes.append(
                    f'<line class="goal" x1="{x:.1f}" x2="{x:.1f}" y1="{top + 1}" '
                    f'y2="{top + ROW - 1}"/>'
                )
            top += ROW
        top += 12
    shapes.append(f'<text x="8" y="{top + 8}">The mark is the goal, the grey line is 1.</text>')
    top += 20
    body = "\n".join(shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" '
        f'viewBox="0 0 {WIDTH} {top}" role="img">\n<style>{STYLE}</style>\n{body}\n</svg>\n'
    )
