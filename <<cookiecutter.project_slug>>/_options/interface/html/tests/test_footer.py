"""The foot of the pages: the owner's links, and nothing that runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from app.settings import ConfigurationError
from tests.browser import HOME, Browser, html
from tests.marks import asvs, practice

pytestmark = practice("sanitization")

SETTINGS = {
    "PRIVACY_URL": "/privacy",
    "TERMS_URL": "https://example.com/terms",
    "ACCESSIBILITY_URL": "https://example.com:8443/a11y/",
    "SECURITY_URL": "/.well-known/security.txt",
}


def test_the_footer_is_empty_by_default(browser: Browser) -> None:
    assert not html(browser.get(HOME)).css("footer")


def test_each_link_that_is_set_is_on_each_page(make_app: Callable[..., Flask], app: Flask) -> None:
    visitor = Browser(make_app(**SETTINGS))
    for path in (HOME, "/auth/login", "/nothing"):
        shown = html(visitor.get(path)).css("footer a")
        assert [it.attributes["href"] for it in shown] == list(SETTINGS.values()), path
        assert shown[0].text() == "Privacy"
    one = html(Browser(make_app(TERMS_URL="/terms")).get(HOME))
    assert [it.text() for it in one.css("footer a")] == ["Terms"]


@asvs("1.2.2")
@pytest.mark.parametrize("name", SETTINGS)
def test_start_up_refuses_an_invalid_footer_address(
    make_app: Callable[..., Flask], name: str
) -> None:
    for url in (
        "javascript:alert(1)",
        "http://example.com/",
        "//evil.example/",
        "/\\evil.example",
        "privacy",
        "https://user@example.com/",
        "data:text/html,x",
        '/"><script>',
    ):
        with pytest.raises(ConfigurationError) as refused:
            make_app(**{name: url})
        assert refused.value.problems == [
            f"{name} is {url!r}; write https://host/path, or /path for a page here"
        ]
