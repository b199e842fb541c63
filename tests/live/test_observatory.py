"""The MDN HTTP Observatory and Google's CSP Evaluator check the headers."""

from __future__ import annotations

import json
import os
import ssl
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.live.conftest import Service, program
from tests.template import run


def scan(service: Service, node: Path, path: str) -> dict[str, Any]:
    """Run the Observatory on a page; return its result."""
    environment = {
        "PATH": os.environ["PATH"],
        "NODE_EXTRA_CA_CERTS": service.ca,
        "NAME": service.domain,
        "ADDRESS": service.address,
        "HTTP_PORT": str(service.http_port),
        "HTTPS_PORT": str(service.https_port),
    }
    scanner = node / "node_modules/@mdn/mdn-http-observatory/src/scan.js"
    command = [program("node"), "--require", node / "redirect.cjs", scanner]
    result = run(*command, f"{service.domain}{path}", env=environment, timeout=60)
    start = result.stdout.find("{")
    assert start >= 0, result.stdout
    verdict: dict[str, Any] = json.JSONDecoder().raw_decode(result.stdout[start:])[0]
    return verdict


# The sign-in page sets a cookie, with every attribute: 5 more.
@pytest.mark.parametrize(("path", "score"), [("/", 135), ("/auth/login", 140)])
def test_the_observatory_gives_its_best_grade(
    service: Service, node: Path, path: str, score: int
) -> None:
    verdict = scan(service, node, path)
    assert verdict["scan"]["grade"] == "A+", verdict
    assert verdict["scan"]["score"] >= score, verdict
    failed = [name for name, test in verdict["tests"].items() if not test["pass"]]
    assert failed == [], verdict


def test_google_finds_no_weakness_in_the_content_policy(service: Service, node: Path) -> None:
    context = ssl.create_default_context(cafile=service.ca)
    connection = HTTPConnection(service.address, service.https_port, timeout=10)
    connection.connect()
    connection.sock = context.wrap_socket(connection.sock, server_hostname=service.domain)
    try:
        connection.request("GET", "/", headers={"Host": service.domain})
        policy = connection.getresponse().headers["Content-Security-Policy"]
    finally:
        connection.close()
    result = run(program("node"), "policy.cjs", policy, cwd=node)
    findings = json.loads(result.stdout)
    # Severity 50 is "maybe": 'self' is unsafe only with uploads, and the service has none.
    assert [finding for finding in findings if finding["severity"] < 50] == []
