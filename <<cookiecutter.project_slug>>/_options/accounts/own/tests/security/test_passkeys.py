"""Passkeys: hostile answers, built by hand with another implementation of WebAuthn."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from html import unescape
from typing import Any

import pytest
import webauthn
from fido2 import cbor
from fido2.utils import websafe_decode, websafe_encode
from flask import Flask
from sqlalchemy import func, select

from app.auth import passkey_ceremonies, passkeys, tickets, totp
from app.auth.models import Session
from app.auth.passkey_ceremonies import MAX_ANSWER, PasskeyError
from app.auth.passkeys import MAX_PASSKEYS, Passkey
from app.auth.throttling import FREE
from app.database import db
from app.secret import Secret
from app.security.scope import unscoped
from tests.authenticator import FLAG, UP, UV, Authenticator, new_key
from tests.browser import DOMAIN, ORIGIN, PASSWORD, Browser
from tests.factor_actions import (
    add_passkey,
    code_step,
    is_complete,
    needs_second_step,
    new_passkey_options,
    passkey_ids,
    passkey_options,
    passkey_step,
    password_step,
    prove_by_passkey,
    remove_passkey,
    step_up_options,
)
from tests.factors import (
    age_tickets,
    asked,
    asking,
    copy_ticket,
    prove,
    register,
    user_of,
    with_app,
    with_passkey,
)
from tests.marks import asvs, practice, slow
from tests.overtaking import and_then
from tests.races import ALICE, at_once, meeting
from tests.security.attacks import quarter, some

pytestmark = practice("auth.passkeys")

BOB = "bob@example.com"
OTHER = b"\x07" * 32
BAD_DATA = b"\xff" * 40
# What differs from an honest answer, in both ceremonies.
HOSTILE: dict[str, dict[str, Any]] = {
    "the origin of a false page": {"origin": "https://service.test.evil.example"},
    "another subdomain": {"origin": f"https://www.{DOMAIN}"},
    "the origin without TLS": {"origin": f"http://{DOMAIN}"},
    "another port": {"origin": f"{ORIGIN}:8443"},
    "no origin": {"origin": ""},
    "another RP id": {"rp_id": "evil.example"},
    "the RP id of the parent domain": {"rp_id": "test"},
    "another challenge": {"challenge": OTHER},
    "no challenge": {"challenge": b""},
    "not verified": {"flags": UP},
    "not present": {"flags": UV},
    "no flag": {"flags": 0},
    "backed up, but not to be backed up": {"flags": UP | UV | FLAG.BS},
    "a frame of another site": {"cross_origin": True},
    "client data that is no JSON": {"client_data": b"{"},
    "client data that is a list": {"client_data": b"[]"},
    "client data that is empty": {"client_data": b"{}"},
    "client data nested deeply": {"client_data": b"[" * 5000 + b"]" * 5000},
    "a challenge that is none": {"client_data": b'{"type":1,"challenge":1,"origin":1}'},
    "no client data": {"response": {"clientDataJSON": None}},
    "client data as a list": {"response": {"clientDataJSON": []}},
    "another kind of credential": {"wrapped": {"type": "password"}},
    "another id outside than inside": {"wrapped": {"id": "AAAA"}},
    "an id with padding": {"wrapped": {"id": websafe_encode(OTHER) + "="}},
    "an id that is no text": {"wrapped": {"id": 7}},
    "an id that is no base64url": {"wrapped": {"id": "+/é\0"}},
    "no raw id": {"wrapped": {"rawId": None}},
    "no answer in it": {"wrapped": {"response": None}},
    "an answer that is a list": {"wrapped": {"response": [1]}},
}
# The type says which ceremony the browser has shown to its user.
HOSTILE_GET = HOSTILE | {
    "the type of a new passkey": {"type": "webauthn.create"},
    "a signature of nothing": {"signature": b"0"},
    "a signature by another key": {"key": new_key()},
    "no authenticator data": {"authenticator_data": b""},
    "authenticator data that is noise": {"authenticator_data": BAD_DATA},
    "another user's handle": {"user_handle": OTHER},
    "an empty handle": {"user_handle": b""},
    "a handle that is no text": {"response": {"userHandle": ["x"]}},
    "no signature": {"response": {"signature": None}},
}
# Each as a second factor, and when the passkey is alone.
SIGN_INS = [(alone, it) for alone in (False, True) for it in quarter([*HOSTILE_GET], alone)]
HOSTILE_CREATE = HOSTILE | {
    "the type of a sign-in": {"type": "webauthn.get"},
    "ES384": {"algorithm": "ES384"},
    "ES256K": {"algorithm": "ES256K"},
    "RS1, with SHA-1": {"algorithm": "RS1"},
    "no key": {"authenticator_data": sha256(DOMAIN.encode()).digest() + b"\x05" + bytes(4)},
    "an empty id": {"id": b""},
    "too long an id": {"id": b"\x01" * 1024},
    "an unknown attestation": {"fmt": "mine"},
    "none, with a statement": {"statement": {"sig": b"1"}},
    "packed, without a signature": {"fmt": "packed"},
    "packed, with a wrong signature": {"fmt": "packed", "statement": {"alg": -7, "sig": b"1"}},
    "packed, with a certificate that is none": {
        "fmt": "packed",
        "statement": {"alg": -7, "sig": b"1", "x5c": [b"1"]},
    },
    "an attestation that is no CBOR": {"attestation": b"\xff"},
    "an attestation that is a list": {"attestation": cbor.encode([1])},
    "an attestation nested deeply": {"attestation": b"\x81" * 5000 + b"\x01"},
    "an attestation that promises gigabytes": {"attestation": b"\x5b" + b"\x7f" * 8},
}
# Texts in place of an answer.
GARBAGE = {
    "nothing": "",
    "no JSON": "{",
    "null": "null",
    "a list": "[]",
    "a number": "1e999",
    "a number of 5000 digits": "1" * 5000,
    "an empty object": "{}",
    "nested deeply": "[" * 8000 + "]" * 8000,
    "objects nested deeply": '{"id":' * 2000 + "1" + "}" * 2000,
    "half a surrogate": '{"id": "\\ud800", "response": {"clientDataJSON": "\\ud800"}}',
    "half a surrogate, as it is": '{"id": "\ud800"}',
    "NUL": '{"id": "\\u0000", "response": {"clientDataJSON": "\\u0000"}}',
    "too long": '{"id": "' + "A" * MAX_ANSWER + '"}',
}


@pytest.fixture
def device(app: Flask, alice: Browser) -> Authenticator:
    """The device with alice's passkey."""
    return with_passkey(app, ALICE)


def second_step(browser: Browser) -> dict[str, Any]:
    """The options of the second step, after the right password."""
    assert needs_second_step(password_step(browser, ALICE, PASSWORD))
    return passkey_options(browser)


def found(purpose: tickets.Purpose, token: Secret) -> tickets.Ticket:
    ticket = tickets.find(purpose, token)
    assert ticket is not None
    return ticket


def sessions_of(app: Flask, email: str) -> int:
    with app.app_context():
        mine = select(func.count(Session.id)).where(Session.user == user_of(email))
        return db.session.scalars(mine).one()


def stored(app: Flask, email: str = ALICE) -> list[Passkey]:
    with app.app_context():
        return passkeys.of_user(user_of(email))


def enroll(app: Flask, alice: Browser, device: Authenticator, **hostile: Any) -> Any:
    """Add a passkey by the session of alice, who has none."""
    return add_passkey(alice, device.create(new_passkey_options(alice), **hostile))


# --- What is asked for


@asvs("6.5.1", "6.7.2", "11.5.1")
@slow
def test_the_options_ask_for_what_is_checked(
    app: Flask, device: Authenticator, bob: Browser
) -> None:
    options = new_passkey_options(bob)
    assert options["rp"]["id"] == DOMAIN
    assert [it["alg"] for it in options["pubKeyCredParams"]] == [-8, -7, -257]
    selection = options["authenticatorSelection"]
    assert selection["residentKey"] == selection["userVerification"] == "required"
    assert options["attestation"] == "none"
    assert BOB not in websafe_decode(options["user"]["id"]).decode("latin-1")
    asked = second_step(Browser(app))
    assert asked["rpId"] == DOMAIN
    assert asked["userVerification"] == "required"
    assert asked["timeout"] == 300_000
    challenges = {second_step(Browser(app, f"192.0.2.{n}"))["challenge"] for n in range(3)}
    assert len(challenges | {options["challenge"], asked["challenge"]}) == 5
    assert len(websafe_decode(asked["challenge"])) == 32


def test_options_for_a_passkey_sign_in_do_not_depend_on_the_account(
    app: Flask, device: Authenticator
) -> None:
    options = passkey_options(Browser(app), alone=True)
    assert options.get("allowCredentials", []) == []
    assert options["userVerification"] == "required"


# --- Honest answers


@asvs("6.3.3")
@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256"])
def test_a_passkey_signs_in_alone_and_as_a_second_factor(
    app: Flask, alice: Browser, algorithm: str
) -> None:
    device, browser = Authenticator(), Browser(app)
    enroll(app, alice, device, algorithm=algorithm)
    assert len(passkey_ids(alice)) == 1
    assert is_complete(passkey_step(browser, device.get(second_step(browser))))
    assert browser.is_signed_in()
    alone = Browser(app, "192.0.2.7")
    options = passkey_options(alone, alone=True)
    assert is_complete(passkey_step(alone, device.get(options), alone=True))
    assert alone.is_signed_in()


def test_a_second_factor_needs_no_user_handle(app: Flask, device: Authenticator) -> None:
    """A key that is no passkey of the browser's has none to tell: the ticket names the user."""
    browser = Browser(app)
    answer = device.get(second_step(browser), user_handle=None)
    assert is_complete(passkey_step(browser, answer))


# --- Hostile answers


@asvs("6.3.3", "6.5.1")
@pytest.mark.parametrize(("alone", "name"), SIGN_INS)
def test_a_hostile_answer_signs_nobody_in(
    app: Flask, device: Authenticator, alone: bool, name: str
) -> None:
    hostile = HOSTILE_GET[name]
    browser, before = Browser(app), sessions_of(app, ALICE)
    options = passkey_options(browser, alone=True) if alone else second_step(browser)
    response = passkey_step(browser, device.get(options, **hostile), alone=alone)
    assert not is_complete(response)
    assert response.status_code in (302, 400, 401, 422)
    assert not browser.is_signed_in()
    assert sessions_of(app, ALICE) == before
    assert stored(app)[0].used_at is None


@asvs("6.3.3")
def test_a_passkey_sign_in_needs_a_user_handle(app: Flask, device: Authenticator) -> None:
    """Section 7.2 step 6: who was not identified before is so by the user handle."""
    browser = Browser(app)
    options = passkey_options(browser, alone=True)
    response = passkey_step(browser, device.get(options, user_handle=None), alone=True)
    assert not is_complete(response)
    assert not browser.is_signed_in()


@asvs("6.3.3", "6.5.1", "11.6.1", "16.5.1")
@pytest.mark.parametrize("name", some([*HOSTILE_CREATE]))
def test_a_hostile_answer_makes_no_passkey(
    app: Flask, alice: Browser, name: str, log: Callable[[], list[dict[str, Any]]]
) -> None:
    hostile = HOSTILE_CREATE[name]
    flags = {"flags": hostile["flags"] | FLAG.AT} if "flags" in hostile else {}
    response = enroll(app, alice, Authenticator(), **(hostile | flags))
    assert response.status_code in (302, 400, 401, 422)
    reasons = [line["reason"] for line in log() if line["event"] == "passkey refused"]
    assert [it for it in reasons if it in unescape(response.text)] == [], "for the log alone"
    assert stored(app) == []
    assert passkey_ids(alice) == []


@pytest.mark.parametrize("text", GARBAGE.values(), ids=GARBAGE.keys())
@pytest.mark.parametrize("purpose", ["second factor", "passkey", "new passkey"])
def test_garbage_is_refused(
    app: Flask, device: Authenticator, text: str, purpose: tickets.Purpose
) -> None:
    """Whatever it makes the parsers raise: no error of ours tells of them."""
    user, token, _ = asked(app, ALICE, purpose)
    if purpose == "new passkey":
        with pytest.raises(PasskeyError):
            register(app, user, token, text)
    else:
        with asking(app), pytest.raises(PasskeyError):
            passkey_ceremonies.verify(found(purpose, token), text)


@slow
def test_malformed_attestations_are_refused(app: Flask, alice: Browser) -> None:
    """Each format has a parser of its own, for bytes and certificates that a stranger made."""
    formats = ("packed", "tpm", "android-key", "android-safetynet", "apple", "fido-u2f", "none")
    values = [b"", b"\0", secrets.token_bytes(80), [b"\x30\x82"], [], "2.0", -7, 1, True, {}]
    names = ("alg", "sig", "x5c", "ver", "response", "certInfo", "pubArea")
    for fmt in formats:
        for value in values:
            user, token, options = asked(app, ALICE, "new passkey")
            statement = dict.fromkeys(names, value) | ({"ver": "2.0"} if value else {})
            answer = Authenticator().create(options, fmt=fmt, statement=statement)
            with pytest.raises(PasskeyError):
                register(app, user, token, json.dumps(answer))


@pytest.mark.parametrize(
    "public_key",
    [
        {3: -7},
        {1: "x", 3: -7},
        {1: 2, 3: -7, -1: 1, -2: b"", -3: b""},
        {1: 3, 3: -257, -1: b"", -2: b""},
    ],
    ids=str,
)
def test_an_invalid_public_key_signs_nobody_in(
    app: Flask, alice: Browser, public_key: dict[int, Any]
) -> None:
    device, browser = Authenticator(), Browser(app)
    enroll(app, alice, device, public_key=public_key)
    if stored(app):  # the key is read when it has to verify
        response = passkey_step(browser, device.get(second_step(browser)))
        assert not is_complete(response)
        assert response.status_code < 500


# --- Replays, and answers for something else


@asvs("6.5.1")
def test_an_answer_counts_once(app: Flask, device: Authenticator) -> None:
    browser = Browser(app)
    answer = device.get(passkey_options(browser, alone=True))
    thief, other = Browser(app, "203.0.113.66"), Browser(app, "203.0.113.67")
    copy_ticket(browser, other)
    assert is_complete(passkey_step(browser, answer, alone=True))
    passkey_options(thief, alone=True)
    assert not is_complete(passkey_step(thief, answer, alone=True))
    copy_ticket(other, thief)
    assert not is_complete(passkey_step(thief, answer, alone=True))
    assert not thief.is_signed_in()


@asvs("6.5.1")
def test_a_challenge_is_good_for_one_answer(app: Flask, device: Authenticator) -> None:
    """Also after a wrong one: otherwise a stranger tries answers to it."""
    browser = Browser(app)
    options = second_step(browser)
    assert not is_complete(passkey_step(browser, device.get(options, flags=UP)))
    assert not is_complete(passkey_step(browser, device.get(options)))
    assert is_complete(passkey_step(browser, device.get(passkey_options(browser))))


@asvs("6.5.5")
@pytest.mark.parametrize("alone", [False, True], ids=["second", "alone"])
def test_a_challenge_ends_after_five_minutes(
    app: Flask, device: Authenticator, alone: bool
) -> None:
    for age, done in ((timedelta(minutes=5, seconds=1), False), (timedelta(minutes=4), True)):
        browser = Browser(app)
        options = passkey_options(browser, alone=True) if alone else second_step(browser)
        age_tickets(app, age)
        assert is_complete(passkey_step(browser, device.get(options), alone=alone)) == done


@asvs("6.5.5")
@pytest.mark.parametrize(("age", "done"), [(timedelta(minutes=6), 0), (timedelta(minutes=4), 1)])
def test_a_challenge_to_register_ends_after_five_minutes(
    app: Flask, alice: Browser, age: timedelta, done: int
) -> None:
    options = new_passkey_options(alice)
    age_tickets(app, age)
    add_passkey(alice, Authenticator().create(options))
    assert len(stored(app)) == done


@asvs("6.5.1")
def test_a_challenge_is_for_one_browser(app: Flask, device: Authenticator) -> None:
    """A false page passes the challenge of its own visit on to the owner's browser."""
    owner, thief = Browser(app), Browser(app, "203.0.113.66")
    options = passkey_options(owner, alone=True)
    passkey_options(thief, alone=True)
    assert not is_complete(passkey_step(thief, device.get(options), alone=True))


@asvs("6.5.1")
def test_an_answer_to_another_ceremony_is_refused(
    app: Flask, alice: Browser, device: Authenticator
) -> None:
    prove(app, ALICE, "passkey")
    options = step_up_options(alice)
    thief = Browser(app, "203.0.113.66")
    asked = passkey_options(thief, alone=True)
    assert not is_complete(passkey_step(thief, device.get(options), alone=True))
    before = stored(app)[0].used_at
    prove_by_passkey(alice, device.get(asked))
    assert stored(app)[0].used_at == before


@asvs("6.3.3", "8.2.2")
def test_the_passkey_of_another_account_is_no_second_factor(
    app: Flask, device: Authenticator, bob: Browser
) -> None:
    """GHSA-f66q-9rf6-8795 and GHSA-97r5-pg8x-p63p: the proof of one user passes for another."""
    thief, bobs = Browser(app, "203.0.113.66"), with_passkey(app, BOB)
    options = second_step(thief)
    answer = bobs.get(options, stored=bobs.stored[0])
    assert not is_complete(passkey_step(thief, answer))
    options = passkey_options(thief)
    as_alice = device.stored[0].user_handle
    answer = bobs.get(options, stored=bobs.stored[0], user_handle=as_alice)
    assert not is_complete(passkey_step(thief, answer))
    answer = bobs.get(passkey_options(thief), stored=bobs.stored[0], user_handle=None)
    assert not is_complete(passkey_step(thief, answer))
    assert not thief.is_signed_in()


@asvs("6.3.3", "8.2.2")
def test_a_passkey_signs_in_only_its_owner(app: Flask, device: Authenticator, bob: Browser) -> None:
    thief, bobs = Browser(app, "203.0.113.66"), with_passkey(app, BOB)
    options = passkey_options(thief, alone=True)
    answer = bobs.get(options, user_handle=device.stored[0].user_handle)
    assert not is_complete(passkey_step(thief, answer, alone=True))
    options = passkey_options(thief, alone=True)
    victims = device.stored[0].id  # which every page with options of the second step tells
    answer = bobs.get(options, wrapped={"id": websafe_encode(victims)})
    assert not is_complete(passkey_step(thief, answer, alone=True))
    forged = Authenticator()
    forged.stored = [type(bobs.stored[0])(victims, new_key(), DOMAIN, device.stored[0].user_handle)]
    options = passkey_options(thief, alone=True)
    assert not is_complete(passkey_step(thief, forged.get(options), alone=True))
    assert not thief.is_signed_in()


@asvs("6.3.3", "8.2.2")
def test_nobody_registers_the_passkey_of_another_user(
    app: Flask, device: Authenticator, bob: Browser
) -> None:
    """Whoever replaced the key behind a known id would sign in as its owner."""
    known = device.stored[0].id
    mine = Authenticator()
    add_passkey(bob, mine.create(new_passkey_options(bob), id=known))
    assert passkey_ids(bob) == []
    browser = Browser(app)
    options = passkey_options(browser, alone=True)
    answer = mine.get(options, user_handle=device.stored[0].user_handle)
    assert not is_complete(passkey_step(browser, answer, alone=True))
    assert is_complete(passkey_step(browser, device.get(second_step(browser))))


@asvs("6.5.1", "8.2.2")
def test_a_challenge_to_register_is_for_one_session(
    app: Flask, alice: Browser, bob: Browser
) -> None:
    """A thief's challenge in the owner's browser would make the thief's account the owner's."""
    thiefs = new_passkey_options(bob)
    new_passkey_options(alice)
    device = Authenticator()
    add_passkey(alice, device.create(thiefs))
    assert stored(app) == stored(app, BOB) == []


@asvs("8.2.2")
def test_nobody_removes_the_passkey_of_another_user(
    app: Flask, alice: Browser, bob: Browser, device: Authenticator
) -> None:
    with_passkey(app, BOB)
    prove(app, BOB, "passkey")
    prove(app, ALICE, "passkey")
    (alices,) = passkey_ids(alice)
    assert remove_passkey(bob, alices).status_code == 404
    assert passkey_ids(alice) == [alices]


# --- Counters


@asvs("6.3.3")
@pytest.mark.parametrize(("told", "done"), [(4, False), (5, False), (0, False), (6, True)])
def test_a_counter_that_does_not_increase_is_refused(
    app: Flask, alice: Browser, told: int, done: bool
) -> None:
    device, browser = Authenticator(), Browser(app)
    enroll(app, alice, device, count=5)
    assert is_complete(passkey_step(browser, device.get(second_step(browser), count=told))) == done
    assert stored(app)[0].sign_count == (6 if done else 5)


def test_a_device_without_a_counter_is_accepted(app: Flask, device: Authenticator) -> None:
    """Passkeys that are synchronized say 0 each time."""
    for number in range(2):
        browser = Browser(app, f"192.0.2.{number}")
        assert is_complete(passkey_step(browser, device.get(second_step(browser), count=0)))


@asvs("6.3.3", "15.4.2")
def test_only_one_of_two_answers_with_the_same_counter_succeeds(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy of a key signs at the same moment, for a challenge of its own."""
    device = Authenticator()
    enroll(app, alice, device, count=5)
    browsers = [Browser(app, f"192.0.2.{n}") for n in range(2)]
    answers = [device.get(passkey_options(it, alone=True), count=6) for it in browsers]
    both = [
        lambda it=it, answer=answer: passkey_step(it, answer, alone=True)
        for it, answer in zip(browsers, answers, strict=True)
    ]
    with monkeypatch.context() as patch:
        patch.setattr(passkeys, "find", meeting(2, passkeys.find))
        done = [is_complete(response) for response in at_once(*both)]
    assert sorted(done) == [False, True]
    assert sum(it.is_signed_in() for it in browsers) == 1


@asvs("6.5.1", "15.4.2")
def test_only_one_of_two_answers_to_one_challenge_succeeds(
    app: Flask, device: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, thief = Browser(app), Browser(app, "203.0.113.66")
    answer = device.get(second_step(browser))
    copy_ticket(browser, thief)
    both = [lambda it=it: passkey_step(it, answer) for it in (browser, thief)]
    with monkeypatch.context() as patch:
        patch.setattr(tickets, "count_try", meeting(2, tickets.count_try))
        done = [is_complete(response) for response in at_once(*both)]
    assert sorted(done) == [False, True]


# --- Around


@asvs("6.3.1")
@slow
def test_failures_of_others_do_not_keep_the_owner_of_a_passkey_out(
    app: Flask, alice: Browser, device: Authenticator
) -> None:
    for number in range(FREE + 1):
        assert not is_complete(password_step(Browser(app, f"203.0.113.{number}"), ALICE, "wrong"))
    delayed = password_step(Browser(app, "192.0.2.9"), ALICE, PASSWORD)
    assert not needs_second_step(delayed)
    browser = Browser(app, "192.0.2.10")
    options = passkey_options(browser, alone=True)
    assert is_complete(passkey_step(browser, device.get(options), alone=True))
    assert alice.is_signed_in()


@asvs("6.3.1", "2.4.1")
def test_wrong_codes_of_others_do_not_keep_the_owner_of_a_passkey_out(
    app: Flask, device: Authenticator
) -> None:
    """Whoever knows the password uses the limit of codes up, every five minutes."""
    for number in range(6):
        thief = Browser(app, f"203.0.113.{number}")
        assert needs_second_step(password_step(thief, ALICE, PASSWORD))
        refused = code_step(thief, "000000")
    assert refused.status_code == 429
    browser = Browser(app)
    assert is_complete(passkey_step(browser, device.get(second_step(browser))))


@asvs("2.4.1")
def test_answers_of_passkeys_are_limited_by_address(app: Flask, device: Authenticator) -> None:
    browser, answers = Browser(app), []
    second_step(browser)
    for _ in range(11):
        answers.append(passkey_step(browser, {"id": "x"}).status_code)
    assert 429 not in answers[:10]
    assert answers[10] == 429


@asvs("6.3.3")
def test_a_disabled_account_is_closed_to_its_passkey(
    app: Flask, device: Authenticator, cli: Any
) -> None:
    browser = Browser(app)
    options = passkey_options(browser, alone=True)
    assert cli("users", "disable", ALICE).exit_code == 0
    assert not is_complete(passkey_step(browser, device.get(options), alone=True))
    assert not browser.is_signed_in()


@asvs("15.4.2")
def test_a_passkey_that_is_just_removed_does_not_count_by_that_of_another_user(
    app: Flask, device: Authenticator, bob: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner removes the thief's, and the next passkey gets the same id in SQLite."""
    thief = Browser(app, "203.0.113.66")
    answer = device.get(passkey_options(thief, alone=True))
    parts = {"credential_hash": "x", "credential_id": "x", "public_key": "x", "name": "Laptop"}

    def remove_and_add() -> None:
        with app.app_context():
            (gone,) = db.session.scalars(select(Passkey), execution_options=passkeys.OF_ALL)
            key, count = gone.id, gone.sign_count
            db.session.delete(unscoped(gone, "a test"))
            db.session.flush()
            other = Passkey(id=key, user_id=user_of(BOB).id, sign_count=count, **parts)
            db.session.add(unscoped(other, "a test"))
            db.session.commit()

    with monkeypatch.context() as patch:
        verify = and_then(remove_and_add, webauthn.verify_authentication_response)
        patch.setattr(webauthn, "verify_authentication_response", verify)
        assert not is_complete(passkey_step(thief, answer, alone=True))
    assert not thief.is_signed_in()


@asvs("6.3.3", "6.5.6", "16.3.1")
def test_a_removed_passkey_signs_nobody_in(
    app: Flask, alice: Browser, device: Authenticator, log: Callable[[], list[dict[str, Any]]]
) -> None:
    prove(app, ALICE, "passkey")
    browser = Browser(app)
    options = passkey_options(browser, alone=True)
    assert remove_passkey(alice, passkey_ids(alice)[0]).status_code < 400
    log()
    assert not is_complete(passkey_step(browser, device.get(options), alone=True))
    (event,) = [line for line in log() if line["event"] == "authn_login_fail"]
    assert event["reason"].startswith("passkey: ")


@asvs("2.3.2", "2.4.1")
def test_an_account_has_few_passkeys(app: Flask, alice: Browser) -> None:
    for _ in range(MAX_PASSKEYS - 1):
        with_passkey(app, ALICE)
    prove(app, ALICE, "passkey")
    enroll(app, alice, Authenticator())
    assert len(stored(app)) == MAX_PASSKEYS == 10
    enroll(app, alice, Authenticator())
    assert len(stored(app)) == MAX_PASSKEYS


@asvs("2.3.2", "2.4.1", "15.4.2")
def test_two_new_passkeys_at_once_are_both_counted(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(MAX_PASSKEYS - 1):
        with_passkey(app, ALICE)

    def attempt() -> bool:
        user, token, options = asked(app, ALICE, "new passkey")
        answer = json.dumps(Authenticator().create(options))
        with suppress(PasskeyError):
            register(app, user, token, answer)
            return True
        return False

    with monkeypatch.context() as patch:
        verify = meeting(2, webauthn.verify_registration_response)
        patch.setattr(webauthn, "verify_registration_response", verify)
        assert sorted(at_once(attempt, attempt)) == [False, True]
    assert len(stored(app)) == MAX_PASSKEYS


@asvs("6.5.2", "14.2.4")
def test_the_database_has_nothing_that_signs_in(app: Flask, device: Authenticator) -> None:
    options = second_step(Browser(app))
    (passkey,) = stored(app)
    key = device.stored[0].key.public
    assert cbor.decode(websafe_decode(passkey.public_key)) == dict(key)
    with app.app_context():
        waiting = select(tickets.Ticket).where(tickets.Ticket.purpose == "second factor")
        (ticket,) = db.session.scalars(waiting).all()
        assert len(ticket.token_hash) == 64
        assert ticket.challenge == options["challenge"]  # worth nothing without the ticket


def test_a_passkey_and_an_app_are_each_a_second_factor(
    app: Flask, alice: Browser, device: Authenticator
) -> None:
    with_app(app, ALICE)
    browser = Browser(app)
    assert is_complete(passkey_step(browser, device.get(second_step(browser))))
    with app.app_context():
        assert totp.is_enabled(user_of(ALICE))
