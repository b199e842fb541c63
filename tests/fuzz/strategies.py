"""Strategies of Hypothesis: answers of attackers and of users with unusual names."""

from __future__ import annotations

import re
import unicodedata

from hypothesis import strategies as st

from hooks.pre_gen_project import TEXT_LIMITS
from tests.template import AXES, COMBINATIONS

# Markup and code of all languages in which rendered files contain answers, and of similar ones.
SIGNS = [
    *("'", '"', "'''", '"""', "\\", "\\'", '\\"', "\\n", "\\x41", "\\N{DIGIT ONE}", "\\u000a"),
    *("\n", "\r", "\r\n", "\t", "\0", "\x07", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u2029"),
    *("<<", ">>", "<< 7*7 >>", "<<cookiecutter.__user>>", "# <%", "%>", "# <#", "#>", "<%"),
    *("{{ 7*7 }}", "{% raw %}", "{% endraw %}", "{# #}", "${{ secrets.KEY }}", "<%= 7 %>", "{0}"),
    *("%s", "%(name)s", "%n", "%%", "%", "%i%", "{name!r}", "f'{x}'", "b''", "r'\\'", "# noqa"),
    *("$(id)", "`id`", "${HOME}", "$HOME", "$$", "$'", "${x:-y}", "; reboot", "&& id", "| id", "&"),
    *(
        "> /tmp/x",
        "< /dev/null",
        "<(id)",
        "~root",
        "*",
        "?",
        "[a-z]",
        "{a,b}",
        "!!",
        "!x",
        "#",
        " #",
    ),
    *(
        ": ",
        "key: value",
        "- ",
        "? ",
        "| ",
        "> ",
        "&a ",
        "*a",
        "!!python/name:os.system",
        "!!int 1",
    ),
    *("---", "...", "%YAML 1.2", "[a, b]", "{a: b}", "~", "null", "yes", "1e5", "0x1f", "=", "= 1"),
    *("[section]", "[[table]]", "key = 'value'", "; comment", "//", "/*", "*/", "--", "-- ", ","),
    *("$request_uri", "server {", "}", ";", "return 200;", "include /etc/passwd;", "if ($x) {"),
    *("$(shell id)", "$(MAKE)", "\ttab", "all:", "%.o: %.c", "@echo", "-include x", "endif", ":="),
    *(
        "' OR '1'='1",
        "'; DROP TABLE notes; --",
        "\\'; --",
        ":name",
        "%(x)s",
        "?",
        "NULL",
        '"public"',
    ),
    *(
        "<script>alert(1)</script>",
        "</title>",
        "<!--",
        "-->",
        "<img src=x onerror=y>",
        "&lt;",
        "&#34;",
    ),
    *("[x](javascript:alert(1))", "![x](https://example.com/x)", "[x]: https://example.com", "[x]"),
    *(
        "```",
        "`",
        "~~~",
        "~~x~~",
        "# ",
        "## x",
        "* ",
        "+ ",
        "1. ",
        "12) ",
        "> x",
        "| a | b |",
        "|---|",
    ),
    *("**x**", "_x_", "__x__", "===", "***", "    x", "<https://example.com>", "$x$", ":---:", "^"),
    *("é", "ß", "e\u0301", "日本", "ñ", "Ω", "👩\u200d🔧", "🏳️", "مرحبا", "שלום", "\u3000", "\xa0"),
    *("\u202e", "\u2066", "\u200b", "\u200d", "\ufeff", "\ufffd", "\uffff", "\U0001fffe", "\ud800"),
    *("\udc80", "\U000e0041", "\ue000", "\u0378", "İ", "ﬀ", "\u3164", "\u0300"),
]
# Names that are valid but reserved, by systems or by this template.
WORDS = [
    *("true", "false", "yes", "no", "on", "off", "null", "none", "nan", "inf", "default", "user"),
    *("root", "public", "postgres", "template1", "redis", "nginx", "con", "select", "table", "all"),
    *("service", "api", "e5", "x", "a", "0x1f", "1e5", "xn--p1ai", "app-migrator", "billing", "--"),
]
ANYTHING = st.characters(exclude_categories=())  # halves of surrogate pairs too

signs = st.lists(
    st.one_of(
        st.sampled_from(SIGNS),
        st.sampled_from(WORDS),
        st.text(st.characters(max_codepoint=127), min_size=1, max_size=4),
        st.text(ANYTHING, min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=10,
).map("".join)
wild = st.one_of(signs, signs, signs, st.text(ANYTHING, min_size=1, max_size=500)).map(
    lambda text: text[:500]
)


def tidy(text: str, limit: int) -> str:
    """Remove all that the template refuses, by rules that do not use the template's code."""
    text = "".join(
        character
        for character in text
        if character not in '"\\\ufffe\uffff'
        and (
            unicodedata.category(character)[0] not in "C" or character in "\u200c\u200d\ue000\u0378"
        )
        and unicodedata.category(character) not in ("Zl", "Zp")
    )
    while (shorter := re.sub(r"<[<%#]|>>|[%#]>", "", text)) != text:
        text = shorter
    return text[:limit].strip() or "x"


def near(alphabet: str, size: int) -> st.SearchStrategy[str]:
    return st.text(st.sampled_from(alphabet), min_size=1, max_size=size)


LABELS = st.one_of(near("abcxyz0189", 12), near("ab-0", 5), st.sampled_from(WORDS), near("a-", 63))
slugs = st.lists(LABELS, min_size=1, max_size=4).map("-".join)
domains = st.builds(
    lambda labels, top: ".".join([*labels, top]),
    st.lists(LABELS, min_size=1, max_size=5),
    st.sampled_from(["com", "example", "x", "xn--p1ai", "e5", "0x7f", "127", "inf", "p5", "c-m"]),
)
mailboxes = st.builds(
    "{}{}".format, st.sampled_from(["", "a", "'", "-", "+", "_", ".", "a."]), near("aZ0_+'-", 6)
)
emails = st.builds("{}@{}".format, mailboxes, domains)

# LIKELY answers are mostly valid, UNLIKELY ones mostly invalid; the template decides.
LIKELY = {
    **{
        name: signs.map(lambda text, limit=limit: tidy(text, limit))
        for name, limit in TEXT_LIMITS.items()
    },
    "project_slug": slugs.map(
        lambda slug: re.sub("-+", "-", f"s{slug}" if slug[:1] in "-0189" else slug)[:40].strip("-")
    ).filter(lambda slug: len(slug) > 1),
    "author_email": st.builds(
        lambda mailbox, domain: f"{mailbox.strip(chr(39) + '-.') or 'a'}@{domain}"[-70:],
        near("aZ0_+'-", 12),
        st.sampled_from(["example.com", "mail.example.co", "xn--mnchen-3ya.example"]),
    ),
    "domain_name": st.builds(
        lambda labels, top: ".".join([*(label.strip("-") or "a" for label in labels), top]),
        st.lists(LABELS, min_size=1, max_size=4),
        st.sampled_from(["com", "example", "xn--p1ai"]),
    ).filter(lambda domain: len(domain) <= 253),
}
# Answers with one invalid character: a check that forgets this character accepts them.
ONE_SIGN_OFF = {
    **{
        name: st.builds(
            lambda before, sign, after, limit=limit: f"{before}{sign}{after}"[:limit].strip(),
            *(st.sampled_from(["", "Bills", "a ", "x: "]), st.sampled_from(SIGNS)),
            st.sampled_from(["", "", "b", " c"]),
        )
        for name, limit in TEXT_LIMITS.items()
    },
    "project_slug": st.one_of(st.sampled_from(WORDS), slugs),
    "author_email": st.one_of(st.builds("{}@example.com".format, mailboxes), emails),
    "domain_name": st.one_of(
        st.sampled_from(["1.e5", "12.e3", "0.0e1", "127.1", "0x7f.1", "1.0x7f", "a.e5"]), domains
    ),
}
UNLIKELY = {
    "project_slug": st.one_of(st.builds("{}-{}x".format, slugs, near("-", 30)), wild),
    "author_email": st.one_of(st.builds("{}@example.com".format, wild), wild),
    "domain_name": st.one_of(st.builds("{}.example".format, wild), wild),
}


def answers() -> st.SearchStrategy[dict[str, str]]:
    """Some of the free-text answers, and a choice of each axis."""
    likely = st.fixed_dictionaries({}, optional=LIKELY)
    any_of_them = {
        name: st.one_of(LIKELY[name], ONE_SIGN_OFF[name], UNLIKELY.get(name, wild))
        for name in LIKELY
    }
    one_off = st.one_of(
        *(
            st.builds(lambda words, value, name=name: words | {name: value}, likely, strategy)
            for name, strategy in ONE_SIGN_OFF.items()
        )
    )
    texts = st.one_of(likely, one_off, one_off, st.fixed_dictionaries({}, optional=any_of_them))
    return st.builds(lambda words, choices: words | choices, texts, st.sampled_from(COMBINATIONS))


def typed(answers: dict[str, str]) -> dict[str, str]:
    """Only the free-text answers."""
    return {name: value for name, value in answers.items() if name not in AXES}
