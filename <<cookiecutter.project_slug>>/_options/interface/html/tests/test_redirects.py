"""Open redirects: a link to this service that sends its user to another site after sign-in."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import pytest

from app.security.redirects import own_path
from tests.browser import ORIGIN, Browser, after_sign_in, html
from tests.marks import asvs, practice

pytestmark = practice("redirects")

# Each was an open redirect somewhere: a browser reads it as an address of evil.example.
FOREIGN = {
    "absolute": "https://evil.example/",
    "without scheme": "//evil.example/",
    "three slashes": "///evil.example/",
    "backslash": "/\\evil.example/",
    "two backslashes": "\\\\evil.example/",
    "slash after backslash": "\\/evil.example/",
    "backslash later on": "/account\\..\\..//evil.example",
    "tab between the slashes": "/\t/evil.example/",
    "line break between the slashes": "/\n/evil.example/",
    "return between the slashes": "/\r/evil.example/",
    "space first": " //evil.example/",
    "tab first": "\t//evil.example/",
    "NUL first": "\0//evil.example/",
    "control character": "/\x1f/evil.example/",
    "scheme without slashes": "https:evil.example",
    "scheme with one slash": "https:/evil.example",
    "scheme with backslashes": "https:\\\\evil.example",
    "capitals": "HTTPS://evil.example",
    "user part": "https://service.test@evil.example/",
    "suffix": "https://service.test.evil.example/",
    "own site, absolute": "https://service.test/account/",
    "own site, plain": "http://service.test/account/",
    "script": "javascript:alert(1)",
    "script with a tab": "java\tscript:alert(1)",
    "script with a comment": "javascript://service.test/%0aalert(1)",
    "data": "data:text/html,<script>alert(1)</script>",
    "header injection": "/account/\r\nLocation: https://evil.example/",
    "cookie injection": "/account/\r\nSet-Cookie: __Host-session=x",
    "line break last": "/account/\n",
    "relative": "evil.example",
    "dots": "../../evil.example",
    "port": ":443//evil.example",
    "query": "?next=//evil.example",
    "fragment": "#//evil.example",
    "too long for Nginx": "/" + "a" * 2000,
    "too long once encoded": "/" + "é" * 500,
    "nothing": "",
    "space": " ",
}
OWN = [
    "/",
    "/account/",
    "/account/new?title=a&body=b%20c",
    "/account/?x=https://evil.example/",  # an address as a value harms nobody
    "/account/?next=//evil.example",
    "/a//b",
    "/%2f%2fevil.example",  # encoded once more than the browser decodes: a path of ours
    "/%5cevil.example",
    "/.//evil.example",
    "/@evil.example",
    "/:evil.example",
    "/account/é",
    "/account/\u202e",
    "/" + "a" * 1000,
]


@asvs("3.7.2")
@pytest.mark.parametrize("target", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_target_is_refused(target: str) -> None:
    assert own_path(target) is None


def test_a_missing_target_is_none() -> None:
    assert own_path(None) is None


@pytest.mark.parametrize("target", OWN, ids=lambda target: target[:40])
def test_an_own_path_is_kept(target: str) -> None:
    assert own_path(target) == target


def follow(location: str) -> str:
    """Where a browser goes (URL standard: tabs and breaks go, a backslash is a slash)."""
    location = location.strip("".join(map(chr, range(33))))
    location = location.translate(dict.fromkeys(map(ord, "\t\r\n"))).replace("\\", "/")
    if location.startswith("//"):
        location = f"https:{location}"
    parts = urlsplit(location)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme else ORIGIN


@asvs("3.7.2")
def test_sign_in_does_not_redirect_to_other_sites(alice: Browser, browser: Browser) -> None:
    # Ten sign-ins in five minutes are allowed: these stand for the table above.
    for number, name in enumerate(
        [
            "absolute",
            "without scheme",
            "backslash",
            "tab between the slashes",
            "script",
            "NUL first",
        ]
    ):
        visitor = Browser(browser.app, f"192.0.2.{number}")
        path = f"/auth/login?next={quote(FOREIGN[name], safe='')}"
        response = visitor.sign_in(alice.email, path=path)
        assert response.status_code == 302
        assert response.headers["Location"] == after_sign_in(browser.app), name


def test_sign_in_leads_back_to_where_it_was_asked_for(alice: Browser, browser: Browser) -> None:
    path = alice.write()
    for number, wanted in enumerate([path, f"{path}/edit", "/account/?before=x&y=//z"]):
        visitor = Browser(browser.app, f"192.0.2.{number}")
        challenge = visitor.get(wanted)
        assert challenge.status_code == 302
        response = visitor.sign_in(alice.email, path=challenge.headers["Location"])
        assert response.headers["Location"] == wanted


@asvs("3.7.2")
def test_the_redirect_to_sign_in_stays_on_this_site(browser: Browser) -> None:
    for path in (
        "/account/",
        "/account/?x=//evil.example",
        "/account/?x=%0d%0aSet-Cookie:%20a=b",
        "/%2faccount/",
        "/account/?next=https://evil.example",
    ):
        response = browser.get(path)
        assert response.status_code in (302, 308)
        assert follow(response.headers["Location"]) == ORIGIN, path
        assert "a=b" not in str(response.headers.getlist("Set-Cookie"))


def test_a_long_address_is_not_remembered(browser: Browser) -> None:
    # Nginx would answer 502 to a response with so long a header, and 414 to the next request.
    response = browser.get(f"/account/?{'&' * 5000}")
    assert (response.status_code, response.headers["Location"]) == (302, "/auth/login")


@asvs("1.2.2")
def test_a_foreign_target_is_not_shown_as_a_link(browser: Browser) -> None:
    for target in FOREIGN.values():
        page = html(browser.get("/auth/login", query_string={"next": target}))
        for node in page.css("[href], [action], [src]"):
            for name in ("href", "action", "src"):
                assert follow(node.attributes.get(name) or "/") == ORIGIN, (target, node.html)
