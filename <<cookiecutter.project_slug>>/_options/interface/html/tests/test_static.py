"""Files that are the same for everybody: kept for long, under their version alone."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from flask import Flask

from tests.browser import PROFILE, Browser
from tests.marks import asvs, practice

pytestmark = practice("headers")


@asvs("14.2.5")
def test_a_static_file_is_kept_under_its_version_alone(alice: Browser) -> None:
    address = re.search(r"/static/app\.css\?v=[0-9a-f]{16}", alice.get(PROFILE).text)
    assert address
    immutable = "public, max-age=31536000, immutable"
    response = alice.get(address[0])
    assert response.headers["Cache-Control"] == immutable
    assert "Set-Cookie" not in response.headers
    unchanged = alice.get(address[0], headers={"If-None-Match": response.headers["ETag"]})
    assert (unchanged.status_code, unchanged.headers["Cache-Control"]) == (304, immutable)
    # A browser takes the headers of this answer in place of those it has kept.
    assert unchanged.headers.get("Content-Security-Policy") == response.headers.get(
        "Content-Security-Policy"
    )
    version = address[0].partition("=")[2]
    for query in (
        "",
        f"?w={version}",
        f"?v={version}a",
        f"?v=1&v={version}",
        f"?v={version.upper()}",
    ):
        assert alice.get(f"/static/app.css{query}").headers["Cache-Control"] == "no-cache", query
    assert alice.get(f"/static/app.js?v={version}").headers["Cache-Control"] == "no-cache"
    same = alice.get(f"/static/nothing/../app.css?v={version}")
    assert (same.status_code, same.headers["Cache-Control"]) == (200, immutable)
    for path in ("/static/nothing.css?v=1", "/?v=1", "/account/?v=1"):
        assert alice.get(path).headers["Cache-Control"] == "no-store"


@asvs("14.2.5")
def test_another_version_s_file_is_not_kept(make_app: Callable[..., Flask], tmp_path: Path) -> None:
    """During an update old and new answer to the same addresses.

    What an instance sends under the address of the other's file has another hash than the page
    says: the browser refuses it, and would do so for a year if it kept it.
    """
    app = make_app()
    app.static_folder = str(shutil.copytree(str(app.static_folder), tmp_path / "static"))
    address = app.jinja_env.globals["asset"]("app.css").url
    other = Browser(app)
    assert "immutable" in other.get(address).headers["Cache-Control"]
    css = tmp_path / "static/app.css"
    css.write_text(css.read_text("utf-8") + "/* changed */", "utf-8")
    for conditions in ({}, {"Range": "bytes=0-9"}):
        response = other.get(address, headers=conditions)
        assert response.status_code in (200, 206)
        assert response.headers["Cache-Control"] == "no-cache"
    etag = {"If-None-Match": response.headers["ETag"]}
    unchanged = other.get(address, headers=etag)
    assert (unchanged.status_code, unchanged.headers["Cache-Control"]) == (304, "no-cache")


def test_in_development_a_page_has_the_hash_of_the_file_as_it_is(
    make_app: Callable[..., Flask],
) -> None:
    """A browser blocks a stylesheet that was edited since its hash was taken."""
    app = make_app(APP_ENV="development")
    asset = app.jinja_env.globals["asset"]
    file = Path(str(app.static_folder), "edited.css")
    try:
        file.write_text("a {}")
        before = asset(file.name)
        file.write_text("b {}")
        assert asset(file.name) != before
    finally:
        file.unlink()
