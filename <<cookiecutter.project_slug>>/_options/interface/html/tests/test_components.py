"""The page of all components: complete, in development alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from app.components import PATH
from tests.browser import Browser, html
from tests.marks import asvs, practice

pytestmark = practice("headers")

SHEET = Path("app/static/app.css")


def classes_of_sheet() -> set[str]:
    css = re.sub(r"/\*.*?\*/", "", SHEET.read_text("utf-8"), flags=re.DOTALL)
    selectors = re.findall(r"([^{}]+)\{", css)
    return {name for it in selectors for name in re.findall(r"\.([a-z][\w-]*)", it)}


@asvs("13.4.2", "15.2.3")
def test_production_has_no_components_page(app: Flask, alice: Browser) -> None:
    assert alice.get(PATH).status_code == 404
    assert not [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/dev")]


def test_the_components_page_shows_every_css_class(make_app: Callable[..., Flask]) -> None:
    """What is not shown there is changed unseen."""
    answer = Browser(make_app(APP_ENV="development", PRIVACY_URL="/privacy")).get(PATH)
    assert answer.status_code == 200
    page = html(answer)
    missing = {name for name in classes_of_sheet() if not page.css(f".{name}")}
    assert missing == set(), f"app/templates/dev/components.html shows nothing of {missing}"


@pytest.mark.parametrize("part", ["time[datetime]", "[aria-invalid]", "form.narrow", "details"])
def test_the_components_page_has_the_parts_of_other_pages(
    make_app: Callable[..., Flask], part: str
) -> None:
    assert html(Browser(make_app(APP_ENV="development")).get(PATH)).css(part)
