"""Passkeys in a real browser over TLS, with an authenticator of the browser's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.live.factors import FACTORS, Authenticator, add_passkey, password_step, recovery_codes
from tests.live.person import FIRST, Person, enter, tab_to

pytestmark = pytest.mark.browser

NOTHING_CHOSEN = "The browser gave no passkey."


@pytest.fixture
def phone(person: Person) -> Authenticator:
    """A virtual authenticator for a person who has just signed up."""
    person.sign_up()
    return Authenticator(person.page)


# Attack: a hostile script requests a passkey without user verification.
ASK_FOR_LESS = """for (const kind of ["Creation", "Request"]) {
  const name = `parse${kind}OptionsFromJSON`;
  const parse = PublicKeyCredential[name].bind(PublicKeyCredential);
  PublicKeyCredential[name] = (asked) => {
    const options = parse({ ...asked, excludeCredentials: [] });
    (options.authenticatorSelection ?? options).userVerification = "discouraged";
    return options;
  };
}"""


def test_a_passkey_from_adding_to_removing(person: Person, phone: Authenticator) -> None:
    page = person.page
    add_passkey(person)
    assert len(set(recovery_codes(person))) == 10
    person.look()
    page.get_by_role("link", name="I have saved them").click()
    person.reads("My phone")
    person.look()
    (made,) = phone.passkeys()
    assert made["rpId"] == person.service.domain
    assert made["isResidentCredential"]

    person.sign_out()  # alone, by the keyboard
    person.look("/auth/login")
    tab_to(page, "Sign in with a passkey")
    enter(page)
    person.arrives("/notes/")
    page.goto(FACTORS)
    person.reads("Last used")
    person.look()

    person.sign_out()  # as the second factor, on the way to a page
    page.goto("/account/")
    person.fill("Sign in", email=person.email, password=FIRST)
    page.get_by_role("heading", name="Second factor").wait_for()
    person.look()
    person.press("Use your passkey")
    person.arrives("/account/")

    person.service.ask("age", person.email)  # for a fresh proof
    page.get_by_role("link", name="Delete your account").click()
    page.get_by_role("heading", name="Confirm that it is you").wait_for()
    person.look()
    person.press("Use your passkey")
    page.get_by_role("heading", name="Delete your account").wait_for()

    page.goto(FACTORS)
    person.press("Remove the passkey: My phone")
    person.reads("The passkey is removed.")
    person.look()
    person.sign_out()
    page.goto("/auth/login")
    person.press("Sign in with a passkey")
    person.reads("This passkey was not accepted.")
    person.look()
    person.accept("status of 401")
    person.sign_in(FIRST)  # the password alone is enough again
    person.arrives("/notes/")


def test_a_stale_page_leads_to_a_fresh_proof(person: Person, phone: Authenticator) -> None:
    """passkeys.js opens the page that the answer names."""
    person.page.goto(FACTORS)
    person.service.ask("age", person.email)
    person.fill("Add a passkey", name="Too late")
    person.page.get_by_role("heading", name="Confirm that it is you").wait_for()
    person.fill("Confirm", password=FIRST)
    person.arrives(FACTORS)
    person.fill("Add a passkey", name="In time")
    recovery_codes(person)
    assert len(phone.passkeys()) == 1


def test_a_user_who_cancels_may_try_again(person: Person, phone: Authenticator) -> None:
    """Browsers hide the reason: the user cancelled, was too late or was not verified."""
    page = person.page
    phone.verify(False)
    add_passkey(person)
    person.reads(NOTHING_CHOSEN)
    person.look()
    assert phone.passkeys() == []
    phone.verify(True)
    person.press("Add a passkey")
    recovery_codes(person)
    add_passkey(person, "The same phone")  # which has one of this account already
    person.reads(NOTHING_CHOSEN)
    assert len(phone.passkeys()) == 1

    person.sign_out()
    phone.verify(False)
    page.goto("/auth/login")
    person.press("Sign in with a passkey")
    person.reads(NOTHING_CHOSEN)
    person.look()
    password_step(person, FIRST)
    person.press("Use your passkey")
    person.reads(NOTHING_CHOSEN)
    person.look()
    phone.verify(True)
    person.press("Use your passkey")
    person.arrives("/notes/")


def test_a_passkey_whose_user_was_not_verified_does_not_count(
    person: Person, phone: Authenticator
) -> None:
    """Also if the page requests no verification: the service checks the signed data."""
    page = person.page
    add_passkey(person)
    codes = recovery_codes(person)
    page.goto("/account/")
    person.sign_out()
    person.context.add_init_script(ASK_FOR_LESS)
    for defect in ("isBadUV", "isBogusSignature"):
        phone.ask("setResponseOverrideBits", **{defect: True})
        page.goto("/auth/login")
        person.press("Sign in with a passkey")
        person.reads("This passkey was not accepted.")
        password_step(person, FIRST)
        person.press("Use your passkey")
        person.reads("This passkey was not accepted.")
    person.look()
    page.goto("/notes/")
    assert "/auth/login?next=" in page.url
    person.accept("status of 401")

    password_step(person, FIRST)
    person.fill("Continue", code=codes[0])
    person.arrives("/notes/")
    phone.ask("removeVirtualAuthenticator")
    key = Authenticator(page, verifies=False)
    add_passkey(person, "My key")
    person.reads("This passkey could not be added.")
    person.look()
    person.accept("status of 422")
    assert len(key.passkeys()) == 1, "the authenticator has made one"


def test_a_browser_without_passkeys_says_so(new_person: Callable[[], Person]) -> None:
    """Other ways to sign in still work."""
    person = new_person()
    person.context.add_init_script("delete window.PublicKeyCredential")
    person.sign_up()
    person.look(FACTORS)
    person.reads("This browser does not support passkeys.")
    assert person.page.get_by_role("button", name="Add a passkey").count() == 0
    person.sign_out()
    person.look("/auth/login")
    person.reads("This browser does not support passkeys.")
    assert person.page.get_by_role("button", name="Sign in with a passkey").count() == 0
    person.sign_in(FIRST)
    person.arrives("/notes/")
