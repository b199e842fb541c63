"""docs/*.webp: pages of a service that runs as in production, and its report, in Chromium.

Fonts differ between machines, so tests cannot compare pixels. docs/pictures.json instead records
the hash of each page's HTML without random values; the HTML has the hashes of style and scripts.
A test requests the same pages from a new service and compares.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.features import practices
from tests.live.visitor import Reader

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

    from tests.live.conftest import Service

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs"
RECORD = FOLDER / "pictures.json"
DESKTOP, PHONE = (1000, 700), (390, 760)  # pixels
QUALITY = 82  # percent, of WebP
TIMEOUT = 300_000  # milliseconds, on a busy machine
WRITTEN = "2026-05-04 09:30:00.000000"  # when each entry was written, in UTC
ENTRIES = {
    "Packing list": "- tent\n- rain coat\n- **two** lamps",
    "Ideas for the garden": "Plant *lavender* along the wall.",
    "Recipe: flat bread": """\
Mix, wait for an hour, bake.

1. 500 g flour
2. 300 ml water
3. a pinch of **salt**

> Best while it is warm. See [the long version](https://example.com/bread).
""",
}
EMAIL = "ada@example.com"
REPORT = "report.webp"


@dataclass(frozen=True)
class Shot:
    """A page in a window. With ``entry``, ``path`` is appended to the path of the newest entry."""

    path: str
    scheme: str = "light"
    entry: bool = False
    press: str = ""  # a button


PICTURES = {
    "pages.webp": (
        DESKTOP,
        (
            Shot("/notes/"),
            Shot("/edit", "dark", entry=True, press="Preview"),
            Shot("", "dark", entry=True),
            Shot("/account/second-factors"),
        ),
    ),
    "phone.webp": (
        PHONE,
        (Shot("/auth/login"), Shot("/notes/", "dark"), Shot("", entry=True), Shot("/no", "dark")),
    ),
}


class Scene:
    """A running service with a user who has written the entries, over HTTPS."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.reader = reader(service)
        token = service.ask("session", EMAIL)
        self.reader.cookies["__Host-session"] = token.rpartition("=")[2]
        for title, body in ENTRIES.items():
            status, text = self.reader.post("/notes/new", title=title, body=body)
            if status != 302:
                raise RuntimeError(text[:2000])
        self.newest = self.reader.location
        for path in Path(service.directory).glob("*.sqlite3"):
            with sqlite3.connect(path) as database:
                database.execute("UPDATE notes SET created_at = ?, updated_at = ?", [WRITTEN] * 2)

    def path(self, shot: Shot) -> str:
        return f"{self.newest}{shot.path}" if shot.entry else shot.path

    def html(self, shot: Shot) -> str:
        """The HTML of a page without random values."""
        who = self.reader if not shot.path.startswith("/auth/") else reader(self.service)
        _, text = who.request("GET", self.path(shot))
        text = text.replace(self.newest, "/NEWEST")
        text = re.sub(r'(?<=href="/notes/)[\w-]{22}(?=")', "ID", text)
        text = re.sub(r'(name="csrf_token"[^>]* value=")[^"]+', r"\1TOKEN", text)
        return re.sub(r"\b[0-9a-f]{32}\b", "REQUEST", text)


def reader(service: Service) -> Reader:
    """A visitor without an account, who trusts the service's authority."""

    def connect() -> socket.socket:
        return socket.create_connection((service.address, service.https_port), 60)

    return Reader(service.domain, connect, Path(service.ca).read_text("ascii"))


def digest(*parts: str | bytes) -> str:
    whole = b"\0".join(it.encode() if isinstance(it, str) else it for it in parts)
    return hashlib.sha256(whole).hexdigest()[:32]


def sources(scene: Scene, python: Path) -> dict[str, dict[str, str]]:
    """The hashes of all pages that each picture shows."""
    found = {
        name: {
            f"{size[0]}x{size[1]} {it.scheme} {'entry' * it.entry}{it.path} {it.press}".strip(): (
                digest(scene.html(it))
            )
            for it in shots
        }
        for name, (size, shots) in PICTURES.items()
    }
    return found | {REPORT: report_sources(scene.service.project, python)}


def report_sources(project: Path, python: Path) -> dict[str, str]:
    """Hashes of the report's page and of its practices, without numbers of tests and date."""
    found = [[it["title"], it["attack"], it["module"]] for it in practices(project, python)]
    return {
        "page": digest((project / "tests/report.html").read_bytes()),
        "practices": digest(json.dumps(found)),
    }


def shown(page: Page) -> bytes:
    """A screenshot as PNG, after the fonts are loaded and without animations."""
    return page.screenshot(animations="disabled", caret="hide", timeout=TIMEOUT)


@contextmanager
def window(browser: Browser, size: tuple[int, int], scheme: str) -> Iterator[BrowserContext]:
    """A browser context that is equal on each machine, except for the fonts."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        device_scale_factor=1,
        color_scheme="dark" if scheme == "dark" else "light",
        locale="en-GB",
        timezone_id="UTC",
        reduced_motion="reduce",
    )
    context.set_default_timeout(TIMEOUT)
    yield context
    context.close()


def photographed(browser: Browser, scene: Scene, size: tuple[int, int], shot: Shot) -> bytes:
    """One page as PNG."""
    with window(browser, size, shot.scheme) as context:
        origin = scene.service.origin
        if not shot.path.startswith("/auth/"):
            for name, value in scene.reader.cookies.items():
                context.add_cookies([{"name": name, "value": value, "url": f"{origin}/"}])
        page = context.new_page()
        page.goto(f"{origin}{scene.path(shot)}")
        if shot.press:
            page.get_by_role("button", name=shot.press, exact=True).click()
            page.locator(".preview").wait_for()
            page.evaluate("() => scrollTo(0, document.querySelector('textarea').offsetTop - 80)")
        return shown(page)


def side_by_side(browser: Browser, pictures: list[bytes], size: tuple[int, int]) -> bytes:
    """Join pictures into one WebP, two or four in a row, on a transparent background."""
    columns = 4 if size == PHONE else min(2, len(pictures))
    gap, rows = 24, -(-len(pictures) // columns)
    whole = columns * size[0] + (columns - 1) * gap, rows * size[1] + (rows - 1) * gap
    images = "".join(
        f'<img src="data:image/png;base64,{base64.b64encode(it).decode()}">' for it in pictures
    )
    style = f"body {{ margin: 0; display: grid; grid-template-columns: repeat({columns}, auto); "
    style += f"gap: {gap}px }} img {{ width: {size[0]}px; height: {size[1]}px; border-radius: 8px; "
    style += "box-sizing: border-box; border: 1px solid #8c959f }"
    with window(browser, whole, "light") as context:
        page = context.new_page()
        page.set_content(f"<style>{style}</style>{images}")
        tools = context.new_cdp_session(page)
        nothing = {"r": 0, "g": 0, "b": 0, "a": 0}
        tools.send("Emulation.setDefaultBackgroundColorOverride", {"color": nothing})
        asked = {"format": "webp", "quality": QUALITY}
        return base64.b64decode(tools.send("Page.captureScreenshot", asked)["data"])


def drawn(browser: Browser, scene: Scene, report: Path | None) -> Iterator[tuple[str, bytes]]:
    """Each picture with its name; the report's picture only if ``report`` is given."""
    for name, (size, shots) in PICTURES.items():
        taken = [photographed(browser, scene, size, it) for it in shots]
        yield name, side_by_side(browser, taken, size)
    if report:
        with window(browser, (1280, 860), "light") as context:
            page = context.new_page()
            page.goto(report.as_uri())
            yield REPORT, side_by_side(browser, [shown(page)], (1280, 860))
