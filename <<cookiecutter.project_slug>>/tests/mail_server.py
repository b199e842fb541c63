"""A real mail server on loopback, which does to a mail what a test tells it."""

from __future__ import annotations

import asyncio
import email
import email.policy
import logging
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

from tests.live import free_ports

OK = "250 OK"
CUT = "cut"  # the connection, without an answer
Step = str | Callable[[str], str]  # an answer, or what makes one, outside of the server's thread


@dataclass
class Received:
    """A mail as it arrived."""

    sender: str
    recipient: str
    data: bytes
    encrypted: bool
    user: str

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.data, EmailMessage, policy=email.policy.default)

    @property
    def text(self) -> str:
        return str(self.message.get_content())


@dataclass
class MailServer:
    """Accepts every mail, until ``steps`` says what to answer to EHLO, MAIL, RCPT or DATA.

    :param user: who has to sign in, with the password; nobody when empty.
    """

    user: str = ""
    password: str = ""
    steps: dict[str, Step] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)  # each command that a step was looked up for
    host: str = "127.0.0.1"
    port: int = 0

    def url(self, scheme: str = "smtp", *, host: str = "", secret: str = "", ca: str = "") -> str:
        """For MAIL_URL."""
        option = f"?ssl_ca_certs={ca}" if ca else ""
        return f"{scheme}://{secret}{host or self.host}:{self.port}{option}"

    def authenticate(
        self, _server: Any, _session: Any, _envelope: Any, _how: str, data: Any
    ) -> Any:
        given = isinstance(data, LoginPassword) and (data.login.decode(), data.password.decode())
        known = given == (self.user, self.password)
        # Not handled: aiosmtpd shall say so itself. Else the client waits for an answer.
        return AuthResult(success=known, handled=known, auth_data=self.user)

    async def answer(self, server: Any, command: str, said: str) -> str:
        self.seen.append(command)
        step = self.steps.get(command, OK)
        answer = step if isinstance(step, str) else await asyncio.to_thread(step, said)
        if answer == CUT:
            server.transport.abort()
            await asyncio.Event().wait()  # until the connection's end cancels it
        return answer

    # The names and arguments are aiosmtpd's.

    async def handle_MAIL(  # noqa: N802
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.user and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return await self.answer(server, "MAIL", address)

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = await self.answer(server, "RCPT", address)
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(  # noqa: N802
        self, server: Any, session: Session, envelope: Envelope
    ) -> str:
        encrypted = session.ssl is not None or server.transport.get_extra_info("sslcontext")
        (recipient,) = envelope.rcpt_tos
        mail = Received(str(envelope.mail_from), recipient, bytes(envelope.original_content or b""),
                        bool(encrypted), str(session.auth_data or ""))  # fmt: skip
        answer = await self.answer(server, "DATA", recipient)
        if answer.startswith("2"):
            self.received.append(mail)
        return answer

    def to(self, recipient: str) -> list[Received]:
        """The mails to one address, in the order of arrival."""
        return [mail for mail in self.received if mail.recipient == recipient]


@contextmanager
def mail_server(tls: Path | None = None, **options: Any) -> Iterator[MailServer]:
    """A mail server until the block ends.

    :param tls: a folder of :func:`tests.live.make_certificates`: the server offers STARTTLS, or
        with ``implicit=True`` speaks TLS from the first byte.
    :param options: of :class:`MailServer`; and ``smtputf8`` and ``implicit``.
    """
    logging.getLogger("mail").setLevel(logging.CRITICAL)  # aiosmtpd's own words are not the app's
    implicit, utf8 = options.pop("implicit", False), options.pop("smtputf8", True)
    server = MailServer(**options)
    server.port = server.port or free_ports(server.host)[0]
    context = None
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tls / "fullchain.pem", tls / "privkey.pem")
    controller = Controller(
        server,
        hostname=server.host,
        port=server.port,
        enable_SMTPUTF8=utf8,
        ssl_context=context if implicit else None,
        tls_context=None if implicit else context,
        require_starttls=bool(tls) and not implicit,
        auth_require_tls=not implicit,
        authenticator=server.authenticate,
        ready_timeout=30,
    )
    controller.start()
    try:
        yield server
    finally:
        controller.stop()
