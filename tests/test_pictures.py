"""The README's pictures are current, and load nothing from another server."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from html import escape
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.features import committed
from tests.live.conftest import BUILD, serving
from tests.template import ROOT
from tools.pictures import drawing, pages, terminal

README = (ROOT / "README.md").read_text(encoding="utf-8")
RECORD = json.loads(pages.RECORD.read_text(encoding="utf-8"))
PICTURES = {*pages.PICTURES, pages.REPORT}
SHAPES = {"svg", "title", "style", "defs", "clipPath", "rect", "text", "g", "circle", "path"}
MOST = 600_000  # bytes, of all pictures of pages


def shows(text: str, picture: str) -> bool:
    """Whether a document has the picture, with a text alternative."""
    return re.search(rf"!\[[^\]]{{40,}}\]\(<?{re.escape(picture)}>?\)", text) is not None


def test_the_picture_of_the_terminal_is_current() -> None:
    assert terminal.PICTURE.read_text("utf-8") == terminal.drawn(), "run `make pictures`"


@pytest.mark.parametrize("auth", drawing.TARGETS)
def test_the_drawing_of_a_request_is_current(auth: str, tmp_path: Path) -> None:
    project = committed(tmp_path, auth)
    drawn = drawing.drawn(project, project / ".venv/bin/python")
    assert (project / "docs/request.svg").read_text("utf-8") == drawn, "run `make pictures`"
    assert shows((project / "README.md").read_text("utf-8"), "docs/request.svg")


def test_the_drawing_of_every_choice_has_its_nginx(pair: Path) -> None:
    picture = (pair / "docs/request.svg").read_text("utf-8")
    missing = [it for row in drawing.nginx(pair) for it in row if f">{escape(it)}<" not in picture]
    assert missing == []


def test_the_pictures_of_pages_are_current(tmp_path: Path) -> None:
    with serving(tmp_path, "session") as service:
        found = pages.sources(pages.Scene(service), BUILD / "service-session/bin/python")
    recorded = {
        name: {key: it[key] for key in it if key != "sha256"} for name, it in RECORD.items()
    }
    assert recorded == found, "run `make pictures`"


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_each_picture_has_its_recorded_hash(name: str) -> None:
    picture = (pages.FOLDER / name).read_bytes()
    assert hashlib.sha256(picture).hexdigest() == RECORD[name]["sha256"]
    assert picture[:4] == b"RIFF"
    assert picture[8:12] == b"WEBP"
    assert struct.unpack("<I", picture[4:8])[0] + 8 == len(picture)
    assert shows(README, f"docs/{name}")


def test_the_pictures_are_small() -> None:
    assert RECORD.keys() == PICTURES
    assert sum((pages.FOLDER / name).stat().st_size for name in PICTURES) < MOST


@pytest.mark.parametrize("path", [terminal.PICTURE, *drawing.TARGETS.values()])
def test_drawings_load_nothing_from_another_server(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tags = {element.tag.partition("}")[2] for element in ElementTree.fromstring(text).iter()}  # noqa: S314 - ours
    assert tags <= SHAPES
    assert not re.search(r"@import|@font-face|href|url\((?!#)", text)


def test_the_readme_shows_and_describes_the_pictures() -> None:
    assert shows(README, terminal.PICTURE.relative_to(ROOT).as_posix())
    assert shows(README, drawing.OVERVIEW.relative_to(ROOT).as_posix())
    assert drawing.OVERVIEW.read_bytes() == drawing.TARGETS["session"].read_bytes()
