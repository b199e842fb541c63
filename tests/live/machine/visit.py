"""visit.py HOST CA session|token EMAIL [SEEN]: use the service as somebody does, over HTTPS.

Signs up, or signs in where the address has an account; writes a note with the title SEEN unless it
is there already; prints the list of all notes.
"""

import json
import re
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar

host, ca, interface, email, *titles = sys.argv[1:]
PASSWORD = "seven green turtles dance"
tls = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca))
opener = urllib.request.build_opener(tls, urllib.request.HTTPCookieProcessor(CookieJar()))
origin = f"https://{host}"


def send(path: str, body: bytes | None, **headers: str) -> str:
    request = urllib.request.Request(origin + path, body, headers)  # noqa: S310 - https alone
    with opener.open(request, timeout=30) as response:
        return response.read().decode()


def post_form(path: str, **fields: str) -> str:
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', send(path, None))
    assert token, f"{path} has no form"
    body = urllib.parse.urlencode({"csrf_token": token[1], **fields}).encode()
    return send(path, body, Origin=origin, Referer=origin + path)


def call(path: str, body: dict[str, str] | None = None, **headers: str) -> dict:
    data = None if body is None else json.dumps(body).encode()
    return json.loads(send(path, data, **{"Content-Type": "application/json"}, **headers))


if interface == "session":
    try:
        post_form("/auth/register", email=email, password=PASSWORD, confirm=PASSWORD)
    except urllib.error.HTTPError:  # the address has an account
        post_form("/auth/login", email=email, password=PASSWORD)
    notes = send("/notes/", None)
    for title in titles:
        if title not in notes:
            post_form("/notes/new", title=title, body="<em>Hello</em>")
    print(send("/notes/", None))
else:
    known = {"email": email, "password": PASSWORD}
    try:
        tokens = call("/api/v1/auth/register", known)
    except urllib.error.HTTPError:
        tokens = call("/api/v1/auth/token", known)
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    notes = json.dumps(call("/api/v1/notes", **bearer))
    for title in titles:
        if title not in notes:
            call("/api/v1/notes", {"title": title, "body": "<em>Hello</em>"}, **bearer)
    print(json.dumps(call("/api/v1/notes", **bearer)))
