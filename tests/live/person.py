"""A user with a browser, for the tests in real browsers."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.live.conftest import Service

FIRST, SECOND = "wool-lantern-orbit-7-thistle", "quartz-ferry-meadow-3-almanac"  # passwords
THIRD = "gravel-piano-3-umbrella-mist"
# The width 320 is that of WCAG 2.2 success criterion 1.4.10 (reflow).
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 320, "height": 640}
# Visible controls that the Tab key does not reach. It skips read-only fields: one page has such a
# field for password managers only.
UNREACHABLE = """() => [...document.querySelectorAll("a[href], button, input, textarea, summary")]
  .filter((it) => it.checkVisibility() && it.type !== "hidden" && !it.readOnly && !it.disabled)
  .filter((it) => it.tabIndex !== 0).map((it) => it.outerHTML)"""
# Controls without a border: with forced colours, users could not see them. Underlines suffice.
UNSEEN = """() => [...document.querySelectorAll("button, .button, input, textarea")]
  .filter((it) => it.checkVisibility() && it.type !== "hidden" && it.type !== "checkbox")
  .filter((it) => !it.matches(".visually-hidden"))
  .filter((it) => { const style = getComputedStyle(it);
    return !(parseFloat(style.borderTopWidth) >= 1 && style.borderTopStyle !== "none")
      && !style.textDecorationLine.includes("underline"); })
  .map((it) => it.outerHTML)"""
numbers = itertools.count(1)


class Person:
    """A user with a separate browser context; ``problems`` collects its errors and warnings."""

    def __init__(self, browser: Browser, service: Service, axe: str) -> None:
        self.origin = service.origin
        self.service, self.axe = service, axe
        self.email = f"person-{next(numbers)}@example.com"
        self.problems: list[str] = []
        self.titles: set[str] = set()  # of the pages that look() has checked
        self.context = browser.new_context(viewport=WIDE, base_url=self.origin)
        self.context.set_default_timeout(30_000)  # milliseconds
        self.context.add_init_script(
            "addEventListener('securitypolicyviolation', (event) =>"
            " console.error(`violation of ${event.violatedDirective}: ${event.blockedURI}`))"
        )
        self.context.on("console", lambda message: self.note(message.type, message.text))
        self.context.on("weberror", lambda error: self.note("error", str(error.error)))
        self.context.on("request", lambda request: self.note_request(request.url))
        self.page = self.context.new_page()
        self.page.on("dialog", lambda dialog: (self.note("error", "dialog"), dialog.dismiss()))

    def note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.problems.append(f"{self.page.url}: {text}")

    def note_request(self, url: str) -> None:
        if not url.startswith(f"{self.origin}/"):
            self.note("error", f"third party: {url}")

    def accept(self, pattern: str) -> None:
        """Wait for problems that match ``pattern``, and remove them; fail after 10 seconds."""
        deadline = time.monotonic() + 10
        while not (expected := [it for it in self.problems if re.search(pattern, it)]):
            assert time.monotonic() < deadline, self.problems
            self.page.wait_for_timeout(50)
        self.problems = [problem for problem in self.problems if problem not in expected]

    def look(self, path: str | None = None, status: int = 200) -> None:
        """Check the accessibility of the current page, or of ``path``, in all sizes and colours."""
        if path:
            response = self.page.goto(path)
            assert response
            assert response.status == status
        title, _, _ = self.page.title().rpartition(" \N{EN DASH} ")  # the name of the service
        self.titles.add(title)
        for size, scheme in ((WIDE, "light"), (NARROW, "dark")):
            self.page.set_viewport_size(size)
            self.page.emulate_media(color_scheme=scheme)
            self.page.evaluate(self.axe)
            found = self.page.evaluate("() => axe.run()")["violations"]
            assert [(it["id"], it["nodes"][0]["html"]) for it in found] == [], self.page.url
            self.fits(size["width"])
        self.page.set_viewport_size(WIDE)
        self.page.evaluate("() => { document.documentElement.style.fontSize = '200%' }")
        self.fits(WIDE["width"])
        self.page.evaluate("() => { document.documentElement.style.fontSize = '' }")
        assert self.page.evaluate(UNREACHABLE) == [], self.page.url
        self.page.emulate_media(forced_colors="active", reduced_motion="reduce")
        assert self.page.evaluate(UNSEEN) == [], self.page.url
        assert self.page.evaluate("() => document.getAnimations().length") == 0, self.page.url
        self.page.emulate_media(forced_colors="none", reduced_motion="no-preference")

    def fits(self, width: int) -> None:
        """Check that the page needs no horizontal scrolling at ``width`` pixels."""
        found = self.page.evaluate("() => document.documentElement.scrollWidth")
        assert found <= width, f"{self.page.url} is {found} pixels wide"

    def fill(self, button: str, **fields: str) -> None:
        """Fill in fields by their names and press the button."""
        for name, value in fields.items():
            self.page.locator(f"main [name={name}]").fill(value)
        self.press(button)

    def press(self, button: str) -> None:
        self.page.get_by_role("button", name=button, exact=True).click()

    def arrives(self, path: str) -> None:
        """Wait until the address is exactly this."""
        self.page.wait_for_url(f"{self.origin}{path}")

    def content(self) -> str:
        """The HTML of the page, when no navigation is running any more."""
        for _ in range(60):
            with suppress(Exception):
                return self.page.content()
            self.page.wait_for_timeout(500)  # milliseconds
        raise AssertionError(f"{self.page.url} still loads after 30 seconds")

    def reads(self, text: str) -> None:
        """Wait until the page shows this text."""
        self.page.get_by_text(text).first.wait_for()

    def link(self, page: str, address: str = "") -> str:
        """The address of a page behind the newest link in the mails to this person."""
        return f"/auth/{page}?token={self.service.ask('mail', address or self.email)}"

    def open_account(self) -> None:
        self.page.goto("/auth/register")
        self.fill("Send the link", email=self.email)
        self.page.wait_for_url("**/auth/login")
        self.page.goto(self.link("confirm"))
        self.fill("Set the password", password=FIRST, confirm=FIRST)
        self.page.wait_for_url("**/auth/login")

    def sign_up(self) -> None:
        self.open_account()
        self.sign_in(FIRST)
        self.page.wait_for_url("**/notes/")

    def sign_in(self, password: str) -> None:
        self.page.goto("/auth/login")
        self.fill("Sign in", email=self.email, password=password)

    def sign_out(self) -> None:
        self.page.get_by_role("button", name="Sign out", exact=True).click()
        self.page.wait_for_url(f"{self.origin}/")

    def write(self, title: str, body: str) -> None:
        self.page.goto("/notes/new")
        self.fill("Save", title=title, body=body)
        self.page.get_by_role("link", name="Edit").wait_for()


def on_two_devices(new_person: Callable[[], Person]) -> tuple[Person, Person]:
    """A new user, signed in in two browsers."""
    here, there = new_person(), new_person()
    here.sign_up()
    there.email = here.email
    there.sign_in(FIRST)
    there.arrives("/notes/")
    return here, there


def begin_by_keyboard(page: Page) -> None:
    """Open the form from the list, and fill it in."""
    tab_to(page, "New note")
    enter(page)
    tab_to(page, "Title")
    page.keyboard.type("By keyboard")
    tab_to(page, "Body")
    page.keyboard.type("no mouse")


def delete_by_keyboard(page: Page) -> None:
    """Delete what the page shows."""
    tab_to(page, "Delete this note")
    page.keyboard.press("Enter")
    tab_to(page, "Delete it for good")
    enter(page)


def tab_to(page: Page, name: str, *, key: str = "Tab") -> None:
    """Press Tab until the control with this name has the focus; the focus must be visible."""
    for _ in range(40):
        page.keyboard.press(key)
        focused = page.evaluate(
            "() => { const element = document.activeElement;"
            " const style = getComputedStyle(element);"
            " return [(element.labels?.[0] ?? element).innerText.trim(),"
            " style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2] }"
        )
        if focused[0] == name:
            assert focused[1], f"{name} has the focus, but no visible outline"
            return
    pytest.fail(f"Tab does not reach {name} on {page.url}")


def enter(page: Page) -> None:
    """Press Enter, and wait for the new page."""
    with page.expect_navigation():
        page.keyboard.press("Enter")
