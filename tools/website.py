"""``make site``: the documents as plain HTML in build/site, for a browser without a server.

The pages are README.md, docs/ and CHANGELOG.md of the template, the documents of rendered services,
and the docstrings of their modules with the names of their tests. This module lists the modules of
each practice and flow; a test compares these lists with the services.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from posixpath import join, normpath

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.features import committed, practices
from tests.template import AXES, ROOT, render
from tools.pictures.drawing import TARGETS

TARGET = ROOT / "build" / "site"
# The modules of each practice of README.md's table, by their names in `make practices`.
PRACTICES = {
    "Input validation and sanitization": "sanitization redirects",
    "CSRF protection": "cross_origin csrf cors",
    "Parameterized queries": "queries",
    "Password storage": "passwords",
    "HTTPS": "https",
    "Secure cookies": "cookies auth.sessions",
    "Regular audits": "audits",
    "Rate limiting": "rate_limits auth.throttling quotas",
    "Error handling": "errors logs refusals auth.best_effort",
    "Access control": "access scope safe_methods auth.operator_views",
    "Data exposure": "secret_key secret encryption headers security_txt",
}
FLOWS = {
    "Sign-up": "auth.sign_up auth.links",
    "Sign-in": "auth.sessions auth.throttling auth.lockout auth.devices",
    "A forgotten password": "auth.password_reset auth.links auth.lockout",
    "Change of address": "auth.address_change auth.links",
    "Second factor": "auth.second_factors auth.code_guesses auth.factor_resets",
    "Passkeys": "auth.passkeys",
    "Step-up": "auth.step_up",
    "Tokens of an API": "auth.tokens auth.sessions",
    "Personal access tokens": "auth.personal_tokens auth.token_form auth.token_access",
    "Sign-in with OpenID Connect": """
        auth.identity_provider auth.backchannel_views auth.operator_views
    """,
    "Export and deletion": "auth.export auth.deletion",
    "Mail": "mail.outbox mail.delivery mail.transport auth.notices",
}
OPTIONS = {"auth": "docs/sign-in.md", "database": "docs/database.md"}  # deployment: its folder's
PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} - Hardened Flask</title>
<link rel="stylesheet" href="site.css">
</head>
<body>
<nav aria-label="Site"><a href="index.html">All pages</a> <a href="readme.html">Read me</a></nav>
<main>
{content}
</main>
</body>
</html>
"""
STYLE = """\
:root { color-scheme: light dark; }
body { font: 1rem/1.6 system-ui, sans-serif; margin: 1rem auto; max-width: 60rem; padding: 0 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td, pre { border: 1px solid #8886; padding: .3rem .6rem; text-align: left; }
pre, code { overflow-x: auto; overflow-wrap: anywhere; }
img { height: auto; max-width: 100%; }
"""
DOCUMENTS = "README.md SECURITY.md docs/security-decisions.md docs/log-on-another-system.md".split()
AUTH = tuple(AXES["auth"])
MARKDOWN = MarkdownIt("commonmark", {"html": False, "xhtmlOut": False}).enable("table")


@dataclass
class Part:
    """Markdown of the document ``path``; ``service`` is its auth style, empty: the template."""

    text: str
    path: str = ""
    service: str = ""
    below: int = 0  # levels to lower its headings


@dataclass
class Site:
    """Pages by file name, with title and parts; ``places``: the page of each document."""

    pages: dict[str, tuple[str, list[Part]]] = field(default_factory=dict)
    places: dict[tuple[str, str], str] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)  # the practices of all services

    def add(self, file: str, title: str, *parts: Part) -> None:
        self.pages[file] = (title, list(parts))
        for part in parts:
            if part.path:
                self.places.setdefault((part.service, part.path), file)

    def html(self, part: Part) -> str:
        # A comment begins a line; `<!--` within a line is code.
        tokens = MARKDOWN.parse(re.sub(r"(?ms)^<!--.*?-->", "", part.text))
        used: set[str] = set()
        for number, token in enumerate(tokens):
            token.attrs.pop("style", None)  # the alignment of a cell
            if token.type in ("heading_open", "heading_close"):
                token.tag = f"h{min(int(token.tag[1]) + part.below, 6)}"
            if token.type == "heading_open":
                name = prefix = ("d-" * part.below) + slug(tokens[number + 1].content)
                while name in used:
                    name = f"{prefix}-{len(used)}"
                used.add(name)
                token.attrs["id"] = name
            self.relink(token.children or [], part)
        return MARKDOWN.renderer.render(tokens, MARKDOWN.options, {})

    def relink(self, tokens: Sequence[Token], part: Part) -> None:
        """Point links to pages of this site; a link to any other file becomes plain text."""
        opened: list[Token] = []
        for token in tokens:
            if token.type == "image":
                own = f"-{part.service}." if part.service in AUTH[1:] else "."
                name = str(token.attrs["src"]).rpartition("/")[2]
                token.attrs["src"] = name.replace(".", own) if name == "request.svg" else name
            elif token.type == "link_open":
                opened.append(token)
                path, mark, anchor = str(token.attrs["href"]).partition("#")
                if not re.match(r"[a-z]+:", path):
                    there = normpath(join(part.path, "..", path)) if path else part.path
                    places = [self.places.get((it, there)) for it in (part.service, AUTH[0])]
                    page = path if path in self.pages else places[0] or places[bool(part.service)]
                    down = "d-" * (self.pages[page][1][-1].below if page and anchor else 0)
                    token.attrs = {"href": f"{page}{mark}{down}{anchor}"} if page else {}
                    token.tag = "a" if page else "span"
            elif token.type == "link_close":
                token.tag = opened.pop().tag

    def write(self, target: Path) -> None:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for picture in [*ROOT.glob("docs/*.svg"), *ROOT.glob("docs/*.webp")]:
            shutil.copy(picture, target)
        for auth, drawing in TARGETS.items():
            shutil.copy(drawing, target / f"request-{auth}.svg")
        (target / "site.css").write_text(STYLE, encoding="utf-8")
        for file, (title, parts) in self.pages.items():
            page = PAGE.format(title=escape(title), content="\n".join(map(self.html, parts)))
            (target / file).write_text(page, encoding="utf-8")


def slug(text: str) -> str:
    """The anchor of a heading, as GitHub writes it."""
    return re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")


def with_docstrings(service: Path) -> dict[str, dict]:
    """The practices of a service by their names, with the whole docstring of each module."""
    found = {it["name"]: it for it in practices(service, service / ".venv/bin/python")}
    for it in found.values():
        text = (service / it["module"]).read_text("utf-8").split('"""')[1]
        it["text"] = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text).replace("``", "`")
    return found


def described(name: str, known: dict[str, dict[str, dict]]) -> Iterator[str]:
    """The docstring of a module, in each auth style that has another one, and its tests."""
    kinds: dict[str, list[str]] = {}
    for auth, found in known.items():
        if name in found:
            kinds.setdefault(found[name]["text"], []).append(auth)
    for text, styles in kinds.items():
        item = known[styles[0]][name]
        yield f"## {item['title'].replace('``', '`')}" + f" ({styles[0]})" * (len(kinds) > 1)
        yield f"`{item['module']}`, with {' and '.join(f'`auth={style}`' for style in styles)}"
        yield text
        yield f"### Tests of `{item['module']}`"
        for file in dict.fromkeys(test.partition("::")[0] for test in item["tests"]):
            own = [test.rpartition("::test_")[2] for test in item["tests"] if test.startswith(file)]
            yield f"- `{file}`: {'; '.join(test.replace('_', ' ') for test in own)}"
        if item["asvs"]:
            yield f"Requirements of OWASP ASVS 5.0 that they prove: {', '.join(item['asvs'])}"


def built(folder: Path) -> Site:
    """The site with all pages; ``folder`` receives the rendered services."""
    site = Site()
    services = {auth: committed(folder / auth, auth) for auth in AXES["auth"]}
    known = {auth: with_docstrings(service) for auth, service in services.items()}
    site.known = {name for found in known.values() for name in found}
    readme, changelog = ((ROOT / it).read_text("utf-8") for it in ("README.md", "CHANGELOG.md"))
    site.add("readme.html", "Read me", Part(readme, "README.md"))
    site.add("changelog.html", "Changelog", Part(changelog, "CHANGELOG.md"))
    groups: dict[str, list[str]] = {it: [] for it in ("Practices", "Options", "Flows")}
    groups["Documents"] = ["readme.html", "changelog.html"]
    for kind, lists in (("Practices", PRACTICES), ("Flows", FLOWS)):
        for title, names in lists.items():
            row = re.search(rf"(?m)^\| {title} \| (.*) \| (.*) \|$", readme)
            said = [f"Attack: {row[1]}. Answer: {row[2]}."] if row else []
            said += [line for name in names.split() for line in described(name, known)]
            file = f"{kind.lower()[:-1]}-{slug(title)}.html"
            site.add(file, title, Part("\n\n".join([f"# {title}", *said])))
            groups[kind].append(file)
    for axis, choices in AXES.items():
        for choice in choices:
            service = services.get(choice) or render(folder / choice, **{axis: choice})
            path = OPTIONS.get(axis, f"deploy/{choice}/README.md")
            row = re.search(rf"(?m)^\| `{axis}=\w+` \| `{choice}` \|.*$", readme)
            head = "\n".join(re.findall(r"(?m)^\| Instead of.*\n\|-.*$", readme)) if row else ""
            text = f"# {axis}: {choice}\n\n" + (f"{head}\n{row[0]}\n" if row else "The default.\n")
            document = Part((service / path).read_text("utf-8"), path, choice, below=1)
            file = f"option-{axis}-{choice}.html"
            site.add(file, f"{axis}: {choice}", Part(text), document)
            groups["Options"].append(file)
    for auth, service in services.items():
        for path in DOCUMENTS:
            file = f"service-{auth}-{slug(Path(path).stem)}.html"
            title = f"{Path(path).stem} of a service with {auth}"
            site.add(file, title, Part((service / path).read_text("utf-8"), path, auth))
            groups["Documents"].append(file)
        for axis, choice in (("database", "sqlite"), ("deployment", "docker")):
            path = OPTIONS.get(axis, f"deploy/{choice}/README.md")
            site.places[auth, path] = f"option-{axis}-{choice}.html"
        site.places[auth, "docs/sign-in.md"] = f"option-auth-{auth}.html"
    for path in sorted(ROOT.glob("docs/*.md")):
        text = path.read_text("utf-8")
        title = text.partition("\n")[0].lstrip("# ")
        site.add(f"doc-{path.stem}.html", title, Part(text, f"docs/{path.name}"))
        groups["Documents"].append(f"doc-{path.stem}.html")
    index = ["# Hardened Flask"]
    for group, files in groups.items():
        index += [f"## {group}", "\n".join(f"- [{site.pages[it][0]}]({it})" for it in files)]
    site.add("index.html", "All pages", Part("\n\n".join(index)))
    return site


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        built(Path(place)).write(TARGET)
