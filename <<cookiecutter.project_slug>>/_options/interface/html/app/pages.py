"""The home page, static files, and the values that every template may use."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from hashlib import sha384
from pathlib import Path

from flask import Flask, current_app, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.security import safe_join
from werkzeug.wrappers import Response

from app.security.access import public
from app.security.redirects import next_page

YEAR = 365 * 24 * 3600  # seconds


@dataclass(frozen=True)
class Asset:
    """A static file: its address, which changes with its content, and its hash (SRI)."""

    url: str
    integrity: str


def init_app(app: Flask) -> None:
    """Register the home page and the values that every template may use."""
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    folder = Path(str(app.static_folder))

    def asset(name: str) -> Asset:
        # Not url_for: a request with a refused Host header has no routes, but gets a page.
        digest = sha384((folder / name).read_bytes()).digest()
        url = f"{app.static_url_path}/{name}?v={_version(digest)}"
        return Asset(url, f"sha384-{b64encode(digest).decode()}")

    # In production a file never changes. In development each page has the current hashes: a browser
    # would block a stylesheet that was edited after the start.
    production = app.config["SETTINGS"].production
    app.jinja_env.globals["asset"] = cache(asset) if production else asset
    app.jinja_env.globals["next_page"] = next_page
    app.jinja_env.globals["configured_url"] = configured_url
    app.config["NAVIGATION"] = []
    app.context_processor(
        lambda: {
            "current_user": g.get("user"),
            "navigation": app.config["NAVIGATION"],
            "footer": app.config["SETTINGS"].footer,
            "service_name": app.config["SERVICE_NAME"],
        }
    )
    app.add_url_rule("/", "home", home)
    app.after_request(cache_static)


def configured_url(text: str) -> str:
    """Where a link of the footer leads: the settings were checked at start-up."""
    return str(current_app.config["SETTINGS"].footer[text])


def add_to_navigation(app: Flask, endpoint: str, text: str) -> None:
    """Link a page in the navigation of every page, for signed-in users."""
    app.config["NAVIGATION"].append((endpoint, text))


def first_page() -> str:
    """The path where users arrive after sign-in: the first page of the navigation."""
    return url_for([*current_app.config["NAVIGATION"], ("account.index", "")][0][0])


def _version(digest: bytes) -> str:
    return digest.hex()[:16]


@public
def home() -> ResponseReturnValue:
    """The page that everybody sees."""
    return render_template("home.html")


def cache_static(response: Response) -> Response:
    """Let browsers keep a static file for a year if its address has the hash of the content sent.

    During an update, old and new instances serve the same addresses. A browser that kept the file
    of one under the address of the other's would show pages without style for a year. So this
    hashes the file as it is now, not as it was at the start.
    """
    if request.endpoint == "static" and response.status_code in (200, 206, 304):
        # As Flask finds it: "nothing/../app.css" is a file as well.
        path = safe_join(str(current_app.static_folder), (request.view_args or {})["filename"])
        digest = sha384(Path(str(path)).read_bytes()).digest()
        own = request.args.get("v") == _version(digest)
        response.headers["Cache-Control"] = (
            f"public, max-age={YEAR}, immutable" if own else "no-cache"
        )
    return response
