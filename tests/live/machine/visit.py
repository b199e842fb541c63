"""visit.py HOST CA session|token EMAIL [TITLE...]: use the service over HTTPS.

Signs up with the link or code in a mail, or only signs in if the address has received one before.
Writes a note with each TITLE that does not exist yet, and prints the list of all notes. With the
title "--ask" it only requests the mail.
"""

import email.policy
import json
import re
import ssl
import sys
import time
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

host, ca, interface, address, *titles = sys.argv[1:]
PASSWORD = "seven green turtles dance"
tls = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca))
opener = urllib.request.build_opener(tls, urllib.request.HTTPCookieProcessor(CookieJar()))
origin = f"https://{host}"


def send(path: str, body: bytes | None, **headers: str) -> str:
    request = urllib.request.Request(origin + path, body, headers)  # noqa: S310 - https alone
    with opener.open(request, timeout=30) as response:
        return response.read().decode()


def post_form(page: str, path: str = "", **fields: str) -> str:
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', send(page, None))
    assert found, f"{page} has no form"
    body = urllib.parse.urlencode({"csrf_token": found[1], **fields}).encode()
    return send(path or page, body, Origin=origin, Referer=origin + page)


def call(path: str, body: dict[str, str] | None = None, **headers: str) -> dict:
    data = None if body is None else json.dumps(body).encode()
    said = send(path, data, **{"Content-Type": "application/json"}, **headers)
    return json.loads(said) if said else {}


def mails() -> list[str]:
    """The texts of the mails that mailbox.py has received for this address."""
    found = []
    for path in sorted(Path("/var/mailbox").glob("*.eml")):
        mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        if mail["X-Recipient"] == address:
            found.append(mail.get_content())
    return found


def token() -> str:
    """Wait for a mail; return the token in its link, or its code."""
    deadline = time.monotonic() + 60
    while not mails():
        assert time.monotonic() < deadline, f"no mail to {address}"
        time.sleep(0.2)
    found = re.search(r"^  (?:https://\S+\?token=)?([\w-]{43})\r?$", mails()[-1], re.MULTILINE)
    assert found, mails()[-1]
    return found[1]


known = bool(mails())
if interface == "session":
    if not known:
        post_form("/auth/register", email=address)
    if titles == ["--ask"]:
        sys.exit()
    if not known:
        secret = {"token": token()}
        page = f"/auth/confirm?{urllib.parse.urlencode(secret)}"
        post_form(page, "/auth/confirm", **secret, password=PASSWORD, confirm=PASSWORD)
    post_form("/auth/login", email=address, password=PASSWORD)
    notes = send("/notes/", None)
    for title in titles:
        if title not in notes:
            post_form("/notes/new", title=title, body="*Hello*")
    print(send("/notes/", None))
else:
    if not known:
        call("/api/v1/auth/register", {"email": address})
    if titles == ["--ask"]:
        sys.exit()
    if not known:
        call("/api/v1/auth/confirm", {"token": token(), "password": PASSWORD})
    tokens = call("/api/v1/auth/token", {"email": address, "password": PASSWORD})
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    notes = json.dumps(call("/api/v1/notes", **bearer))
    for title in titles:
        if title not in notes:
            call("/api/v1/notes", {"title": title, "body": "*Hello*"}, **bearer)
    print(json.dumps(call("/api/v1/notes", **bearer)))
