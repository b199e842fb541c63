"""Personal access tokens: what a script may do with one, and whoever finds one may not."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select, update

from app.auth import identity, personal_tokens, revocation, token_access, token_form
from app.auth.models import User
from app.auth.personal_tokens import KEEP, MAX_TOKENS, TOUCH_EVERY, PersonalToken
from app.database import db, now
from app.secret import Secret, hash_secret
from app.security.access import fresh, is_public, needs_fresh_proof, public
from app.security.rate_limits import SCRIPT, WRITE
from app.security.scope import unscoped
from app.settings import PAT_PREFIX
from tests import needs
from tests.account_actions import ready_to_change_password
from tests.actions import ready_to_edit, ready_to_remove, ready_to_write
from tests.browser import API, PASSWORD_SET, PROFILE, SAMPLES, SIGNED_IN, Browser
from tests.database import flask_db
from tests.factors import age_proofs, asking, user_of, with_app
from tests.mailbox import mails, newest_token
from tests.marks import asvs, practice, slow
from tests.overtaking import and_then, delete_first
from tests.own_data_actions import ready_to_delete
from tests.password_actions import ask_for_reset, set_password
from tests.races import ALICE, at_once
from tests.resources import NEW_PASSWORD, PERSONAL_TOKENS, accepted, add, rows
from tests.resources import SAMPLES as SAMPLE
from tests.routes import fingerprint, own_path, routes
from tests.security.client import encode, fields_of_routes
from tests.statements import listening
from tests.token_actions import TOKENS, age_tokens, make_token, revoke_token, script, token_of

pytestmark = practice("auth.personal_tokens")

BOTH = ("read", "write")
Log = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def sample(app: Flask, alice: Browser) -> str:
    """The path of a sample of alice."""
    return f"{SAMPLES}/{add(app, SAMPLE, alice.email)}"


def stored(app: Flask) -> list[PersonalToken]:
    with app.app_context():
        return list(db.session.scalars(select(PersonalToken).order_by(PersonalToken.id)))


def events(log: Log, *names: str) -> list[dict[str, Any]]:
    return [line for line in log() if line["event"] in names]


def works(app: Flask, token: str) -> bool:
    return script(app, token).get(SAMPLES).status_code == 200


# --- How a token looks


@practice("auth.token_form")
@asvs("7.2.3", "11.5.1")
def test_a_token_has_a_prefix_256_random_bits_and_a_checksum(alice: Browser) -> None:
    tokens = [token_of(alice, "read") for _ in range(5)]
    assert len({*tokens}) == 5
    for token in tokens:
        assert re.fullmatch(rf"{PAT_PREFIX}[A-Za-z0-9_-]{{43}}[0-9A-Za-z]{{6}}", token)
    assert PAT_PREFIX.endswith("_pat_")


@practice("auth.token_form")
def test_the_checksum_is_the_one_that_github_documents() -> None:
    """CRC-32 in base62, with zeros in front: the values are computed by hand."""
    assert token_form.checksum("") == "000000"
    assert token_form.checksum("123456789") == "3jZRME"  # the check value of CRC-32: 0xCBF43926
    assert len(token_form.DIGITS) == 62


@practice("auth.token_form")
def test_malformed_tokens_are_refused_without_a_query(app: Flask, alice: Browser) -> None:
    token = token_of(alice, "read")
    other = "A" if token[30] != "A" else "B"
    asked: list[str] = []

    def look(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.extend([statement] if "personal_tokens" in statement else [])

    with listening(app, before_cursor_execute=look):
        for wrong in (
            token[:30] + other + token[31:],  # a slip
            token[:-1] + ("A" if token[-1] != "A" else "B"),
            token[:-1],
            token + "A",
            PAT_PREFIX,
            PAT_PREFIX + "A" * 49,
            PAT_PREFIX + "\xe9" * 49,
            token.replace(PAT_PREFIX, "other_pat_"),
            token.upper(),
        ):
            answer = script(app, wrong).get(SAMPLES)
            assert answer.status_code == 401
            assert "invalid_token" in answer.headers["WWW-Authenticate"]
        assert asked == []
        assert works(app, token)
        assert asked


def rule() -> dict[str, Any]:
    """What gitleaks knows of our tokens."""
    (found,) = tomllib.loads(Path(".gitleaks.toml").read_text("utf-8"))["rules"]
    return dict(found)


@practice("auth.token_form", "audits")
@asvs("13.3.1")
def test_scanners_of_secrets_recognise_a_token(alice: Browser) -> None:
    token, pattern = token_of(alice, "read"), rule()["regex"]
    assert rule()["keywords"] == [PAT_PREFIX]
    for line in (token, f'TOKEN="{token}"', f"curl -H 'Authorization: Bearer {token}'"):
        assert re.search(pattern, line)[0] == token
    assert not re.search(pattern, token[:-1])
    assert not re.search(pattern, token.replace(PAT_PREFIX, "other_pat_"))


@practice("auth.token_form", "audits")
@asvs("13.3.1")
def test_gitleaks_finds_a_token_in_a_file(alice: Browser, tmp_path: Path) -> None:
    needs.program("gitleaks")
    report, folder = tmp_path / "report.json", tmp_path / "files"
    folder.mkdir()
    command = ["gitleaks", "detect", "--no-git", "--source", folder, "--config", ".gitleaks.toml"]
    command += ["--report-path", report, "--no-banner"]
    for content, status in (("nothing", 0), (f"url = x\n{token_of(alice, 'read')}\n", 1)):
        (folder / "settings.ini").write_text(content)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
    found = {finding["RuleID"] for finding in json.loads(report.read_text("utf-8"))}
    assert "personal-access-token" in found


# --- What is stored and shown


@asvs("11.4.1", "13.3.1")
def test_only_a_hash_is_stored_and_the_text_is_shown_once(app: Flask, alice: Browser) -> None:
    made = make_token(alice, "read")
    assert made.status_code == 201
    token = made.json["token"]
    random = token[len(PAT_PREFIX) : -token_form.CHECKSUM]
    (row,) = rows(app, PERSONAL_TOKENS, ALICE)
    assert row["token_hash"] == hash_secret(Secret(random))
    assert all(part not in str(row) for part in (token, random))
    listed = alice.get(TOKENS)
    assert all(part not in listed.text for part in (token, random, row["token_hash"], PAT_PREFIX))
    (shown,) = listed.json["tokens"]
    assert shown == {name: value for name, value in made.json.items() if name != "token"}
    assert {*shown} == {"id", "name", "scopes", "created_at", "expires_at", "last_used_at"}
    assert made.headers["Location"].endswith(f"{TOKENS}/{shown['id']}")


@asvs("8.2.2")
def test_users_see_only_their_own_tokens(app: Flask, alice: Browser, bob: Browser) -> None:
    alices = make_token(alice, "read").json
    bobs_token = token_of(bob, "read")
    assert [row["id"] for row in alice.get(TOKENS).json["tokens"]] == [alices["id"]]
    assert revoke_token(bob, alices["id"]).status_code == 404
    assert works(app, alices["token"])
    assert works(app, bobs_token)
    add(app, SAMPLE, bob.email)
    assert script(app, alices["token"]).get(SAMPLES).json["samples"] == []


@pytest.mark.parametrize("name", ["", " ", "x" * 61, "two\nlines", "a\u202eb", "a\0b"])
def test_a_name_is_one_line(alice: Browser, name: str) -> None:
    answer = make_token(alice, "read", name=name)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json["errors"]] == ["#/name"]
    assert alice.get(TOKENS).json["tokens"] == []


@asvs("2.2.1")
@pytest.mark.parametrize(
    "scopes", [[], ["admin"], ["read", "admin"], ["read write"], "read", None, ["READ"], [1]]
)
def test_no_other_scope_is_given(alice: Browser, scopes: Any) -> None:
    answer = alice.post(TOKENS, {"name": "Backup", "scopes": scopes})
    assert answer.status_code == 422
    assert alice.get(TOKENS).json["tokens"] == []


def test_a_scope_named_twice_is_given_once(app: Flask, alice: Browser) -> None:
    assert make_token(alice, "read", "read").json["scopes"] == ["read"]
    assert make_token(alice, "write", "read").json["scopes"] == ["read", "write"]


# --- What it opens


@practice("auth.token_access")
@asvs("8.2.1", "8.3.1")
def test_a_scope_allows_what_it_says(app: Flask, alice: Browser, sample: str) -> None:
    reads, writes = script(app, token_of(alice, "read")), script(app, token_of(alice, "write"))
    both = script(app, token_of(alice, *BOTH))
    for program in (reads, both):
        assert program.get(SAMPLES).status_code == program.get(sample).status_code == 200
        assert program.open("HEAD", sample).status_code == 200
    assert writes.get(SAMPLES).status_code == writes.get(sample).status_code == 403
    assert writes.open("HEAD", sample).status_code == 403
    before = fingerprint(app)
    for send in (
        ready_to_write(reads, "T", "B"),
        partial(reads.send, "PUT", sample, {"title": "T", "body": "B", "version": 1}),
        ready_to_remove(reads, sample),
    ):
        answer = send()
        assert answer.status_code == 403
        assert "may not write" in answer.json["detail"]
    assert fingerprint(app) == before
    assert ready_to_edit(both, sample, "Edited")().status_code == 200
    assert ready_to_write(writes, "T", "B")().status_code == 201
    assert ready_to_remove(writes, sample)().status_code == 204


@practice("auth.token_access")
@asvs("8.2.1")
def test_a_request_cannot_override_its_method(app: Flask, alice: Browser, sample: str) -> None:
    reads = script(app, token_of(alice, "read"))
    assert reads.get(sample).status_code == 200
    before = fingerprint(app)
    for name in ("X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"):
        reads.get(sample, headers={name: "DELETE"})
        reads.get(f"{sample}?_method=DELETE")
        assert reads.post(sample, headers={name: "GET"}).status_code in (403, 405, 422)
    assert fingerprint(app) == before


@practice("auth.token_access")
@asvs("7.5.1", "7.5.3", "8.2.1")
def test_account_routes_refuse_personal_tokens(app: Flask, alice: Browser) -> None:
    """Whatever has its view in ``app.auth``: a token from a repository takes no account over."""
    program, taken = script(app, token_of(alice, *BOTH)), fields_of_routes(app, alice, alice)
    assert program.get(SAMPLES).status_code == 200
    before, tried = fingerprint(app), 0
    for route in routes(app):
        view = app.view_functions[route.endpoint]
        closed = view.__module__.startswith("app.auth") or needs_fresh_proof(app, route.endpoint)
        if not closed or is_public(app, route.endpoint) or route.method == "OPTIONS":
            continue
        sent = encode(accepted(route.endpoint, taken.get(route.endpoint, set())))
        answer = program.open(route.method, own_path(app, route, ALICE), **sent)
        assert answer.status_code == 403, f"{route} answers {answer.status}"
        assert route.method == "HEAD" or "Sign in" in answer.json["detail"]
        tried += 1
    assert tried > 25
    assert fingerprint(app) == before


@practice("auth.token_access")
@pytest.mark.parametrize("name", ["meetings", "authors", "mes"])
def test_a_feature_whose_name_begins_like_the_account_is_open(app: Flask, name: str) -> None:
    assert token_access.is_open(app, f"/api/v1/{name}", "samples.index")


@practice("auth.token_access")
@asvs("8.2.1")
def test_public_account_routes_ignore_personal_tokens(
    app: Flask, own_app: None, alice: Browser
) -> None:
    """One that looks who is signed in would do for the token what it does for its owner."""
    app._got_first_request = False
    for place in ("/api/v1/auth/whoami", "/api/v1/whoami"):
        view = public(lambda: {"user": identity.current_user().email.reveal()})
        app.add_url_rule(place, place, view, methods=["GET", "POST"])
    program = script(app, token_of(alice, "read"))
    assert program.get("/api/v1/auth/whoami").status_code == 401
    assert program.get("/api/v1/whoami").json == {"user": ALICE}
    assert program.post("/api/v1/whoami").status_code == 401  # it may not write


@practice("auth.token_access")
@asvs("7.5.3")
def test_routes_that_need_a_fresh_proof_refuse_personal_tokens(
    app: Flask, own_app: None, alice: Browser
) -> None:
    """A feature's own, too: no script gives a proof."""
    app._got_first_request = False
    app.add_url_rule("/api/v1/transfer", "transfer", fresh(partial(dict)), methods=["GET", "POST"])
    program = script(app, token_of(alice, *BOTH))
    assert program.get("/api/v1/transfer").status_code == 403
    assert program.post("/api/v1/transfer").status_code == 403
    assert alice.get("/api/v1/transfer").status_code == 200


@practice("auth.token_access")
@asvs("6.3.3")
def test_a_token_needs_an_owner_with_the_required_second_factor(
    make_app: Callable[..., Flask], app: Flask, alice: Browser
) -> None:
    token = token_of(alice, "read")
    strict = make_app(SECOND_FACTOR="required")
    answer = script(strict, token).get(SAMPLES)
    assert answer.status_code == 403
    assert "second factor" in answer.json["detail"]
    with_app(app, ALICE)
    assert works(strict, token)


@asvs("7.2.1")
def test_a_token_is_read_only_from_the_authorization_header(app: Flask, alice: Browser) -> None:
    token, thief = token_of(alice, *BOTH), Browser(app)
    assert thief.get(f"{SAMPLES}?access_token={token}").status_code == 401
    for name, value in (
        ("Cookie", f"__Host-session={token}"),
        ("X-Api-Key", token),
        ("Authorization", f"Basic {token}"),
        ("Authorization", f"Token {token}"),
        ("Authorization", token),
    ):
        assert thief.get(SAMPLES, headers={name: value}).status_code == 401


@asvs("7.5.1")
def test_a_new_token_needs_a_fresh_proof(app: Flask, alice: Browser) -> None:
    age_proofs(app)
    answer = make_token(alice, "read")
    assert answer.status_code == 401
    assert "insufficient_user_authentication" in answer.headers["WWW-Authenticate"]
    assert stored(app) == []


# --- When it ends


@asvs("7.3.2", "9.2.1")
def test_a_token_ends_after_90_days_or_as_long_as_asked_and_a_year_at_most(
    app: Flask, alice: Browser
) -> None:
    make_token(alice, "read")
    make_token(alice, "read", days=1)
    make_token(alice, "read", days=365)
    lifetimes = [row.expires_at - row.created_at for row in stored(app)]
    assert [round(it / timedelta(days=1), 3) for it in lifetimes] == [90, 1, 365]
    for days in (0, -1, 366, 10**9):
        answer = make_token(alice, "read", days=days)
        assert [error["pointer"] for error in answer.json["errors"]] == ["#/days"]
    assert len(stored(app)) == 3


@asvs("7.3.2", "9.2.1", "16.3.1")
def test_a_token_that_has_ended_is_refused_and_its_use_logged(
    app: Flask, alice: Browser, log: Log
) -> None:
    made = make_token(alice, "read", days=1).json
    age_tokens(app, timedelta(days=1) - timedelta(minutes=1))
    assert works(app, made["token"])
    age_tokens(app, timedelta(minutes=1))
    log()
    answer = script(app, made["token"]).get(SAMPLES)
    assert answer.status_code == 401
    assert "invalid_token" in answer.headers["WWW-Authenticate"]
    (found,) = events(log, "authn_token_expired", "authz_fail")
    assert (found["event"], found["pat"]) == ("authn_token_expired", made["id"])


def test_a_token_that_has_ended_is_listed_for_30_days(app: Flask, alice: Browser) -> None:
    make_token(alice, "read", days=1)
    age_tokens(app, timedelta(days=1) + KEEP - timedelta(minutes=1))
    make_token(alice, "read")
    assert len(alice.get(TOKENS).json["tokens"]) == 2
    with app.app_context():
        first = db.session.scalars(select(PersonalToken).order_by(PersonalToken.id)).all()[0]
        first.expires_at -= timedelta(minutes=2)
        db.session.commit()
    make_token(alice, "read")
    assert len(alice.get(TOKENS).json["tokens"]) == 2


@asvs("7.4.1", "10.4.9", "16.3.1")
def test_the_owner_revokes_a_single_token(app: Flask, alice: Browser, log: Log) -> None:
    one, other = (make_token(alice, "read").json for _ in range(2))
    log()
    assert revoke_token(alice, one["id"]).status_code == 204
    (found,) = events(log, "authn_token_revoked")
    assert (found["pat"], found["account"]) == (one["id"], stored(app)[0].user_id)
    assert not works(app, one["token"])
    assert works(app, other["token"])
    assert revoke_token(alice, one["id"]).status_code == 404
    assert alice.is_signed_in()


@practice("auth.sessions")
@asvs("7.4.1", "7.4.2", "7.4.3", "7.4.5")
@pytest.mark.parametrize(
    "way", ["password", "reset", "others", "operator", "everybody", "disabled", "deleted", "factor"]
)
def test_whatever_signs_out_everywhere_ends_all_tokens(
    app: Flask, alice: Browser, bob: Browser, cli: Callable[..., Any], way: str
) -> None:
    token, bobs = token_of(alice, *BOTH), token_of(bob, "read")
    if way == "password":
        assert ready_to_change_password(alice, NEW_PASSWORD)().status_code == 200
    elif way == "reset":
        ask_for_reset(alice, ALICE)
        reset = set_password(alice, newest_token(app, ALICE), NEW_PASSWORD)
        assert reset.status_code == PASSWORD_SET
    elif way == "others":
        assert alice.post(f"{API}/me/sessions/revoke-others", {}).status_code == 204
    elif way == "deleted":
        assert ready_to_delete(alice)().status_code == 204
    elif way == "factor":
        with asking(app):
            revocation.end_all(user_of(ALICE))
            db.session.commit()
    else:
        commands = {"operator": ["sessions", "revoke", "--user", ALICE]}
        commands["everybody"] = ["sessions", "revoke", "--all"]
        commands["disabled"] = ["users", "disable", ALICE]
        assert cli(*commands[way]).exit_code == 0
    assert not works(app, token)
    assert works(app, bobs) == (way != "everybody")
    assert len(stored(app)) == (0 if way == "everybody" else 1)


@practice("auth.personal_tokens")
@asvs("7.4.3")
def test_a_restore_revokes_all_tokens(own_service: Flask) -> None:
    """A backup from before the revocation would bring the token of a thief back."""
    user = Browser(own_service, "203.0.113.1").signed_in(ALICE)
    token = token_of(user, "read")
    assert works(own_service, token)
    for command in ("backup", "restore"):
        assert flask_db(own_service, command, "saved").exit_code == 0
    assert not works(own_service, token)
    assert user.sign_in(ALICE).status_code == SIGNED_IN, "the account is there"


@asvs("7.4.2")
def test_tokens_of_a_disabled_account_are_refused(app: Flask, alice: Browser) -> None:
    """Also one that was made at the same moment, or came with a backup."""
    token = token_of(alice, "read")
    with app.app_context():
        hers = User.email == Secret(ALICE)
        db.session.execute(update(User).where(hers).values(disabled_at=now()))
        db.session.commit()
    assert not works(app, token)


def test_a_sign_out_keeps_personal_tokens(app: Flask, alice: Browser) -> None:
    token = token_of(alice, "read")
    assert alice.sign_out().status_code == 204
    assert works(app, token)


# --- Last use


def test_the_list_says_when_a_token_was_used(app: Flask, alice: Browser) -> None:
    token = token_of(alice, "read")
    assert stored(app)[0].last_used_at is None
    assert works(app, token)
    first = stored(app)[0].last_used_at
    assert first is not None
    assert works(app, token)
    assert stored(app)[0].last_used_at == first  # a write for each request would cost too much
    age_tokens(app, TOUCH_EVERY + timedelta(seconds=1))
    assert works(app, token)
    assert stored(app)[0].last_used_at >= first
    assert alice.get(TOKENS).json["tokens"][0]["last_used_at"]


def test_a_refused_request_sets_the_last_use_of_its_token(app: Flask, alice: Browser) -> None:
    """Its owner sees that somebody tries the token."""
    token = token_of(alice, "read")
    assert script(app, token).get(PROFILE).status_code == 403
    assert stored(app)[0].last_used_at is not None


@asvs("7.4.1", "15.4.2")
def test_a_token_that_is_revoked_while_it_is_used_is_nobodys(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Just when its use is written."""
    token = token_of(alice, "read")
    with monkeypatch.context() as patch:
        patch.setattr(personal_tokens, "now", delete_first(app, PersonalToken))
        assert script(app, token).get(SAMPLES).status_code == 401


@asvs("7.4.1", "15.4.2")
def test_a_token_that_has_just_got_the_id_of_a_revoked_one_is_another(
    app: Flask, alice: Browser, bob: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite gives the id of the newest row again."""
    token = token_of(alice, "read")
    (mine,) = stored(app)

    def revoke_and_make() -> None:
        with app.app_context():
            db.session.execute(delete(PersonalToken), execution_options=personal_tokens.OF_ALL)
            other = PERSONAL_TOKENS.make(user_of(bob.email), {})
            other.id = mine.id
            db.session.add(unscoped(other, "a test"))
            db.session.commit()

    with monkeypatch.context() as patch:
        patch.setattr(personal_tokens, "now", and_then(revoke_and_make, personal_tokens.now))
        assert script(app, token).get(SAMPLES).status_code == 401
    assert [it.last_used_at for it in stored(app)] == [None]


# --- Limits


@asvs("2.3.2", "2.4.1")
def test_an_account_has_a_bounded_number(app: Flask, alice: Browser, bob: Browser) -> None:
    with app.app_context():
        for _ in range(MAX_TOKENS - 2):
            db.session.add(PERSONAL_TOKENS.make(user_of(ALICE), {}))
        db.session.commit()
    answers = at_once(*[lambda: make_token(alice, "read").status_code] * 4)
    assert sorted(answers) == [201, 201, 409, 409]
    assert len(stored(app)) == MAX_TOKENS
    assert make_token(bob, "read").status_code == 201


@practice("rate_limits")
@asvs("2.4.1")
@slow
def test_a_token_has_a_limit_of_its_own(app: Flask, needs_redis: None, alice: Browser) -> None:
    """A script that runs wild uses up neither what its owner may do, nor another script."""
    wild, other = (script(app, token_of(alice, *BOTH)) for _ in range(2))
    most = int(SCRIPT.split()[0])
    statuses = [wild.get(SAMPLES).status_code for _ in range(most + 1)]
    assert statuses == [200] * most + [429]
    assert wild.try_to_write("T", "B").status_code == 429
    assert other.try_to_write("T", "B").status_code == 201
    for _ in range(int(WRITE.split()[0])):
        other.try_to_write("T", "B")
    assert alice.try_to_write("T", "B").status_code == 201
    assert alice.get(SAMPLES).status_code == 200


# --- What is told


@practice("auth.notices")
@asvs("6.3.7")
@pytest.mark.parametrize(
    ("scopes", "said"), [(("read",), "may read your"), (BOTH, "may read and write your")]
)
def test_a_mail_tells_of_a_new_token(
    app: Flask, alice: Browser, scopes: tuple[str, ...], said: str
) -> None:
    made = make_token(alice, *scopes, name="Click http://evil.example").json
    mail = mails(app, ALICE)[-1]
    assert mail.kind == "personal_token"
    assert said in mail.text
    assert made["expires_at"][:10] in mail.text
    assert alice.address in mail.text
    assert "evil" not in mail.text  # a thief's words would arrive in our name
    assert made["token"] not in mail.text


@asvs("16.2.5", "16.3.1")
def test_the_log_has_the_id_of_a_token_and_never_the_token(
    app: Flask, alice: Browser, log: Log
) -> None:
    log()
    made = make_token(alice, "read").json
    works(app, made["token"])
    script(app, made["token"]).try_to_write("T", "B")
    script(app, made["token"]).get(PROFILE)
    script(app, made["token"][:-1]).get(SAMPLES)
    revoke_token(alice, made["id"])
    lines = log()
    found = [(it["event"], it.get("pat")) for it in lines if it["logger"] == "app.security"]
    assert found == [
        ("authn_token_created", made["id"]),
        ("authz_fail", made["id"]),
        ("authz_fail", made["id"]),
        ("authz_fail", None),
        ("authn_token_revoked", made["id"]),
    ]
    assert made["token"][len(PAT_PREFIX) : -7] not in json.dumps(lines)


@practice("auth.export")
@asvs("15.3.1")
def test_the_export_lists_tokens_without_secrets(app: Flask, alice: Browser, bob: Browser) -> None:
    token = token_of(alice, "read")
    token_of(bob, "write")
    exported = alice.get(f"{API}/me/export")
    (row,) = exported.json["personal_tokens"]
    assert {*row} == {"name", "scopes", "created_at", "expires_at", "last_used_at"}
    assert (row["name"], row["scopes"]) == ("Backup", "read")
    assert stored(app)[0].token_hash not in exported.text
    assert token not in exported.text


# --- The description


@practice("auth.token_access")
def test_the_description_says_where_a_token_counts(app: Flask, alice: Browser) -> None:
    paths = alice.get(f"{API}/openapi.json").json["paths"]
    schemes = {
        path: [next(iter(it)) for it in next(iter(methods.values()))["security"]]
        for path, methods in paths.items()
    }
    assert schemes[SAMPLES] == ["bearer", "personal_token"]
    assert schemes[PROFILE] == schemes[TOKENS] == ["bearer"]
    assert schemes[f"{API}/auth/token"] == []


def test_a_personal_token_is_no_session(app: Flask, own_app: None, alice: Browser) -> None:
    """A feature that asks which session this is gets no other user's, and no error of ours."""
    app._got_first_request = False
    view = partial(lambda: {"id": identity.current_session().public_id})
    app.add_url_rule("/api/v1/where", "where", view)
    assert alice.get("/api/v1/where").status_code == 200
    assert script(app, token_of(alice, "read")).get("/api/v1/where").status_code == 401
