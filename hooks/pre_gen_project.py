"""Refuse answers that would render a broken or unsafe project; list all of them at once.

Answers are rendered into Python, TOML, YAML and Nginx files. An attack would end the string there
with a quote, a backslash, a line end, or the template's own tags.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import unicodedata
from collections.abc import Mapping

# Maximum length of free text, in characters. Names are in lines of Python code of at most 100
# columns, and a wide character takes two.
TEXT_LIMITS = {"project_name": 40, "description": 120, "author_name": 60}
EMAIL_LIMIT = 70
# No two hyphens in a row: cut to 22 characters, "root------..." would become the account root.
SLUG = re.compile(r"(?=.{2,40}\Z)[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
# RFC 1123, section 2.1: the last label is alphabetic, or belongs to an international name (RFC
# 5890). YAML reads 1.e5 as a number, and browsers read 1.0x7f as an address.
LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
DOMAIN = re.compile(rf"(?=.{{4,253}}\Z)(?:{LABEL}\.)+(?:[a-z]{{1,63}}|(?=xn--){LABEL})")
# A leading ' starts a quoted value in .env files; a leading - starts an option of certbot.
MAILBOX = re.compile(r"(?![-'])[A-Za-z0-9_+'-]+(?:\.[A-Za-z0-9_+'-]+)*")
TAGS = ("<" * 2, ">" * 2, "<%", "%>", "<#", "#>")
JOINERS = "\u200c\u200d"  # invisible, but part of the spelling of names


def problems(answers: Mapping) -> dict[str, str]:
    """Return the problems by the name of the answer; empty if all answers are valid.

    :param answers: the answers; missing ones are not checked.
    """
    choices = answers.get("_choices", {})
    asked = (*TEXT_LIMITS, "project_slug", "author_email", "domain_name", *choices)
    # A configuration file in YAML may have a number, null or true.
    wrong = {
        name: "is not text; put it in quotes"
        for name in asked
        if name in answers and not isinstance(answers[name], str)
    }
    answers = {name: value for name, value in answers.items() if name not in wrong}
    found = {
        **{name: text_problem(answers.get(name), limit) for name, limit in TEXT_LIMITS.items()},
        "project_slug": slug_problem(
            answers.get("project_slug"), answers.get("_reserved_slugs", [])
        ),
        "author_email": email_problem(answers.get("author_email")),
        "domain_name": domain_problem(answers.get("domain_name")),
        **{name: choice_problem(answers.get(name), offered) for name, offered in choices.items()},
    }
    return wrong | {name: problem for name, problem in found.items() if problem}


def all_problems(answers: Mapping, unrendered: Mapping) -> dict[str, str]:
    """Also check ``unrendered``, the answers before cookiecutter rendered them as templates."""
    before = {name: str(unrendered[name]) for name in TEXT_LIMITS if name in unrendered}
    return problems(before) | problems(answers)


def text_problem(value: str | None, limit: int) -> str | None:
    """Return why ``value`` is invalid in a string literal or a heading, or None."""
    if value is None:
        return None
    if not value.strip():
        return f"is empty; write 1 to {limit} characters"
    if len(value) > limit:
        return f"has {len(value)} characters; at most {limit} are allowed"
    if value != value.strip():
        return "begins or ends with a space; remove it"
    if tags := [tag for tag in TAGS if tag in value]:
        return f"contains {' '.join(tags)}, which are tags of the template; remove them"
    if quotes := [character for character in '"\\' if character in value]:
        return f"contains {' '.join(quotes)}; use ' or remove it"
    # Cc: control characters and line ends; Cf: marks that change the reading direction and other
    # invisible ones (CVE-2021-42574); Cs: bytes that are not text; Zl, Zp: line ends of Unicode.
    hidden = sorted(
        {
            f"U+{ord(character):04X}"
            for character in value
            if (
                unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
                or character in "\ufffe\uffff"  # invalid in YAML
            )
            and character not in JOINERS
        }
    )
    if hidden:
        return f"contains {' '.join(hidden)}; use one line of visible characters"
    return None


def slug_problem(value: str | None, reserved: list[str]) -> str | None:
    """Return why ``value`` cannot name a folder, a repository and a system unit, or None."""
    if value is None:
        return None
    if not SLUG.fullmatch(value):
        return (
            "is not a valid short name; use 2 to 40 of a-z, 0-9 and single hyphens, "
            "start with a letter and do not end with a hyphen"
        )
    if value in reserved:
        return (
            "is reserved: many systems use it for an account, a program, a folder or a device, "
            "or it is a keyword in YAML or SQL; choose another name"
        )
    return None


def email_problem(value: str | None) -> str | None:
    """Return why ``value`` cannot be the published address for reports, or None."""
    if value is None:
        return None
    mailbox, _, domain = value.rpartition("@")
    if len(value) > EMAIL_LIMIT:
        return f"has {len(value)} characters; at most {EMAIL_LIMIT} are allowed"
    if not MAILBOX.fullmatch(mailbox) or not DOMAIN.fullmatch(domain.lower()):
        return (
            "is not a valid e-mail address; use the form name@example.com, in ASCII, "
            "and do not start with - or '"
        )
    return None


def domain_problem(value: str | None) -> str | None:
    """Return why ``value`` cannot be the host name of the service, or None."""
    if value is not None and not DOMAIN.fullmatch(value):
        return (
            "is not a valid host name; use two or more labels of a-z, 0-9 and hyphens, the last "
            "of a-z only, as in app.example.com, without scheme, port, path or IP address"
        )
    return None


def choice_problem(value: str | None, offered: list[str]) -> str | None:
    """Return why ``value`` is not one of the choices, or None."""
    if value is not None and value not in offered:
        return f"is not offered; choose one of: {', '.join(offered)}"
    return None


def report(answers: Mapping, refused: Mapping[str, str], start: str | None) -> str:
    """Return the problems, the allowed values, and a command that keeps the valid answers.

    :param start: the start of that command with the options of this call; None if there was no
        command.
    """
    lines = [
        "",
        "Nothing was rendered. These answers are invalid:",
        *(f"  {name} {answers[name]!r} {problem}." for name, problem in refused.items()),
        "",
    ]
    if start:
        good = {
            name: value
            for name, value in answers.items()
            if not name.startswith("_") and name not in refused
        }
        words = [shlex.quote(f"{name}={value}") for name, value in good.items()]
        if words and start.startswith("make"):
            pairs = (f'{k}="{v}"' if " " in v else f"{k}={v}" for k, v in good.items())
            words = [f"ANSWERS={shlex.quote(' '.join(pairs))}"]
        command = " ".join([start, *words])
        lines += ["This command asks again and keeps the valid answers:", f"  {command}", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    ANSWERS = json.loads(r"""<< cookiecutter|tojson >>""")
    UNRENDERED = json.loads(r"""<< _cookiecutter|default({})|tojson >>""")
    if REFUSED := all_problems(ANSWERS, UNRENDERED):
        START = ["cookiecutter", ANSWERS["_template"], "--output-dir", ANSWERS["_output_dir"]]
        sys.exit(report(ANSWERS, REFUSED, os.environ.get("MAKE_COMMAND") or shlex.join(START)))
