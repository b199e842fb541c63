"""Cross-site scripting: a page shows what was typed into its form, and every form takes text."""

from __future__ import annotations

from flask import Flask

from app.forms import TextForm
from tests.browser import SIGN_IN, Browser, html
from tests.marks import asvs, practice, slow
from tests.resources import HARMLESS
from tests.security.attacks import XSS, sample, skeleton
from tests.security.client import forms

pytestmark = practice("sanitization")


@slow
@asvs("1.2.1")
def test_a_reflected_text_changes_no_element(app: Flask) -> None:
    """The sign-in page shows the address again that was typed."""
    sign_in = {"email": HARMLESS, "password": "x"}
    expected = skeleton(html(Browser(app).submit(SIGN_IN, sign_in)))
    for number, attack in enumerate(attack for attack in sample(XSS) if len(attack) < 255):
        visitor = Browser(app, f"192.0.2.{number}")
        response = visitor.submit(SIGN_IN, sign_in | {"email": attack})
        assert response.status_code == 401
        assert skeleton(html(response)) == expected


@slow
def test_every_form_takes_text_alone() -> None:
    """What else comes in their place is in ``test_bodies.py``."""
    found = forms()
    assert len(found) >= 4
    assert [form for form in found if not issubclass(form, TextForm)] == []
