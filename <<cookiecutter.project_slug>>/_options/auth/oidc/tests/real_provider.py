"""A real OpenID Connect provider: the certified npm package ``oidc-provider``, on loopback.

It enforces PKCE, single use of codes and exact redirect URIs. It signs with a key of the tests, so
that a test can change a real answer on its way and sign it again.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from joserfc import jwt
from joserfc.jwk import RSAKey
from requests.adapters import HTTPAdapter

from tests import needs
from tests.live import accepts, free_ports, make_certificates, running
from tests.stub import answer

FOLDER = Path(__file__).parent / "provider"
CLIENT_ID, CLIENT_SECRET = "service", "wool+lantern%orbit~7-thistle"
LOOPBACK = "127.0.0.0/8, ::1/128"  # where the providers of the tests are
SERVICE = "https://service.test"
INSTALL_TIMEOUT = 300  # seconds

Tokens = dict[str, Any]


def install() -> None:
    """Install the provider, once."""
    for name in ("node", "openssl"):
        needs.program(name)
    command = [needs.program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    with (FOLDER / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one of the tests' processes installs, the others wait
        if (FOLDER / "node_modules" / ".package-lock.json").exists():  # npm writes it last
            return
        done = subprocess.run(
            command,
            cwd=FOLDER,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT,
            check=False,
        )
    if done.returncode:
        needs.lacking(f"cannot install oidc-provider: {done.stderr[-500:]}")


@dataclass
class RealProvider:
    """A running provider, and what happens to its answers on their way to the service."""

    issuer: str
    ca: Path
    key: RSAKey
    record: Path  # with each answer of its token endpoint
    change: Callable[[Tokens], Tokens] = field(default=lambda tokens: tokens)
    seen: list[Tokens] = field(default_factory=list)

    def settings(self) -> dict[str, str]:
        """The settings of a service that uses this provider."""
        return {
            "OIDC_ISSUER": self.issuer,
            "OIDC_CLIENT_ID": CLIENT_ID,
            "OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "OIDC_CA_FILE": str(self.ca),
            "OIDC_PRIVATE_NETWORKS": LOOPBACK,
            "OIDC_SCOPES": "openid email groups",
            "OIDC_GROUPS_CLAIM": "groups",
        }

    def person(self) -> Person:
        """A user with a browser at the provider, signed in nowhere."""
        return Person(self)

    def issued(self) -> list[Tokens]:
        """What its token endpoint has answered so far, to whoever asked."""
        return [json.loads(line) for line in self.record.read_text("utf-8").splitlines()]

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """What the provider would have signed."""
        return jwt.encode({"alg": "RS256", "kid": self.key.kid, **header}, claims, self.key)

    def adapter(self) -> HTTPAdapter:
        """The network between service and provider, where the tests can change answers."""
        provider = self

        class Network(HTTPAdapter):
            def send(self, request: Any, *args: Any, **kwargs: Any) -> requests.Response:
                response = super().send(request, *args, **kwargs)
                if urlsplit(request.url).path != "/token" or response.status_code != 200:
                    return response
                provider.seen.append(response.json())
                changed = provider.change(dict(provider.seen[-1]))
                return answer(request, 200, json.dumps(changed))

        return Network()


class Person:
    """A browser at the provider: a cookie jar that follows redirects and fills in forms."""

    def __init__(self, provider: RealProvider) -> None:
        self.http = requests.Session()
        self.http.verify = str(provider.ca)
        self.http.trust_env = False
        self.forms: list[str] = []  # the addresses of those that were filled in

    def authorize(self, url: str, login: str = "alice") -> str:
        """Sign in and consent; the path and query to which the provider sends the browser back."""
        response = self.http.get(url, allow_redirects=False, timeout=10)
        for _ in range(12):
            location = response.headers.get("Location", "")
            if location.startswith(SERVICE):
                return location.removeprefix(SERVICE)
            if location:
                url = requests.compat.urljoin(response.url, location)
                response = self.http.get(url, allow_redirects=False, timeout=10)
                continue
            response = self.submit(response, {"login": login, "password": "x"})
        raise AssertionError(f"the provider does not come to an end: {response.text[:2000]}")

    def submit(self, page: requests.Response, known: dict[str, str]) -> requests.Response:
        """Fill in the first form of the page."""
        form = re.search(r'<form[^>]*action="([^"]+)"', page.text)
        assert form, f"{page.status_code} {page.text[:2000]}"
        hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text)
        target = requests.compat.urljoin(page.url, form[1])
        self.forms.append(target)
        data = known | dict(hidden)
        return self.http.post(target, data, allow_redirects=False, timeout=10)


@contextmanager
def real_provider(
    directory: Path, *, port: int = 0, key: RSAKey | None = None, **settings: str
) -> Iterator[RealProvider]:
    """Run the provider until the block ends."""
    install()
    directory.mkdir(parents=True, exist_ok=True)
    ca = directory / "ca.pem"
    if not ca.exists():
        make_certificates(directory, "DNS:localhost", "IP:127.0.0.1")
    key = key or RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)
    port = port or free_ports("127.0.0.1")[0]
    issuer = f"https://localhost:{port}"
    environment = {
        "PATH": os.environ["PATH"],
        "ISSUER": issuer,
        "ADDRESS": "127.0.0.1",
        "SERVICE": SERVICE,
        "CLIENT_ID": CLIENT_ID,
        "CLIENT_SECRET": CLIENT_SECRET,
        "TLS": str(directory),
        "JWKS": json.dumps({"keys": [key.as_dict(private=True)]}),
        "ISSUED": str(directory / "issued.json"),
        "NODE_NO_WARNINGS": "1",
        **settings,
    }
    command = ["node", str(FOLDER / "provider.mjs")]
    with running(
        command, directory / "provider.log", lambda: accepts(("127.0.0.1", port)), environment
    ):
        yield RealProvider(issuer, ca, key, directory / "issued.json")
