"""A lint of the templates, which Bandit and ruff never read (OWASP ASVS 1.2.1, 1.3.1, 3.4.3).

Autoescaping and the Content-Security-Policy stop script injection as long as nobody goes round
them. These rules fail on the ways round. Each rule is shown a sample that it must refuse.
"""

import re
from pathlib import Path

import pytest

from tests.marks import asvs, practice

pytestmark = practice("sanitization")

APP = Path(__file__).resolve().parent.parent / "app"
TEMPLATES = APP / "templates"

# The inside of an HTML start tag up to some point; quoted values are skipped as a whole.
IN_TAG = r"""<[a-z](?:[^>"']|"[^"]*"|'[^']*')*?"""
POST_FORM = r"""<form\b[^>]*\bmethod\s*=\s*["']?post\b"""

# Read in the source as it stands, without comments.
JINJA_RULES = {
    "safe filter": r"\|\s*safe\b|{%-?\s*filter\s+safe\b",
    "autoescape block": r"{%[-+]?\s*autoescape\b",
    "url from data": (
        r"\b(?:href|src|action|formaction)\s*=\s*[\"']?\s*{{(?!-?\s*(?:url_for|asset|configured_url)\()"
    ),
}
# Read in the HTML alone: see `markup_of`.
HTML_RULES = {
    "inline script": r"<script\b(?![^>]*\ssrc\s*=)",
    "inline style": r"<style\b",
    "style attribute": IN_TAG + r"""(?<=[\s"'/])style\s*=""",
    "event handler": IN_TAG + r"""(?<=[\s"'/])on[a-z]+\s*=""",
    "script url": r"=\s*[\"']?\s*(?:javascript|vbscript|data)\s*:",
    "value outside quotes": IN_TAG + r"{{",
    # It would go before the header, and hand paths with tokens to other sites.
    "own referrer policy": IN_TAG + r"""(?<=[\s"'/])referrerpolicy\s*=|<meta\b[^>]*\breferrer\b""",
    "foreign asset": r"<(?!a\b)[a-z][^>]*=\s*[\"']?\s*(?:https?:)?//",
    "post form without csrf token": (
        POST_FORM + r"(?:(?!csrf_token|hidden_tag\(|</form\b).)*(?:</form\b|\Z)"
    ),
}
PYTHON_RULES = {
    "autoescape off": r"\bautoescape\s*=\s*(?:False|None)\b",
}


def markup_of(source: str) -> str:
    """Return the HTML of a template: without statements, and with expressions that hold no quote
    and no angle bracket, which would otherwise look like those of the HTML around them."""
    source = re.sub(r"{%.*?%}", " ", source, flags=re.DOTALL)
    return re.sub(r"{{.*?}}", lambda it: re.sub(r"[\"'<>]", "", it[0]), source, flags=re.DOTALL)


def violations(source: str, rules: dict[str, str]) -> list[str]:
    flags = re.IGNORECASE | re.DOTALL
    return [name for name, pattern in rules.items() if re.search(pattern, source, flags)]


def template_violations(source: str) -> list[str]:
    source = re.sub(r"{#.*?#}", " ", source, flags=re.DOTALL)
    return violations(source, JINJA_RULES) + violations(markup_of(source), HTML_RULES)


def files(folder: Path, pattern: str) -> list[Path]:
    found = sorted(path for path in folder.rglob(pattern) if path.is_file())
    assert found, f"nothing to check under {folder}"
    return found


@asvs("1.2.1", "1.2.2", "1.2.3", "3.4.5")
def test_a_template_keeps_every_rule() -> None:
    for path in files(TEMPLATES, "*"):
        # Jinja autoescapes by file name: page.txt or page.html.j2 would be rendered unescaped.
        # Mails are plain text.
        assert path.suffix == (".txt" if path.parent == TEMPLATES / "mail" else ".html"), path
        assert template_violations(path.read_text(encoding="utf-8")) == [], path


@asvs("1.2.1")
def test_no_module_switches_autoescaping_off() -> None:
    for path in files(APP, "*.py"):
        assert violations(path.read_text(encoding="utf-8"), PYTHON_RULES) == [], path


BAD_SAMPLES = [
    ("safe filter", "<p>{{ row.body|safe }}</p>"),
    ("safe filter", "{{ row.body | trim | safe }}"),
    ("safe filter", "{% filter safe %}{{ row.body }}{% endfilter %}"),
    ("autoescape block", "{% autoescape false %}{{ row.body }}{% endautoescape %}"),
    ("autoescape block", "{%- autoescape flag -%}{{ row.body }}{%- endautoescape -%}"),
    ("url from data", '<a href="{{ row.link }}">more</a>'),
    ("url from data", '<a href="{{ configured }}">more</a>'),
    ("url from data", "<form method='get' action='{{ target }}'></form>"),
    ("inline script", "<script>start()</script>"),
    ("inline script", '<SCRIPT type="module">start()</SCRIPT>'),
    ("inline style", "<style>p { color: red }</style>"),
    ("style attribute", '<p class="a" style="color: red">'),
    ("style attribute", "<p\n  STYLE = 'color: red'>"),
    ("event handler", '<button type="button" onclick="go()">'),
    ("event handler", "<img src='/x.png'onerror=go()>"),
    ("event handler", "<svg/onload=go()>"),
    ("event handler", '<p title="1 > 0" {% if user %}onmouseover="go()"{% endif %}>'),
    ("script url", '<a href="javascript:go()">go</a>'),
    ("script url", '<img src=" data:image/svg+xml,...">'),
    ("value outside quotes", "<p class={{ kind }}>"),
    ("value outside quotes", '<p id="a" title=row-{{ row.title }}>'),
    ("value outside quotes", "<p {{ attributes }}>"),
    ("own referrer policy", '<meta name="referrer" content="unsafe-url">'),
    ("own referrer policy", '<a href="/x" referrerpolicy="unsafe-url">x</a>'),
    ("foreign asset", '<script src="https://cdn.example/x.js"></script>'),
    ("foreign asset", '<link rel="stylesheet" href="//cdn.example/x.css">'),
    ("foreign asset", "<img alt='' src=http://cdn.example/x.png>"),
    ("post form without csrf token", '<form method="post"><button>Go</button></form>'),
    ("post form without csrf token", "<form class='a' METHOD=POST><button>Go</button></form>"),
    ("post form without csrf token", '<form method="post">{# csrf_token #}</form>'),
    (
        "post form without csrf token",
        '<form method="post">{{ form.hidden_tag() }}</form><form method="post"></form>',
    ),
]
BAD_PYTHON = [
    ("autoescape off", "Environment(autoescape=False)"),
]


@pytest.mark.parametrize(("rule", "sample"), BAD_SAMPLES)
def test_each_template_rule_fires(rule: str, sample: str) -> None:
    assert template_violations(sample) == [rule]


@pytest.mark.parametrize(("rule", "sample"), BAD_PYTHON)
def test_each_python_rule_fires(rule: str, sample: str) -> None:
    assert violations(sample, PYTHON_RULES) == [rule]


def test_no_rule_is_without_a_sample() -> None:
    shown = {rule for rule, _ in BAD_SAMPLES + BAD_PYTHON}
    assert shown == {*JINJA_RULES, *HTML_RULES, *PYTHON_RULES}


@pytest.mark.parametrize(
    "sample",
    [
        """<a class="{{ 'x' if a > b else "y" }}" href="{{ url_for("account.index", q=">") }}">""",
        '<script src="{{ asset("app.js").url }}" defer></script>',
        '<a href="https://example.org/">a link is not an asset</a>',
        '<p title="row {{ row.title }}">{{ row.body }}, on = 1</p>',
        '<form method="post">{{ form.hidden_tag() }}</form>',
        '<form method="post"><input name="csrf_token" value="{{ csrf_token() }}"></form>',
        '<a href="{{ configured_url("Terms") }}">checked at start-up</a>',
        "{# |safe is forbidden #}",
    ],
)
def test_good_samples_pass(sample: str) -> None:
    assert template_violations(sample) == []
