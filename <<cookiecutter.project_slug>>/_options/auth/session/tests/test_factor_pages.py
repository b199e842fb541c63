"""The pages of second factors: what a person sees, where each step leads, and what needs no script.

Attacks are in ``tests/security/test_second_factors.py``, ``test_passkeys.py``, ``test_step_up.py``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import segno
from flask import Flask
from selectolax.lexbor import LexborNode
from werkzeug.test import TestResponse

from app.auth import recovery_codes
from app.auth.qr import QUIET
from app.database import db
from app.secret import Secret
from tests.authenticator import Authenticator
from tests.browser import (
    PASSWORD,
    PROFILE,
    SAMPLES,
    SIGN_IN,
    Browser,
    after_sign_in,
    csrf_token,
    html,
)
from tests.factor_actions import (
    ALONE,
    APP,
    FACTORS,
    PASSKEYS,
    SECOND_STEP,
    STEP_UP,
    add_passkey,
    begin_app,
    code_step,
    confirm_app,
    is_complete,
    needs_proof,
    needs_second_step,
    new_passkey_options,
    new_recovery_codes,
    passkey_options,
    passkey_step,
    prove_by_password,
    shown_codes,
    step_up_options,
)
from tests.factors import (
    STALE,
    Clock,
    age_proofs,
    age_tickets,
    prove,
    user_of,
    with_app,
    with_passkey,
)
from tests.marks import asvs, practice

pytestmark = practice("auth.second_factors")

TARGET = "/account/password?from=mail"
FOREIGN = "//evil.example/"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def text_of(response: TestResponse) -> str:
    return " ".join(html(response).css_first("main").text().split())


def advice(user: Browser) -> str:
    """What the account page tells to do next."""
    shown = [it.text() for it in html(user.get(PROFILE)).css("main .notice")]
    return " ".join(" ".join(shown).split())


def passkey_forms(response: TestResponse) -> list[LexborNode]:
    return html(response).css("main form[data-passkey]")


def json_of(credential: dict[str, object]) -> str:
    """What the script puts into the field."""
    return json.dumps(credential)


def begin_sign_in(app: Flask, email: str, target: str) -> tuple[Browser, TestResponse]:
    """A browser elsewhere that has typed the right password, and where it is sent."""
    other = Browser(app, "192.0.2.10")
    return other, other.sign_in(email, PASSWORD, f"{SIGN_IN}?next={target}")


# --- Where each step leads


def test_a_code_leads_to_the_page_that_was_asked_for(
    app: Flask, alice: Browser, clock: Clock
) -> None:
    secret = with_app(app, alice.email)
    other, answer = begin_sign_in(app, alice.email, "/account/?from=mail")
    path = answer.headers["Location"]
    assert parse_qs(urlsplit(path).query) == {"next": ["/account/?from=mail"]}
    page = other.get(path)
    assert page.status_code == 200
    form = html(page).css_first("main form:not([data-passkey])")
    assert form.attributes["action"] == path
    wrong = other.post(path, {"code": clock.wrong(secret), "csrf_token": csrf_token(page)})
    assert wrong.status_code == 401
    assert "This code is wrong" in text_of(wrong)
    assert not other.is_signed_in()
    right = other.post(path, {"code": clock.code(secret), "csrf_token": csrf_token(wrong)})
    assert right.headers["Location"] == "/account/?from=mail"
    assert other.is_signed_in()


@asvs("3.7.2")
def test_no_step_leads_to_another_site(app: Flask, alice: Browser, clock: Clock) -> None:
    secret = with_app(app, alice.email)
    device = with_passkey(app, alice.email)
    other, answer = begin_sign_in(app, alice.email, FOREIGN)
    assert answer.headers["Location"] == SECOND_STEP
    path = f"{SECOND_STEP}?next={FOREIGN}"
    page = other.get(path)
    assert "evil.example" not in page.text
    form = {"code": clock.code(secret), "csrf_token": csrf_token(page)}
    assert other.post(path, form).headers["Location"] == after_sign_in(app)
    path = f"{STEP_UP}?next={FOREIGN}"
    page = other.get(path)
    assert "evil.example" not in page.text
    clock.next_step()
    form = {"code": clock.code(secret), "csrf_token": csrf_token(page)}
    assert other.post(path, form).headers["Location"] == PROFILE
    alone = Browser(app, "192.0.2.11")
    passkey_step(alone, device.get(passkey_options(alone, alone=True)), alone=True)
    page = alone.get(f"{SIGN_IN}?next={FOREIGN}")
    assert [it.attributes["action"] for it in passkey_forms(page)] == [ALONE]


def test_a_passkey_leads_to_the_requested_page(app: Flask, alice: Browser) -> None:
    """The form posts to an address of its own, which has ?next= too."""
    device = with_passkey(app, alice.email)
    alone = Browser(app, "192.0.2.11")
    page = alone.get(f"{SIGN_IN}?next={TARGET}")
    other, answer = begin_sign_in(app, alice.email, TARGET)
    second = other.get(answer.headers["Location"])
    for browser, shown in ((alone, page), (other, second)):
        (form,) = passkey_forms(shown)
        assert form.attributes["data-passkey"] == "get"
        token = csrf_token(shown)
        path = str(form.attributes["data-options"])
        options = browser.post(path, {"csrf_token": token}).get_json()
        sent = {"credential": json_of(device.get(options)), "csrf_token": token}
        signed_in = browser.post(str(form.attributes["action"]), sent)
        assert signed_in.headers["Location"] == TARGET
        assert browser.is_signed_in()


def test_a_fresh_proof_leads_back(app: Flask, alice: Browser) -> None:
    age_proofs(app)
    asked = alice.get(TARGET)
    assert needs_proof(asked)
    path = asked.headers["Location"]
    assert parse_qs(urlsplit(path).query) == {"next": [TARGET]}
    wrong = alice.submit(path, {"password": "wrong"})
    assert wrong.status_code == 422
    assert "This is not your password" in text_of(wrong)
    assert alice.submit(path, {"password": PASSWORD}).headers["Location"] == TARGET
    assert alice.get(TARGET).status_code == 200


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/account/export", PROFILE),
        ("/account/delete", "/account/delete"),
        (f"{APP}/begin", FACTORS),
        (f"{FACTORS}/recovery-codes", FACTORS),
        (f"{PASSKEYS}/options", FACTORS),
    ],
)
def test_a_fresh_proof_for_a_button_leads_back_to_its_page(
    app: Flask, alice: Browser, path: str, page: str
) -> None:
    """What was pressed is not done by the proof alone: another site could press it."""
    age_proofs(app)
    asked = alice.post(path, {"csrf_token": csrf_token(alice.get(STEP_UP))})
    assert needs_proof(asked)
    assert parse_qs(urlsplit(asked.headers["Location"]).query) == {"next": [page]}


def test_a_fresh_proof_leads_to_the_account_page_without_a_target(alice: Browser) -> None:
    assert prove_by_password(alice, PASSWORD).headers["Location"] == PROFILE


def test_a_second_step_that_took_too_long_begins_again(
    app: Flask, alice: Browser, clock: Clock
) -> None:
    secret = with_app(app, alice.email)
    other, answer = begin_sign_in(app, alice.email, TARGET)
    path = answer.headers["Location"]
    token = csrf_token(other.get(path))
    age_tickets(app, STALE)
    for again in (
        other.get(path),
        other.post(path, {"code": clock.code(secret), "csrf_token": token}),
    ):
        assert again.status_code == 302
        assert again.headers["Location"] == f"{SIGN_IN}?next=/account/password?from%3Dmail"
    shown = other.get(again.headers["Location"])
    assert "the second factor took too long" in text_of(shown)
    options = other.post(f"{SECOND_STEP}/options", {"csrf_token": token})
    assert options.status_code == 401


def test_a_link_to_the_second_step_writes_no_message(alice: Browser) -> None:
    """An image on another site would write it on the next page of whoever is signed in."""
    assert alice.get(SECOND_STEP).headers["Location"] == SIGN_IN
    assert "the second factor took too long" not in alice.get(PROFILE).text


@asvs("2.4.1", "6.3.1", "6.6.3")
def test_codes_are_limited_by_the_account_whatever_the_ticket(
    app: Flask, alice: Browser, bob: Browser, clock: Clock
) -> None:
    secrets = {user.email: with_app(app, user.email) for user in (alice, bob)}
    answers = []
    for number in range(6):
        other = Browser(app, f"192.0.2.{number}")
        assert needs_second_step(other.sign_in(alice.email))
        answers.append(code_step(other, clock.wrong(secrets[alice.email])).status_code)
    assert answers == [401] * 5 + [429]
    neighbour = Browser(app, "192.0.2.0")
    neighbour.sign_in(bob.email)
    assert is_complete(code_step(neighbour, clock.code(secrets[bob.email])))


@asvs("2.4.1", "6.3.1")
def test_fresh_proofs_are_limited_by_the_session(app: Flask, alice: Browser) -> None:
    """A thief at the page does not keep the owner out, who is at another computer."""
    owner = Browser(app, "192.0.2.9")
    owner.sign_in(alice.email)
    answers = [prove_by_password(alice, "wrong").status_code for _ in range(6)]
    assert answers == [422] * 5 + [429]
    assert prove_by_password(owner, PASSWORD).status_code == 302


def test_a_passkey_that_does_not_count_lets_one_try_again(app: Flask, alice: Browser) -> None:
    device = with_passkey(app, alice.email)
    other, _ = begin_sign_in(app, alice.email, TARGET)
    hostile = device.get(passkey_options(other), challenge=b"x" * 32)
    refused = passkey_step(other, hostile)
    assert refused.status_code == 401
    assert "This passkey was not accepted." in text_of(refused)
    assert passkey_forms(refused)
    hostile = device.get(passkey_options(other, alone=True), challenge=b"x" * 32)
    refused = passkey_step(other, hostile, alone=True)
    assert refused.status_code == 401
    assert "sign in with your password" in text_of(refused)
    prove(app, alice.email, "passkey")
    hostile = device.get(step_up_options(alice), challenge=b"x" * 32)
    form = {"credential": json_of(hostile), "csrf_token": csrf_token(alice.get(STEP_UP))}
    refused = alice.post(f"{STEP_UP}/passkey", form)
    assert refused.status_code == 422
    assert "This passkey was not accepted." in text_of(refused)
    hostile = device.create(new_passkey_options(alice), challenge=b"x" * 32)
    refused = add_passkey(alice, hostile, name="Key in the drawer")
    assert refused.status_code == 422
    assert "could not be added" in text_of(refused)
    name = html(refused).css_first("main input[name=name]")
    assert name.attributes["value"] == "Key in the drawer"


# --- What the pages say


def test_the_account_page_says_what_protects_it_and_what_to_do_next(
    app: Flask, alice: Browser, clock: Clock
) -> None:
    def shown() -> dict[str, str]:
        rows = html(alice.get(PROFILE)).css(".protection > div")
        return {row.css_first("dt").text(): row.css_first("dd").text() for row in rows}

    protection = {"Password": "set", "Passkeys": "none", "Authenticator app": "none"}
    protection |= {"Recovery codes": "none"}
    assert shown() == protection
    assert "Add a passkey or an authenticator app" in advice(alice)
    secret = begin_app(alice)[1]
    assert shown() == protection, "an app without its first code protects nothing"
    assert len(shown_codes(confirm_app(alice, clock.code(secret)))) == 10
    assert shown() == protection | {"Authenticator app": "set up", "Recovery codes": "10 left"}
    assert "Add a second passkey or an app" in advice(alice)
    add_passkey(alice, Authenticator().create(new_passkey_options(alice)))
    both = protection | {"Authenticator app": "set up", "Passkeys": "1"}
    assert shown() == both | {"Recovery codes": "10 left"}
    assert advice(alice) == "", "nothing to do"
    assert "Nothing to do" in text_of(alice.get(PROFILE))


def test_the_account_page_warns_of_few_recovery_codes(
    app: Flask, alice: Browser, clock: Clock
) -> None:
    with_app(app, alice.email)
    prove(app, alice.email, "code")
    codes = shown_codes(new_recovery_codes(alice))
    with app.app_context():
        assert all(recovery_codes.use(user_of(alice.email), Secret(code)) for code in codes[:7])
        db.session.commit()
    assert "Create new recovery codes: 3 left" in advice(alice)


def test_recovery_codes_are_shown_once(app: Flask, alice: Browser, clock: Clock) -> None:
    done = confirm_app(alice, clock.code(begin_app(alice)[1]))
    codes = shown_codes(done)
    assert all(re.fullmatch(r"[a-z2-7]{4}(-[a-z2-7]{4}){5}-[a-z2-7]{2}", code) for code in codes)
    assert "They are not shown again" in text_of(done)
    assert done.headers["Cache-Control"] == "no-store"
    for path in (FACTORS, PROFILE, APP):
        page = alice.get(path)
        assert page.status_code == 200
        assert not shown_codes(page)
        assert not any(code in page.text for code in codes)


def test_passkeys_are_listed_with_their_last_use(app: Flask, alice: Browser) -> None:
    device = Authenticator()
    add_passkey(alice, device.create(new_passkey_options(alice)), name="Phone <b>")
    (card,) = html(alice.get(FACTORS)).css("main .cards li")
    assert card.css_first(".card-title").text() == "Phone <b>"
    assert "Not used yet." in card.text()
    assert len(card.css("time")) == 1
    passkey_step(alice, device.get(passkey_options(alice, alone=True)), alone=True)
    (card,) = html(alice.get(FACTORS)).css("main .cards li")
    assert "Last used" in card.text()
    assert len(card.css("time")) == 2
    button = card.css_first("form button")
    assert button.text() == "Remove the passkey: Phone <b>"  # for a screen reader


@pytest.mark.parametrize("name", ["", " ", "x" * 61])
def test_a_passkey_has_a_name(alice: Browser, name: str) -> None:
    answer = Authenticator().create(new_passkey_options(alice))
    refused = add_passkey(alice, answer, name=name)
    assert refused.status_code == 422
    typed = html(refused).css_first("main [name=name][aria-invalid=true]")
    assert typed.attributes["value"] == name


def test_buttons_that_take_a_protection_away_say_what_ends(app: Flask, alice: Browser) -> None:
    with_app(app, alice.email)
    with_passkey(app, alice.email)
    new_recovery_codes(alice)
    text = " ".join(html(alice.get(FACTORS)).css_first("main").text().split())
    assert "A removed passkey no longer works, and you are signed out everywhere else." in text
    assert "Its codes stop working, and you are signed out everywhere else." in text
    assert "New ones replace the old ones." in text


def test_the_qr_code_is_inline_and_says_what_the_text_says(alice: Browser) -> None:
    page, secret = begin_app(alice)
    assert re.fullmatch("[A-Z2-7]{32}", secret)
    (image,) = html(page).css("main svg")
    assert image.attributes["role"] == "img"
    assert image.attributes["aria-label"]
    issuer = html(page).css_first(".brand").text().replace(" ", "%20") + "%20%28service.test%29"
    uri = f"otpauth://totp/{issuer}:alice%40example.com?secret={secret}&issuer={issuer}"
    assert html(page).css_first("#app-link").attributes["href"] == uri  # for a phone
    expected = [*segno.make(uri, micro=False).matrix_iter(border=QUIET)]
    path = str(image.css_first("path").attributes["d"])
    dark = {(int(x), int(y)) for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", path)}
    assert dark == {
        (x, y) for y, row in enumerate(expected) for x, module in enumerate(row) if module
    }
    assert image.attributes["viewBox"] == f"0 0 {len(expected)} {len(expected)}"


@asvs("3.4.3")
def test_no_page_needs_what_the_policy_forbids(app: Flask, alice: Browser, clock: Clock) -> None:
    with_passkey(app, alice.email)
    prove(app, alice.email, "passkey")
    other, _ = begin_sign_in(app, alice.email, TARGET)
    pages = [begin_app(alice)[0], new_recovery_codes(alice), other.get(SECOND_STEP)]
    pages += [alice.get(path) for path in (PROFILE, FACTORS, STEP_UP)]
    pages += [Browser(app).get(SIGN_IN)]
    for page in pages:
        assert page.status_code == 200
        shown = html(page)
        assert not shown.css("style, [style], script:not([src]), iframe, object, base")
        assert not [it for it in shown.css("*") if any(n[:2] == "on" for n in it.attributes)]


def test_without_a_script_the_pages_say_so_and_the_other_ways_work(
    app: Flask, alice: Browser
) -> None:
    """The button of a passkey does nothing without the script: it is not there."""
    with_passkey(app, alice.email)
    other, _ = begin_sign_in(app, alice.email, TARGET)
    prove(app, alice.email, "passkey")
    pages = {
        "sign-in": Browser(app).get(SIGN_IN),
        "second step": other.get(SECOND_STEP),
        "step-up": alice.get(STEP_UP),
        "second factors": alice.get(FACTORS),
    }
    for name, page in pages.items():
        (form,) = passkey_forms(page)
        assert "hidden" in form.css_first("button").attributes, name
        assert "JavaScript" in form.css_first("noscript").text(), name
        texts = form.css("[data-passkey-text]")
        assert {it.attributes["data-passkey-text"] for it in texts} == {
            *("unsupported", "refused", "limited", "failed")
        }
        assert all("hidden" in it.attributes for it in texts), name
        assert html(page).css("script[src*='passkeys.js'][integrity]"), name
        if name != "second factors":
            assert html(page).css("main form:not([data-passkey]) button:not([hidden])"), name


def test_the_script_makes_no_html() -> None:
    script = Path("app/static/passkeys.js").read_text("utf-8")
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval|Function", script
    )


def test_the_app_page_says_that_an_app_is_set_up(app: Flask, alice: Browser, clock: Clock) -> None:
    with_app(app, alice.email)
    prove(app, alice.email, "code")
    assert "It protects the account until the new one" in text_of(alice.get(APP))


# --- SECOND_FACTOR=required


def test_users_without_a_required_second_factor_are_led_to_its_set_up(
    make_app: Callable[..., Flask], clock: Clock
) -> None:
    app = make_app(SECOND_FACTOR="required")
    user = Browser(app).signed_in("carol@example.com")
    for path in (PROFILE, "/account/password", SAMPLES):
        assert user.get(path).headers.get("Location") == FACTORS, path
    page = user.get(FACTORS)
    assert page.status_code == 200
    assert "requires a second factor" in text_of(page)
    confirm_app(user, clock.code(begin_app(user)[1]))
    assert user.get(PROFILE).status_code == 200
    assert "requires a second factor" not in text_of(user.get(FACTORS))


@asvs("6.5.1")
def test_after_a_refused_passkey_the_other_form_of_the_page_works(
    app: Flask, alice: Browser, clock: Clock
) -> None:
    """Its page has the address of the passkey: a right code would go there, and count as wrong."""
    secret = with_app(app, alice.email)
    other, answer = begin_sign_in(app, alice.email, "/account/?from=mail")
    token = csrf_token(other.get(answer.headers["Location"]))
    path = f"{SECOND_STEP}/passkey?next=/account/?from%3Dmail"
    refused = other.post(path, {"credential": "{}", "csrf_token": token})
    assert refused.status_code == 401
    form = html(refused).css_first("main form:not([data-passkey])")
    sent = {"code": clock.code(secret), "csrf_token": csrf_token(refused)}
    done = other.post(str(form.attributes["action"]), sent)
    assert done.headers["Location"] == "/account/?from=mail"
    assert other.is_signed_in()
    guest = Browser(app, "203.0.113.9")
    refused = guest.post(ALONE, {"credential": "{}", "csrf_token": csrf_token(guest.get(SIGN_IN))})
    form = html(refused).css_first("main form:not([data-passkey])")
    assert form.attributes["action"] == SIGN_IN
