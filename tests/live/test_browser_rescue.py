"""The ways back to an account behind the links of mails, in a real browser over TLS."""

from __future__ import annotations

import pytest

from tests.live.person import FIRST, SECOND, Person

pytestmark = pytest.mark.browser


def test_an_account_that_was_locked_out(person: Person) -> None:
    person.sign_up()
    person.sign_out()
    person.service.ask("fail", person.email)
    for password in (SECOND, FIRST):
        person.sign_in(password)
        person.page.locator("main .notice-error").wait_for()
    person.accept("status of 401")
    person.look(person.link("unlock"))
    person.press("Allow my password again")
    person.reads("You can sign in with your password again.")
    person.look()
    person.sign_in(FIRST)
    person.arrives("/notes/")


def test_the_second_factors_are_kept(person: Person) -> None:
    """An operator was asked to remove them: by the link of the mail, or in a session."""
    person.sign_up()
    for way in ("session", "mail"):
        person.service.ask("end", person.email)
        person.look("/account/")
        person.reads("Your second factors will be removed")
        if way == "mail":
            person.look(person.link("keep"))
        person.press("Keep my second factors")
        person.page.wait_for_url("**/account/" if way == "session" else "**/auth/login")
        person.look()
        person.page.goto("/account/")
        assert person.page.get_by_role("button", name="Keep my second factors").count() == 0


def test_a_link_that_wants_a_sign_in(person: Person) -> None:
    new = f"new-{person.email}"
    person.sign_up()
    person.page.goto("/account/email")
    person.fill("Send the link", email=new)
    person.arrives("/account/")
    person.sign_out()
    person.look(person.link("email", new), status=401)
    person.accept("status of 401")
    person.sign_in(FIRST)
    person.arrives("/notes/")
    person.page.goto(person.link("email", new))
    person.press("Change the address")
    person.arrives("/account/")
