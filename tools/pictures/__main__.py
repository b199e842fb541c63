"""``make pictures``: make all pictures, or some: ``make pictures ONLY="terminal drawings"``.

For the picture of the report, all tests of a service run. ``REPORT=FILE`` uses an existing report
instead, such as build/report/index.html of a rendered service.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.features import committed, make
from tests.live import conftest as live
from tools.pictures import drawing, pages, terminal

PARTS = ("terminal", "drawings", "pages", "report")


def draw_terminal() -> None:
    terminal.PICTURE.write_text(terminal.drawn(), encoding="utf-8")


def draw_drawings(folder: Path) -> None:
    for auth, target in drawing.TARGETS.items():
        project = committed(folder / auth, auth)
        target.parent.mkdir(exist_ok=True)
        target.write_text(drawing.drawn(project, project / ".venv/bin/python"), encoding="utf-8")
    drawing.OVERVIEW.write_bytes(drawing.TARGETS["session"].read_bytes())


def made_report(folder: Path) -> Path:
    """The path of the report: ``REPORT``, or made by all tests of a new service."""
    if given := os.environ.get("REPORT"):
        return Path(given).resolve()
    project = committed(folder, "session")
    print("Running the tests of a service for its report; this takes minutes", flush=True)
    result = make(project, "report", timeout=7200)  # seconds
    if result.returncode:
        raise RuntimeError(result.stdout[-5000:])
    return project / "build/report/index.html"


def draw_pages(folder: Path, report: Path | None) -> None:
    """Make the pictures with a browser, and record the hashes of the pages that they show."""
    with ExitStack() as stack:
        service = stack.enter_context(live.serving(folder / "pages", "session"))
        scene = pages.Scene(service)
        playwright = stack.enter_context(live.browsers())
        chromium = live.chromium_that_trusts(playwright, service, folder / "home")
        made = dict(pages.drawn(stack.enter_context(chromium), scene, report))
        sources = pages.sources(scene, live.BUILD / "service-session/bin/python")
    record = json.loads(pages.RECORD.read_text("utf-8")) if pages.RECORD.exists() else {}
    for name, picture in made.items():
        (pages.FOLDER / name).write_bytes(picture)
        record[name] = {"sha256": hashlib.sha256(picture).hexdigest()} | sources[name]
    pages.RECORD.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def main(parts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if "terminal" in parts:
            draw_terminal()
        if "drawings" in parts:
            draw_drawings(folder)
        if "pages" in parts or "report" in parts:
            draw_pages(folder, made_report(folder / "report") if "report" in parts else None)


if __name__ == "__main__":
    asked = sys.argv[1:] or list(PARTS)
    if wrong := set(asked) - set(PARTS):
        sys.exit(f"No part {', '.join(sorted(wrong))}; choose from: {', '.join(PARTS)}")
    main(asked)
