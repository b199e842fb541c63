"""A service that requires a second factor, in a real browser over TLS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live.conftest import Service, serving
from tests.live.factors import FACTORS, Authenticator, add_passkey, recovery_codes, set_up_app
from tests.live.person import FIRST, Person

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("required")
    with serving(folder, "session", "SECOND_FACTOR=required") as service:
        yield service


@pytest.mark.parametrize("factor", ["app", "passkey"])
def test_a_new_user_sets_one_up_and_keeps_it(person: Person, factor: str) -> None:
    page = person.page
    person.open_account()
    person.sign_in(FIRST)
    person.arrives(FACTORS)
    person.look()
    for path in ("/notes/", "/account/", "/account/password", "/account/email"):
        page.goto(path)
        assert page.url == f"{person.origin}{FACTORS}", path
    if factor == "app":
        set_up_app(person)
    else:
        Authenticator(page)
        add_passkey(person)
        recovery_codes(person)
    page.get_by_role("link", name="I have saved them").click()
    person.look()
    page.goto("/notes/")
    page.get_by_role("link", name="New note").wait_for()
    page.goto(FACTORS)
    button = "Remove the app" if factor == "app" else "Remove the passkey: My phone"
    person.press(button)
    person.reads("This service requires a second factor.")
    person.look()
    person.accept("status of 409")
    page.goto(FACTORS)
    assert page.get_by_role("button", name=button, exact=True).is_visible()
