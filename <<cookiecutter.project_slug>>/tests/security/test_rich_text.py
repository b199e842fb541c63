"""Markdown: what it becomes, and text that is made to become something dangerous or endless."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from markdown_it import MarkdownIt
from markupsafe import Markup
from selectolax.lexbor import LexborHTMLParser

from app.security import rich_text, sanitization
from app.security.html_source import markdown_of
from app.security.rich_text import MAX_RICH_TEXT, RichText, render
from app.security.sanitization import FORBIDDEN, MAX_HTML, MAX_TAGS, sanitize_html
from tests.marks import asvs, practice, slow
from tests.security.attacks import MARKDOWN, XSS, dangers, elements, some
from tests.security.test_sanitization import assert_only_what_is_listed, cleaned_or_refused, in_page

pytestmark = practice("sanitization")

FORMATTED = """
# Title
### Part

One line
and the next\\
and one more, with **bold**, *italic*, `code < 1` and [a link](https://example.org/?a=1&b=2 "t").

- a
- b
  1. c

> quoted

```python
if a < b:

    pass
```

---

<mailto:a@example.org>"""
LINK = 'rel="noopener noreferrer"'
HTML = (
    "<h2>Title</h2><h3>Part</h3><p>One line\nand the next<br>and one more, with"
    " <strong>bold</strong>, <em>italic</em>, <code>code &lt; 1</code> and"
    f' <a href="https://example.org/?a=1&amp;b=2" title="t" {LINK}>a link</a>.</p>'
    "<ul><li>a</li><li>b<ol><li>c</li></ol></li></ul><blockquote><p>quoted</p></blockquote>"
    "<pre><code>if a &lt; b:\n\n    pass\n</code></pre><hr>"
    f'<p><a href="mailto:a@example.org" {LINK}>mailto:a@example.org</a></p>'
)


def html_or_refused(text: str) -> str:
    try:
        return str(RichText(text).html)
    except ValueError:
        return ""


def test_formats_become_html() -> None:
    text = RichText(FORMATTED)
    assert text == FORMATTED.strip("\n")
    assert text.html == HTML
    assert isinstance(text.html, Markup)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("<b>x</b> & <script>y", "&lt;b&gt;x&lt;/b&gt; &amp; &lt;script&gt;y</p>"),
        ("![x](https://example.org/a.png)", f'!<a href="https://example.org/a.png" {LINK}>x</a>'),
        ("[x](http://example.org)", "[x](http://example.org)"),
        ("[x](/path)", "[x](/path)"),
        ("e\u0301", "\u00e9"),
        ("a\r\nb\rc", "a\nb\nc"),
    ],
)
def test_text_without_formatting_is_shown_unchanged(written: str, shown: str) -> None:
    assert RichText(written).html.startswith(f"<p>{shown}")


@asvs("1.2.2", "1.3.1", "1.3.4", "1.3.5")
@slow
def test_no_attack_becomes_more_than_what_is_listed() -> None:
    for attack in (*MARKDOWN, *XSS):
        page = in_page(html_or_refused(attack))
        assert_only_what_is_listed(page)
        assert dangers(page) == [], attack


def test_the_corpus_is_as_long_as_promised() -> None:
    assert len(set(MARKDOWN)) == len(MARKDOWN) >= 120


def test_the_detector_of_these_tests_finds_attacks() -> None:
    """Without the protection, much of the corpus is dangerous."""
    parser = MarkdownIt("commonmark")
    parser.validateLink = lambda _: True  # type: ignore[method-assign]
    found = [attack for attack in MARKDOWN if dangers(in_page(parser.render(attack)))]
    assert len(found) > 0.5 * len(MARKDOWN)


@asvs("1.3.1", "1.3.5")
def test_the_parser_alone_lets_nothing_through() -> None:
    """A mistake of the sanitizers would not be enough."""
    for attack in (*MARKDOWN, *XSS):
        assert dangers(in_page(render(attack))) == [], attack


@asvs("1.3.1")
@slow
def test_the_sanitizers_alone_let_nothing_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor would one of the parser."""

    def careless(source: str) -> str:
        parser = MarkdownIt("commonmark")
        parser.validateLink = lambda _: True  # type: ignore[method-assign]
        return str(parser.render(source))

    monkeypatch.setattr(rich_text, "render", careless)
    for attack in MARKDOWN:
        page = in_page(html_or_refused(attack))
        assert_only_what_is_listed(page)
        assert dangers(page) == []


# --- Bounds ------------------------------------------------------------------------------------

ROUND = MAX_RICH_TEXT
BOMBS = {
    "references": f"[a]: https://example.org/{'x' * (ROUND // 2)}\n\n" + "[a]" * (ROUND // 7),
    "titles": f'[a]: https://x "{"t" * (ROUND // 2)}"\n\n' + "[a]" * (ROUND // 7),
    "in references": "".join(f"[{n}]: https://x/{n}\n" for n in range(ROUND // 25)) + "[1]" * 500,
    "emphasis": "*a **b " * (ROUND // 7),
    "closed emphasis": "*a " * (ROUND // 6) + "a* " * (ROUND // 6),
    "strong": "**" * (ROUND // 5) + "a" + "**" * (ROUND // 5),
    "quotes": ">" * ROUND,
    "quotes with text": "\n".join(">" * n + "a" for n in range(130)),
    "lists": "- " * (ROUND // 2),
    "lists with text": "\n".join("  " * n + "- a" for n in range(95)),
    "both": "> - " * (ROUND // 4),
    "items": "-\n" * (ROUND // 2),
    "numbers": "1)\n" * (ROUND // 3),
    "headings": "# a\n" * (ROUND // 4),
    "fences": "```\n" * (ROUND // 4),
    "backticks": "".join("`" * n + " " for n in range(1, 140)),
    "brackets": "[" * ROUND,
    "links": "[a](" * (ROUND // 4),
    "images": "![" * (ROUND // 2),
    "addresses": "[a](https://x/" + "%" * (ROUND - 20) + ")",
    "autolinks": "<https://x>" * (ROUND // 11),
    "tags": "<a " * (ROUND // 3),
    "ampersands": "&" * ROUND,
    "entities": "&#0;" * (ROUND // 4),
    "escapes": "\\" * ROUND,
    "lines": "a\n" * (ROUND // 2),
    "quoted": '"' * ROUND,
}


def depth(page: LexborHTMLParser) -> int:
    """How many elements are in each other."""
    deepest = 0
    for node in elements(page):
        level, parent = 0, node.parent
        while parent is not None:
            level, parent = level + 1, parent.parent
        deepest = max(deepest, level)
    return deepest


@asvs("1.3.3", "2.2.1", "15.2.2")
@pytest.mark.parametrize("name", some([*BOMBS]))
@slow
def test_no_text_becomes_more_than_its_length_allows(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it is cleaned as well: what is too much is not even serialized."""
    seen: list[str] = []
    clean = sanitization.nh3.clean

    def record(text: str, **known: object) -> str:
        seen.append(text)
        return str(clean(text, **known))

    monkeypatch.setattr(sanitization.nh3, "clean", record)
    for text in (BOMBS[name][: ROUND // 2], BOMBS[name]):
        assert len(text) <= MAX_RICH_TEXT
        try:
            made = len(render(text))
        except ValueError:
            made = 0
        # "-\n" becomes "<li></li>", '"' becomes "&quot;"; addresses have MAX_HTML characters more,
        # each of which may become "&amp;"
        assert made <= 6 * len(text) + 6 * MAX_HTML
        html = html_or_refused(text)
        assert len(html) <= MAX_HTML
        assert html.count("<") <= MAX_TAGS
        assert depth(in_page(html)) <= MAX_TAGS // 2 + 5
    assert all(len(text) <= MAX_HTML and text.count("<") <= MAX_TAGS for text in seen)


@asvs("2.2.1", "15.2.2")
def test_a_text_is_bounded_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rich_text, "render", lambda _: pytest.fail("it was parsed"))
    for text in ("x" * (MAX_RICH_TEXT + 1), "[" * 10**6, "a\0b", "\u202e", "\ud800"):
        with pytest.raises(ValueError, match=r"at most|Control"):
            RichText(text)


def test_lists_and_quotes_end_at_some_depth() -> None:
    for text in ("> " * 300 + "a", "- " * 300 + "a"):
        assert depth(in_page(render(text))) <= 2 * rich_text.MAX_NESTING


def test_the_longest_text_is_accepted() -> None:
    assert len(RichText("\N{OWL}" * MAX_RICH_TEXT)) == MAX_RICH_TEXT


@pytest.mark.parametrize("text", ["", " ", "\n\n", "[a]: https://example.org"])
def test_text_without_visible_content_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Write some text"):
        RichText(text)


@asvs("2.2.1")
@pytest.mark.parametrize("entity", ["&#x202e;", "&#1;", "&#x9b;", "&#x2066;"])
def test_forbidden_characters_do_not_come_in_as_entities(entity: str) -> None:
    assert not FORBIDDEN.search(html_or_refused(f"a{entity}b"))


@slow
@asvs("15.4.1")
def test_threads_never_get_each_others_text() -> None:
    def write(user: int) -> None:
        for i in range(60):
            html = RichText(f"user {user} *text {i}* [x](https://u{user}.example)").html
            link = f'<a href="https://u{user}.example" {LINK}>x</a>'
            assert html == f"<p>user {user} <em>text {i}</em> {link}</p>"

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(write, range(4)))
    finally:
        sys.setswitchinterval(interval)


# --- What users of an older version wrote ------------------------------------------------------


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        ("a\nb <b>x</b> <i>y</i>", "a\nb **x** *y*"),
        ("a<br>b", "a\\\nb"),
        ("<p>a</p><p>b</p>", "a\n\nb"),
        ("<h2>T</h2>\n<h3>t</h3>x<hr>", "# T\n\n## t\n\nx\n\n---"),
        ("<ul>\n<li>1</li>\n<li>2</li>\n</ul>", "- 1\n- 2"),
        ("<ol><li>1<ul><li>2</li></ul></li></ol>", "1. 1\n   \n   - 2"),
        ("<li>x", "- x"),
        ("<blockquote>a<p>b</p></blockquote>c", "> a\n> \n> b\n\nc"),
        ("<pre>a\n  &lt;b`</pre>", "```\na\n  <b`\n```"),
        ("<pre><code>```</code></pre>", "````\n```\n````"),
        ("<code>a*b</code> <code>`</code>", "`a*b` `` ` ``"),
        ('<a href="https://x/?a=1&amp;b=2" title="t">x</a>', '[x](<https://x/?a=1&b=2> "t")'),
        ("<a>x</a>", "x"),
        ("1 * 2 _3_ [4] `5` &lt;b> &amp;amp; \\", r"1 \* 2 \_3\_ \[4\] \`5\` \<b> \&amp; \\"),
        ("# a\n- b\n1. c\n> d\n===", "\\# a\n\\- b\n1\\. c\n\\> d\n\\==="),
        ("    a\n     b", " a\nb"),
        ("<b> </b><b> x </b>y", "  **x** y"),
    ],
)
def test_html_becomes_markdown(html: str, markdown: str) -> None:
    html = sanitize_html(html)
    assert markdown_of(html) == markdown.strip()
    shown = in_page(RichText(markdown_of(html)).html).css_first("article").text()
    expected = in_page(html).css_first("article").text()
    assert "".join(shown.split()) == "".join(expected.split())


def test_what_markdown_has_become_becomes_markdown_that_shows_the_same() -> None:
    html = RichText(FORMATTED).html
    again = RichText(markdown_of(html)).html
    assert in_page(again).css_first("article").text() == in_page(html).css_first("article").text()
    assert RichText(markdown_of(again)).html == again


@asvs("1.3.3", "15.2.2")
@pytest.mark.parametrize("tag", ["blockquote", "ul><li", "b", "p", "a href=https://x"])
def test_nested_html_becomes_bounded_markdown(tag: str) -> None:
    nested = sanitize_html(f"<{tag}>" * (MAX_TAGS // 4) + "a\n" * 2000)
    assert len(markdown_of(nested)) <= 40 * MAX_HTML


def test_an_attack_stays_harmless() -> None:
    for attack in XSS:
        text = markdown_of(cleaned_or_refused(attack))
        assert dangers(in_page(html_or_refused(text))) == [], attack
