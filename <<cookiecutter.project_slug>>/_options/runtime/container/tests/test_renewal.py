"""A certificate that is renewed: certbot asks in time, and Nginx serves the new one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import image_policy as policy
from tests import needs
from tests.live import make_certificates
from tests.marks import practice
from tests.scripts import Scratch, below

pytestmark = practice("https")

SCRIPTS = Path("deploy/container")
PATIENCE = 10  # seconds; a process that nobody tells anything ends then
# In the place of Nginx: shows the certificate that is there when it is told to load another.
NGINX = f"""exec {sys.executable} -c '
import os, signal, sys

def load(*_):
    with open(os.environ["INSTALLED"]) as installed, open(os.environ["LOADED"], "w") as loaded:
        loaded.write(installed.read())
    sys.exit()

signal.signal(signal.SIGHUP, load)
signal.alarm({PATIENCE})
open(os.environ["READY"], "w").close()
while True:
    signal.pause()
'"""
# In the place of sleep: the first time, a new certificate comes meanwhile.
RENEWED = """[ ! -e "$GIVEN/fullchain.pem" ] || exit 1
until [ -e "$READY" ]; do {sleep} 0.02; done
cp "$NEW/privkey.pem" "$NEW/fullchain.pem" "$GIVEN"
"""
# In the place of sleep: ends what would go on for ever.
TWICE = """[ -e second ] && kill -TERM "$PPID"
: >second
"""


def installed(tmp_path: Path, name: str) -> None:
    """A script of the image, with all paths below a folder."""
    text = below(tmp_path, (SCRIPTS / name).read_text(encoding="utf-8"))
    (tmp_path / name).write_text(text, encoding="utf-8")


def test_nginx_loads_a_new_certificate_while_it_runs(tmp_path: Path) -> None:
    """Otherwise the old one expires, and every browser warns of the service."""
    sleep = RENEWED.format(sleep=needs.program("sleep"))
    scratch = Scratch(tmp_path, ["cmp", "cp", "mv", "openssl"], {"nginx": NGINX, "sleep": sleep})
    installed(tmp_path, "nginx.sh")
    given, new, folder = (
        tmp_path / name for name in ("srv/certificates", "new", f"etc/ssl/{policy.SLUG}")
    )
    for path in (given, new, folder):
        path.mkdir(parents=True)
    make_certificates(new, "DNS:service.test")
    values = {
        "INSTALLED": f"{folder}/fullchain.pem",
        "LOADED": f"{tmp_path}/loaded",
        "READY": f"{tmp_path}/ready",
        "GIVEN": str(given),
        "NEW": str(new),
    }
    outcome = scratch.run("nginx.sh", OPENSSL_CONF="/dev/null", **values)
    assert outcome.status == 0, outcome.said
    assert (tmp_path / "loaded").read_text() == (new / "fullchain.pem").read_text()
    assert outcome.of("sleep")[0] == "sleep 10"
    assert [call for call in outcome.calls if call.startswith("nginx ")] == [
        "nginx -e stderr -g daemon off;"
    ]


@pytest.mark.parametrize(
    ("status", "server", "seconds"),
    [("0", "", 43200), ("0", "https://ca.example/directory", 43200), ("1", "", 3600)],
)
def test_certbot_asks_twice_a_day_and_each_hour_after_a_failure(
    tmp_path: Path, status: str, server: str, seconds: int
) -> None:
    standins = {"certbot": f"exit {status}", "sleep": TWICE, "touch": ""}
    scratch = Scratch(tmp_path, [], standins)
    installed(tmp_path, "certbot.sh")
    outcome = scratch.run("certbot.sh", ACME_EMAIL="a@example.com", ACME_SERVER=server)
    chosen = f"--server {server} " if server else ""
    asked = (
        "certbot certonly --non-interactive --keep-until-expiring --agree-tos --no-eff-email"
        f" --email a@example.com {chosen}--webroot --webroot-path {tmp_path}/var/www/acme"
        f" --domain << cookiecutter.domain_name >> --cert-name {policy.SLUG} --key-type ecdsa"
        f" --deploy-hook sh certbot.sh deploy --config-dir {tmp_path}/var/lib/certbot/config"
        " --work-dir /tmp/certbot --logs-dir /tmp/certbot-logs"
    )
    succeeded = ["touch /tmp/succeeded"] if status == "0" else []
    assert outcome.calls == [asked, *succeeded, f"sleep {seconds}"] * 2
