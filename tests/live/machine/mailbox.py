"""mailbox.py HOST PORT CERTIFICATE FOLDER: a mail server for all addresses, by Debian's aiosmtpd.

It accepts mails over TLS from the user "demo" only, and stores each as a file in the folder. The
password of this user is in FOLDER/password.
"""

import asyncio
import itertools
import ssl
import sys
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

host, port, certificate, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
numbers = itertools.count(len(list(folder.glob("*.eml"))) + 1)


class Mailbox:
    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        new = folder / "new"
        to = "".join(f"X-Recipient: {address}\n" for address in envelope.rcpt_tos)
        new.write_bytes(to.encode() + (envelope.original_content or b""))
        new.rename(folder / f"{next(numbers):06}.eml")
        return "250 OK"


def authenticate(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: object
) -> AuthResult:
    password = (folder / "password").read_bytes().strip()
    success = isinstance(given, LoginPassword) and given == LoginPassword(b"demo", password)
    return AuthResult(success=success, handled=success)


def connection() -> SMTP:
    # auth_require_tls accepts only STARTTLS; here the whole connection is TLS.
    options = {"auth_required": True, "auth_require_tls": False, "enable_SMTPUTF8": True}
    return SMTP(Mailbox(), authenticator=authenticate, **options)


async def serve() -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    async with await loop.create_server(connection, host, port, ssl=tls) as server:
        await server.serve_forever()


asyncio.run(serve())
