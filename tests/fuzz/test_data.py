"""The template refuses an answer with a clear message, or each file contains it as data.

1,000 examples, the same in each run; ``make fuzz EXAMPLES=50000`` tries 50,000 random ones. This
renders only the files with tags, in this process; test_program.py shows that this is enough.
"""

from __future__ import annotations

import os
import re
import shlex
from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings

from hooks.pre_gen_project import all_problems, report
from tests.fuzz import formats, rendering, strategies
from tests.template import AXES, PAIRWISE, QUESTIONS
from tools import new

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "1000"))
DEFAULTS = dict(zip(AXES, (choices[0] for choices in AXES.values()), strict=True))


def wrong(answers: dict[str, str]) -> dict[str, str]:
    """The problems that the template's checks find in typed answers."""
    texts = strategies.typed(answers)
    return all_problems({**texts, "_reserved_slugs": QUESTIONS["_reserved_slugs"]}, texts)


def refused(answers: dict[str, str], problems: dict[str, str]) -> None:
    """Check the message about invalid answers, and its command with the valid ones."""
    message = report(answers, problems, "make new")
    printed = message.splitlines()
    assert message == "\n".join([*printed, ""]), "an answer does not end a line"
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", message)
    message.encode()  # fails if the message contains half of a surrogate pair
    for name in problems:
        assert sum(line.startswith(f"  {name} ") for line in printed) == 1
    good = {name: value for name, value in answers.items() if name not in problems}
    words = shlex.split(printed[-1])
    assert words[:2] == ["make", "new"]
    (again,) = words[2:] or ["ANSWERS="]
    assert new.parse(again.removeprefix("ANSWERS=")) == good


def check(answers: dict[str, str]) -> str:
    """Check one example; return "refused" or "rendered"."""
    if problems := wrong(answers):
        refused(answers, problems)
        return "refused"
    context = rendering.completed(answers)
    assert {name: context[name] for name in answers} == answers, "rendering changed an answer"
    rendering.check(context)
    return "rendered"


def test_answers_are_refused_or_stay_data() -> None:
    outcomes: Counter[str] = Counter()

    @settings(
        max_examples=EXAMPLES,
        derandomize="FUZZ_EXAMPLES" not in os.environ,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        phases=set(Phase) - {Phase.explain},  # which traces every line, at five times the cost
        suppress_health_check=list(HealthCheck),
    )
    @given(strategies.answers())
    @example({"description": "# no heading, <!-- no comment"})
    @example({"project_name": "[x](javascript:alert(1))", "description": "``` no fence"})
    def one(answers: dict[str, str]) -> None:
        outcomes[check(DEFAULTS | answers)] += 1
        if outcomes.total() % 1000 == 0:
            print(f"  {outcomes.total()} of {EXAMPLES}", flush=True)

    one()
    print(f"{outcomes.total()} examples: {dict(outcomes)}")
    assert outcomes.total() >= EXAMPLES
    assert min(outcomes["rendered"], outcomes["refused"]) > EXAMPLES // 5, "both were tried"


# --- What an attack of this kind once found, and what it is likely to find

FOUND = {
    "a heading": {"description": "# Not a heading"},
    "a list": {"description": "- not a list"},
    "a numbered list": {"description": "1. not a list"},
    "a fence": {"description": "```", "project_name": "~~~"},
    "a comment of HTML": {"description": "<!-- the rest of the README"},
    "a link": {"description": "[x]: https://example.com", "project_name": "[x](https://a.example)"},
    "an end of a heading": {"project_name": "In C #"},
    "a slug that ends in a hyphen when it is cut": {"project_slug": "a-service-with-a-long-name"},
    "emphasis in an address": {"author_email": "_x_@example.com"},
    "a quote in an address": {"author_email": "o'brien@example.com"},
    "a percent sign": {"project_name": "100 %i %% %"},
    "every sign of Python, YAML and shell": {
        "project_name": "'''{x} ${y} $(z) `w` # %s : - [",
        "description": "&a *b !c |d >e %f @g : - ? {h: [i]}, # k ''' $(id) `id` ; && || ~ \u00a0!",
        "author_name": "'); DROP TABLE notes; -- é 日本 👩\u200d🔧",
    },
}


@pytest.mark.parametrize("answers", FOUND.values(), ids=list(FOUND))
def test_attacks_found_before_stay_harmless(answers: dict[str, str]) -> None:
    for choices in PAIRWISE:  # each pair of choices of two axes
        assert check({**answers, **choices}) == "rendered"


def test_the_account_of_the_system_is_never_another_ones() -> None:
    """It is the slug, cut: "root-------------------x" would be the account root."""
    for slug in ("root" + "-" * 30 + "x", "a" + "-" * 30 + "x"):
        assert "project_slug" in wrong({"project_slug": slug})
    context = rendering.completed({"project_slug": "a-service-with-a-long-name"})
    assert context["__user"] == "a-service-with-a-long"
    texts = rendering.check(context | {"database": "mysql"})
    assert "mysql+pymysql://a-service-with-a-long:" in texts[".env.example"]


# --- The parsers tell a break-out from data

BREAKOUTS = [
    ("x.py", 'NAME = "{}"', '"; import os; "'),
    ("x.py", 'NAME = "{}"', "\\"),
    ("x.py", "# {}\nx = 1", "\nimport os"),
    ("x.toml", 'name = "{}"', '"\nother = "'),
    ("x.toml", 'name = "{}"', "\\u0041"),
    ("x.yaml", "name: {}", "false"),
    ("x.yaml", "name: {}", "1.e5"),
    ("x.yaml", "name: {}", "a: b"),
    ("x.yaml", "name: {}", "a # b"),
    ("x.yaml", "name: {}", "'a"),
    ("x.yaml", 'name: "{}"', '"'),
    ("x.sh", 'name="{}"', "$(id)"),
    ("x.sh", 'name="{}"', '"; id; "'),
    ("x.sh", "name='{}'", "'; id; '"),
    ("x.sh", "name={}", "a b"),
    ("x.sh", "name={}", "a;id"),
    ("x.sh", "# {}", "\nid"),
    ("x.conf", "server_name {};", "a; return 200"),
    ("x.conf", "server_name {};", "a b"),
    ("x.env", "NAME={}", "'a"),
    ("x.env", "NAME={}", "a #b"),
    ("x.env", "NAME={}", "$HOME"),
    ("x.env", "NAME={}", "a\nOTHER=b"),
    ("x.service", "Description={}", "100%i"),
    ("x.service", "Description={}", "100%"),
    ("x.service", "Description={}", "a\\"),
    ("x.service", "Description={}", "a\nExecStart=b"),
    ("x.md", "# {}", "a *b*"),
    ("x.md", "# {}", "a #"),
    ("x.md", "{}", "# a"),
    ("x.md", "{}", "<b>"),
    ("x.md", "{}", "[a](b)"),
    ("x.md", "{}", "&lt;"),
]


@pytest.mark.parametrize(("name", "template", "answer"), BREAKOUTS)
def test_injected_code_in_answers_is_detected(name: str, template: str, answer: str) -> None:
    data = formats.words(name, template.format("Mark"))
    try:
        broken = formats.words(name, template.format(answer))
    except ValueError:
        return
    assert broken != [word.replace("Mark", answer) for word in data]
