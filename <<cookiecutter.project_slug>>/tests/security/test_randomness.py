"""Randomness: an attacker who knows how a token is made, and when, works out those of others.

All flows of the service are used once. Whatever it writes to the database that looks like a token,
or like the hash of one, must be what the system's generator gave, of at least the length below. So
a counter or a time, hashed or not, is no token, and a new column has to be judged.
"""

from __future__ import annotations

import ast
import os
import re
import secrets
from base64 import b32encode, urlsafe_b64encode
from collections.abc import Iterator
from hashlib import sha1, sha256
from itertools import pairwise
from typing import Any
# <% if cookiecutter.auth == "oidc" %>
from urllib.parse import parse_qs, urlsplit
# <% endif %>

# <% if cookiecutter.auth != "oidc" %>
import pyotp
# <% endif %>
import pytest
from flask import Flask

from tests import sources
# <% if cookiecutter.__interface == "html" %>
from tests.browser import ORIGIN, SIGN_IN, Browser
# <% else %>
from tests.browser import Browser
# <% endif %>
# <% if cookiecutter.auth != "oidc" %>
from tests.factor_actions import begin_app
# <% endif %>
from tests.marks import asvs, practice, slow
from tests.scenarios import fill, use_everything
from tests.security.make import ROOT
from tests.security.test_audits import CODE
from tests.statements import listening

pytestmark = practice("secret")

LEAST = 16  # bytes: ASVS 11.5.1 asks for 128 bits
# The columns that are tokens, whatever is in them: that many bytes, or of others LEAST.
BYTES = {"challenge": 32, "code_hash": 16, "public_id": 16, "token_hash": 32}
# What looks like a token, and is none: everybody may know it, or it is made elsewhere.
OTHERS = {
    "credential_hash": "the id of a passkey, which the device makes",
    "credential_id": "the same, encrypted",
    "public_key": "of a passkey",
    "name_hash": "a purpose and an address",
    "content": "a mail, encrypted",
    "subject": "who somebody is at a provider",
    "secret": "of an authenticator app, encrypted; see below",
    "new_secret": "the same, before it is confirmed",
    "id": "a value that was used once, which a provider made or the browser has in its cookie",
}
CONDITION = re.compile(r"_\d+$")  # the end of a name in WHERE
TOKEN = re.compile(r"[\w-]{22,}|[\w+/]{22,}={0,2}")  # 128 bits in base64, or more
WRITTEN = ("INSERT", "UPDATE")


class Drawn:
    """What was drawn from the system's generator: the length of each text, in bytes."""

    def __init__(self) -> None:
        self.lengths: dict[str, int] = {}

    def add(self, made: bytes) -> bytes:
        base64, base32 = urlsafe_b64encode(made).decode(), b32encode(made).decode().lower()
        hashed = sha1(made, usedforsecurity=False).hexdigest()  # of Flask-WTF
        for text in (base64.rstrip("="), base32.rstrip("="), made.hex(), hashed):
            self.lengths[text] = len(made)
        return made

    def length(self, value: str, owner: object = None) -> int:
        """How much was drawn for a value, or for that of which it is the hash; 0 for others.

        :param owner: the user that is hashed with it.
        """
        for text, length in self.lengths.items():
            hashed = (sha256(it.encode()).hexdigest() for it in (text, f"{owner} {text}"))
            if value == text or value in hashed:
                return length
        return 0


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    found, draw, system = Drawn(), secrets.token_bytes, os.urandom
    monkeypatch.setattr(secrets, "token_bytes", lambda size=None: found.add(draw(size)))
    monkeypatch.setattr(os, "urandom", lambda size: found.add(system(size)))
    return found


@pytest.fixture
def written(app: Flask) -> Iterator[list[dict[str, Any]]]:
    """The values of each row that is written, by column."""
    rows: list[dict[str, Any]] = []

    def look(_connection: Any, _cursor: Any, text: str, _values: Any, context: Any, _: Any) -> None:
        if text.startswith(WRITTEN) and context.compiled:
            rows.extend(context.compiled_parameters)

    with listening(app, before_cursor_execute=look):
        yield rows


@asvs("6.5.3", "7.2.3", "11.5.1")
@slow
def test_every_token_comes_from_the_random_generator(
    drawn: Drawn, app: Flask, alice: Browser, written: list[dict[str, Any]]
) -> None:
    fill(app)
    use_everything(app, alice)
    found = {
        (name, drawn.length(value, row.get("user_id")))
        for row in written
        for name, value in row.items()
        if isinstance(value, str) and (name in BYTES or TOKEN.fullmatch(value))
        if name not in OTHERS and not CONDITION.search(name)
    }
    assert {name for name, _ in found} >= {"token_hash", "public_id"}
    assert sorted(it for it in found if it[1] < BYTES.get(it[0], LEAST)) == []


# <% if cookiecutter.auth != "oidc" %>
@asvs("16.2.5")
@slow
def test_no_random_token_is_in_the_log(
    drawn: Drawn, app: Flask, alice: Browser, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of a session, a link or a ticket. Ids of requests and rows are shorter, and may be."""
    fill(app)
    use_everything(app, alice)
    written = capfd.readouterr().err
    assert '"event": "session_created"' in written
    tokens = [text for text, length in drawn.lengths.items() if length >= 32]
    assert len(tokens) > 10
    assert [it for it in tokens if it in written] == []


@asvs("6.5.3", "11.5.1")
def test_the_secret_of_an_app_is_what_the_library_drew(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, draw = [], pyotp.random_base32
    monkeypatch.setattr(pyotp, "random_base32", lambda size: made.append(draw(size)) or made[-1])
    assert begin_app(alice)[1] == made[-1]
    assert 5 * len(made[-1]) >= 160  # bits, as RFC 4226 section 4 recommends


# <% endif %>
# <% if cookiecutter.auth == "oidc" %>
@asvs("11.5.1")
def test_values_sent_to_the_provider_are_random(drawn: Drawn, browser: Browser) -> None:
    sent = parse_qs(urlsplit(browser.start()).query)
    with browser.client.session_transaction(base_url=ORIGIN) as cookie:
        kept = cookie["oidc"]
    assert (kept["state"], kept["nonce"]) == (sent["state"][0], sent["nonce"][0])
    assert min(drawn.length(kept[name]) for name in ("state", "nonce", "verifier")) >= 32


# <% endif %>
# <% if cookiecutter.__interface == "html" %>
@asvs("11.5.1")
def test_the_csrf_token_comes_from_the_random_generator(drawn: Drawn, browser: Browser) -> None:
    """Its session has the SHA-1 of 64 bytes: 160 bits; the form has that, signed."""
    browser.get(SIGN_IN)
    with browser.client.session_transaction(base_url=ORIGIN) as cookie:
        assert drawn.length(cookie["csrf_token"]) >= 32


# <% endif %>
@asvs("11.5.1")
def test_every_random_value_is_long_enough() -> None:
    """``secrets.token_hex(16)``, or ``partial(secrets.token_hex, 16)``."""
    uses, sizes = 0, []
    for path in sorted(it for name in CODE for it in (ROOT / name).rglob("*.py")):
        constants = [it for it in sources.tree(path).body if isinstance(it, ast.Assign)]
        known = {ast.unparse(it.targets[0]): it.value for it in constants}
        for node in sources.nodes(path):
            uses += isinstance(node, ast.Attribute) and ast.unparse(node.value) == "secrets"
            parts = [node.func, *node.args] if isinstance(node, ast.Call) else []
            for part, size in pairwise(parts):
                if ast.unparse(part).startswith("secrets."):
                    sizes.append(ast.literal_eval(known.get(ast.unparse(size), size)))
    assert len(sizes) == uses >= 3
    assert min(sizes) >= LEAST
