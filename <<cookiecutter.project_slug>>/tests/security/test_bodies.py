"""Bodies of every type and shape, to every route that takes one: never an error of the service.

Flask-WTF hands a file, or any JSON, to a field that expects a text. An error 500 is a traceback in
the log for each request of anybody, and shows a place that nobody thought of.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

import pytest
from flask import Flask

from tests import live
from tests.browser import PAGES, SIGN_IN, Browser
from tests.conftest import has_redis
from tests.marks import asvs, practice, slow
from tests.resources import VALUES, WRITABLE
from tests.routes import routes, unsafe_routes
from tests.security.attacks import quarter, some
from tests.security.client import query_of_code
from tests.security.entry_points import Attacker

pytestmark = practice("sanitization")

FIELDS = [name for resource in WRITABLE for name in resource.fields()]
# Every field of every form and model, and one of none.
NAMES = tuple(dict.fromkeys((*VALUES, *FIELDS, "csrf_token", "unknown")))
FORM, JSON, MULTIPART = (
    "application/x-www-form-urlencoded",
    "application/json",
    "multipart/form-data; boundary=b",
)


@asvs("15.2.2")
def test_a_form_has_at_most_50_fields(browser: Browser) -> None:
    """131,000 of them would take 0.2 s of a processor for each request of anybody."""
    for number in (50, 51):
        sent = "&".join(["a"] * number)
        answer = browser.open("POST", SIGN_IN, data=sent, content_type=FORM)
        assert (answer.status_code == 413) is (number == 51), number


def part(name: str, content: bytes = b"x", *, extra: str = "", headers: str = "") -> bytes:
    """One part of a multipart body."""
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n{headers}\r\n'
    return head.encode("utf-8", "surrogateescape") + content + b"\r\n"


def file_part(name: str) -> bytes:
    return part(name, extra='; filename="a.txt"', headers="Content-Type: text/plain\r\n")


END = b"--b--\r\n"
ALL = b"".join(map(part, NAMES))
FILES = {f"a file as {name}": (MULTIPART, file_part(name) + END) for name in NAMES}
PARTS: dict[str, tuple[str, bytes]] = {
    "files only": (MULTIPART, b"".join(map(file_part, NAMES)) + END),
    "a file beside its text": (MULTIPART, part("email") + file_part("email") + ALL + END),
    "a file without a name": (MULTIPART, part("email", extra='; filename=""') + END),
    "a file with an encoded name": (MULTIPART, part("title", extra="; filename*=utf-8''x") + END),
    "every field twice": (MULTIPART, ALL + ALL + END),
    "51 parts": (MULTIPART, part("title") * 51 + END),
    "no name": (MULTIPART, b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n" + END),
    "no header": (MULTIPART, b"--b\r\n\r\nx\r\n" + END),
    "another disposition": (
        MULTIPART,
        b"--b\r\nContent-Disposition: attachment\r\n\r\nx\r\n" + END,
    ),
    "an unknown charset": (
        MULTIPART,
        part("email", headers="Content-Type: text/plain; charset=utf-7\r\n") + END,
    ),
    "a codec of Python": (
        MULTIPART,
        part("title", headers="Content-Type: text/plain; charset=zlib\r\n") + END,
    ),
    "base64": (MULTIPART, part("title", headers="Content-Transfer-Encoding: base64\r\n") + END),
    "a name that is no UTF-8": (MULTIPART, part("\udcff") + END),
    "a text that is no UTF-8": (MULTIPART, part("title", b"\xff\xfe\0") + END),
    "no end": (MULTIPART, ALL),
    "half a boundary": (MULTIPART, ALL + b"--"),
    "a header without an end": (MULTIPART, b"--b\r\nContent-Disposition: form-data; name="),
    "another boundary": (MULTIPART.replace("=b", "=c"), ALL + END),
    "no boundary": ("multipart/form-data", ALL + END),
    "an empty boundary": ("multipart/form-data; boundary=", ALL + END),
    "a boundary that is no ASCII": ("multipart/form-data; boundary=\xff", ALL + END),
    "a long boundary": ("multipart/form-data; boundary=" + "b" * 300, ALL + END),
    "two boundaries": ("multipart/form-data; boundary=b; boundary=c", ALL + END),
    "parts in parts": (
        MULTIPART,
        part("title", ALL, headers="Content-Type: multipart/mixed; boundary=c\r\n") + END,
    ),
    "mixed parts": ("multipart/mixed; boundary=b", ALL + END),
}
TEXTS: dict[str, tuple[str, bytes]] = {
    "nothing": (FORM, b""),
    "bad percent": (FORM, b"&".join(f"{name}=%".encode() + b"%zz%" for name in NAMES)),
    "no UTF-8": (FORM, b"&".join(f"{name}=".encode() + b"%ff\xfe%00" for name in NAMES)),
    "surrogates": (FORM, b"&".join(f"{name}=%ED%A0%80".encode() for name in NAMES)),
    "repeated": (FORM, b"&".join(f"{name}=x&{name}=y".encode() for name in NAMES)),
    "arrays": (FORM, b"&".join(f"{name}[]=x&{name}[a]=y".encode() for name in NAMES)),
    "numbers": (FORM, b"&".join(f"{name}={'9' * 5000}".encode() for name in NAMES)),
    "huge": (FORM, b"&".join(f"{name}=-{2**70}".encode() for name in NAMES)),
    "no number": (FORM, b"version=nan&account=1e999&version=inf"),
    "other digits": (FORM, b"version=%D9%A1&account=%C2%B2"),
    "separators": (FORM, b"&&==&=;;&" * 1000),
    "many fields": (FORM, b"&".join(f"x{number}=1".encode() for number in range(5000))),
    "a charset": (f"{FORM}; charset=utf-16", "email=x".encode("utf-16")),
    "a codec": (f"{FORM}; charset=zlib", b"email=x"),
    "a form in JSON's type": (JSON, b"email=x&password=y"),
    "JSON in a form's type": (FORM, b'{"email": "x"}'),
    "no type": ("", b"email=x"),
    "half a type": ("multipart", ALL + END),
    "strange parameters": (f'{FORM}; a="; b=\\; =', b"email=x"),
    "a type that is no ASCII": ("text/\xff; charset=\xff", b"email=x"),
    "a form in text": ("text/plain", b"email=x"),
    "XML": ("application/xml", b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'),
}


def with_all(value: str) -> tuple[str, bytes]:
    """A JSON object that has ``value``, as written here, in every field."""
    return JSON, ("{" + ", ".join(f'"{name}": {value}' for name in NAMES) + "}").encode()


VALUES = (
    *("null", "true", "1", "-1.5", "[]", "{}", '["x"]', '{"x": "y"}', '""', "NaN", "Infinity"),
    *("1e999", "9" * 5000, f"-{2**70}", '"\\ud800"', '"\\u0000"', '"\\udfff\\ud83e"', "'x'", "x"),
)
DOCUMENTS: dict[str, tuple[str, bytes]] = {
    **{f"JSON {value[:20]}": with_all(value) for value in VALUES},
    **{f"JSON alone: {value[:20]}": (JSON, value.encode()) for value in VALUES},
    "JSON in JSON": (JSON, b'{"email":' * 20_000),
    "brackets": (JSON, b"[" * 100_000),
    "JSON twice": (JSON, b"{}{}"),
    "the same key twice": (JSON, b'{"email": "x", "email": ["y"], "password": 1, "password": "x"}'),
    "half of JSON": (JSON, b'{"email": "x", "passw'),
    "JSON with a mark": (JSON, b"\xef\xbb\xbf{}"),
    "JSON in UTF-16": (f"{JSON}; charset=utf-16", json.dumps({"email": "x"}).encode("utf-16")),
    "JSON that is no UTF-8": (JSON, b'{"email": "\xff\xed\xa0\x80"}'),
    "JSON in a codec of Python": (f"{JSON}; charset=zlib", b"{}"),
    "many keys": (JSON, json.dumps({f"x{number}": 1 for number in range(5000)}).encode()),
}
SHAPES = {**PARTS, **TEXTS, **DOCUMENTS}


@pytest.fixture
def no_error(environment: dict[str, str], capfd: pytest.CaptureFixture[str]) -> Callable[[], None]:
    """To be called at the end: nothing of it was an error, in the log neither."""

    def check() -> None:
        written = capfd.readouterr().err
        assert "Traceback" not in written
        assert '"ERROR"' not in written
        if has_redis(environment):
            assert "sys_rate_limits_degraded" not in written  # as if Redis were down

    return check


@asvs("1.4.2", "2.2.1", "16.5.3")
@slow
def test_no_request_body_causes_a_server_error(
    app: Flask, attacker: Attacker, no_error: Callable[[], None]
) -> None:
    """Each route gets its share of all shapes, always other ones; each shape goes to some route."""
    shapes = cycle(SHAPES.items())
    share = len(some(range(2 * len(SHAPES))))
    found = unsafe_routes(app)
    for route in found:
        for name, (content_type, body) in islice(shapes, share // len(found) + 1):
            response = attacker.deliver(route, body, content_type)
            assert response.status_code < 500, (route, name)
            assert response.status_code != 429, (route, name)
    no_error()


@asvs("2.2.1")
@pytest.mark.parametrize(("number", "name"), [*enumerate(some(NAMES))])
def test_a_file_in_a_text_field_causes_no_server_error(
    app: Flask, attacker: Attacker, no_error: Callable[[], None], number: int, name: str
) -> None:
    content_type, body = FILES[f"a file as {name}"]
    for route in quarter(unsafe_routes(app), number):
        response = attacker.deliver(route, body, content_type)
        assert response.status_code < 500, route
    no_error()


NUMBERS = ("-1", str(2**31), str(2**63), f"-{2**70}", "9" * 5000, "1e999", "nan")
QUERIES = (
    *("=", "&&=&", "%", "%zz=%zz", "%ff=%ff", "%00=%00", "%ed%a0%80", "next[]=/&before[]=1"),
    *("next=/&next=//evil.example", f"next=/{'x' * 5000}", "next=%0d%0aSet-Cookie:x", "next=%ff/"),
    *(f"before={value}" for value in ("%00", "%ff", "1&before=2")),
    *("state=%ff&code=%00&iss=%ed%a0%80", "state[]=&error=%ff", "v=%ff", "_method=DELETE"),
)


@asvs("1.4.2", "2.2.1", "16.5.3")
@slow
def test_no_query_string_causes_a_server_error(
    app: Flask, alice: Browser, no_error: Callable[[], None]
) -> None:
    sent = [f"{name}={value}" for name in sorted(query_of_code(app)) for value in NUMBERS]
    for route in routes(app):
        for query in (*QUERIES, *sent) if route.method == "GET" else ():
            response = alice.get(f"{route.path()}?{query}")
            assert response.status_code < 500, (route, query)
    no_error()


# --- On the wire -------------------------------------------------------------------------------

HEAD = f"POST {SIGN_IN} HTTP/1.1\r\nHost: service.test\r\nX-Forwarded-Proto: https\r\n"
HEAD += f"Content-Type: {FORM if PAGES else JSON}\r\nConnection: close\r\n"
SENT = {
    "less than it says": "Content-Length: 100\r\n\r\nemail=x",
    "more than it says": "Content-Length: 3\r\n\r\nemail=x&password=y",
    "no length": "\r\nemail=x",
    "a length that is none": "Content-Length: x\r\n\r\nemail=x",
    "a negative length": "Content-Length: -1\r\n\r\nemail=x",
    "two lengths": "Content-Length: 7\r\nContent-Length: 3\r\n\r\nemail=x",
    "chunks": "Transfer-Encoding: chunked\r\n\r\n7\r\nemail=x\r\n0\r\n\r\n",
    "half a chunk": "Transfer-Encoding: chunked\r\n\r\nff\r\nemail=x",
    "a chunk without a size": "Transfer-Encoding: chunked\r\n\r\nx\r\nemail=x\r\n0\r\n\r\n",
    "chunks without an end": "Transfer-Encoding: chunked\r\n\r\n7\r\nemail=x\r\n",
    "both": "Content-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nemail=x\r\n0\r\n\r\n",
    "a file, cut off": "Content-Length: 999\r\n\r\n--b\r\nContent-Disposition: form-data; name=",
}


@asvs("1.4.2")
@slow
def test_no_raw_body_causes_a_server_error(environment: dict[str, str], tmp_path: Path) -> None:
    """Sent to gunicorn as it is, and then nothing more: Nginx would not let most of it through."""
    with live.gunicorn(tmp_path, environment | {"WEB_CONCURRENCY": "1"}) as path:
        for name, sent in SENT.items():
            assert not raw(path, HEAD + sent).startswith(b"HTTP/1.1 5"), name
        answer = raw(path, f"GET /healthz HTTP/1.1{HEAD.partition('HTTP/1.1')[2]}\r\n")
        assert answer.startswith(b"HTTP/1.1 200")
    written = (tmp_path / "app.log").read_text()
    assert "Traceback" not in written
    assert '"ERROR"' not in written


def raw(path: Path, sent: str) -> bytes:
    """The answer, until the connection is closed."""
    received = b""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(live.ANSWER_TIMEOUT)
        client.connect(str(path))
        client.sendall(sent.encode())
        client.shutdown(socket.SHUT_WR)
        while chunk := client.recv(65536):
            received += chunk
    return received
