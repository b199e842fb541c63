"""Every setting of the service, read once, from the environment or from secret files.

Nothing else reads the environment.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

# <% if cookiecutter.database == "sqlite" %>
from app.database import dialect
# <% else %>
from app.database_settings import NO_DEFAULTS, DatabaseSettings, development_urls
# <% endif %>
from app.environment import HOST_NAME, HTTPS_URL, SettingsReader
# <% if cookiecutter.__interface == "html" %>
from app.footer_settings import read_footer
# <% endif %>
from app.mail_settings import MailSettings
from app.metrics_settings import MetricsSettings
# <% if cookiecutter.auth == "oidc" %>
from app.oidc_settings import OIDCSettings
# <% endif %>
# <% if cookiecutter.__interface == "json" %>
from app.passkey_origins import origin_problems
# <% endif %>
from app.redis_settings import redis_problem
from app.secret import Secret
# <% if cookiecutter.__interface == "html" %>
from app.session_settings import SessionSettings
# <% endif %>

SERVICE_NAME = "<< cookiecutter.project_name >>"
SECURITY_CONTACT = "mailto:<< cookiecutter.author_email >>"
# <% if cookiecutter.database != "sqlite" %>
DATABASE_NAME = "<< cookiecutter.__user >>"  # of development, and of its role
# <% endif %>
# <% if cookiecutter.auth == "token" %>
PAT_PREFIX = "<< cookiecutter.__token_prefix >>"  # of personal access tokens; see .gitleaks.toml
# <% endif %>
KEY_HINT = "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"


class ConfigurationError(Exception):
    """The service must not start. Each line of ``problems`` names a setting and says what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Settings:
    """The settings of one process; ``repr`` shows no secret.

    :param environment: ``production`` or ``development``.
    # <% if cookiecutter.database != "sqlite" %>
    :param migration_database_url: the same database, for the role that may change its tables.
    :param mail_database_url: the same database, for the role that sees the outbox alone. The
        process that sends mail has no other, so there ``database_url`` is this one.
    :param admin_database_url: for ``flask db create`` alone; empty means the user of this machine.
    # <% endif %>
    :param breached_passwords_url: whom :mod:`app.security.breaches` asks; empty means nobody.
    :param trusted_hosts: names this service answers to, without port.
    :param redis_url: storage of the rate limits; empty means in memory (development only).
    :param redis_private_host: the one host to which ``redis_url`` may speak without TLS.
    :param metrics: where Prometheus asks, and what the metrics ask.
    :param mail: the mail server, the sender, and where links in mails lead.
    # <% if cookiecutter.auth != "oidc" %>
    :param sign_up: who may open an account: ``open`` everybody, ``invite`` whom an operator
        invites, ``closed`` nobody.
    :param second_factor: whether every account must have one: ``optional`` or ``required``.
    # <% endif %>
    # <% if cookiecutter.__interface == "json" %>
    :param passkey_origins: the apps that may ask for passkeys; empty means none.
    :param cors_origins: whose pages may read the answers of this API; empty means nobody's.
    # <% endif %>
    # <% if cookiecutter.__interface == "html" %>
    :param sessions: how long sessions last.
    :param footer: the pages at the foot of each page, by the texts of their links.
    # <% endif %>
    # <% if cookiecutter.auth == "oidc" %>
    :param oidc: the OpenID Connect provider, and who may sign in.
    # <% endif %>
    """

    environment: str
    secret_key: Secret
    secret_key_fallbacks: tuple[Secret, ...]
    database_url: Secret
    # <% if cookiecutter.database != "sqlite" %>
    migration_database_url: Secret
    mail_database_url: Secret
    admin_database_url: Secret
    # <% endif %>
    redis_url: Secret
    redis_private_host: str
    metrics: MetricsSettings
    mail: MailSettings
    # <% if cookiecutter.auth != "oidc" %>
    sign_up: str
    second_factor: str
    # <% endif %>
    breached_passwords_url: str
    trusted_hosts: tuple[str, ...]
    security_contact: str
    # <% if cookiecutter.__interface == "json" %>
    passkey_origins: tuple[str, ...]
    cors_origins: tuple[str, ...]
    # <% endif %>
    # <% if cookiecutter.__interface == "html" %>
    sessions: SessionSettings
    footer: Mapping[str, str]
    # <% endif %>
    # <% if cookiecutter.auth == "oidc" %>
    oidc: OIDCSettings
    # <% endif %>

    @property
    def production(self) -> bool:
        return self.environment == "production"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings.

        :raises ConfigurationError: naming every setting that is unreadable, missing or malformed.
            What is set but unsafe is reported by the practices' checks.
        """
        read = SettingsReader(environ)
        problems = read.problems
        environment = read.choice("APP_ENV", "production", "development")
        development = environment == "development"

        secret_key = read("SECRET_KEY", secrets.token_urlsafe(48) if development else "")
        # <% if cookiecutter.database == "sqlite" %>
        database_url = read("DATABASE_URL", dialect.DEVELOPMENT_URL if development else "")
        # <% else %>
        defaults = development_urls(DATABASE_NAME, secret_key) if development else NO_DEFAULTS
        urls = DatabaseSettings.read(read, problems, defaults)
        database_url = urls.app
        # <% endif %>
        redis_url = read("REDIS_URL")
        domain_name = read("DOMAIN_NAME").lower()
        if not development:
            required = {
                "SECRET_KEY": (secret_key, KEY_HINT),
                "DATABASE_URL": (database_url, "name the database, see .env.example"),
                "REDIS_URL": (redis_url, "write the URL of a Redis, which counts for all workers"),
                "DOMAIN_NAME": (domain_name, "write the host name that users see"),
            }
            read.require(required)
        # <% if cookiecutter.database == "sqlite" %>
        if database_url and (problem := dialect.url_problem(database_url)):
            problems.append(problem)
        # <% endif %>
        if redis_url and (problem := redis_problem(redis_url)):
            problems.append(problem)
        # <% if cookiecutter.auth != "oidc" %>
        sign_up = read.choice("SIGN_UP", "open", "invite", "closed")
        second_factor = read.choice("SECOND_FACTOR", "optional", "required")
        # <% endif %>
        # <% if cookiecutter.__interface == "json" %>
        passkey_origins = tuple(read("PASSKEY_ORIGINS").replace(",", " ").split())
        problems += origin_problems(passkey_origins, development=development)
        # <% endif %>
        if domain_name and not HOST_NAME.fullmatch(domain_name):
            problems.append(
                f"DOMAIN_NAME is {domain_name!r}; write one host name without scheme, port or path"
            )
        breached = read.matching("BREACHED_PASSWORDS_URL", HTTPS_URL, "https://host/path")
        hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]") if development else ()
        if domain_name:
            hosts += (domain_name,)
        settings = cls(
            environment=environment,
            secret_key=Secret(secret_key),
            # A rotation that was stopped leaves the current key among them: it adds nothing.
            secret_key_fallbacks=tuple(
                Secret(key)
                for key in read("SECRET_KEY_FALLBACKS").replace(",", " ").split()
                if key != secret_key
            ),
            database_url=Secret(database_url),
            # <% if cookiecutter.database != "sqlite" %>
            migration_database_url=Secret(urls.migrator),
            mail_database_url=Secret(urls.mail),
            admin_database_url=Secret(urls.admin),
            # <% endif %>
            redis_url=Secret(redis_url),
            redis_private_host=read("REDIS_PRIVATE_HOST"),
            metrics=MetricsSettings.read(read),
            mail=MailSettings.read(read, problems, domain_name, development=development),
            # <% if cookiecutter.auth != "oidc" %>
            sign_up=sign_up,
            second_factor=second_factor,
            # <% endif %>
            breached_passwords_url=breached,
            trusted_hosts=hosts,
            security_contact=read("SECURITY_CONTACT", SECURITY_CONTACT),
            # <% if cookiecutter.__interface == "json" %>
            cors_origins=tuple(read("CORS_ORIGINS").replace(",", " ").split()),
            passkey_origins=passkey_origins,
            # <% endif %>
            # <% if cookiecutter.auth == "session" %>
            sessions=SessionSettings.read(read, problems, read("STAY_SIGNED_IN", "off")),
            # <% elif cookiecutter.auth == "oidc" %>
            sessions=SessionSettings.read(read, problems),
            # <% endif %>
            # <% if cookiecutter.__interface == "html" %>
            footer=read_footer(read, problems),
            # <% endif %>
            # <% if cookiecutter.auth == "oidc" %>
            oidc=OIDCSettings.read(read, development=development),
            # <% endif %>
        )
        if problems:
            raise ConfigurationError(problems)
        return settings
