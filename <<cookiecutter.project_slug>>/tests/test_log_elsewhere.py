"""The log on another system, as the documents say it to the operator.

An attacker on the way must not read or change it, one who poses as the other system must not get
it, and one who reaches that system must not write it. An outage must not end it for good, and a
flood must not hide what happens meanwhile. The files are those that the README tells to write.
"""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

from tests.marks import asvs, practice

pytestmark = practice("logs")

DOCUMENTS = ("docs/log-on-another-system.md", "deploy/<< cookiecutter.deployment >>/README.md")
TEXT = "\n".join(Path(name).read_text("utf-8") for name in DOCUMENTS)
FILES = dict(re.findall(r"^```\w*\n# (/\S+)\n(.*?)^```$", TEXT, re.M | re.S))
SENDER, RECEIVER = "systemd-journal-upload", "systemd-journal-remote"
FOLDER = "/etc/ssl/logs"


def settings(path: str, section: str) -> dict[str, str]:
    """The settings of a file; of one that is there twice, the last."""
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read_string(FILES[path])
    return dict(parser[section])


@asvs("16.4.3")
def test_the_sender_trusts_one_authority_and_shows_its_certificate() -> None:
    upload = settings("/etc/systemd/journal-upload.conf.d/logs.conf", "Upload")
    assert upload["URL"].startswith("https://")
    assert upload["TrustedCertificateFile"] == f"{FOLDER}/ca.pem"
    assert upload["ServerCertificateFile"] == f"{FOLDER}/certificate.pem"


@asvs("16.4.3")
def test_nobody_but_root_reads_the_sender_s_key() -> None:
    upload = settings("/etc/systemd/journal-upload.conf.d/logs.conf", "Upload")
    unit = settings(f"/etc/systemd/system/{SENDER}.service.d/logs.conf", "Service")
    assert unit["LoadCredential"] == f"key.pem:{FOLDER}/key.pem"
    assert upload["ServerKeyFile"] == f"/run/credentials/{SENDER}.service/key.pem"


@asvs("16.4.3")
def test_an_outage_of_the_other_system_does_not_end_the_log() -> None:
    """By default systemd starts nothing again that has failed five times within ten seconds."""
    unit = settings(f"/etc/systemd/system/{SENDER}.service.d/logs.conf", "Unit")
    assert unit["StartLimitIntervalSec"] == "0"


@asvs("16.4.3")
def test_the_other_system_lets_in_hosts_of_the_authority_alone() -> None:
    """Its receiver checks no certificate, so it hears Nginx alone, which does."""
    server = FILES["/etc/nginx/conf.d/logs.conf"]
    assert re.findall(r"listen \S+ (\w+);", server) == ["ssl"]
    assert f"ssl_client_certificate {FOLDER}/ca.pem;" in server
    assert re.findall(r"ssl_verify_client (\w+);", server) == ["on"]
    socket = settings(f"/etc/systemd/system/{RECEIVER}.socket.d/logs.conf", "Socket")
    assert f"proxy_pass http://unix:{socket['ListenStream']};" in server
    assert (socket["SocketGroup"], socket["SocketMode"]) == ("www-data", "0660")
# <% if cookiecutter.deployment != "systemd" %>


@asvs("16.4.3")
def test_the_flood_of_one_container_drops_no_line_of_another() -> None:
    """All of them are one unit for the journal, which drops lines of a unit that writes many."""
    speaker = "<< 'docker' if cookiecutter.deployment == 'docker' else 'rsyslog' >>"
    (path,) = (it for it in FILES if f"/{speaker}.service.d/" in it)
    assert settings(path, "Service")["LogRateLimitIntervalSec"] == "0"
# <% endif %>
