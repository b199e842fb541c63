"""The settings of mail; :mod:`app.settings` reads them with all others."""

from __future__ import annotations

# <% if cookiecutter.__interface == "json" %>
from collections.abc import Callable, Collection
# <% else %>
from collections.abc import Callable
# <% endif %>
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from email_validator import validate_email

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
    :param links: what links begin with. Never the Host header, which a client chooses.
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
        sender = read("MAIL_FROM")
        if problem := mail_problem(url):
            problems.append(problem)
        try:
            sender = sendable(sender, allow_smtputf8=False) if sender else f"no-reply@{domain}"
        except ValueError:
            problems.append(f"MAIL_FROM is {sender!r}; write an address such as name@example.com")
        # <% if cookiecutter.__interface == "json" %>
        links = read("APP_URL").rstrip("/")
        if links and not is_page(links, ("https", "http") if development else ("https",)):
            problems.append("APP_URL is not the address of an app; write https://app.example.com")
        # <% else %>
        links = f"https://{domain}/auth"
        if development:
            links = f"http://{domain}:{read('FLASK_RUN_PORT', DEVELOPMENT_PORT)}/auth"
        # <% endif %>
        return cls(Secret(url), sender, domain, links)


def mail_problem(url: str) -> str | None:
    """Why ``url`` is not the URL of a mail server; None when it is, or empty."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        usable = parts.scheme in PORTS and bool(parts.hostname) and parts.port != 0
        usable = usable and parts.path in ("", "/") and not parts.fragment
        given = unquote(f"{parts.username}{parts.password}", errors="strict")
    except ValueError:  # a port that is no number, half a bracket, an option without value
        usable = False
    if not usable:
        return "MAIL_URL is not the URL of a mail server; write smtps://USER:PASSWORD@HOST"
    if parts.username and parts.scheme == "smtp" and is_loopback(str(parts.hostname)):
        return "MAIL_URL sends a password without TLS; leave it out, or write smtps://"
    if not given.isascii():
        return "MAIL_URL has a character in user or password that is not ASCII; SMTP knows no other"
    if unknown := options.keys() - {CA_FILE}:
        return f"MAIL_URL has the unknown option {min(unknown)}; allowed: {CA_FILE}"
    if CA_FILE in options and not Path(options[CA_FILE]).is_file():
        return f"MAIL_URL names a file that is not there: {CA_FILE}={options[CA_FILE]}"
    return None


# <% if cookiecutter.__interface == "json" %>
def is_page(url: str, schemes: Collection[str]) -> bool:
    """Whether a path and ``?token=...`` can follow this URL, and the page there is the app's own.

    A fragment is fine, and the safest place: no server sees what follows it.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, half a bracket
        return False
    # urlsplit leaves out tabs and line breaks without a word.
    return usable and "@" not in parts.netloc and "?" not in url and len(url.split()) == 1


# <% endif %>
def sendable(address: str, *, allow_smtputf8: bool = True) -> str:
    """The address with its domain as A-labels, which every mail server knows. Asks no DNS.

    :param allow_smtputf8: whether the part before the @ may have characters that are not ASCII.
    :raises ValueError: when it is no address.
    """
    valid = validate_email(
        address,
        check_deliverability=False,
        globally_deliverable=False,  # a domain may be known in the operator's network alone
        allow_smtputf8=allow_smtputf8,
    )
    return f"{valid.local_part}@{valid.ascii_domain}"
