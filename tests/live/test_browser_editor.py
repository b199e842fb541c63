"""Writing in a real browser: the buttons of the editor, the preview, long lists, kept texts."""

from __future__ import annotations

import pytest

from tests.live.person import FIRST, Person

pytestmark = pytest.mark.browser

# What becomes of two selected lines, and where the caret then is: "|".
FORMATTED = {
    "Bold": "**milk\nbread|**",
    "Italic": "*milk\nbread|*",
    "Link": "[milk\nbread](https://|)",
    "List, one item a line": "\n- milk\n- bread|\n",
}
# More than a list shows on one page.
WRITE_MANY = """async (token) => {
  for (let sent = 0; sent < 21; sent += 1) {
    const body = new URLSearchParams({ csrf_token: token, title: `Text ${sent}`, body: "-" });
    await fetch("/notes/new", { method: "POST", body, redirect: "manual" });
    await new Promise((done) => { setTimeout(done, 60); }); // below what Nginx allows
  }
}"""


def test_the_buttons_format_the_selected_text(person: Person) -> None:
    page = person.page
    person.sign_up()
    page.goto("/notes/new")
    body = page.get_by_label("Body")
    for button, expected in FORMATTED.items():
        body.fill("milk\nbread")
        body.select_text()
        person.press(button)
        assert body.input_value() == expected.replace("|", "")
        page.keyboard.type("|")
        assert body.input_value() == expected, "the caret is behind the text"
    body.fill("some bread")
    body.evaluate("(area) => area.setSelectionRange(5, 10)")
    person.press("Bold")
    assert body.input_value() == "some **bread**"
    body.press("Control+Z")
    assert body.input_value() == "some bread", "the browser can undo it"
    person.press("Bold")
    person.fill("Save", title="Shopping")
    page.locator(".rich strong").wait_for()


def test_a_preview_of_a_new_text_and_of_a_change(person: Person) -> None:
    page = person.page
    person.sign_up()
    page.goto("/notes/new")
    person.fill("Preview", title="Shopping", body="- milk\n\nand **bread**")
    page.locator(".preview strong", has_text="bread").wait_for()
    person.look()
    page.goto("/notes/")
    person.reads("You have no notes yet.")
    person.write("Shopping", "milk")
    page.get_by_role("link", name="Edit").click()
    person.fill("Preview", body="# Nothing\n\n[at all](https://example.com/)")
    page.locator(".preview a", has_text="at all").wait_for()
    person.look()
    person.press("Save")
    page.locator("main .rich a", has_text="at all").wait_for()


def test_a_list_of_several_pages(person: Person) -> None:
    page = person.page
    person.sign_up()
    page.goto("/notes/new")
    page.evaluate(WRITE_MANY, page.locator("main [name=csrf_token]").input_value())
    person.look("/notes/")
    page.get_by_role("link", name="Older notes").click()
    page.get_by_role("link", name="Text 0", exact=True).wait_for()
    person.look()
    page.get_by_role("link", name="Newest notes").click()
    person.arrives("/notes/")


def test_a_text_outlives_its_session(person: Person) -> None:
    """Its writer signs in in another tab, and sends it again."""
    page = person.page
    person.sign_up()
    page.goto("/notes/new")
    person.context.clear_cookies()
    person.fill("Save", title="Written for an hour", body="*All of it*")
    page.get_by_role("heading", name="Your session has ended").wait_for()
    person.look()
    with person.context.expect_page() as opened:
        page.get_by_role("link", name="Sign in in a new tab").click()
    person.page = opened.value
    person.fill("Sign in", email=person.email, password=FIRST)
    person.arrives("/notes/")
    person.page = page
    person.press("Send")
    page.get_by_role("heading", name="Send this again?").wait_for()
    person.look()
    person.press("Send")
    page.get_by_role("heading", name="Written for an hour").wait_for()
    person.accept("status of 40[01]")
