"""A page that no browser test looks at: labels and contrast could be missing there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.live.pages import LOOKED_AT
from tests.template import OPTIONS

LIVE = Path(__file__).with_name("live")
EXTENDS = re.compile(r'{% extends "([^"]+)" %}')


def test_browsers_look_at_every_page() -> None:
    """A page extends a layout, and no other page extends it."""
    layouts: dict[str, str] = {}
    for path in OPTIONS.glob("*/*/app/templates/**/*.html"):
        _, overlay, _, _, *template = path.relative_to(OPTIONS).parts
        if found := EXTENDS.search(path.read_text("utf-8")):
            layouts["/".join([overlay, *template])] = found[1]
    pages = {page for page in layouts if page.partition("/")[2] not in layouts.values()}
    assert pages == {page for looked_at in LOOKED_AT.values() for page in looked_at}


def test_the_tests_that_look_exist() -> None:
    files = [*LIVE.glob("test_browser*.py"), LIVE / "test_provider.py"]
    text = "".join(path.read_text("utf-8") for path in files)
    assert {name for name in LOOKED_AT if f"def {name}(" not in text} == set()
