"""Authenticator apps, recovery codes and fresh proofs, in a real browser over TLS."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.live.conftest import Service
from tests.live.factors import (
    FACTORS,
    STEP_UP,
    App,
    begin_app,
    password_step,
    recovery_codes,
    scan,
    set_up_app,
)
from tests.live.person import FIRST, NARROW, SECOND, WIDE, Person, enter, on_two_devices, tab_to

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


def test_an_app_from_setting_up_to_removing(person: Person) -> None:
    page = person.page
    person.sign_up()
    person.look("/account/")
    page.get_by_role("link", name="Passkeys, app and recovery codes").click()
    page.get_by_role("heading", name="What protects your account").wait_for()
    person.look()
    page.get_by_role("link", name="Set up an app").click()
    page.get_by_role("heading", name="Set up an authenticator app").wait_for()
    person.look()
    person.press("Show the QR code")
    secret = page.locator("#secret").inner_text()
    person.look()
    person.fill("Set up the app", code="000000")
    person.reads("This code is wrong.")
    person.look()
    app = App(secret)
    person.fill("Set up the app", code=app.code())
    codes = recovery_codes(person)
    assert len(set(codes)) == 10
    person.look()
    page.get_by_role("link", name="I have saved them").click()
    person.reads("10 left")
    person.look()
    shown_again = 0
    for _ in range(3):  # the page with the codes is not among those that a browser keeps
        with suppress(Exception):  # a form is not sent again
            page.go_back()
        shown = person.content()
        shown_again += any(code in shown for code in codes)
    assert shown_again == 0
    person.problems.clear()  # what Chromium says of a form that it does not send again

    page.goto("/account/")
    person.sign_out()
    password_step(person, FIRST)
    person.look()
    person.fill("Continue", code="000000")
    person.reads("This code is wrong.")
    person.look()
    person.fill("Continue", code=app.code())
    person.arrives("/notes/")
    person.sign_out()
    password_step(person, FIRST)
    person.fill("Continue", code=codes[0].upper())
    person.arrives("/notes/")
    person.sign_out()
    password_step(person, FIRST)
    person.fill("Continue", code=codes[0])
    person.reads("This code is wrong.")
    person.fill("Continue", code=codes[1].replace("-", " "))
    person.arrives("/notes/")

    page.goto(FACTORS)
    person.reads("8 left")
    person.press("Create new recovery codes")
    assert set(recovery_codes(person)).isdisjoint(codes)
    page.get_by_role("link", name="I have saved them").click()
    person.press("Remove the app")
    person.reads("The authenticator app is removed.")
    person.look()
    person.sign_out()
    person.sign_in(FIRST)
    person.arrives("/notes/")
    person.accept("status of 4(01|22)")  # three wrong codes


def test_a_camera_reads_the_secret(person: Person) -> None:
    """From a large light screen and from a small dark one."""
    person.sign_up()
    secret = begin_app(person)
    for size, scheme in ((WIDE, "light"), (NARROW, "dark")):
        person.page.set_viewport_size(size)
        person.page.emulate_media(color_scheme=scheme)
        (text,) = scan(person.page)
        uri = urlsplit(text)
        assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
        assert person.email in uri.path.replace("%40", "@")
        assert parse_qs(uri.query)["secret"] == [secret]


def test_the_password_is_asked_for_once_it_was_given_long_ago(person: Person) -> None:
    """The service asks once, then not for ten minutes, and shows the requested page."""
    page = person.page
    person.sign_up()
    person.service.ask("age", person.email)
    page.goto("/account/")
    page.get_by_role("link", name="Change your address").click()
    page.get_by_role("heading", name="Confirm that it is you").wait_for()
    person.look()
    person.fill("Confirm", password=SECOND)
    person.reads("This is not your password.")
    person.look()
    person.accept("status of 422")
    tab_to(page, "Password")
    page.keyboard.type(FIRST)
    enter(page)
    page.get_by_role("heading", name="Change your address").wait_for()
    page.goto("/account/")
    page.get_by_role("link", name="Delete your account").click()
    page.get_by_role("heading", name="Delete your account").wait_for()


def test_a_session_without_the_second_factor_proves_it_by_a_code(
    new_person: Callable[[], Person],
) -> None:
    here, there = on_two_devices(new_person)
    app, _ = set_up_app(here)
    there.page.goto("/account/")
    there.press("Download your data")
    there.page.get_by_role("heading", name="Confirm that it is you").wait_for()
    there.look()
    there.fill("Confirm", code="000000")
    there.reads("This code is wrong.")
    there.look()
    there.accept("status of 422")
    there.fill("Confirm", code=app.code())
    there.arrives("/account/")
    with there.page.expect_download():
        there.press("Download your data")


def test_everything_but_passkeys_works_without_script(
    chromium: Browser, service: Service, new_person: Callable[[], Person]
) -> None:
    person = new_person()
    person.context = chromium.new_context(base_url=service.origin, java_script_enabled=False)
    person.context.set_default_timeout(30_000)  # milliseconds
    person.page = page = person.context.new_page()
    person.sign_up()
    page.goto(FACTORS)
    assert page.locator("noscript p").inner_text().startswith("Passkeys need JavaScript")
    assert page.get_by_role("button", name="Add a passkey").count() == 0
    app, codes = set_up_app(person)
    page.goto("/account/")
    person.sign_out()
    page.goto("/auth/login")
    assert page.locator("noscript p").inner_text().startswith("Passkeys need JavaScript")
    assert page.get_by_role("button", name="Sign in with a passkey").count() == 0
    password_step(person, FIRST)
    person.fill("Continue", code=app.code())
    person.arrives("/notes/")
    person.service.ask("age", person.email)
    page.goto("/account/password")
    assert STEP_UP in page.url
    person.fill("Confirm", code=codes[0])
    person.arrives("/account/password")
    page.goto(FACTORS)
    person.press("Remove the app")
    person.reads("The authenticator app is removed.")
    person.context.close()
