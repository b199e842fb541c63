"""security.txt: where to report a vulnerability."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from app.settings import ConfigurationError
from tests.browser import DOMAIN, Browser


def test_security_txt_says_where_to_report(browser: Browser) -> None:
    response = browser.get("/.well-known/security.txt")
    assert response.status_code == 200
    assert response.content_type == "text/plain; charset=utf-8"
    fields = dict(line.split(": ", 1) for line in response.text.splitlines())
    assert list(fields) == ["Contact", "Expires", "Canonical", "Preferred-Languages"]
    assert re.fullmatch(r"(mailto:[^@\s]+@[^@\s]+|https://\S+)", fields["Contact"])
    assert fields["Canonical"] == f"https://{DOMAIN}/.well-known/security.txt"
    # RFC 9116, section 2.5.5: less than a year ahead
    left = datetime.fromisoformat(fields["Expires"]) - datetime.now(UTC)
    assert timedelta(days=30) < left < timedelta(days=365)


def test_the_contact_is_a_setting(make_app: Callable[..., Flask]) -> None:
    app = make_app(SECURITY_CONTACT="https://example.com/report")
    assert (
        "Contact: https://example.com/report\n"
        in Browser(app).get("/.well-known/security.txt").text
    )


@pytest.mark.parametrize("contact", ["security@example.com", "http://example.com/", "javascript:x"])
def test_a_contact_that_nobody_can_use_is_refused(
    make_app: Callable[..., Flask], contact: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        make_app(SECURITY_CONTACT=contact)
    assert refused.value.problems == [
        "SECURITY_CONTACT is not an address; write mailto:... or https://..."
    ]
