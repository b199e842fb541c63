"""Invalid answers are refused together with a clear message, and no file is written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cookiecutter.exceptions import FailedHookException

from hooks.pre_gen_project import SLUG, problems
from tests.template import LONGEST, QUESTIONS, render

YAML_WORDS = ["true", "false", "yes", "no", "on", "off", "null"]
BAD = [
    # Free text: characters that would end its string literal, its line or its tag
    ("project_name", "", "is empty"),
    ("project_name", "   ", "is empty"),
    ("project_name", "x" * 41, "at most 40"),
    ("project_name", " Billing", "a space"),
    ("project_name", 'Billing "2"', 'contains "'),
    ("project_name", '"""', 'contains "'),
    ("description", "C:\\temp", "contains \\"),
    ("description", "ends in a backslash\\", "contains \\"),
    ("description", "two\nlines", "U+000A"),
    ("description", "a\ttab", "U+0009"),
    ("description", "a\x00nul", "U+0000"),
    ("description", "an\x1b[31mescape", "U+001B"),
    ("description", "a\x85next line", "U+0085"),
    ("description", "line\u2028separator", "U+2028"),
    ("description", "paragraph\u2029separator", "U+2029"),
    ("description", "right\u202eto left", "U+202E"),
    ("description", "isolated\u2066text", "U+2066"),
    ("description", "zero\u200bwidth", "U+200B"),
    ("description", "not\udc80text", "U+DC80"),
    ("description", "no\uffffcharacter", "U+FFFF"),
    ("description", "x" * 121, "at most 120"),
    ("description", "<% raw %>", "<% %>"),
    ("author_name", "x" * 61, "at most 60"),
    # Folder, repository, system service
    ("project_slug", "", "short name"),
    ("project_slug", "x", "short name"),
    ("project_slug", "x" * 41, "short name"),
    ("project_slug", "Billing", "short name"),
    ("project_slug", "3d", "short name"),
    ("project_slug", "-billing", "short name"),
    ("project_slug", "billing-", "short name"),
    ("project_slug", "bill_ing", "short name"),
    ("project_slug", "bill ing", "short name"),
    ("project_slug", "büro", "short name"),
    ("project_slug", "billing\n", "short name"),
    ("project_slug", ".", "short name"),
    ("project_slug", "..", "short name"),
    ("project_slug", "a/b", "short name"),
    ("project_slug", "../evil", "short name"),
    ("project_slug", "/tmp/evil", "short name"),  # noqa: S108 - refused
    ("project_slug", "x" * 300, "short name"),
    ("project_slug", "redis", "is reserved"),
    ("project_slug", "con", "is reserved"),
    ("project_slug", "certs", "is reserved"),  # /etc/ssl/certs
    ("project_slug", "user", "is reserved"),  # /run/user
    ("project_slug", "none", "a keyword in YAML or SQL"),  # no role of PostgreSQL either
    *(("project_slug", word, "a keyword in YAML") for word in YAML_WORDS),
    ("project_slug", "billing--api", "single hyphens"),
    ("project_slug", "root------------------------x", "single hyphens"),  # cut, the account root
    # The address that is published
    ("author_email", "", "not a valid e-mail address"),
    ("author_email", "me", "not a valid e-mail address"),
    ("author_email", "me@localhost", "not a valid e-mail address"),
    ("author_email", "me@example.com, you@example.com", "not a valid e-mail address"),
    ("author_email", "Me <me@example.com>", "not a valid e-mail address"),
    ("author_email", 'me"@example.com', "not a valid e-mail address"),
    ("author_email", "me@example.com\nBcc: all@example.com", "not a valid e-mail address"),
    ("author_email", "mé@example.com", "not a valid e-mail address"),
    ("author_email", "a..b@example.com", "not a valid e-mail address"),
    ("author_email", "x" * 70 + "@example.com", "at most 70"),
    ("author_email", "-me@example.com", "do not start with - or '"),  # an option
    ("author_email", "'me@example.com", "do not start with - or '"),  # begins a quoted value
    ("author_email", "me@example.e5", "not a valid e-mail address"),
    # The host name
    ("domain_name", "", "not a valid host name"),
    ("domain_name", "localhost", "not a valid host name"),
    ("domain_name", "App.example.com", "not a valid host name"),
    ("domain_name", "https://example.com", "not a valid host name"),
    ("domain_name", "example.com:8443", "not a valid host name"),
    ("domain_name", "example.com/app", "not a valid host name"),
    ("domain_name", "example.com.", "not a valid host name"),
    ("domain_name", "*.example.com", "not a valid host name"),
    ("domain_name", "192.0.2.1", "not a valid host name"),
    ("domain_name", "[2001:db8::1]", "not a valid host name"),
    # What YAML reads as a number, and browsers as an address
    ("domain_name", "1.e5", "of a-z only"),
    ("domain_name", "192.0x7f", "of a-z only"),
    ("domain_name", "app.0x7f", "of a-z only"),
    ("domain_name", "app.127", "of a-z only"),
    ("domain_name", "app.e5", "of a-z only"),
    ("domain_name", "app.c-m", "of a-z only"),
    ("domain_name", "app.xn--", "of a-z only"),
    ("domain_name", "my_app.example.com", "not a valid host name"),
    ("domain_name", "-a.example.com", "not a valid host name"),
    ("domain_name", "a..example.com", "not a valid host name"),
    ("domain_name", "münchen.example", "not a valid host name"),
    ("domain_name", "x" * 64 + ".example.com", "not a valid host name"),
    ("domain_name", ".".join(["x" * 63] * 4), "not a valid host name"),
    ("domain_name", "example.com; return 200", "not a valid host name"),
    ("domain_name", "example.com\n", "not a valid host name"),
]
# At a prompt these arrive unchanged. On a command line cookiecutter renders them as templates, and
# the tags are gone before the check.
BAD_AS_TYPED = [
    ("description", "two\r\nlines", "U+000A U+000D"),
    ("description", "1 << 2", "contains <<"),
    ("description", ">> quoted", "contains >>"),
    ("description", "# <% if true %>", "contains <% %>"),
    ("author_name", "# <# comment #>", "contains <# #>"),
]
GOOD = [
    ("project_name", "X"),
    ("project_name", "Büro für 100 % 'alles' & mehr {{ x }} ${y} $(z) `w`"[:40]),
    ("project_name", LONGEST["project_name"]),
    ("description", "日本語 and emoji 👩\u200d🔧, # no comment, - no list: {no: map}, it's fine"),
    ("description", "<script>alert(1)</script> {% raw %} {# not a comment #} %s {0}"),
    ("author_name", "Seán O'Brien"),
    ("author_email", "sean.o'brien+security_2@mail.example.co"),
    ("author_email", LONGEST["author_email"]),
    ("project_slug", "ab"),
    ("project_slug", "a-1-b2"),
    ("project_slug", "true-false"),
    ("domain_name", "example.com"),
    ("domain_name", "xn--mnchen-3ya.example"),
    ("domain_name", "1.2.example"),
    ("domain_name", "example.xn--p1ai"),
    ("domain_name", LONGEST["domain_name"]),
]


def case(values: tuple[str, ...]) -> str:
    return f"{values[0]}={values[1][:30]!a}"


@pytest.mark.parametrize("answer", BAD, ids=case)
def test_a_bad_answer_is_refused(answer: tuple[str, str, str], tmp_path: Path) -> None:
    name, value, reason = answer
    with pytest.raises(FailedHookException) as refused:
        render(tmp_path / "output", **{name: value})
    message = str(refused.value)
    assert f"  {name} {value!r} " in message
    assert reason in message
    assert not (tmp_path / "output").exists(), "nothing is made, not even the folder"


@pytest.mark.parametrize(("name", "value", "reason"), BAD_AS_TYPED)
def test_a_bad_answer_is_refused_as_it_was_typed(name: str, value: str, reason: str) -> None:
    assert reason in problems({name: value})[name]


@pytest.mark.parametrize("answer", GOOD, ids=case)
def test_a_good_answer_is_taken(answer: tuple[str, str]) -> None:
    assert problems(dict([answer])) == {}


def test_all_bad_answers_are_named_at_once(tmp_path: Path) -> None:
    bad = {
        "project_name": 'The "Service"',
        "project_slug": "../The Service",
        "description": "two\nlines",
        "author_name": "",
        "author_email": "nobody",
        "domain_name": "https://example.com/",
    }
    with pytest.raises(FailedHookException) as refused:
        render(tmp_path, **bad)
    named = re.findall(r"^  (\w+) '", str(refused.value), re.MULTILINE)
    assert sorted(named) == sorted(bad)
    assert list(tmp_path.iterdir()) == []


# --- The default of the short name


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Billing API", "billing-api"),
        ("Büro Ünion", "buro-union"),
        ("日本", "ri-ben"),
        ("3D Printer", "service-3d-printer"),
        ("Redis", "service-redis"),
        ("Yes", "service-yes"),
        ("None", "service-none"),
        ("X", "service-x"),
        ("!!!", "service"),
        ("👩", "service"),
        ("--- a b ---", "a-b"),
        ("A very long name, forty letters in all xy", None),
        ("界" * 40, None),
    ],
)
def test_the_short_name_is_derived_and_always_valid(
    name: str, slug: str | None, tmp_path: Path
) -> None:
    project = render(tmp_path, project_name=name[:40])
    assert SLUG.fullmatch(project.name)
    assert project.name not in QUESTIONS["_reserved_slugs"]
    assert slug in (None, project.name)
