"""Links in mails: guessed, used twice, too late, for something else, or read in the database."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from itertools import pairwise

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.auth import accounts, expiry, link_issuance, links, password_reset
from app.auth.link_issuance import FIRST_PAUSE, LONGEST_PAUSE
from app.auth.links import LIFETIMES, Link
from app.auth.models import User
from app.database import Base, db, dialect, now
from app.secret import Secret
from tests.browser import ASKED, NO_LINK, PASSWORD, SIGNED_IN, Browser
from tests.flows import FLOWS, RESET, Flow, pass_time
from tests.mailbox import mails, tokens
from tests.marks import asvs, practice, slow
from tests.races import at_once, meeting
from tests.resources import NEW_PASSWORD
from tests.retries import Log
from tests.stored import stored_rows

pytestmark = practice("auth.links")

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)

both = pytest.mark.parametrize("flow", FLOWS, ids=str)


@pytest.fixture(autouse=True)
def account(alice: Browser) -> None:
    """Alice has an account, carol has none."""


def works(app: Flask, flow: Flow, password: str) -> bool:
    """Whether this password signs in to the account of the flow."""
    visitor = Browser(app, "203.0.113.77")
    return visitor.sign_in(flow.email, password).status_code == SIGNED_IN


# --- What a token is


@asvs("6.4.1", "6.5.2", "6.5.3", "11.5.1")
@both
def test_a_token_is_random_and_the_database_has_its_hash_alone(app: Flask, flow: Flow) -> None:
    """Whoever reads the database, or a backup of it, opens no link."""
    first = flow.token(app)
    pass_time(app, FIRST_PAUSE)
    second = flow.token(app)
    assert sum(one != other for one, other in zip(first, second, strict=True)) > 30
    assert len(urlsafe_b64decode(second + "=")) == 32  # bytes
    with app.app_context():
        assert db.session.scalars(select(Link.token_hash)).all() == [
            sha256(second.encode()).hexdigest()
        ]
        rows = [str(stored_rows(table)) for table in Base.metadata.sorted_tables]
    for token in (first, second):
        assert token not in "".join(rows)


@asvs("6.4.1", "7.2.1")
@both
@slow
def test_a_guess_opens_nothing(app: Flask, flow: Flow) -> None:
    token = flow.token(app)
    with app.app_context():
        link = db.session.scalars(select(Link)).one()
        stored = str(link.token_hash), link.name_hash, str(link.id)
    changed = "B" if token[0] == "A" else "A"
    guesses = [
        *("", " ", "0", "%", "null", "None", token[:-1], f"{token} ", f"{token}=", token * 2),
        *(token.swapcase(), changed + token[1:], token[1:] + changed, token[::-1]),
        *(stored[0], stored[0].upper(), f"{token}\0", "' OR '1'='1", "x" * 60_000, "é" * 43),
        *(stored[1:]),
    ]
    for number, guess in enumerate(guesses):
        answer = flow.finish(Browser(app, f"192.0.2.{number}"), guess, NEW_PASSWORD)
        assert answer.status_code == NO_LINK, guess
    assert not works(app, flow, NEW_PASSWORD)
    assert flow.finish(Browser(app), token, NEW_PASSWORD).status_code == flow.done


# --- When it counts


@asvs("6.4.1", "6.5.1")
@both
def test_a_link_counts_once(app: Flask, flow: Flow) -> None:
    token = flow.token(app)
    assert flow.finish(Browser(app), token, NEW_PASSWORD).status_code == flow.done
    for password in (NEW_PASSWORD, "gravel-piano-3-umbrella-mist"):
        assert flow.finish(Browser(app), token, password).status_code == NO_LINK
    assert works(app, flow, NEW_PASSWORD)


@asvs("6.4.1")
def test_no_link_has_a_long_lifetime() -> None:
    """Requested links: one day at most. Links sent without a request: seven days."""
    longest = {"confirm": DAY, "reset": timedelta(hours=1), "email": DAY}
    for purpose, lifetime in LIFETIMES.items():
        assert lifetime <= longest.get(purpose, 7 * DAY), purpose


@pytest.mark.parametrize("purpose", LIFETIMES)
def test_a_link_lives_as_long_as_it_says(app: Flask, purpose: links.Purpose) -> None:
    """Also while others ask for mails, which deletes what nobody needs any more."""
    with app.app_context():
        token = link_issuance.issue_at_once(purpose, Secret("dave@example.com"))
        db.session.commit()
    pass_time(app, LIFETIMES[purpose] - timedelta(minutes=1))
    with app.app_context():
        link_issuance.issue_at_once("reset", Secret("erin@example.com"))
        db.session.commit()
        assert db.session.scalar(
            select(Link.id).where(Link.email == Secret("dave@example.com"), Link.expires_at > now())
        )
        assert links.find("confirm" if purpose == "invite" else purpose, token)


@asvs("6.4.1")
@both
def test_an_expired_link_is_refused(app: Flask, flow: Flow) -> None:
    token = flow.token(app)
    with app.app_context():
        started = now()
        link = db.session.scalars(select(Link)).one()
        assert timedelta(0) <= started - link.mailed_at < timedelta(seconds=30)
        assert link.expires_at - link.mailed_at == flow.lifetime
    pass_time(app, flow.lifetime - timedelta(minutes=1))
    assert flow.finish(Browser(app), token, "short").status_code == 422  # it still counts
    pass_time(app, timedelta(minutes=1))
    for password in ("short", NEW_PASSWORD):
        assert flow.finish(Browser(app), token, password).status_code == NO_LINK
    assert not works(app, flow, NEW_PASSWORD)


@asvs("6.4.1")
@both
def test_a_newer_link_ends_the_older(app: Flask, flow: Flow) -> None:
    older = flow.token(app)
    pass_time(app, FIRST_PAUSE)
    newer = flow.token(app)
    assert flow.finish(Browser(app), older, NEW_PASSWORD).status_code == NO_LINK
    assert flow.finish(Browser(app), newer, NEW_PASSWORD).status_code == flow.done


@both
def test_a_weak_password_does_not_use_the_link_up(app: Flask, flow: Flow) -> None:
    token = flow.token(app)
    for weak in ("too-short-pass", "Password123456!", flow.email, "x" * 129):
        answer = flow.finish(Browser(app), token, weak)
        assert answer.status_code == 422
        assert weak not in answer.text.replace(flow.email, "") or weak == flow.email
    assert flow.finish(Browser(app), token, NEW_PASSWORD).status_code == flow.done


# --- What it is for


@asvs("8.2.2")
@pytest.mark.parametrize(("flow", "other"), [FLOWS, FLOWS[::-1]], ids=str)
def test_a_link_is_for_one_purpose(app: Flask, flow: Flow, other: Flow) -> None:
    token = flow.token(app)
    for password in ("short", NEW_PASSWORD):
        assert other.finish(Browser(app), token, password).status_code == NO_LINK
    assert not works(app, other, NEW_PASSWORD)
    assert flow.finish(Browser(app), token, NEW_PASSWORD).status_code == flow.done


@asvs("8.2.2", "8.3.1")
def test_a_link_is_for_one_account_whoever_opens_it(
    app: Flask, alice: Browser, bob: Browser
) -> None:
    """The token decides; who is signed in in that browser does not."""
    assert RESET.finish(bob, RESET.token(app), NEW_PASSWORD).status_code == RESET.done
    assert bob.is_signed_in()
    assert not alice.is_signed_in()
    assert Browser(app, "192.0.2.1").sign_in(bob.email, PASSWORD).status_code == SIGNED_IN
    assert works(app, RESET, NEW_PASSWORD)
    assert not works(app, RESET, PASSWORD)


@both
def test_another_address_in_the_request_changes_nothing(
    app: Flask, bob: Browser, flow: Flow
) -> None:
    """A field that the form does not have is ignored or refused."""
    token = flow.token(app)
    before = mails(app)
    flow.ask(bob, f"{flow.email}&email={bob.email}")
    assert mails(app) == before
    assert flow.finish(bob, token, NEW_PASSWORD).status_code == flow.done
    assert Browser(app, "192.0.2.1").sign_in(bob.email, PASSWORD).status_code == SIGNED_IN


@both
def test_a_link_that_ends_meanwhile_opens_nothing_and_logs_no_success(
    app: Flask, monkeypatch: pytest.MonkeyPatch, log: Log, flow: Flow
) -> None:
    """While the password is hashed, a newer link is mailed: what was written is taken back."""
    token, hashed = flow.token(app), accounts.hash_password

    def ask_again() -> None:
        pass_time(app, FIRST_PAUSE)
        flow.token(app)

    def hash_meanwhile(password: Secret) -> str:
        with ThreadPoolExecutor(1) as another_visitor:
            another_visitor.submit(ask_again).result()
        return hashed(password)

    for module in (accounts, password_reset):
        monkeypatch.setattr(module, "hash_password", hash_meanwhile)
    log()
    assert flow.finish(Browser(app), token, NEW_PASSWORD).status_code == NO_LINK
    assert not {"user_created", "authn_password_change"} & {line["event"] for line in log()}
    monkeypatch.undo()
    assert not works(app, flow, NEW_PASSWORD)


# --- Mails to a stranger


def mails_of_a_day(app: Flask, flow: Flow, every: timedelta) -> list[timedelta]:
    """When a mail goes out, if somebody asks again and again for a day."""
    sent = []
    for number in range(DAY // every):
        before = len(tokens(app, flow.email))
        flow.ask(Browser(app, f"10.0.{number // 15}.1"), flow.email)
        if len(tokens(app, flow.email)) > before:
            sent.append(number * every)
        pass_time(app, every)
    return sent


@asvs("2.4.1", "6.3.1")
@both
@slow
def test_one_mailbox_gets_few_mails_for_many_requests(app: Flask, flow: Flow) -> None:
    """Each from an address of its own. The owner, who asks as well, always has a link that counts,
    or gets one.
    """
    sent = mails_of_a_day(app, flow, timedelta(minutes=5))
    assert 2 < len(sent) <= (50 if flow is RESET else 16)
    pauses = [later - earlier for earlier, later in pairwise(sent)]
    assert pauses[0] == FIRST_PAUSE
    assert pauses == sorted(pauses)
    assert max(pauses) == (flow.lifetime if flow is RESET else LONGEST_PAUSE)
    assert timedelta(hours=2) == LONGEST_PAUSE


@asvs("2.4.1")
@both
def test_after_a_quiet_day_the_pauses_begin_anew(app: Flask, flow: Flow) -> None:
    for pause in (FIRST_PAUSE, 2 * FIRST_PAUSE, DAY + SECOND, FIRST_PAUSE):
        flow.token(app)
        pass_time(app, pause)
    flow.token(app)
    assert len(tokens(app, flow.email)) == 5


@both
def test_within_the_pause_the_link_before_still_counts(app: Flask, flow: Flow) -> None:
    """An attacker who asks after the owner does not end the owner's link."""
    token = flow.token(app)
    assert flow.token(app, "192.0.2.66") == token
    assert len(mails(app, flow.email)) == 1
    assert flow.finish(Browser(app), token, NEW_PASSWORD).status_code == flow.done


@asvs("15.4.2")
@both
def test_simultaneous_requests_send_one_mail(
    app: Flask, monkeypatch: pytest.MonkeyPatch, flow: Flow
) -> None:
    """The pause is checked and begun in one step, also for an address that is asked for first."""
    visitors = [Browser(app, f"192.0.2.{n}") for n in range(10)]
    if dialect.NAME != "SQLite":  # SQLite has one writer: the others could not come to the meeting
        monkeypatch.setattr(expiry, "delete_expired", meeting(10, expiry.delete_expired))
    answers = at_once(*(lambda it=it: flow.ask(it, flow.email) for it in visitors))
    assert [answer.status_code for answer in answers] == [ASKED] * 10
    assert len(mails(app, flow.email)) == 1
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Link)) == 1


@asvs("6.5.1", "15.4.2")
@both
@slow
def test_only_one_of_ten_simultaneous_uses_of_a_link_succeeds(app: Flask, flow: Flow) -> None:
    token = flow.token(app)
    passwords = [f"kelp-drizzle-{n}-anvil-tooth" for n in range(10)]
    calls = [
        (lambda n=n, it=it: flow.finish(Browser(app, f"192.0.2.{n}"), token, it))
        for n, it in enumerate(passwords)
    ]
    answers = [answer.status_code for answer in at_once(*calls)]
    assert sorted(answers) == sorted([flow.done] + [NO_LINK] * 9)
    winner = passwords[answers.index(flow.done)]
    assert works(app, flow, winner)
    assert not any(works(app, flow, it) for it in passwords[:3] if it != winner)
    with app.app_context():
        found = db.session.scalars(select(User).where(User.email == Secret(flow.email))).all()
    assert len(found) == 1


@both
def test_no_lock_is_held_while_a_password_is_hashed(
    app: Flask, monkeypatch: pytest.MonkeyPatch, flow: Flow
) -> None:
    """A row that is locked meanwhile, with SQLite all of them, would let others wait."""
    answered: list[int] = []
    token = flow.token(app)
    hash_password = accounts.hash_password

    def ask_meanwhile(password: Secret) -> str:
        ask = lambda: flow.ask(Browser(app, "192.0.2.9"), flow.email)  # noqa: E731
        answered.extend(it.status_code for it in at_once(ask))
        return hash_password(password)

    for module in (accounts, password_reset):
        monkeypatch.setattr(module, "hash_password", ask_meanwhile)
    assert flow.finish(Browser(app), token, NEW_PASSWORD).status_code == flow.done
    assert answered == [ASKED]


# --- Where it is seen


@asvs("14.2.1", "16.2.5")
@both
def test_no_log_or_redirect_contains_a_token(
    app: Flask, capfd: pytest.CaptureFixture[str], flow: Flow
) -> None:
    token = flow.token(app)
    seen = [
        flow.finish(Browser(app), token, "short"),
        flow.finish(Browser(app), token, NEW_PASSWORD),
        flow.finish(Browser(app), token, NEW_PASSWORD),
    ]
    assert [it.status_code for it in seen] == [422, flow.done, NO_LINK]
    for response in seen:
        assert token not in str(response.headers)
        assert response.headers["Referrer-Policy"] in ("no-referrer", "strict-origin")
        assert response.headers["Cache-Control"] == "no-store"
    assert token not in seen[1].text + seen[2].text
    written = capfd.readouterr()
    paths = [json.loads(line).get("path") for line in written.err.splitlines()]
    assert len([path for path in paths if path and re.search("confirm|reset", path)]) == 3
    for secret in (token, flow.email, NEW_PASSWORD):
        assert secret not in written.out + written.err
