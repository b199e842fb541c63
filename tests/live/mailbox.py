"""The mails that machine/mailbox.py has received, and the files that this server needs."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from pathlib import Path

from tests.live.conftest import program
from tests.template import run

PROGRAM = Path(__file__).parent / "machine" / "mailbox.py"
PASSWORD = "the-password-of-the-mail-server"
NAME = "mailbox"  # of the host: its certificate is for this name


class Mailbox:
    """A folder for mails, with the certificate of the server."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.authority = folder / "mails", folder / "mailbox.pem"
        self.folder.mkdir(parents=True)
        (self.folder / "password").write_text(PASSWORD, "utf-8")
        key, certificate = folder / "mailbox.key", folder / "mailbox.pem"
        made = run(
            *(program("openssl"), "req", "-x509", "-newkey", "ec", "-noenc", "-days", "9"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=mailbox"),
            *("-addext", f"subjectAltName=DNS:{NAME}", "-keyout", key, "-out", certificate),
        )
        assert made.returncode == 0, made.stdout
        both = key.read_text("utf-8") + certificate.read_text("utf-8")
        (self.folder / "server.pem").write_text(both, "utf-8")

    def all(self) -> list[EmailMessage]:
        """Every mail, in the order of arrival."""
        return [parsed(path.read_bytes()) for path in sorted(self.folder.glob("*.eml"))]

    def to(self, address: str) -> list[str]:
        """The texts of the mails to an address."""
        return [mail.get_content() for mail in self.all() if mail["X-Recipient"] == address]


def parsed(content: bytes) -> EmailMessage:
    return email.message_from_bytes(content, EmailMessage, policy=email.policy.default)


def mail_url(authority: str) -> str:
    """``MAIL_URL`` for this server; ``authority`` is the path of its certificate."""
    return f"smtps://demo:{PASSWORD}@{NAME}?ssl_ca_certs={authority}"
