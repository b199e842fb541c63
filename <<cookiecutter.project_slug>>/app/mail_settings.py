"""The settings of mail; :mod:`app.settings` reads them with all others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from email_validator import EmailNotValidError, validate_email

from app.environment import is_loopback
from app.secret import Secret

PORTS = {"smtp": 587, "smtps": 465}  # RFC 8314 section 3.3
CA_FILE = "ssl_ca_certs"  # the option of MAIL_URL, called as in REDIS_URL
NO_URL = "MAIL_URL is not set; write smtps://USER:PASSWORD@HOST"
# <% if cookiecutter.__interface == "html" %>
DEVELOPMENT_PORT = "5000"  # of `make run`
# <% endif %>


@dataclass(frozen=True)
class MailSettings:
    """The mail server, the sender, and where links lead.

    :param url: the mail server, with its password. Only the process that sends mail has it: an
        attacker in the web process must not send as this service from elsewhere. Empty in others;
        in development it means a folder of files.
    :param sender: the address that mails come from.
    :param domain: the host name that users see, for links and for the ids of mails.
    # <% if cookiecutter.__interface == "json" %>
    :param links: what links begin with: a page of the client. Empty: a mail has a code to paste.
    # <% else %>
    :param links: what links begin with. Never the Host header: whoever asks for a mail chooses it.
    # <% endif %>
    """

    url: Secret
    sender: str
    domain: str
    links: str

    @classmethod
    def read(
        cls, read: Callable[..., str], problems: list[str], domain_name: str, *, development: bool
    ) -> MailSettings:
        """Read the settings; what is missing or malformed is added to ``problems``."""
        url = read("MAIL_URL")
        domain = domain_name or "localhost"
        sender = read("MAIL_FROM", "" if domain == "localhost" else f"no-reply@{domain}")
        if problem := mail_problem(url):
            problems.append(problem)
        if sender and not is_address(sender):
            problems.append(f"MAIL_FROM is {sender!r}; write an address such as name@example.com")
        # <% if cookiecutter.__interface == "json" %>
        links = read("APP_URL").rstrip("/")
        if links and not links.startswith("https://") and not development:
            problems.append(f"APP_URL is {links!r}; write the https:// address of the client")
        # <% else %>
        links = f"https://{domain}/auth"
        if development:
            links = f"http://{domain}:{read('FLASK_RUN_PORT', DEVELOPMENT_PORT)}/auth"
        # <% endif %>
        return cls(Secret(url), sender or f"no-reply@{domain}", domain, links)


def mail_problem(url: str) -> str | None:
    """Why ``url`` is not the URL of a mail server; None when it is, or empty."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        usable = parts.scheme in PORTS and bool(parts.hostname) and parts.port != 0
        usable = usable and parts.path in ("", "/") and not parts.fragment
    except ValueError:  # a port that is no number, half a bracket, an option without value
        usable = False
    if not usable:
        return "MAIL_URL is not the URL of a mail server; write smtps://USER:PASSWORD@HOST"
    if parts.username and parts.scheme == "smtp" and is_loopback(str(parts.hostname)):
        return "MAIL_URL sends a password without TLS; leave it out, or write smtps://"
    if unknown := options.keys() - {CA_FILE}:
        return f"MAIL_URL has the option {min(unknown)}; there is {CA_FILE}"
    if CA_FILE in options and not Path(options[CA_FILE]).is_file():
        return f"MAIL_URL names a file that is not there: {CA_FILE}={options[CA_FILE]}"
    return None


def is_address(text: str) -> bool:
    """Whether ``text`` is an e-mail address. No DNS look-up is made."""
    try:
        validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True
