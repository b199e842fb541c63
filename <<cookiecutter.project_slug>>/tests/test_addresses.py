"""E-mail addresses: two people never become one account, and one person never two.

The owner of strasse.de must not get, or block, the account of a user at straße.de. IDNA 2008 (RFC
5891) makes these two domains; case folding, which is meant for comparing words, makes them one.
"""

from __future__ import annotations

import unicodedata

import pytest
from flask import Flask

from app.auth.models import MAX_EMAIL, normalize_email
from app.secret import Secret
from tests.browser import PASSWORD, SIGNED_IN, Browser
from tests.marks import asvs, practice, slow

pytestmark = practice("sanitization")

SHARP_S, PLAIN = "user@stra\u00dfe.de", "user@strasse.de"
A_LABEL = "user@xn--strae-oqa.de"  # as mail and DNS have it


@asvs("2.2.1")
@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (" User@STRASSE.de ", PLAIN),
        ("User@STRA\u00dfE.DE", SHARP_S),
        (A_LABEL, SHARP_S),
        (A_LABEL.upper(), "user@stra\u00dfe.de"),
        ("user@\u03c3\u03c2.gr", "user@\u03c3\u03c2.gr"),  # a final sigma is a letter of its own
        ("user@\u03a3\u03a3.gr", "user@\u03c3\u03c3.gr"),
        ("user@xn--3xab.gr", "user@\u03c3\u03c2.gr"),
        ("user@\uff45\uff58\uff41mple.com", "user@example.com"),  # full width
        ("user@example\u3002com", "user@example.com"),  # the full stop of Chinese
        ("user@\u0130stanbul.com", "user@i\u0307stanbul.com"),  # not istanbul.com
        ("user@\u0131stanbul.com", "user@\u0131stanbul.com"),
        ("user@\u212aelvin.com", "user@kelvin.com"),
        ("user@e\u0301cole.fr", "user@\u00e9cole.fr"),
        ("STRA\u00dfE@example.com", "strasse@example.com"),  # in front of the @ case is folded
        ("Jose\u0301@example.com", "jos\u00e9@example.com"),
    ],
    ids=ascii,
)
def test_idna_decides_about_the_domain(written: str, kept: str) -> None:
    assert normalize_email(Secret(written)) == kept
    assert normalize_email(Secret(kept)) == kept


@asvs("2.2.1")
@pytest.mark.parametrize(
    "domain",
    [
        *("example.com.", "example..com", ".example.com", "-example.com", "example", "", "a b.com"),
        *("exa\u200dmple.com", "exa\u200cmple.com", "exa\u200bmple.com", "exa\u00admple.com"),
        # Not what IDNA makes of any domain: letters in ASCII alone, a capital, a symbol, nothing.
        *("xn--strasse-.de", "xn--StraSSe-oqa\u00df.de", "xn--ls8h.la", "xn--.de", "xn--a.com"),
        *("\U0001f4a9.la", "[127.0.0.1]", "\u0301example.com", "example.com\0", "\ud800.com"),
        "a\u0338" * 60 + ".com",
    ],
    ids=ascii,
)
def test_an_invalid_domain_is_refused(domain: str) -> None:
    with pytest.raises(ValueError, match="Enter an e-mail address"):
        normalize_email(Secret(f"user@{domain}"))


def test_spaces_around_an_address_count_for_its_length() -> None:
    address = Secret("user@example.com".rjust(MAX_EMAIL))
    assert normalize_email(address) == "user@example.com"
    with pytest.raises(ValueError, match="at most 254 characters"):
        normalize_email(Secret(f" {address.reveal()}"))


@slow
def test_accounts_that_are_stored_already_are_found() -> None:
    """Case folding was the rule before. IDNA differs from it in two letters, and in no others."""
    changed = [char for char in map(chr, range(0x110000)) if char.casefold() != char]
    assert len(changed) > 1000
    different = set()
    for char in changed:
        try:
            kept = normalize_email(Secret(f"user@a{char}a.com")).reveal()
        except ValueError:
            continue
        different |= {char} if kept != unicodedata.normalize("NFC", kept.casefold()) else set()
    assert different - {"\u1e9e"} == {"\u00df", "\u03c2"}  # and the capital of the first


@asvs("6.3.1", "8.2.2")
@slow
def test_two_domains_are_two_accounts(app: Flask) -> None:
    """In the database as well, whose collation must not take one for the other."""
    first = Browser(app, "192.0.2.1").with_password(PLAIN)
    second = Browser(app, "192.0.2.2")
    second.password = "kelp-drizzle-9-anvil-tooth"
    second.with_password(SHARP_S)
    for spelling in (SHARP_S, A_LABEL, SHARP_S.upper().replace("SS", "\u00df")):
        assert Browser(app, "192.0.2.3").sign_in(spelling, PASSWORD).status_code == 401
        signed_in = Browser(app, "192.0.2.4").sign_in(spelling, second.password)
        assert signed_in.status_code == SIGNED_IN
    assert first.is_signed_in()
    assert Browser(app, "192.0.2.5").sign_in(PLAIN.upper(), PASSWORD).status_code == SIGNED_IN


@asvs("6.3.1")
def test_limits_count_all_spellings_of_an_address_together(app: Flask) -> None:
    """Each spelling counts; somebody at another domain is not locked out by it."""
    for number in range(10):
        spelling = (SHARP_S, A_LABEL, f" {A_LABEL.upper()}")[number % 3]
        assert Browser(app, f"192.0.2.{number}").attempt(spelling, "x").status_code == 401
    assert Browser(app, "192.0.2.20").attempt(SHARP_S, "x").status_code == 429
    assert Browser(app, "192.0.2.21").attempt(PLAIN, "x").status_code == 401
