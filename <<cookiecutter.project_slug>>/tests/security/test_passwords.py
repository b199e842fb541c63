"""Password storage and policy, by function and through sign-up, sign-in and change."""

from __future__ import annotations

import math
import random
import re
import string
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
# <% if cookiecutter.auth != "oidc" %>
from datetime import timedelta
# <% endif %>
from functools import partial
from itertools import count
from typing import Any

import pytest
from argon2 import PasswordHasher, Type, extract_parameters
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update
from werkzeug.exceptions import ServiceUnavailable

from app.auth.models import User
# <% if cookiecutter.auth == "oidc" %>
from app.database import db, now
# <% else %>
from app.database import Base, UTCDateTime, db, now
# <% endif %>
from app.secret import Secret
from app.security import hash_slots, passwords
from app.security.blocklist import LEAKED, MAX_JUDGED, is_guessable, is_leaked
from app.security.passwords import (
    FLOORS,
    MAX_LENGTH,
    MIN_LENGTH,
    hash_password,
    needs_rehash,
    password_problem,
    verify_password,
)
from app.security.rate_limits import limiter
# <% if cookiecutter.auth == "oidc" %>
from tests.browser import PAGES, PASSWORD, SIGNED_IN, Browser
# <% else %>
from tests.browser import (
    CHANGED,
    PAGES,
    PASSWORD,
    PROFILE,
    SAMPLES,
    SIGNED_IN,
    SIGNED_UP,
    Browser,
)
# <% endif %>
from tests.marks import asvs, slow
from tests.races import TIMEOUT
# <% if cookiecutter.auth != "oidc" %>
from tests.stored import stored_rows
# <% endif %>

LEAST_ROUNDS, MOST_ROUNDS = 4, 40  # of sign-ins that are timed
SERVICE, EMAIL = "Hardened Service", "jane.doe@example-shop.com"
UNUSUAL = "wermsk.brontil@quuxly.com"  # no word of it is common
# Common in leaks, at all lengths.
WORDS = "password iloveyou dragon monkey letmein princess sunshine football qwerty charlie".split()


@pytest.fixture(autouse=True)
def hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each hash is computed: here the time that it takes matters, and how many there are."""
    monkeypatch.setattr(passwords, "is_breached", lambda _: False)  # is in test_breaches.py


@pytest.fixture
def alice(app: Flask) -> Browser:
    """Somebody with a password."""
    return Browser(app, "203.0.113.1").signed_in_with_password("alice@example.com")


@pytest.fixture
def bob(app: Flask) -> Browser:
    """Somebody else with a password."""
    return Browser(app, "203.0.113.2").signed_in_with_password("bob@example.com")


def random_text(length: int, seed: int = 1, alphabet: str = string.ascii_letters) -> str:
    return "".join(random.Random(seed).choices(alphabet, k=length))  # noqa: S311 - not a secret


def stored_hash(app: Flask, email: str) -> str:
    with app.app_context():
        stored = db.session.scalar(select(User.password_hash).where(User.email == Secret(email)))
    assert stored
    return stored


# --- The hash ----------------------------------------------------------------------------------


@asvs("11.4.2")
@slow
def test_password_hashes_have_the_strength_that_owasp_asks_for(
    app: Flask, browser: Browser
) -> None:
    made = extract_parameters(stored_hash(app, browser.with_password(EMAIL).email))
    assert made.type is Type.ID
    assert made.memory_cost >= FLOORS[made.time_cost]
    assert FLOORS == {1: 47104, 2: 19456, 3: 12288, 4: 9216, 5: 7168}  # as published
    assert (made.hash_len, made.salt_len) >= (32, 16)


@asvs("11.4.2")
def test_the_same_password_has_another_hash_each_time() -> None:
    assert hash_password(Secret(PASSWORD)) != hash_password(Secret(PASSWORD))


@pytest.mark.parametrize(
    "password",
    [PASSWORD, " ends count ", "\N{OWL}" * 20, "x" * 128, "a\0b" * 5, "\ud800" * 15],
    ids=["words", "spaces", "emoji", "128", "NUL", "surrogate"],
)
@slow
def test_a_password_is_not_trimmed_or_folded(password: str) -> None:
    stored = hash_password(Secret(password))
    assert verify_password(stored, Secret(password))
    others = {password[:-1], password + " ", password.strip(), password.upper()} - {password}
    for other in others:
        assert not verify_password(stored, Secret(other))


def test_passwords_that_differ_after_72_bytes_do_not_match() -> None:
    """bcrypt would not see it."""
    assert not verify_password(hash_password(Secret("x" * 72 + "a")), Secret("x" * 72 + "b"))


@slow
def test_both_unicode_forms_of_a_password_match() -> None:
    """In NFC. ASVS 6.2.8 would forbid it: SECURITY.md says why we do it, and no more than that."""
    stored = hash_password(Secret("cafe\u0301 au lait, bitte"))
    assert verify_password(stored, Secret("caf\u00e9 au lait, bitte"))
    for typed, other in {"\ufb01ve": "five", "\uff11234": "1234", "x\u00b2": "x2"}.items():  # NFKC
        stored = hash_password(Secret(f"{typed} au lait"))
        assert not verify_password(stored, Secret(f"{other} au lait"))


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "x",
        "\0",
        "$argon2id$\u00e9",
        "$2b$12$abcdefghijklmnopqrstuv",
        "$argon2id$v=19$m=8,t=1,p=1$YQ",
    ],
)
def test_a_malformed_hash_is_no_match_and_no_error(stored: str) -> None:
    assert verify_password(stored, Secret(PASSWORD)) is False
    assert needs_rehash(stored)


@asvs("15.2.2")
def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many threads sign in, at most three hash at once; nobody waits for one of them."""
    running = threading.Barrier(hash_slots.SLOTS + 1)
    ended = threading.Event()

    class Endless:
        def hash(self, password: bytes) -> str:
            running.wait(TIMEOUT)
            ended.wait(TIMEOUT)
            return "x"

        def verify(self, stored: str, password: bytes) -> bool:
            return bool(self.hash(password))

    monkeypatch.setattr(passwords, "HASHER", Endless())
    for call in (partial(hash_password, Secret("x")), partial(verify_password, "x", Secret("x"))):
        ended.clear()
        with ThreadPoolExecutor(hash_slots.SLOTS) as threads:
            taken = [threads.submit(call) for _ in range(hash_slots.SLOTS)]
            running.wait(TIMEOUT)
            for refused in (call, partial(verify_password, None, Secret("x")), call):
                with pytest.raises(ServiceUnavailable):
                    refused()
            ended.set()
        assert all(hashed.result() for hashed in taken)
    assert hash_slots.SLOTS == 3


def test_a_slot_is_given_back_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(hash_slots.SLOTS + 1):
        assert not verify_password("no hash", Secret(PASSWORD))
    with monkeypatch.context() as patch:
        patch.setattr(passwords, "HASHER", None)
        for _ in range(hash_slots.SLOTS + 1):
            with pytest.raises(AttributeError):
                hash_password(Secret(PASSWORD))
    assert verify_password(hash_password(Secret(PASSWORD)), Secret(PASSWORD))


@pytest.mark.parametrize(
    "weak",
    [
        PasswordHasher(time_cost=1, memory_cost=47103, parallelism=1),
        PasswordHasher(time_cost=2, memory_cost=19000, parallelism=1),
        PasswordHasher(time_cost=1, memory_cost=47104, parallelism=1, type=Type.I),
        PasswordHasher(time_cost=1, memory_cost=47104, parallelism=1, hash_len=16),
        PasswordHasher(time_cost=1, memory_cost=47104, parallelism=1, salt_len=8),
    ],
    ids=["memory", "passes", "argon2i", "short hash", "short salt"],
)
def test_check_looks_at_a_real_hash(
    app: Flask, monkeypatch: pytest.MonkeyPatch, weak: PasswordHasher
) -> None:
    assert list(passwords.check(app)) == []
    monkeypatch.setattr(passwords, "HASHER", weak)
    assert len(list(passwords.check(app))) == 1


@asvs("11.2.2")
@slow
def test_signing_in_renews_a_hash_of_older_parameters(
    app: Flask, alice: Browser, new_browser: Callable[..., Browser]
) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    with app.app_context():
        db.session.execute(update(User).values(password_hash=old))
        db.session.commit()
    assert new_browser().sign_in(alice.email, "wrong-" + PASSWORD).status_code == 401
    assert stored_hash(app, alice.email) == old
    assert new_browser().sign_in(alice.email).status_code == SIGNED_IN
    renewed = stored_hash(app, alice.email)
    assert extract_parameters(renewed).memory_cost == passwords.HASHER.memory_cost
    assert new_browser().sign_in(alice.email).status_code == SIGNED_IN
    assert stored_hash(app, alice.email) == renewed


# --- The policy --------------------------------------------------------------------------------


@asvs("6.2.1", "6.2.5", "6.2.9")
@pytest.mark.parametrize(
    ("length", "accepted"),
    [(0, False), (8, False), (14, False), (15, True), (64, True), (128, True), (129, False)],
)
def test_length_is_the_only_rule_of_form(length: int, accepted: bool) -> None:
    for alphabet in (string.ascii_lowercase, string.digits, "\u043f\u0440\u0438\u0432\u0435\u0442"):
        password = random_text(length, 7, alphabet)
        assert (password_problem(Secret(password)) is None) is accepted


@asvs("6.2.1")
def test_length_is_counted_in_characters_after_normalization() -> None:
    owls = "".join(random.Random(1).sample([chr(0x1F400 + i) for i in range(60)], 15))  # noqa: S311
    assert password_problem(Secret(owls)) is None  # 60 bytes
    composed = random_text(14, 3) + "e\u0301"
    assert len(composed) == 16
    assert password_problem(Secret(composed)) is None
    assert "15" in (password_problem(Secret(composed[1:])) or "")
    assert (MIN_LENGTH, MAX_LENGTH) == (15, 128)


@asvs("6.2.5")
@pytest.mark.parametrize(
    "password",
    [
        "purple otter juggles nine lamps",
        "Wobbly-Lantern-Orbit-Cactus",
        "a quiet river bends north twice",
        "\u043f\u0430\u0440\u043e\u043b\u044c \u043d\u0435 \u0441\u043b\u043e\u0432\u0430\u0440\u043d\u044b\u0439",
        "\u5bc6\u7801\u662f\u4e00\u4e2a\u5f88\u957f\u7684\u53e5\u5b50\u4e0d\u5bb9\u6613\u731c\u5230\u5427",
        "831947205518362",
        "Tr0ub4dor&3 is not enough alone",
        "the password is what nobody sees",
        PASSWORD,
    ],
)
def test_good_passwords_are_accepted(password: str) -> None:
    assert password_problem(Secret(password), SERVICE, EMAIL) is None


@slow
def test_random_passwords_are_accepted() -> None:
    alphabet = string.ascii_letters + string.digits + string.punctuation
    for seed in range(300):
        assert password_problem(Secret(random_text(16, seed, alphabet)), SERVICE, EMAIL) is None


@asvs("6.2.11")
@pytest.mark.parametrize(
    "password",
    [
        "Password123456!",
        "P@$$w0rd-P@$$w0rd",
        "passwordpassword",
        "PASSWORD PASSWORD",
        "Adm1n1strat0r2024",
        "Summer2024!Summer2024!",
        "Welcome2024!Admin",
        "letmein letmein letmein",
        "dragon.monkey.shadow",
        "correct horse battery staple",
        "CorrectHorseBatteryStaple1!",
        "qwertyuiopasdfgh",
        "QwErTyUiOpAsDfGhJkL",
        "zxcvbnm,asdfghjkl",
        "1qaz2wsx3edc4rfv",
        "q1w2e3r4t5y6u7i8o9",
        "1q2w3e4r5t6y7u8i",
        "abcdefghijklmnopq",
        "zyxwvutsrqponmlk",
        "123456789012345",
        "0987654321098765",
        "aaaaaaaaaaaaaaaa",
        "abababababababababab",
        "xK9!xK9!xK9!xK9!",
        "                ",
        "\N{GRINNING FACE}" * 15,
        "jane.doe@example-shop.com",
        "Jane-Doe-Jane-Doe-1",
        "example-shop-2024!",
        "HardenedService2024!",
        "Hardened Service password",
    ],
)
def test_passwords_built_from_what_is_tried_first_are_refused(password: str) -> None:
    assert "easy to guess" in (password_problem(Secret(password), SERVICE, EMAIL) or "")


@pytest.mark.parametrize("word", WORDS)
def test_a_common_word_is_refused_however_it_is_padded(word: str) -> None:
    padded = (
        word * 4,
        f"{word.title()}12345678901234",
        f"{word.upper()}-{word}-{word}-{word}-2024!",
        f"aaaaaaaaaaaaaa{word}",
        f"{word.replace('o', '0').replace('e', '3')}987654321!",
    )
    for password in padded:
        assert "easy to guess" in (password_problem(Secret(password)) or ""), password


@asvs("6.2.4", "6.2.12")
@pytest.mark.parametrize(
    "password",
    [
        "nuncateolvidare",
        "Nunca te olvidare",
        "panicatthedisco",
        "PANIC-AT-THE-DISCO",
        "1panicatthedisco99!",
        "30secondstomars",
        "allyouneedislove",
        "tupacamarushakur",
        "assalamualaikum",
        "perasperaadastra",
    ],
)
def test_leaked_passwords_are_refused(password: str) -> None:
    """These look good to the estimate: the list alone refuses them."""
    assert not is_guessable(Secret(password), SERVICE, EMAIL)
    assert "list of leaked passwords" in (password_problem(Secret(password), SERVICE, EMAIL) or "")


@asvs("6.2.4", "6.2.12")
@pytest.mark.parametrize("added", ["", "!", "123", "1!", "99!!"])
def test_leaked_passwords_with_added_digits_are_refused(added: str) -> None:
    for password in ("manchesterunited", "mychemicalromance", "nuncateolvidare"):
        for variant in (password + added, password.title() + added, added + password.upper()):
            assert password_problem(Secret(variant)), variant


@asvs("6.2.11")
def test_context_words_do_not_hide_other_common_words() -> None:
    """The address is in the middle of words that everybody knows."""
    for context in ((), ("bdak@example.com",)):
        assert is_guessable(Secret("microlabdakotafrank1"), *context)


@asvs("6.2.4", "6.2.11")
@pytest.mark.parametrize("password", ["iloveyousomuch123", "letmeinplease123", "manchesterunited"])
def test_guessable_passwords_outside_the_lists_are_refused(password: str) -> None:
    assert is_guessable(Secret(password))


@asvs("6.2.4")
def test_the_list_has_three_thousand_passwords_of_our_lengths() -> None:
    """Its entries are digests; the template's own tests know from what they are made."""
    digests = LEAKED.read_text(encoding="ascii").splitlines()
    assert len(digests) >= 3000  # ASVS 5.0, 6.2.4
    assert sorted(set(digests)) == digests
    assert all(re.fullmatch(r"[0-9a-f]{8}", digest) for digest in digests)
    assert not any(is_leaked(Secret(random_text(15, seed))) for seed in range(1000))


def test_how_long_the_estimate_takes_does_not_depend_on_the_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """zxcvbn needs seconds for 72 characters that each may stand for a letter."""
    seen: list[str] = []

    def estimate(password: str, user_inputs: list[str]) -> dict[str, float]:
        seen.extend((password, *user_inputs))
        return {"guesses": math.inf}

    monkeypatch.setattr("app.security.blocklist.zxcvbn", estimate)
    assert password_problem(Secret(random_text(MAX_LENGTH, 1, "4@8({[<369")), "x" * 9999) is None
    assert len(seen[0]) == MAX_JUDGED
    assert max(map(len, seen)) <= 256
    assert "" not in seen


@settings(deadline=None)
@given(st.text(min_size=MIN_LENGTH, max_size=MAX_LENGTH), st.text(max_size=40))
@slow
def test_no_password_causes_an_error_in_the_estimate(password: str, name: str) -> None:
    """Line breaks in it and an empty text are errors inside zxcvbn."""
    password_problem(Secret(password), name)
    password_problem(Secret((password[:5] + "\n1.1.\t19") * 4), name)


# <% if cookiecutter.auth != "oidc" %>
@asvs("2.2.2", "6.2.1", "6.2.4", "6.2.11", "6.2.12")
@pytest.mark.parametrize(
    ("password", "said"),
    [
        (random_text(14), "at least 15"),
        (random_text(129), "at most 128"),
        ("Password123456!", "easy to guess"),
        ("nuncateolvidare", "leaked passwords"),
        (UNUSUAL, "easy to guess"),
    ],
)
def test_sign_up_and_change_keep_to_the_policy(
    browser: Browser, new_browser: Callable[..., Browser], password: str, said: str
) -> None:
    response = browser.register(UNUSUAL, password)
    assert response.status_code == 422
    assert said in response.text
    response = new_browser().signed_in(UNUSUAL).change_password(PASSWORD, password)
    assert response.status_code == 422
    assert said in response.text
    assert password not in response.text.replace(UNUSUAL, "", 1)


# <% endif %>
@asvs("6.2.9")
@pytest.mark.parametrize("length", [15, 128])
@slow
def test_the_shortest_and_the_longest_password_work(
    browser: Browser, new_browser: Callable[..., Browser], length: int
) -> None:
    browser.password = " " + random_text(length - 2, length) + " "
    browser.with_password("carol@example.com")
    assert new_browser().sign_in("carol@example.com", browser.password).status_code == SIGNED_IN
    assert new_browser().sign_in("carol@example.com", browser.password.strip()).status_code == 401


@asvs("6.3.8", "15.2.2")
def test_a_password_over_the_maximum_length_is_not_hashed(
    alice: Browser, new_browser: Callable[..., Browser], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer and its time are the same whether the account exists or not."""
    longest = random_text(4 * MAX_LENGTH)
    assert new_browser("192.0.2.1").sign_in(alice.email, longest).status_code == 401
    monkeypatch.setattr(passwords, "hash_slot", lambda: pytest.fail("it was hashed"))
    for password in (longest + "x", PASSWORD + " " * 4 * MAX_LENGTH, "\u0315\u0300" * 4000):
        for email in (alice.email, "nobody@example.com"):
            response = new_browser("192.0.2.1").attempt(email, password)
            assert response.status_code == 401
        assert verify_password("x", Secret(password)) is False
        with pytest.raises(ValueError, match="at most 128"):
            hash_password(Secret(password))


# --- What an attacker learns -------------------------------------------------------------------

CHANGING = re.compile(
    r'name="csrf_token"[^>]*value="[^"]*"|<code>[0-9a-f]{32}</code>|"request_id": "[0-9a-f]{32}"'
)


@asvs("6.3.8")
@slow
def test_unknown_wrong_and_disabled_accounts_get_the_same_answer(
    app: Flask, alice: Browser, bob: Browser, new_browser: Callable[..., Browser]
) -> None:
    with app.app_context():
        db.session.execute(
            update(User).where(User.email == Secret(bob.email)).values(disabled_at=now())
        )
        db.session.commit()

    address = count(1)

    def answer(email: str, password: str) -> tuple[int, str, str]:
        response = new_browser(f"192.0.2.{next(address)}").sign_in(email, password)
        body = CHANGING.sub("", response.text.replace(email, "EMAIL"))
        headers = [h for h in response.headers if h[0] not in ("X-Request-ID", "Content-Length")]
        return response.status_code, body, str(headers)

    for password in (PASSWORD, "wrong-" + PASSWORD, "short", "x" * (MAX_LENGTH + 1)):
        refused = answer("nobody@example.com", password)
        assert refused[0] == 401
        assert answer(bob.email, password) == refused
        assert answer("no address", password) == refused
        if password != PASSWORD:
            assert answer(alice.email, password) == refused


@asvs("6.3.8")
@slow
def test_an_unknown_account_and_a_wrong_password_take_the_same_time(
    app: Flask, alice: Browser, bob: Browser, new_browser: Callable[..., Browser]
) -> None:
    """The least processor time: a busy machine only adds to it, so it may take more rounds.

    A missing hash is 10 times, and stays so.
    """
    with app.app_context():
        db.session.execute(
            update(User).where(User.email == Secret(bob.email)).values(disabled_at=now())
        )
        db.session.commit()
    kinds = {"unknown": "nobody@example.com", "wrong": alice.email, "disabled": bob.email}
    least = dict.fromkeys(kinds, math.inf)
    for number in range(MOST_ROUNDS):
        limiter.storage.reset()
        for kind, email in kinds.items():
            browser = new_browser(f"192.0.2.{number}")
            started = time.thread_time()
            assert browser.sign_in(email, "wrong-" + PASSWORD).status_code == 401
            least[kind] = min(least[kind], time.thread_time() - started)
        if number >= LEAST_ROUNDS and max(least.values()) < 1.25 * min(least.values()):
            break
    assert max(least.values()) < 1.25 * min(least.values()), least


@asvs("6.3.8", "15.2.2")
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
@slow
def test_too_many_simultaneous_sign_ins_get_the_same_answer(
    app: Flask,
    alice: Browser,
    bob: Browser,
    new_browser: Callable[..., Browser],
    log: Callable[[], list[dict[str, Any]]],
    accept: str,
) -> None:
    """For every account and password; signed-in users are not affected."""
    with app.app_context():
        db.session.execute(
            update(User).where(User.email == Secret(bob.email)).values(disabled_at=now())
        )
        db.session.commit()
    asked = [(email, PASSWORD) for email in (alice.email, bob.email, "nobody@example.com", "none")]
    asked.append((alice.email, "wrong"))
    visitors = [new_browser(f"192.0.2.{number}") for number in range(len(asked))]
    for visitor in visitors:
        visitor.attempt("warm@example.com", "up")  # with pages, it brings the form's token
    log()
    answers = set()
    with ExitStack() as flood:
        for _ in range(hash_slots.SLOTS):
            flood.enter_context(hash_slots.hash_slot())
        for visitor, credentials in zip(visitors, asked, strict=True):
            response = visitor.attempt(*credentials, headers={"Accept": accept})
            assert response.status_code == 503
            assert response.headers["Retry-After"] == "5"
            page = PAGES and accept == "text/html"
            assert response.mimetype == (accept if page else "application/problem+json")
            answers.add(CHANGING.sub("", response.text))
        assert alice.is_signed_in()
        # <% if cookiecutter.auth != "oidc" %>
        assert visitors[0].register("carol@example.com").status_code == 503
        assert alice.change_password(PASSWORD, "new-" + PASSWORD).status_code == 503
        # <% endif %>
    assert len(answers) == 1
    refused = [line for line in log() if line["event"] == "excess_rate_limit_exceeded"]
    assert refused[0]["limit"] == "3 password hashes at once"
    assert {line.get("account") for line in refused} == {None}
    assert new_browser("192.0.2.99").sign_in(alice.email).status_code == SIGNED_IN


def test_unknown_users_are_checked_against_a_generated_hash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not one from the source, which would not follow the parameters, and matches nothing."""
    made = passwords._dummy_hash(passwords.HASHER)
    assert not passwords.HASHER.check_needs_rehash(made)
    assert made == passwords._dummy_hash(passwords.HASHER)
    source = "".join(path.read_text(encoding="utf-8") for path in LEAKED.parent.glob("*.py"))
    assert "$argon2" not in source
    known = passwords.HASHER.hash(PASSWORD)
    with monkeypatch.context() as patch:
        patch.setattr(passwords, "_dummy_hash", lambda _: known)
        assert verify_password(None, Secret(PASSWORD)) is False
# <% if cookiecutter.auth != "oidc" %>


@asvs("6.2.10")
def test_an_old_password_still_works(app: Flask, alice: Browser) -> None:
    """Of an account that is ten years old, with all that happened to it."""
    with app.app_context():
        long_ago = now() - timedelta(days=3650)
        times = [it for it in User.__table__.columns if isinstance(it.type, UTCDateTime)]
        for column in times:
            there = update(User).where(column.is_not(None))
            db.session.execute(there.values({column.name: long_ago}))
        db.session.commit()
    assert "created_at" in [it.name for it in times]
    visitor = Browser(app)
    assert visitor.sign_in(alice.email).status_code == SIGNED_IN
    assert visitor.get(PROFILE).status_code == visitor.get(SAMPLES).status_code == 200


@asvs("6.2.3", "16.2.5")
@slow
def test_a_password_is_kept_and_shown_nowhere(
    app: Flask, browser: Browser, capfd: pytest.CaptureFixture[str]
) -> None:
    canary, wrong = "canary-fjord-pebble-41-moss", "canary-typo-otter-77-brick"
    browser.password = canary
    seen = [browser.register("carol@example.com", canary)]
    assert browser.sign_in("carol@example.com", canary).status_code == SIGNED_IN
    seen.append(browser.change_password(wrong, canary + "-2"))
    seen.append(browser.change_password(canary, canary + "-2"))
    seen.append(browser.sign_out())
    assert browser.sign_in(canary, wrong).status_code == 401  # a page shows the address again
    seen.append(browser.sign_in("carol@example.com", wrong))
    seen.append(browser.sign_in("carol@example.com", canary + "-2"))
    statuses = [response.status_code for response in seen]
    assert statuses[:3] == [SIGNED_UP, 422, CHANGED]
    assert statuses[4:] == [401, SIGNED_IN]
    for response in seen:
        assert "canary" not in response.text + str(response.headers)
    with app.app_context():
        for table in Base.metadata.sorted_tables:
            assert "canary" not in str(stored_rows(table))
    written = capfd.readouterr()
    assert "authn_login_fail" in written.err
    assert "canary" not in written.out + written.err
# <% endif %>
