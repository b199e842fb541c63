"""Pages in a real browser with optional settings: STAY_SIGNED_IN, footer links, components."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.live.conftest import BUILD, Service, serving
from tests.live.factors import Authenticator, add_passkey, recovery_codes
from tests.live.person import FIRST, Person, tab_to

pytestmark = pytest.mark.browser

SETTINGS = (
    "STAY_SIGNED_IN=3 days",
    "SESSION_ABSOLUTE_TIMEOUT=10 days",
    "PRIVACY_URL=/privacy",
    "TERMS_URL=https://example.com/terms",
    "ACCESSIBILITY_URL=/accessibility",
    "SECURITY_URL=/.well-known/security.txt",
)
DAY = 24 * 60 * 60  # seconds


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("pages"), "session", *SETTINGS) as service:
        yield service


def days_left(person: Person) -> float | None:
    """Days until the cookie of the session expires; None if it ends with the browser."""
    (cookie,) = (it for it in person.context.cookies() if it["name"] == "__Host-session")
    return None if cookie["expires"] == -1 else (cookie["expires"] - time.time()) / DAY


def test_the_box_keeps_users_signed_in_with_password_and_passkey(person: Person) -> None:
    page = person.page
    person.sign_up()
    assert days_left(person) is None
    Authenticator(page)
    add_passkey(person)
    recovery_codes(person)
    person.sign_out()
    person.look("/auth/login")
    assert page.locator("footer a").all_inner_texts()[0] == "Privacy"
    tab_to(page, "Stay signed in on this device")
    page.keyboard.press("Space")
    person.press("Sign in with a passkey")
    person.arrives("/notes/")
    left = days_left(person)
    assert left
    assert 9.9 < left <= 10
    person.look("/account/")
    person.reads("stays signed in")
    person.sign_out()
    page.goto("/auth/login")
    person.press("Sign in with a passkey")
    person.arrives("/notes/")
    assert days_left(person) is None
    person.sign_out()
    page.goto("/auth/login")
    page.get_by_label("Stay signed in on this device").check()
    person.fill("Sign in", email=person.email, password=FIRST)
    page.get_by_role("heading", name="Second factor").wait_for()
    assert days_left(person) is None
    person.press("Use your passkey")
    person.arrives("/notes/")
    assert days_left(person)


def test_designers_see_every_component(person: Person) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = [BUILD / "service-session/bin/python", "-m", "flask", "--app", "wsgi", "run"]
    environment = {**os.environ, "APP_ENV": "development", "FLASK_SKIP_DOTENV": "1"}
    with subprocess.Popen(
        [*program, "--port", str(port)],
        cwd=person.service.project,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            person.origin = f"http://127.0.0.1:{port}"
            for _ in range(120):
                with socket.socket() as client:
                    if client.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.5)
            person.look(f"{person.origin}/dev/components")
        finally:
            server.terminate()
