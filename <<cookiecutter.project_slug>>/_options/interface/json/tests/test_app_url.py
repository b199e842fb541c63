"""Where links in mails lead: to a page of the app, over HTTPS, or nowhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from app.settings import ConfigurationError, Settings
from tests.marks import asvs, practice

pytestmark = practice("auth.links")

NEVER = {
    "no scheme": "app.example.com",
    "no host": "https://",
    "a path alone": "https:///page",
    "a script": "javascript:alert(1)//",
    "another protocol": "ftp://app.example.com",
    "a password": "https://user:canary@app.example.com",
    "a query": "https://app.example.com/?page=",
    "a space": "https://app.example.com/a page",
    "a line break": "https://app.example.com\n/page",
    "half a bracket": "https://[app.example.com",
    "no port": "https://app.example.com:x",
    "port 0": "https://app.example.com:0",
}
IN_DEVELOPMENT = {"APP_ENV": "development", "SECRET_KEY": "x" * 43}


@asvs("12.2.1")
@pytest.mark.parametrize("url", [*NEVER.values(), "http://app.example.com", "http://localhost"])
def test_production_refuses_an_app_url_without_https(
    make_app: Callable[..., Flask], url: str
) -> None:
    """A code in a link over HTTP is everybody's on the way."""
    with pytest.raises(ConfigurationError) as refused:
        make_app(APP_URL=url)
    assert str(refused.value).count("APP_URL") == 1
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("url", NEVER.values(), ids=NEVER)
def test_development_refuses_an_invalid_app_url(url: str) -> None:
    with pytest.raises(ConfigurationError, match="APP_URL"):
        Settings.from_environment({**IN_DEVELOPMENT, "APP_URL": url})


@pytest.mark.parametrize("url", ["", "http://localhost:3000", "https://app.example.com:8443/a/#"])
def test_development_accepts_an_app_url_of_localhost(url: str) -> None:
    settings = Settings.from_environment({**IN_DEVELOPMENT, "APP_URL": url})
    assert settings.mail.links == url
