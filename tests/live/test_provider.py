"""Signing in at a provider, in a real browser over TLS, through the provider's own pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.live.conftest import Service, chromium_that_trusts, program, serving
from tests.live.person import Person, begin_by_keyboard, delete_by_keyboard, enter, tab_to

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page, Playwright

pytestmark = pytest.mark.browser

SETTINGS = ("EMERGENCY_LOGIN=1", "OIDC_OPERATOR_GROUPS=admins")
# What a browser says of the provider: of requests to it, and of its own pages, which ask for a font
# from the internet.
OF_THE_PROVIDER = "^https://localhost:|third party: https://localhost:"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service and its provider."""
    for name in ("node", "npm"):
        program(name)
    with serving(tmp_path_factory.mktemp("oidc"), "oidc", *SETTINGS) as service:
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
    at_the_provider(page, name)
    page.get_by_role("button", name="Continue").click()


def at_the_provider(page: Page, name: str) -> None:
    page.locator("input[name=login]").fill(name)
    page.locator("input[name=password]").fill("any")
    page.locator("button[type=submit]").click()


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


def test_the_pages_of_a_user(person: Person) -> None:
    page = person.page
    person.look("/")
    page.goto("/notes/new")
    person.look()
    sign_in(page, "bob")
    person.arrives("/notes/new")
    person.accept(OF_THE_PROVIDER)
    person.look()
    person.fill("Preview", title="Shopping", body="**bread**")
    page.locator(".preview strong").wait_for()
    person.look()
    person.press("Save")
    page.get_by_role("link", name="Edit").wait_for()
    person.look()
    person.look("/notes/")
    person.look("/account/")
    page.get_by_role("link", name="Delete your account").click()
    page.get_by_role("heading", name="Confirm that it is you").wait_for()
    person.look()
    person.press("Sign in again")
    at_the_provider(page, "bob")
    person.arrives("/account/delete")
    person.accept(OF_THE_PROVIDER)
    person.look()
    person.press("Delete the account for good")
    page.get_by_role("heading", name="Your account is deleted").wait_for()
    person.look()


def test_the_pages_of_an_operator(new_person: Callable[[], Person]) -> None:
    user, operator = new_person(), new_person()
    for person, name in ((user, "carol"), (operator, "ann admins")):
        person.page.goto("/auth/login?next=/account/")
        sign_in(person.page, name)
        person.arrives("/account/")
        person.accept(OF_THE_PROVIDER)
    user.look("/operators/accounts", status=403)
    user.accept("status of 403")
    operator.look()
    operator.page.get_by_role("link", name="Accounts of this service").click()
    operator.arrives("/operators/accounts")
    operator.look()
    button = operator.page.get_by_role("button", name=re.compile("(Disable|Enable).*carol"))
    button.click()
    operator.press("Sign in again")
    at_the_provider(operator.page, "ann admins")
    operator.arrives("/operators/accounts")
    operator.accept(OF_THE_PROVIDER)
    button.click()
    operator.reads("carol@example.com is disabled. Sessions ended: 1.")
    operator.look()
    user.look("/auth/login")
    button.click()
    operator.reads("carol@example.com may sign in again.")


def test_the_emergency_sign_in(person: Person) -> None:
    email = "emergency@example.com"
    password = person.service.ask("operator", email)
    person.page.goto("/auth/login")
    person.page.get_by_role("link", name="Emergency sign-in for operators").click()
    person.arrives("/auth/emergency")
    person.look()
    person.fill("Sign in", email=email, password="wrong")
    person.reads("The e-mail address or the password is wrong.")
    person.look()
    person.fill("Sign in", email=email, password=password)
    person.arrives("/notes/")
    person.service.ask("age", email)
    person.page.goto("/account/delete")
    person.page.get_by_role("heading", name="Confirm that it is you").wait_for()
    person.look()
    person.fill("Confirm", password="wrong")
    person.reads("The password is wrong.")
    person.look()
    person.accept("status of 401")
    person.fill("Confirm", password=password)
    person.arrives("/account/delete")


def test_the_keyboard_is_enough(person: Person) -> None:
    """Except at the provider, whose pages are not ours."""
    page = person.page
    page.goto("/")
    tab_to(page, "Sign in")
    enter(page)
    person.arrives("/auth/login")
    tab_to(page, "Sign in")  # the link to this page
    tab_to(page, "Sign in")
    enter(page)
    at_the_provider(page, "dave")
    page.get_by_role("button", name="Continue").click()
    person.arrives("/notes/")
    person.accept(OF_THE_PROVIDER)
    begin_by_keyboard(page)
    tab_to(page, "Save")
    enter(page)
    page.get_by_role("heading", name="By keyboard").wait_for()
    delete_by_keyboard(page)
    person.arrives("/notes/")
    tab_to(page, "Account")
    enter(page)
    tab_to(page, "Delete your account")
    enter(page)
    tab_to(page, "Sign in again")
    enter(page)
    at_the_provider(page, "dave")
    person.arrives("/account/delete")
    person.accept(OF_THE_PROVIDER)
    tab_to(page, "Delete the account for good")
    enter(page)
    page.get_by_role("heading", name="Your account is deleted").wait_for()
