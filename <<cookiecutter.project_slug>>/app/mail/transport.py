"""The connection to the mail server: SMTP with verified TLS; in development a folder of files.

An attacker between this service and its mail server would read each link that sets a password. So
the connection is encrypted and the server's certificate verified, before anything is said; only to
this machine itself, plain text is allowed. ASVS 12.3.1.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import click
from flask import current_app

from app.environment import is_loopback
from app.mail import outbox
from app.mail.models import Mail
from app.mail_settings import CA_FILE, PORTS, sendable
from app.secret import Secret

Send = Callable[[Mail], None]

TIMEOUT = 60  # seconds that the server may take for each answer; RFC 5321 section 4.5.3.2 has 300
FOLDER = Path("mail")  # below the instance folder, in development
SHOWN = re.compile(r"^  (\S+)", re.MULTILINE)  # a link or a code, on a line of its own


def message(mail: Mail) -> EmailMessage:
    """The mail as it is sent: plain text.

    :raises ValueError: when the subject has a control character, the recipient is no address, or
        no key decrypts the content.
    """
    subject, text = outbox.content(mail)
    if not subject.isprintable():  # EmailMessage lets a carriage return pass at the end of a line
        raise ValueError("a control character in the subject")
    built = EmailMessage(SMTP)
    built["Subject"] = subject
    built["From"] = current_app.config["SETTINGS"].mail.sender
    built["To"] = _mailbox(mail.recipient)  # a text would be read as a list
    built["Date"] = mail.created_at
    built["Message-ID"] = mail.message_id
    built["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    # Quoted-printable would break a long link, and some programs open the first half.
    built.set_content(text, cte="7bit" if text.isascii() else None)
    return built


def _mailbox(recipient: Secret) -> Address:
    local, _, domain = sendable(recipient.reveal()).rpartition("@")
    return Address(username=local, domain=domain)


@contextmanager
def connect() -> Iterator[Send]:
    """What sends a mail, while the connection lasts.

    :raises OSError: when the server does not answer, its certificate is not valid, or it refuses
        (:class:`smtplib.SMTPException` is one).
    """
    settings = current_app.config["SETTINGS"].mail
    url = settings.url.reveal()
    if not url:
        yield _write_file
        return
    parts = urlsplit(url)
    host, port = str(parts.hostname), parts.port or PORTS[parts.scheme]
    tls = ssl.create_default_context(cafile=dict(parse_qsl(parts.query)).get(CA_FILE))
    server: smtplib.SMTP
    if parts.scheme == "smtps":
        server = smtplib.SMTP_SSL(host, port, settings.domain, timeout=TIMEOUT, context=tls)
    else:
        server = smtplib.SMTP(host, port, settings.domain, timeout=TIMEOUT)

    def send(mail: Mail) -> None:
        server.send_message(message(mail), settings.sender, [sendable(mail.recipient.reveal())])

    try:
        if parts.scheme == "smtp" and not is_loopback(host):
            server.starttls(context=tls)  # raises when the server does not offer it
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        yield send
    finally:
        with suppress(OSError):  # each mail is recorded by now; a failed QUIT does not matter
            server.quit()
        server.close()


def _write_file(mail: Mail) -> None:
    """Write the mail into a file that a mail program can open; show its subject, link or code."""
    built = message(mail)
    folder = Path(current_app.instance_path) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{built['Message-ID'].strip('<>').split('@')[0]}.eml"
    path.write_bytes(built.as_bytes(policy=SMTPUTF8))
    click.echo(f"Mail to {built['To']}: {built['Subject']} ({path})", err=True)
    for shown in SHOWN.findall(built.get_content()):
        click.echo(f"  {shown}", err=True)
