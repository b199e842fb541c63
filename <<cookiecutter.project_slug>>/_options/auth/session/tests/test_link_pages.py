"""The pages behind the links of mails: opened by scanners, and what they give away."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from tests.browser import ASKED, CONFIRM, DOMAIN, NO_LINK, RESET, Browser, html
from tests.flows import FLOWS, SIGN_UP, Flow
from tests.mailbox import mails
from tests.marks import asvs, practice
from tests.resources import NEW_PASSWORD
from tests.routes import fingerprint

pytestmark = practice("auth.links")

both = pytest.mark.parametrize("flow", FLOWS, ids=str)


def page_of(flow: Flow) -> str:
    return CONFIRM if flow is SIGN_UP else RESET


@asvs("3.5.3", "6.4.1")
@both
def test_a_mail_scanner_changes_nothing(app: Flask, alice: Browser, flow: Flow) -> None:
    """It opens each link of a mail, and follows what it finds; it fills in no form."""
    token = flow.token(app)
    before = fingerprint(app)
    scanner = Browser(app, "192.0.2.99")
    scanner.own_headers = {"User-Agent": "Scanner"}
    for method in ("HEAD", "GET", "GET", "OPTIONS"):
        answer = scanner.open(method, f"{page_of(flow)}?token={token}")
        assert answer.status_code == 200
    assert fingerprint(app) == before
    assert flow.finish(Browser(app), token, NEW_PASSWORD).status_code == flow.done


@asvs("14.2.1")
@both
def test_no_link_on_the_page_contains_the_token(app: Flask, alice: Browser, flow: Flow) -> None:
    """It would be in the log of another server, in a Referer, or in the history of the browser."""
    token = flow.token(app)
    response = Browser(app).get(f"{page_of(flow)}?token={token}")
    assert response.headers["Referrer-Policy"] == "strict-origin"
    assert response.headers["Cache-Control"] == "no-store"
    page = html(response)
    shown = [
        (node.tag, name)
        for node in page.css("*")
        for name, value in node.attributes.items()
        if token in (value or "")
    ]
    assert shown == [("input", "value")]
    assert token not in page.body.text()
    for node in page.css("[src], link[href]"):
        assert str(node.attributes.get("src", node.attributes.get("href"))).startswith("/static/")
    assert page.css_first("main form").attributes["action"] == page_of(flow)


@both
def test_a_link_that_has_ended_shows_how_to_get_another(
    app: Flask, alice: Browser, flow: Flow
) -> None:
    response = Browser(app).get(f"{page_of(flow)}?token={'x' * 43}")
    assert response.status_code == NO_LINK
    path = "/auth/register" if flow is SIGN_UP else "/auth/forgot"
    assert html(response).css_first(f'main a[href="{path}"]')
    assert "x" * 43 not in response.text


@pytest.mark.parametrize("sign_up", ["invite", "closed"])
def test_an_invited_person_is_not_sent_to_a_page_that_refuses(
    make_app: Callable[..., Flask], sign_up: str
) -> None:
    visitor = Browser(make_app(SIGN_UP=sign_up))
    page = html(visitor.get(f"{CONFIRM}?token={'x' * 43}"))
    assert visitor.get("/auth/register").status_code == 403
    assert not page.css_first('main a[href="/auth/register"]')
    assert "new invitation" in page.css_first("main").text()
    again = html(visitor.get(f"{RESET}?token={'x' * 43}"))
    assert again.css_first('main a[href="/auth/forgot"]')


@asvs("1.2.2")
@both
def test_links_in_mails_have_the_domain_name_of_the_service(
    app: Flask, alice: Browser, flow: Flow
) -> None:
    """A Host header that an attacker chooses would send the token to the attacker's server."""
    visitor = Browser(app, "192.0.2.5")
    lies = {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    visitor.own_headers = {**visitor.own_headers, **lies}
    assert flow.ask(visitor, flow.email).status_code == ASKED
    (mail,) = mails(app, flow.email)
    assert f"\n  https://{DOMAIN}{page_of(flow)}?token=" in mail.text
    assert "evil" not in mail.text
    path = "/auth/register" if flow is SIGN_UP else "/auth/forgot"
    refused = visitor.open("POST", path, base_url="https://evil.example", data={"email": "x@x.org"})
    assert refused.status_code == 400
    assert len(mails(app)) == 1
