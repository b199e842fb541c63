"""Second factors in real browsers: authenticator apps, passkeys, recovery codes."""

from __future__ import annotations

import time
from base64 import b64encode
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.live.person import Person

FACTORS, STEP_UP = "/account/second-factors", "/account/step-up"
STEP = 30  # seconds for which an app shows a code
# What a picture says, in grey: in a page without policy, which no site has sent.
PIXELS = """async (png) => {
  const image = new Image();
  image.src = `data:image/png;base64,${png}`;
  await image.decode();
  const { width, height } = image;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  let grey = "";
  for (let at = 0; at < data.length; at += 4) {
    grey += String.fromCharCode((data[at] + data[at + 1] + data[at + 2]) / 3);
  }
  return { width, height, grey };
}"""


class App:
    """An authenticator app with one secret."""

    def __init__(self, secret: str) -> None:
        import pyotp  # from the virtual environment of the checkers, as Playwright

        self.codes, self.last = pyotp.TOTP(secret), 0

    def code(self) -> str:
        """A code that this app has not shown yet, at most one step (30 seconds) early."""
        self.last = max(self.last + 1, int(time.time()) // STEP)
        while self.last > time.time() // STEP + 1:
            time.sleep(0.2)
        return str(self.codes.at(self.last * STEP))


class Authenticator:
    """A virtual authenticator with passkeys, as in a phone, for one tab of Chromium.

    See the domain WebAuthn of the Chrome DevTools Protocol.

    :param verifies: whether it verifies its user, by fingerprint or PIN.
    """

    def __init__(self, page: Page, *, verifies: bool = True) -> None:
        self.tools = page.context.new_cdp_session(page)
        self.tools.send("WebAuthn.enable", {"enableUI": False})
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": verifies,
            "isUserVerified": verifies,
        }
        added = self.tools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self.id = added["authenticatorId"]

    def ask(self, command: str, **parameters: object) -> dict[str, Any]:
        found: dict[str, Any] = self.tools.send(
            f"WebAuthn.{command}", {"authenticatorId": self.id, **parameters}
        )
        return found

    def passkeys(self) -> list[dict[str, Any]]:
        """The passkeys that it has, with their private keys."""
        found: list[dict[str, Any]] = self.ask("getCredentials")["credentials"]
        return found

    def verify(self, verifies: bool) -> None:
        """Make user verification succeed or fail from now on."""
        self.ask("setUserVerified", isUserVerified=verifies)


def scan(page: Page) -> list[str]:
    """Read the QR codes in a screenshot of the page, as the camera of a phone does.

    It reads only dark codes on a light background, because some apps cannot read the inverse.
    """
    import zxingcpp  # from the virtual environment of the checkers

    shown = b64encode(page.screenshot(full_page=True)).decode()
    assert page.context.browser
    blank = page.context.browser.new_page()
    picture = blank.evaluate(PIXELS, shown)
    blank.close()
    pixels = memoryview(picture["grey"].encode("latin-1"))
    grey = pixels.cast("B", (picture["height"], picture["width"]))
    return [code.text for code in zxingcpp.read_barcodes(grey, try_invert=False)]


def set_up_app(person: Person) -> tuple[App, list[str]]:
    """Set up an app with the secret on the page; return the app and the recovery codes."""
    app = App(begin_app(person))
    person.fill("Set up the app", code=app.code())
    return app, recovery_codes(person)


def begin_app(person: Person) -> str:
    """Open the page with the QR code; return the secret that it shows as text."""
    person.page.goto(FACTORS)
    person.page.get_by_role("link", name="Set up an app").click()
    person.press("Show the QR code")
    return person.page.locator("#secret").inner_text()


def add_passkey(person: Person, name: str = "My phone") -> None:
    """Add a passkey of the authenticator in the tab."""
    person.page.goto(FACTORS)
    person.fill("Add a passkey", name=name)


def recovery_codes(person: Person) -> list[str]:
    """The recovery codes that the page shows."""
    person.page.get_by_role("heading", name="Your recovery codes").wait_for()
    return person.page.locator(".codes code").all_inner_texts()


def password_step(person: Person, password: str) -> None:
    """Sign in up to the second factor."""
    person.sign_in(password)
    person.page.get_by_role("heading", name="Second factor").wait_for()
