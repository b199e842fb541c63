"""Files that are the same for everybody: kept for long, under their version alone."""

from __future__ import annotations

import re

from tests.browser import Browser
from tests.marks import asvs, practice

pytestmark = practice("exposure")


@asvs("14.2.5")
def test_a_static_file_is_kept_under_its_version_alone(alice: Browser) -> None:
    address = re.search(r"/static/app\.css\?v=[0-9a-f]{16}", alice.get("/notes/").text)
    assert address
    immutable = "public, max-age=31536000, immutable"
    response = alice.get(address[0])
    assert response.headers["Cache-Control"] == immutable
    assert "Set-Cookie" not in response.headers
    unchanged = alice.get(address[0], headers={"If-None-Match": response.headers["ETag"]})
    assert (unchanged.status_code, unchanged.headers["Cache-Control"]) == (304, immutable)
    for path in ("/static/app.css", "/static/app.css?w=1"):
        assert alice.get(path).headers["Cache-Control"] == "no-cache"
    for path in ("/static/nothing.css?v=1", "/notes/?v=1", "/?v=1", "/account/?v=1"):
        assert alice.get(path).headers["Cache-Control"] == "no-store"
