"""Signing in at a provider, in a real browser over TLS, through the provider's own pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.live.conftest import Service, chromium_that_trusts, program, serving

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page, Playwright

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service and its provider."""
    for name in ("node", "npm"):
        program(name)
    with serving(tmp_path_factory.mktemp("oidc"), auth="oidc") as service:
        yield service


@pytest.fixture
def context(playwright: Playwright, service: Service, tmp_path: Path) -> Iterator[BrowserContext]:
    with chromium_that_trusts(playwright, service, tmp_path) as chromium:
        context = chromium.new_context(base_url=service.origin)
        context.set_default_timeout(10_000)  # milliseconds
        yield context
        context.close()


def sign_in(page: Page, name: str) -> None:
    """Sign in: press the service's button, fill in the provider's form, give consent."""
    page.get_by_role("main").get_by_role("button", name="Sign in", exact=True).click()
    page.locator("input[name=login]").fill(name)
    page.locator("input[name=password]").fill("any")
    page.locator("button[type=submit]").click()
    page.get_by_role("button", name="Continue").click()


def test_from_signing_in_to_signing_out_at_both(context: BrowserContext, service: Service) -> None:
    page, problems = context.new_page(), []

    def note(kind: str, text: str) -> None:
        # The provider's own pages ask for a font from the internet; that is not ours.
        if kind == "error" and page.url.startswith(service.origin):
            problems.append(text)

    page.on("console", lambda message: note(message.type, message.text))
    page.goto("/notes/new")
    assert "/auth/login?next=" in page.url
    sign_in(page, "alice")
    page.wait_for_url(f"{service.origin}/notes/new")
    page.locator("main [name=title]").fill("Written")
    page.locator("main [name=body]").fill("by somebody known **elsewhere**")
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator(".rich strong", has_text="elsewhere").wait_for()
    page.goto("/account/")
    assert page.get_by_text("alice@example.com").is_visible()
    cookies = {cookie["name"] for cookie in context.cookies(service.origin)}
    assert cookies == {"__Host-session"}

    # Known at the provider, one is signed in anew without a form.
    context.clear_cookies(domain=service.domain)
    page.goto("/auth/login?next=/account/")
    page.get_by_role("main").get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{service.origin}/account/")

    page.get_by_role("button", name="Sign out", exact=True).click()
    page.get_by_role("button", name="Yes, sign me out").click()
    page.wait_for_url(f"{service.origin}/")
    page.goto("/notes/")
    assert "/auth/login?next=" in page.url
    page.get_by_role("main").get_by_role("button", name="Sign in", exact=True).click()
    page.locator("input[name=login]").wait_for()  # signed out there as well
    assert problems == []
