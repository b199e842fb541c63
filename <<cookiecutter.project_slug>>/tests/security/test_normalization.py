"""Unicode normalization is quadratic in an old CPython: whatever is sent, it must get little of it.

No test looks at a clock alone: a new CPython is fast, and the service must not depend on it. What
is handed to ``unicodedata.normalize`` is looked at, by this service's modules and by its libraries.
"""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import app as package
from app import normalization
from app.auth.models import normalize_email
from app.normalization import MAX_MARKS, SHORT_TEXT, normalize
from app.secret import Secret
from app.security.passwords import password_problem
from app.security.rich_text import MAX_RICH_TEXT, RichText
from app.security.sanitization import LIMITS, MAX_HTML, clean_line, sanitize_html
from tests.browser import CREATE_ACCOUNT, CREATE_OPTIONS, SIGN_IN, Browser
from tests.marks import asvs, practice, slow
from tests.security.attacks import some
from tests.security.entry_points import Attacker, entry_points

pytestmark = practice("sanitization")

# One of each combining class from the highest to the lowest, each two bytes of UTF-8: of all that
# we measured, blocks in this order take longest, twice as long as two that take turns. Sent as
# "%CC%95" or "\u0315", they fill a body to its limit.
CLASSES = "\u0345\u035d\u035c\u0315\u0300\u0316\u031b\u0321\u0334"
MARK = re.compile(f"[{CLASSES}\u0f73]+")


def worst(length: int) -> str:
    return "a" + "".join(mark * (length // len(CLASSES)) for mark in CLASSES)


LONGEST = worst(40_000)  # 3.5 seconds for one normalization, 240,000 bytes
IN_TURNS = "a" + "\u0345\u0f73" * 4000  # neither has a combining class above 0 in between


@pytest.fixture
def normalized(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """All texts that any module normalizes. Fails if one of them takes long."""
    found: list[str] = []
    original = unicodedata.normalize

    def record(form: Any, text: str) -> str:
        found.append(text)
        return original(form, text) if is_quick(text) else text

    monkeypatch.setattr(unicodedata, "normalize", record)
    yield found
    slow = [(len(text), text[:20]) for text in found if not is_quick(text)]
    assert slow == [], "this was normalized"


def is_quick(text: str) -> bool:
    """Whether an old CPython takes a few milliseconds for it."""
    runs = max(map(len, MARK.findall(text)), default=0)
    return len(text) <= SHORT_TEXT or (len(text) <= 4 * MAX_HTML and runs <= MAX_MARKS)


# --- The function ------------------------------------------------------------------------------


@asvs("15.2.2")
@pytest.mark.parametrize("form", ["NFC", "NFKC"])
def test_length_is_checked_first(normalized: list[str], form: Any) -> None:
    assert normalize("e\u0301" * 200, 100, form) == "\u00e9" * 200  # the caller counts these
    assert len(normalized) == 1
    for text in ("x" * 401, worst(100_000), "\u00e9" * 1_000_000):
        with pytest.raises(ValueError, match="at most 100 characters"):
            normalize(text, 100, form)
    assert len(normalized) == 1


@slow
def test_text_within_the_limit_is_accepted() -> None:
    """No character of NFC is made of more than four."""
    made_of_four = "\u03a9\u0314\u0342\u0345"
    assert clean_line(made_of_four * 120, 120) == "\u1faf" * 120
    decomposed = (unicodedata.normalize("NFD", chr(code)) for code in range(0x110000))
    lengths = {len(text) for text in decomposed if len(unicodedata.normalize("NFC", text)) == 1}
    assert max(lengths) == len(made_of_four) == normalization.MAX_COMPOSED


@asvs("15.2.2")
@pytest.mark.parametrize("text", [LONGEST, IN_TURNS, "x" * SHORT_TEXT + "\u0301" * 31], ids=len)
def test_long_text_has_few_combining_characters_in_a_row(text: str) -> None:
    with pytest.raises(ValueError, match="30 combining characters"):
        normalize(text, 10_000)
    assert normalize("x" * SHORT_TEXT + "\u0334" * 30, 10_000)


def test_no_other_module_normalizes() -> None:
    root = Path(package.__file__).parent
    modules = [path for path in root.rglob("*.py") if "unicodedata" in path.read_text("utf-8")]
    assert modules == [root / "normalization.py"]


@asvs("15.2.2")
@pytest.mark.parametrize(
    "text",
    [LONGEST, IN_TURNS, worst(MAX_HTML), "&#789;&#768;" * (MAX_RICH_TEXT // 12)],
    ids=["longest", "in turns", "as long as a rich text", "entities"],
)
def test_every_function_refuses_text_that_is_slow_to_normalize(
    app: Flask, normalized: list[str], text: str
) -> None:
    functions = (
        RichText,
        sanitize_html,
        lambda it: clean_line(it, 120),
        lambda it: normalize_email(Secret(it)),
    )
    for function in functions:
        with pytest.raises(ValueError, match=r"at most|combining|too long"):
            function(text)
    assert "at most 128" in str(password_problem(Secret(text)))
    # A form hands over the address as it was sent, even where it is none.
    with app.app_context():
        good = "purple otter juggles nine lamps"
        assert password_problem(Secret(good), text, Secret(f"{text}@example.com")) is None


# --- The service -------------------------------------------------------------------------------


@asvs("2.2.1", "15.2.2")
@slow
def test_no_entry_point_normalizes_too_long_text(
    app: Flask, attacker: Attacker, browser: Browser, normalized: list[str]
) -> None:
    """Through every field, path, query and header; each field also gets all that a body holds."""
    assert LIMITS["MAX_CONTENT_LENGTH"] - 6 * len(LONGEST) in range(1, 30_000)
    del normalized[:]
    reached, full = set(), set()
    found = entry_points(app, attacker.browser, browser)
    chosen = some(range(len(found)))
    for number, entry in enumerate(found):
        is_first = entry.kind == "field" and entry.name not in full
        is_sign_in = entry.route.rule == SIGN_IN
        if not (is_first or is_sign_in or number in chosen):
            continue
        response = attacker.send(entry, LONGEST if is_first else worst(4000))
        full |= {entry.name} if is_first else set()
        assert response.status_code < 500, str(entry)
        assert response.status_code not in (413, 429), str(entry)
        reached.add(response.status_code)
    assert {401, 422} <= reached  # as far as sign-in, and as the check of a text
    assert normalized  # what else was sent along, at least


@asvs("15.2.2")
@slow
def test_a_megabyte_in_any_field_is_refused(
    app: Flask, attacker: Attacker, browser: Browser, normalized: list[str]
) -> None:
    one_of_each = {
        (entry.route.method, entry.route.rule): entry
        for entry in entry_points(app, attacker.browser, browser)
        if entry.kind == "field"
    }
    for entry in one_of_each.values():  # six bytes for each character
        assert attacker.send(entry, worst(180_000)).status_code == 413, str(entry)


@asvs("6.3.8", "15.2.2")
@slow
def test_sign_in_with_too_long_text_is_fast(
    attacker: Attacker, alice: Browser, new_browser: Callable[..., Browser]
) -> None:
    """In proportion: 3.5 seconds are some hundred times what a sign-in takes, without the hash."""
    took: dict[str, float] = {}
    for number, text in enumerate(["short", LONGEST] * 3):
        visitor = new_browser(f"192.0.2.{number}")
        for email, password in ((alice.email, text), (text, "short")):
            started = time.thread_time()
            assert visitor.attempt(email, password).status_code == 401
            spent = time.thread_time() - started
            took[text] = min(spent, took.get(text, spent))
    assert took[LONGEST] < 100 * took["short"]


@asvs("15.2.2")
def test_commands_refuse_text_that_is_slow_to_normalize(
    cli: Callable[..., Any], normalized: list[str]
) -> None:
    # <% if cookiecutter.auth == "oidc" %>
    result = cli("users", CREATE_ACCOUNT, "eve@example.com", "--password", LONGEST)
    assert result.exit_code == 1
    assert "at most" in result.output
    # <% endif %>
    result = cli("users", CREATE_ACCOUNT, LONGEST, *CREATE_OPTIONS)
    assert result.exit_code == 1
    assert "at most" in result.output
    result = cli("users", "disable", LONGEST)
    assert result.exit_code == 1
