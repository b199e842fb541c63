"""An OpenID Connect provider in the hub, and the sign-in of a visitor there.

It is the provider of the service's own tests: the certified npm package ``oidc-provider``, which
accepts any user name.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
from pathlib import Path
from urllib.parse import urlencode, urljoin

from tests.live.visitor import Reader, Visitor
from tools.cluster.environment import (
    API,
    BUILD,
    HERE,
    HUB,
    ClusterError,
    Processes,
    listens,
    run,
    run_folder,
    wait_until,
)

DOMAIN = "identity.test"
ISSUER = f"https://{DOMAIN}"
CLIENT_ID, CLIENT_SECRET = "notes", "wool+lantern%orbit~7-thistle"
STEPS = 12  # redirects and forms between the button and the way back
FOLDER = BUILD / "identity"


def install(project: Path) -> None:
    """Install the provider from the lock file of the service's tests; needs the network once."""
    source = project / "tests" / "provider"
    lock = FOLDER / "package-lock.json"
    if lock.exists() and lock.read_bytes() == (source / "package-lock.json").read_bytes():
        return
    if not shutil.which("npm"):
        raise ClusterError("lacks programs for AUTH=oidc: apt-get install nodejs npm")
    shutil.rmtree(FOLDER, ignore_errors=True)
    part = FOLDER.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(source, part)
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=part, timeout=300)
    part.rename(FOLDER)


def start(processes: Processes, domains: list[str]) -> None:
    """Start the provider for the services with these domains; wait until it listens."""
    tls = run_folder() / "outside"
    run("sh", HERE / "certificates.sh", API, "identity", DOMAIN, cwd=tls)
    (tls / "privkey.pem").symlink_to("identity.key")
    (tls / "fullchain.pem").symlink_to("identity.crt")
    settings = {
        "ADDRESS": HUB,
        "CLIENT_ID": CLIENT_ID,
        "CLIENT_SECRET": CLIENT_SECRET,
        "ISSUER": ISSUER,
        "NODE_NO_WARNINGS": "1",
        "PATH": os.environ["PATH"],
        "PROVIDER_PORT": "443",
        "SERVICE": ",".join(f"https://{domain}" for domain in domains),
        "TLS": str(tls),
    }
    processes.start("identity", "node", FOLDER / "provider.mjs", env=settings)
    wait_until("the provider listens", lambda: listens(443), 60)


def sign_in(reader: Reader, name: str) -> None:
    """Press the service's button, fill in the provider's forms, and come back.

    :raises ClusterError: when that does not come to an end.
    """
    authority = (run_folder() / "outside/outside.crt").read_text("utf-8")
    browser = Visitor(DOMAIN, lambda: socket.create_connection((HUB, 443), 10), authority)
    if (status := reader.post("/auth/login")[0]) not in (302, 303):
        raise ClusterError(f"{reader.domain}: the button to sign in answers {status}")
    url, page = reader.location, ""
    for _ in range(STEPS):
        if url.startswith(f"https://{reader.domain}/"):
            status, page = reader.request("GET", url.removeprefix(f"https://{reader.domain}"))
            if status in (302, 303):
                return
            raise ClusterError(f"{reader.domain}: coming back answers {status}")
        browser.location = ""
        _, page = browser.request("GET", url.removeprefix(ISSUER))
        if not browser.location:
            form = re.search(r'<form[^>]*action="([^"]+)"', page)
            if not form:
                break
            hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page)
            fields = urlencode({"login": name, "password": "any", **dict(hidden)})
            path = urljoin(url, form[1]).removeprefix(ISSUER)
            browser.request("POST", path, fields, "application/x-www-form-urlencoded")
        url = urljoin(url, browser.location)
    raise ClusterError(f"{reader.domain}: the sign-in did not finish: {page[:500]}")
