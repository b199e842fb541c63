"""The home page, static files, and the values that every template may use."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha384
from pathlib import Path

from flask import Flask, current_app, g, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.security import safe_join
from werkzeug.wrappers import Response

from app.security.access import public

YEAR = 365 * 24 * 3600  # seconds


@dataclass(frozen=True)
class Asset:
    """A static file: its address, which changes with its content, and its hash (SRI)."""

    url: str
    integrity: str


def init_app(app: Flask) -> None:
    """Register the home page and the values that every template may use."""
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    assets = {
        path.name: _asset(path, f"{app.static_url_path}/{path.name}")
        for path in Path(str(app.static_folder)).iterdir()
        if path.is_file()
    }
    app.jinja_env.globals["asset"] = assets.__getitem__
    app.context_processor(
        lambda: {"current_user": g.get("user"), "service_name": app.config["SERVICE_NAME"]}
    )
    app.add_url_rule("/", "home", home)
    app.after_request(cache_static)


def _asset(path: Path, url: str) -> Asset:
    # Not url_for: a request with a refused Host header has no routes, but gets a page.
    digest = sha384(path.read_bytes()).digest()
    return Asset(f"{url}?v={_version(digest)}", f"sha384-{b64encode(digest).decode()}")


def _version(digest: bytes) -> str:
    return digest.hex()[:16]


@public
def home() -> ResponseReturnValue:
    """The page that everybody sees."""
    return render_template("home.html")


def cache_static(response: Response) -> Response:
    """Let browsers keep a static file for a year if its address has the hash of the content sent.

    During an update, old and new instances serve the same addresses. If one of them sends its own
    file under the address of the other's, the file does not fit the hash in the page: a browser
    that keeps it shows the page without style for a year. So this hashes the file as it is now,
    not as it was at the start.
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
