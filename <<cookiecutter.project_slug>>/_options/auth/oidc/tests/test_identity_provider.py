"""Sign-in at a provider under attack: answers that are stolen, replayed, mixed up, forged, altered.

The provider is a real one (:mod:`tests.real_provider`). If an attack needs an answer that no
honest provider gives, the test changes a real answer on its way and signs it again with the
provider's key.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from flask import Flask
from joserfc import jwt
from joserfc.jwk import RSAKey
from requests import Session as Requests
from sqlalchemy import func, select

from app import oidc_settings
from app.auth import identity_provider, provider_proof
from app.auth.models import Session, User
from app.auth.outbound import Client
from app.database import Base, db
from app.security import check
from app.settings import Settings
from tests.browser import SAMPLES, STEP_UP, Browser, after_sign_in, html
from tests.marks import asvs, practice
from tests.real_provider import CLIENT_ID, CLIENT_SECRET, Person, RealProvider, real_provider
from tests.stored import stored_rows

pytestmark = practice("auth.identity_provider")

Claims = dict[str, Any]
EVIL = "https://evil.example"


@pytest.fixture(scope="module")
def running_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealProvider]:
    with real_provider(tmp_path_factory.mktemp("provider")) as provider:
        yield provider


@pytest.fixture
def provider(
    running_provider: RealProvider, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RealProvider]:
    """The provider, honest at first, and in the place of the stub."""
    running_provider.change = lambda tokens: tokens
    running_provider.seen.clear()
    network = running_provider.adapter()
    monkeypatch.setattr(Client, "get_adapter", lambda self, url: network)
    return running_provider


@pytest.fixture
def service(app: Flask, provider: RealProvider, make_app: Callable[..., Flask]) -> Flask:
    """The service with this provider, and an empty database."""
    return make_app(**provider.settings())


@pytest.fixture
def visitor(service: Flask) -> Browser:
    return Browser(service)


def callback(visitor: Browser, provider: RealProvider, login: str = "alice") -> str:
    """Start a sign-in and complete it at the provider; the answer has not been delivered yet."""
    return provider.person().authorize(visitor.start(), login)


def sign_in(visitor: Browser, provider: RealProvider, login: str = "alice") -> Any:
    return visitor.get(callback(visitor, provider, login))


def count(service: Flask, model: type[Base]) -> int:
    with service.app_context():
        return db.session.scalar(select(func.count()).select_from(model)) or 0


def refused(response: Any, visitor: Browser) -> None:
    """A page that says nothing of the reason, nobody signed in, nobody made."""
    assert response.status_code == 401
    assert "not completed" in html(response).css_first(".lead").text()
    assert not visitor.is_signed_in()
    assert count(visitor.app, Session) == 0
    assert count(visitor.app, User) == 0


def changed(path: str, **values: str | None) -> str:
    """The answer with other parameters; None takes one out."""
    parts = urlsplit(path)
    query = {**dict(parse_qsl(parts.query)), **values}
    return f"{parts.path}?{urlencode({k: v for k, v in query.items() if v is not None})}"


# --- As it should be


def test_the_provider_signs_somebody_in(visitor: Browser, provider: RealProvider) -> None:
    response = sign_in(visitor, provider)
    assert (response.status_code, response.headers["Location"]) == (302, after_sign_in(visitor.app))
    assert "alice@example.com" in visitor.get("/account/").text
    with visitor.app.app_context():
        user = db.session.scalars(select(User)).one()
        assert (user.issuer, user.subject) == (provider.issuer, "alice")
        assert user.password_hash is None
        assert not user.is_operator
    assert sign_in(Browser(visitor.app), provider).status_code == 302
    assert (count(visitor.app, User), count(visitor.app, Session)) == (1, 2)


@asvs("10.1.2", "10.2.3")
def test_the_authorization_request_has_the_right_parameters(
    visitor: Browser, provider: RealProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, drawn, draw = [], [], secrets.token_urlsafe
    monkeypatch.setattr(
        secrets, "token_urlsafe", lambda size: drawn.append(draw(size)) or drawn[-1]
    )
    for _ in range(2):
        parts = urlsplit(visitor.start("/auth/login?next=/account/"))
        assert f"{parts.scheme}://{parts.netloc}" == provider.issuer
        query = parse_qs(parts.query)
        assert query.pop("redirect_uri") == ["https://service.test/auth/callback"]
        assert query.pop("response_type") == ["code"]
        assert query.pop("client_id") == [CLIENT_ID]
        assert query.pop("code_challenge_method") == ["S256"]
        assert query.pop("scope") == ["openid email groups"]
        asked.append(query)
    assert all(set(query) == {"state", "nonce", "code_challenge"} for query in asked)
    assert all(len(value[0]) == 43 for query in asked for value in query.values())  # 256 bits
    assert all(asked[0][name] != asked[1][name] for name in asked[0])
    challenges = {encoded(hashlib.sha256(text.encode()).digest()) for text in drawn}
    for query in asked:  # what is made of the time, or of a counter, is guessed
        assert {query["state"][0], query["nonce"][0]} <= {*drawn}
        assert query["code_challenge"][0] in challenges


@asvs("10.2.3")
def test_only_used_scopes_are_requested(make_app: Callable[..., Flask]) -> None:
    """Unless the operator says so: whoever takes this service over has no more of its users."""
    settings = make_app().config["SETTINGS"].oidc
    assert settings.scopes == oidc_settings.DEFAULT_SCOPES
    assert {*settings.scopes.split()} == {"openid", "email"}


@asvs("7.6.2")
def test_only_a_form_of_the_service_starts_a_sign_in(visitor: Browser) -> None:
    assert visitor.get("/auth/login").status_code == 200  # a page, no redirect
    assert visitor.post("/auth/login").status_code == 400  # no token
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": EVIL}
    assert visitor.post("/auth/login", headers=foreign).status_code == 403


@asvs("10.1.1", "16.2.5")
def test_no_token_of_the_provider_leaves_the_server_or_is_kept(
    visitor: Browser, provider: RealProvider, capfd: pytest.CaptureFixture[str]
) -> None:
    signing = visitor.app.session_interface.get_signing_serializer(visitor.app)  # type: ignore[attr-defined]
    answers, cookies = [sign_in(visitor, provider)], [signing.loads(visitor.cookie())]
    answers.append(visitor.get("/account/"))
    cookies.append(signing.loads(visitor.cookie()))  # compressed and encoded, but not encrypted
    answers.append(visitor.sign_out())
    confidential = [provider.seen[0]["access_token"], provider.seen[0]["id_token"], CLIENT_SECRET]
    with visitor.app.app_context():
        kept = [str(stored_rows(table)) for table in Base.metadata.sorted_tables]
    shown = [f"{answer.headers}{answer.text}" for answer in answers]
    shown += [str(cookies), *kept]
    written = capfd.readouterr()
    for secret in confidential:
        assert secret not in "".join(shown) + written.out + written.err


# --- The answer is not this browser's


@asvs("10.1.2", "10.2.1")
def test_login_csrf(service: Flask, provider: RealProvider) -> None:
    """The attacker has the victim's browser deliver the answer to the attacker's sign-in."""
    attacker, victim = Browser(service, "192.0.2.66"), Browser(service)
    answer = callback(attacker, provider, "mallory")
    refused(victim.get(answer), victim)
    victim.start()  # even when the victim is signing in at that very moment
    refused(victim.get(answer), victim)


@asvs("10.1.2")
def test_mixed_up_sessions(service: Flask, provider: RealProvider) -> None:
    """Two browsers sign in at once, and each gets the other's code with its own state."""
    one, two = Browser(service), Browser(service, "192.0.2.2")
    answers = [callback(one, provider, "alice"), callback(two, provider, "bob")]
    codes = [dict(parse_qsl(urlsplit(answer).query))["code"] for answer in answers]
    refused(one.get(changed(answers[0], code=codes[1])), one)  # PKCE: the verifier does not fit
    refused(two.get(changed(answers[1], code=codes[0])), two)


def test_an_answer_to_another_sign_in_does_not_disturb_this_one(
    visitor: Browser, provider: RealProvider
) -> None:
    answer = callback(visitor, provider)
    assert visitor.get(changed(answer, state="x" * 43)).status_code == 401
    assert visitor.get(answer).status_code == 302


@asvs("10.1.2", "10.2.1")
@pytest.mark.parametrize("state", [None, "", "x", "x" * 43, "\xff"])
def test_a_wrong_state(visitor: Browser, provider: RealProvider, state: str | None) -> None:
    refused(visitor.get(changed(callback(visitor, provider), state=state)), visitor)
    assert provider.seen == []  # and no code was exchanged


def test_an_answer_that_comes_too_late(
    visitor: Browser, provider: RealProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, now = callback(visitor, provider), time.time
    monkeypatch.setattr("app.auth.pending.time.time", lambda: now() + 601)
    refused(visitor.get(answer), visitor)
    assert provider.seen == []  # and no code was exchanged


# --- The answer is used again


@asvs("10.1.2")
def test_an_answer_is_used_once(visitor: Browser, provider: RealProvider) -> None:
    answer, pending = callback(visitor, provider), visitor.cookie()
    assert visitor.get(answer).status_code == 302
    visitor.sign_out()
    assert visitor.get(answer).status_code == 401  # the state was used up
    visitor.set_cookie(pending)
    assert visitor.get(answer).status_code == 401  # it is back, but known as used
    assert not visitor.is_signed_in()
    assert count(visitor.app, Session) == 0


def test_an_answer_that_failed_is_not_tried_again(visitor: Browser, provider: RealProvider) -> None:
    answer = callback(visitor, provider)
    refused(visitor.get(changed(answer, code=None, error="access_denied")), visitor)
    with visitor.client.session_transaction(base_url="https://service.test") as cookie:
        assert "oidc" not in cookie, "neither state nor verifier stays in the browser"
    refused(visitor.get(answer), visitor)
    assert provider.seen == []


@asvs("10.5.1")
def test_a_token_of_another_sign_in(visitor: Browser, provider: RealProvider) -> None:
    """Everything about it is right but the nonce: it was stolen and is injected (replay)."""
    assert sign_in(visitor, provider, "alice").status_code == 302
    stolen = provider.seen[0]
    thief = Browser(visitor.app, "192.0.2.66")
    provider.change = lambda tokens: stolen
    response = sign_in(thief, provider, "mallory")
    assert response.status_code == 401
    assert not thief.is_signed_in()
    assert count(visitor.app, Session) == 1


@asvs("10.1.2")
def test_another_verifier(visitor: Browser, provider: RealProvider) -> None:
    """A code that leaked is worth nothing without the verifier (RFC 7636)."""
    answer = callback(visitor, provider)
    with visitor.client.session_transaction(base_url="https://service.test") as cookie:
        cookie["oidc"] = {**cookie["oidc"], "verifier": "x" * 64}
    refused(visitor.get(answer), visitor)
    assert provider.seen == []


# --- The answer is of another provider, or an error


@asvs("10.2.2")
@pytest.mark.parametrize("iss", [None, EVIL, "", "https://localhost"])
def test_mix_up(visitor: Browser, provider: RealProvider, iss: str | None) -> None:
    """RFC 9207: this provider always sends ``iss``; an answer without it is not its own."""
    answer = callback(visitor, provider)
    assert dict(parse_qsl(urlsplit(answer).query))["iss"] == provider.issuer
    refused(visitor.get(changed(answer, iss=iss)), visitor)
    assert provider.seen == []


@asvs("15.3.7")
def test_a_parameter_twice(visitor: Browser, provider: RealProvider) -> None:
    refused(visitor.get(callback(visitor, provider) + "&code=another"), visitor)


@asvs("16.5.1")
@pytest.mark.parametrize(
    ("error", "status"),
    [("access_denied", 401), ("<script>alert(1)</script>", 401), ("temporarily_unavailable", 503)],
)
def test_an_error_from_the_provider_is_shown(
    visitor: Browser, provider: RealProvider, error: str, status: int
) -> None:
    answer = changed(callback(visitor, provider), code=None, error=error, error_description=EVIL)
    response = visitor.get(answer)
    assert response.status_code == status
    assert error not in response.text
    assert EVIL not in response.text
    assert not visitor.is_signed_in()


@pytest.mark.parametrize("code", [None, "", "x", "x" * 3000, "\r\nX: y"])
def test_a_made_up_code(visitor: Browser, provider: RealProvider, code: str | None) -> None:
    refused(visitor.get(changed(callback(visitor, provider), code=code)), visitor)


# --- The ID token is not quite right


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def at_hash(access_token: str) -> str:
    return encoded(hashlib.sha256(access_token.encode()).digest()[:16])


def with_claims(provider: RealProvider, change: Callable[[Claims], Claims]) -> None:
    """Let the provider sign other claims."""

    def altered(tokens: dict[str, Any]) -> dict[str, Any]:
        claims = jwt.decode(tokens["id_token"], provider.key, algorithms=["RS256"]).claims
        known = {"at_hash": at_hash(tokens["access_token"]), **claims}
        made = {k: v for k, v in change(known).items() if v is not None}
        return {**tokens, "id_token": provider.sign(made)}

    provider.change = altered


NOW = "the time"
GOOD: dict[str, Claims] = {
    "unchanged": {},
    "no at_hash": {"at_hash": None},  # Entra ID sends none
    "several audiences, ours asked": {"aud": [CLIENT_ID, "other"], "azp": CLIENT_ID},
    "a clock that is a little slow": {"iat": -25},
    "a clock that is a little fast": {"iat": 25, "nbf": 25},
    "just expired, on our clock": {"exp": -25},
    "a sign-in a day ago": {"auth_time": -86_400},
    "a sign-in on a clock that is a little fast": {"auth_time": 25},
    "a sign-in at a text, which nobody asked for": {"auth_time": "1700000000"},
    "methods": {"amr": ["pwd", "otp"], "acr": "0"},
    "methods in one text": {"amr": "pwd"},
}
BAD: dict[str, Claims] = {
    "another issuer": {"iss": EVIL},
    "issuer with a slash": {"iss": "SLASH"},
    "no issuer": {"iss": None},
    "another audience": {"aud": "other"},
    "another audience, asked by us": {"aud": "other", "azp": CLIENT_ID},  # Authlib believes it
    "audiences without azp": {"aud": [CLIENT_ID, "other"]},
    "audiences, asked by another": {"aud": [CLIENT_ID, "other"], "azp": "other"},
    "asked by another": {"azp": "other"},
    "azp is no text": {"azp": [CLIENT_ID]},
    "no audience": {"aud": None},
    "empty audience": {"aud": []},
    "audience with a suffix": {"aud": f"{CLIENT_ID}2"},
    "expired": {"exp": -60},
    "never expires": {"exp": None},
    "expires on a text": {"exp": "9999999999"},
    "issued long ago": {"iat": -400},
    "issued in the future": {"iat": 60},
    "issued never": {"iat": None},
    "issued true": {"iat": True},
    "not valid yet": {"nbf": 60},
    "another nonce": {"nonce": "x" * 43},
    "no nonce": {"nonce": None},
    "a nonce that is no text": {"nonce": True},
    "at_hash of another access token": {"at_hash": at_hash("another")},
    "at_hash cut short": {"at_hash": "CUT"},
    "empty at_hash": {"at_hash": ""},
    "at_hash that is no text": {"at_hash": True},
    "nobody": {"sub": None},
    "empty subject": {"sub": ""},
    "subject that is no text": {"sub": 7},
    "subject that is too long": {"sub": "x" * 256},
    "subject with a line break": {"sub": "alice\n"},
    "subject with a space at its end": {"sub": "alice "},  # MySQL takes it for alice
    "subject with a look-alike": {"sub": "\u0430lice"},
}


def put(provider: RealProvider, changes: Claims) -> None:
    def change(claims: Claims) -> Claims:
        now = int(time.time())
        made = {
            name: now + value
            if name in ("exp", "iat", "nbf", "auth_time") and type(value) is int
            else {"SLASH": f"{provider.issuer}/", "CUT": claims["at_hash"][:-1]}.get(
                str(value), value
            )
            for name, value in changes.items()
        }
        return claims | made

    with_claims(provider, change)


BAD_TIMES: dict[str, object] = {
    "tomorrow": 86_400,
    "a text": "1700000000",
    "true": True,
    "no number": float("nan"),
}


@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD)
def test_an_id_token_that_is_right(
    visitor: Browser, provider: RealProvider, changes: Claims
) -> None:
    put(provider, changes)
    assert sign_in(visitor, provider).status_code == 302
    assert visitor.is_signed_in()


@asvs("9.2.1", "9.2.3", "10.5.1", "10.5.4")
@pytest.mark.parametrize("changes", BAD.values(), ids=BAD)
def test_an_id_token_that_is_wrong(
    visitor: Browser, provider: RealProvider, changes: Claims
) -> None:
    put(provider, changes)
    refused(sign_in(visitor, provider), visitor)


@asvs("6.8.4", "9.2.1")
@pytest.mark.parametrize("moment", BAD_TIMES.values(), ids=BAD_TIMES)
def test_a_wrong_requested_auth_time_is_refused(
    app: Flask, provider: RealProvider, make_app: Callable[..., Flask], moment: object
) -> None:
    visitor = Browser(make_app(**provider.settings(), OIDC_MAX_AGE="3600"))
    put(provider, {"auth_time": moment})
    refused(sign_in(visitor, provider), visitor)


def unsigned(provider: RealProvider, claims: Claims, alg: str = "none", **header: Any) -> str:
    parts = ({"alg": alg, **header}, claims)
    return ".".join(encoded(json.dumps(part).encode()) for part in parts) + "."


def by_secret(provider: RealProvider, claims: Claims, secret: bytes) -> str:
    head = unsigned(provider, claims, "HS256", kid=provider.key.kid).rstrip(".")
    return f"{head}.{encoded(hmac.digest(secret, head.encode(), 'sha256'))}"


def by_public_key(provider: RealProvider, claims: Claims) -> str:
    """HS256 with what everybody knows as the secret."""
    return by_secret(provider, claims, provider.key.as_pem(private=False))


def by_client_secret(provider: RealProvider, claims: Claims) -> str:
    return by_secret(provider, claims, CLIENT_SECRET.encode())


def by_another_key(provider: RealProvider, claims: Claims) -> str:
    return jwt.encode({"alg": "RS256", "kid": provider.key.kid}, claims, RSAKey.generate_key(2048))


def by_a_key_of_its_own(provider: RealProvider, claims: Claims) -> str:
    """The token brings the key that it is to be verified with."""
    key = RSAKey.generate_key(2048, auto_kid=True)
    header = {"alg": "RS256", "kid": key.kid, "jwk": key.as_dict(private=False)}
    return jwt.encode(header, claims, key)


def with_a_critical_header(provider: RealProvider, claims: Claims) -> str:
    head = unsigned(provider, claims, "RS256", kid=provider.key.kid, crit=["x"], x=1).rstrip(".")
    signature = provider.key.private_key.sign(head.encode(), PKCS1v15(), SHA256())
    return f"{head}.{encoded(signature)}"


def with_other_claims(provider: RealProvider, claims: Claims) -> str:
    header, _, signature = provider.sign(claims).split(".")
    _, payload, _ = unsigned(provider, {**claims, "sub": "bob"}).split(".")
    return f"{header}.{payload}.{signature}"


FORGERIES: dict[str, Callable[[RealProvider, Claims], Any]] = {
    "alg none": unsigned,
    "alg None": lambda provider, claims: unsigned(provider, claims, "None"),
    "alg RS256 without a signature": lambda p, claims: unsigned(p, claims, "RS256"),
    "HS256 with the public key": by_public_key,
    "HS256 with the client's secret": by_client_secret,
    "another key under the same name": by_another_key,
    "a key of its own": by_a_key_of_its_own,
    "an unknown key": lambda provider, claims: provider.sign(claims, kid="unknown"),
    "a critical header": with_a_critical_header,
    "a signature that was changed": lambda p, claims: p.sign(claims)[:-8] + "AAAAAAAA",
    "claims that were changed": with_other_claims,
    "no token": lambda provider, claims: None,
    "a list": lambda provider, claims: [provider.sign(claims)],
    "nothing": lambda provider, claims: "",
    "garbage": lambda provider, claims: "a.b.c",
    "too long": lambda provider, claims: "a" * 200_000,
}


@asvs("6.8.2", "9.1.1", "9.1.2", "9.1.3", "11.6.1")
@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_id_token(
    visitor: Browser, provider: RealProvider, forge: Callable[[RealProvider, Claims], Any]
) -> None:
    def forged(tokens: dict[str, Any]) -> dict[str, Any]:
        claims = jwt.decode(tokens["id_token"], provider.key, algorithms=["RS256"]).claims
        return {**tokens, "id_token": forge(provider, claims)}

    provider.change = forged
    refused(sign_in(visitor, provider), visitor)


def test_the_unforged_id_token_is_accepted(visitor: Browser, provider: RealProvider) -> None:
    """What the forgeries above are made from is good."""
    with_claims(provider, lambda claims: claims)
    assert sign_in(visitor, provider).status_code == 302


def test_the_userinfo_of_somebody_else(visitor: Browser, provider: RealProvider) -> None:
    """The access token was swapped: without at_hash, the sub of the answer tells."""
    assert sign_in(visitor, provider, "mallory").status_code == 302
    stolen = provider.seen[0]["access_token"]

    def swapped(tokens: dict[str, Any]) -> dict[str, Any]:
        claims = jwt.decode(tokens["id_token"], provider.key, algorithms=["RS256"]).claims
        claims.pop("at_hash", None)
        return {**tokens, "access_token": stolen, "id_token": provider.sign(claims)}

    provider.change = swapped
    other = Browser(visitor.app, "192.0.2.2")
    assert sign_in(other, provider, "alice").status_code == 401
    assert not other.is_signed_in()


# --- How and when the user has signed in there


@asvs("6.8.4")
def test_the_age_of_a_sign_in(
    app: Flask, provider: RealProvider, make_app: Callable[..., Flask]
) -> None:
    """Who is signed in at the provider need not sign in again, for as long as the setting says."""
    service, alice = make_app(**provider.settings(), OIDC_MAX_AGE="3600"), provider.person()
    times = []
    for _ in range(2):
        visitor = Browser(service)
        assert visitor.get(alice.authorize(visitor.start())).status_code == 302
        times.append(claims_in(provider)["auth_time"])
    assert times[0] == times[1] <= time.time()
    put(provider, {"auth_time": -3700})
    old = Browser(service)
    assert old.get(alice.authorize(old.start())).status_code == 403
    put(provider, {"auth_time": None})
    assert old.get(alice.authorize(old.start())).status_code == 403


@asvs("6.3.3", "6.8.4")
def test_the_factors_of_a_sign_in(
    app: Flask, provider: RealProvider, make_app: Callable[..., Flask]
) -> None:
    """This provider knows none: it signs users in by a password, whatever it is asked for."""
    service = make_app(**provider.settings(), OIDC_ACR_VALUES="gold silver")
    visitor = Browser(service)
    assert sign_in(visitor, provider).status_code == 403
    assert "acr" not in claims_in(provider)
    put(provider, {"acr": "silver"})
    assert sign_in(visitor, provider).status_code == 302
    service = make_app(**provider.settings(), OIDC_AMR_VALUES="mfa")
    visitor = Browser(service)
    assert sign_in(visitor, provider).status_code == 403
    put(provider, {"amr": ["pwd", "mfa"]})
    assert sign_in(visitor, provider).status_code == 302


def claims_in(provider: RealProvider) -> Claims:
    """What the provider itself has said last."""
    token = provider.seen[-1]["id_token"]
    return jwt.decode(token, provider.key, algorithms=["RS256"]).claims


def signed_in(service: Flask, person: Person) -> Browser:
    """Alice, who is signed in here and at the provider; it named no time."""
    visitor = Browser(service)
    assert visitor.get(person.authorize(visitor.start())).status_code == 302
    assert visitor.get("/account/delete").headers["Location"].startswith(STEP_UP)
    return visitor


@practice("auth.step_up")
@asvs("6.8.4", "7.5.3")
def test_a_step_up_asks_the_provider_to_sign_in_again(
    service: Flask, provider: RealProvider
) -> None:
    alice = provider.person()
    visitor = signed_in(service, alice)
    began = int(time.time())
    asked = len(alice.forms)
    answer = alice.authorize(visitor.start(f"{STEP_UP}?next=/account/delete"))
    assert len(alice.forms) > asked  # its page for signing in was shown again
    assert visitor.get(answer).headers["Location"] == "/account/delete"
    assert claims_in(provider)["auth_time"] >= began
    assert visitor.get("/account/delete").status_code == 200


@practice("auth.step_up")
@asvs("6.8.4", "7.5.3")
def test_a_step_up_with_removed_parameters_is_refused(
    service: Flask, provider: RealProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the thief of a session, at a computer where the user is signed in at the provider."""
    monkeypatch.setattr(provider_proof, "LEEWAY", 0)  # no need to wait: the two clocks are one
    alice = provider.person()
    visitor = signed_in(service, alice)
    for names in (("prompt", "max_age"), ("prompt",), ("max_age",)):
        asked = len(alice.forms)
        url = visitor.start(STEP_UP)
        query = dict(parse_qsl(urlsplit(url).query))
        kept = urlencode({name: it for name, it in query.items() if name not in names})
        answer = alice.authorize(f"{url.split('?')[0]}?{kept}")
        if "prompt" in names:
            assert len(alice.forms) == asked  # nobody was asked: the sign-in there is young
            assert visitor.get(answer).status_code == 403
            assert visitor.get("/account/delete").status_code == 302
        else:
            assert len(alice.forms) > asked


@practice("auth.step_up")
@asvs("6.8.1", "7.5.3")
def test_a_step_up_as_somebody_else(service: Flask, provider: RealProvider) -> None:
    visitor = signed_in(service, provider.person())
    answer = provider.person().authorize(visitor.start(STEP_UP), "mallory")
    assert visitor.get(answer).status_code == 403
    assert visitor.is_signed_in()
    assert visitor.get("/account/delete").status_code == 302
    assert count(service, User) == 1


# --- Whose account


@asvs("6.8.1", "10.5.2")
def test_accounts_are_found_by_subject_and_not_by_address(
    app: Flask,
    provider: RealProvider,
    make_app: Callable[..., Flask],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A second issuer, where somebody has registered Alice's address, and has her name as well."""
    victim = Browser(make_app(**provider.settings()))
    assert sign_in(victim, provider, "alice").status_code == 302
    victim.write("Alice's title")
    with real_provider(tmp_path_factory.mktemp("other")) as other:
        attacker = Browser(make_app(**other.settings()), "192.0.2.66")
        assert sign_in(attacker, other, "alice").status_code == 302
        assert "alice@example.com" in attacker.get("/account/").text
        assert "Alice" not in attacker.get(SAMPLES).text
    with app.app_context():
        users = db.session.scalars(select(User)).all()
        assert {(user.email, user.subject) for user in users} == {("alice@example.com", "alice")}
        assert {user.issuer for user in users} == {provider.issuer, other.issuer}


@asvs("10.5.2")
def test_a_claimed_address_opens_no_account_here(
    visitor: Browser, provider: RealProvider, service: Flask
) -> None:
    """Another account of the same provider claims Alice's address, and an operator's."""
    assert sign_in(visitor, provider, "alice").status_code == 302
    visitor.write("Alice's title")
    for address in ("alice@example.com", "ALICE@example.com", "operator@example.com"):
        with_claims(provider, lambda claims, address=address: claims | {"email": address})
        attacker = Browser(service, "192.0.2.66")
        assert sign_in(attacker, provider, "mallory").status_code == 302
        assert "Alice" not in attacker.get(SAMPLES).text
    assert count(service, User) == 2
    # The operator can still sign in: the address is looked for among the accounts made here.
    assert Browser(service, "192.0.2.9").with_password("operator@example.com").is_signed_in()


# --- Where one ends up

NEXT = [
    EVIL,
    "//evil.example",
    "/\\evil.example",
    "/\t/evil.example",
    "\\\\evil.example",
    "javascript:alert(1)",
    "https:evil.example",
    "account/",
    "/" + "x" * 3000,
]


@practice("redirects")
@asvs("3.7.2")
@pytest.mark.parametrize("target", NEXT)
def test_no_open_redirect(visitor: Browser, provider: RealProvider, target: str) -> None:
    url = visitor.start(f"/auth/login?{urlencode({'next': target})}")
    response = visitor.get(provider.person().authorize(url))
    assert (response.status_code, response.headers["Location"]) == (302, after_sign_in(visitor.app))


@practice("redirects")
@asvs("3.7.2")
def test_no_open_redirect_by_a_changed_cookie(visitor: Browser, provider: RealProvider) -> None:
    answer = callback(visitor, provider)
    with visitor.client.session_transaction(base_url="https://service.test") as cookie:
        cookie["oidc"] = {**cookie["oidc"], "target": "//evil.example"}
    assert visitor.get(answer).headers["Location"] == after_sign_in(visitor.app)


def test_sign_in_returns_to_the_requested_page(visitor: Browser, provider: RealProvider) -> None:
    challenge = visitor.get("/account/").headers["Location"]
    answer = provider.person().authorize(visitor.start(challenge))
    assert visitor.get(answer).headers["Location"] == "/account/"


def test_the_redirect_uri_does_not_depend_on_the_request(
    visitor: Browser, provider: RealProvider
) -> None:
    for headers in ({"Host": "service.test:8443"}, {"X-Forwarded-Host": "evil.example"}):
        page = visitor.get("/auth/login", headers=headers)
        token = html(page).css_first("main input[name=csrf_token]").attributes["value"]
        origin = {"Origin": f"https://{headers.get('Host', 'service.test')}"}
        started = visitor.post(
            "/auth/login",
            {"csrf_token": token},
            headers=headers | origin | {"Sec-Fetch-Site": None, "Referer": f"{origin['Origin']}/"},
        )
        if started.status_code == 302:
            query = parse_qs(urlsplit(started.headers["Location"]).query)
            assert query["redirect_uri"] == ["https://service.test/auth/callback"]


def test_the_provider_refuses_another_redirect_uri(
    visitor: Browser, provider: RealProvider
) -> None:
    url = visitor.start().replace("service.test", "evil.example")
    http = Requests()
    http.verify, http.trust_env = str(provider.ca), False
    assert http.get(url, allow_redirects=False, timeout=10).status_code == 400


@practice("cookies")
@asvs("7.2.4")
def test_sign_in_changes_the_session(visitor: Browser, provider: RealProvider) -> None:
    answer, before = callback(visitor, provider), visitor.cookie()
    visitor.get(answer)
    thief = Browser(visitor.app, "192.0.2.66")
    thief.set_cookie(before)
    assert not thief.is_signed_in()


# --- Start-up


@asvs("12.3.1")
@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("OIDC_CLIENT_SECRET", "short", "fewer than 16 characters"),
        ("OIDC_CA_FILE", "/nowhere/ca.pem", "there is no file /nowhere/ca.pem"),
        ("OIDC_ISSUER", "http://id.service.test", "starts with https://"),
        ("OIDC_ISSUER", "http://localhost:9000", "starts with https://"),
        ("OIDC_ISSUER", "https://id.service.test?x=1", "no query"),
        ("OIDC_ISSUER", "https://user@id.service.test", "no user"),
        ("OIDC_ISSUER", "https://", "write an address"),
        ("OIDC_ISSUER", "https://[", "write an address"),
        ("OIDC_ISSUER", "https://id.service.test/" + "x" * 255, "at most 255"),
        ("OIDC_SCOPES", "email profile", "openid must be one of them"),
        ("OIDC_REDIRECT_ORIGINS", "https://a.test, https://b.test/x", "without a path"),
        ("EMERGENCY_LOGIN", "yes", "write 0 or 1"),
    ],
)
def test_production_refuses_unsafe_settings(
    make_app: Callable[..., Flask], setting: str, value: str, said: str
) -> None:
    with pytest.raises(Exception, match=setting) as refused:
        make_app(**{setting: value})
    assert said in str(refused.value)


def test_start_up_notices_the_provider_of_development(make_app: Callable[..., Flask]) -> None:
    none = {"OIDC_ISSUER": None, "OIDC_CLIENT_ID": None, "OIDC_CLIENT_SECRET": None}
    app = make_app(APP_ENV="development", **none)
    problems = "\n".join(check(app))
    assert "OIDC_ISSUER is not encrypted" in problems
    assert "OIDC_CLIENT_SECRET is the published one" in problems
    assert list(identity_provider.check(make_app())) == []


@practice("secret_key")
@asvs("13.3.1")
def test_the_secret_can_be_a_file_and_is_shown_nowhere(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("secrets") / "client"
    file.write_text(f"{CLIENT_SECRET}\n")
    values = {k: v for k, v in environment.items() if k != "OIDC_CLIENT_SECRET"}
    settings = Settings.from_environment({**values, "OIDC_CLIENT_SECRET_FILE": str(file)})
    assert settings.oidc.client_secret == CLIENT_SECRET
    assert CLIENT_SECRET not in repr(settings)


def test_the_form_policy_allows_only_the_provider(make_app: Callable[..., Flask]) -> None:
    app = make_app(OIDC_REDIRECT_ORIGINS="https://b.test, https://c.test:8443")
    policy = Browser(app).get("/").headers["Content-Security-Policy"]
    allowed = "'self' https://id.service.test https://b.test https://c.test:8443"
    assert f"; form-action {allowed}; " in policy
