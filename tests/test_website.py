"""The site of the documents is complete and valid, and a browser reads it without a server."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.template import AXES, ROOT
from tools import website

VOID = {"meta", "link", "img", "br", "hr"}
# What a page may consist of; no script, form, frame or style of an element.
ELEMENTS = VOID | set(
    "html head title body nav main h1 h2 h3 h4 h5 h6 p a span ul ol li table thead tbody tr th td"
    " pre code em strong blockquote".split()
)
ATTRIBUTES = set("lang charset name content rel href src alt id class start aria-label".split())


class Reader(HTMLParser):
    """A strict HTML parser: each start tag needs its end tag, in the right order."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.used: list[str] = []
        self.feed(page.read_text("utf-8"))
        self.close()
        assert self.open == []
        assert len(self.ids) == len(set(self.ids))
        assert self.used.count("h1") == 1
        assert set(self.used) <= ELEMENTS

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.used.append(tag)
        values = dict(attrs)
        assert values.keys() <= ATTRIBUTES
        assert not (tag == "img" and not values["alt"])
        self.ids += [str(values["id"])] if "id" in values else []
        self.links += [str(values[it]) for it in ("href", "src") if it in values]
        if tag == "p":
            assert "p" not in self.open
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[website.Site, Path]:
    site = website.built(tmp_path_factory.mktemp("services"))
    target = tmp_path_factory.mktemp("site") / "site"
    site.write(target)
    return site, target


def test_every_page_is_valid_and_every_link_leads_somewhere(
    built: tuple[website.Site, Path],
) -> None:
    _, target = built
    pages = {page.name: Reader(page) for page in sorted(target.glob("*.html"))}
    assert len(pages) > 45
    wrong = []
    for name, page in pages.items():
        for link in page.links:
            file, _, anchor = link.partition("#")
            there = target / (file or name)
            if not re.match(r"https?:|mailto:", link) and (
                not there.is_file() or (anchor and anchor not in pages[there.name].ids)
            ):
                wrong.append((name, link))
    assert wrong == []


def test_each_heading_of_the_readme_is_on_its_page(built: tuple[website.Site, Path]) -> None:
    """An inline `<!--` is code: it must not hide the text up to the next comment."""
    headings = re.findall(r"(?m)^## (.+)$", (ROOT / "README.md").read_text("utf-8"))
    shown = Reader(built[1] / "readme.html").ids
    assert [it for it in headings if website.slug(it) not in shown] == []


def test_nothing_comes_from_another_server(built: tuple[website.Site, Path]) -> None:
    for page in built[1].glob("*.html"):
        assert not re.search(r'<(?:link|img)[^>]*(?:href|src)="(?!\w[\w.-]*")', page.read_text())
    assert "url(" not in website.STYLE


def test_each_practice_option_flow_and_document_has_a_page(
    built: tuple[website.Site, Path],
) -> None:
    site, target = built
    readme = (ROOT / "README.md").read_text("utf-8")
    (rows,) = re.findall(r"(?m)^\|---\|---\|---\|\n((?:\| [^`|]+ \|.*\n){11})", readme)
    titles = re.findall(r"(?m)^\| ([^|]+) \|", rows)
    assert titles == list(website.PRACTICES)
    names = [f"practice-{website.slug(it)}" for it in titles]
    names += [f"flow-{website.slug(it)}" for it in website.FLOWS]
    names += [f"option-{axis}-{it}" for axis in AXES for it in AXES[axis]]
    names += [f"doc-{path.stem}" for path in ROOT.glob("docs/*.md")]
    assert [it for it in names if f"{it}.html" not in site.pages] == []
    linked = Reader(target / "index.html").links
    assert sorted(site.pages.keys() - set(linked) - {"index.html"}) == []


def test_each_module_that_stops_an_attack_is_on_a_page(built: tuple[website.Site, Path]) -> None:
    text = "".join(page.read_text("utf-8") for page in built[1].glob("[pf]*.html"))
    lists = website.PRACTICES | website.FLOWS
    listed = {name for names in lists.values() for name in names.split()}
    assert listed == built[0].known
    for name in listed:
        assert f"app/{name.replace('.', '/')}.py" in text or f"app/security/{name}.py" in text
