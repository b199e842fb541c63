"""The README's picture shows the program's output and loads nothing from another server."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from tests.template import ROOT
from tools import picture


def test_the_picture_is_current() -> None:
    assert picture.PICTURE.read_text(encoding="utf-8") == picture.drawn(), "run `make picture`"


def test_the_picture_needs_nobody_else() -> None:
    text = picture.PICTURE.read_text(encoding="utf-8")
    tags = {element.tag.partition("}")[2] for element in ElementTree.fromstring(text).iter()}  # noqa: S314 - ours
    assert tags == {"svg", "style", "defs", "clipPath", "rect", "text", "g", "circle"}
    assert not re.search(r"@import|@font-face|href|url\((?!#)", text)


def test_the_readme_shows_it_and_says_it_in_words() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    path = picture.PICTURE.relative_to(ROOT)
    assert re.search(rf"!\[[^\]]{{40,}}\]\({path}\)", readme)
