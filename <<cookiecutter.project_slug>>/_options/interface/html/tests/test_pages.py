"""The use of the service, page by page."""

from __future__ import annotations

from tests.browser import SAMPLES, SIGNED_OUT, Browser, after_sign_in, html


def test_from_sign_up_to_sign_out(browser: Browser) -> None:
    assert browser.get("/").status_code == 200
    browser.sign_up("carol@example.com")
    path = browser.write("Shopping", "**Bread** & butter")
    page = html(browser.get(path))
    assert page.css_first("h1").text() == "Shopping"
    assert page.css_first("main strong").text() == "Bread"
    edited = browser.submit(f"{path}/edit", {"title": "List", "body": "Milk", "version": "1"})
    assert edited.headers["Location"] == path
    assert "List" in browser.get(SAMPLES).text
    assert browser.submit(f"{path}/delete", {}, page=path).headers["Location"] == SAMPLES
    assert browser.get(path).status_code == 404
    assert browser.sign_out().headers["Location"] == SIGNED_OUT
    assert not browser.is_signed_in()
    assert browser.sign_in("carol@example.com").headers["Location"] == after_sign_in(browser.app)
