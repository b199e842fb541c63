"""The URLs of the database, one for each role; :mod:`app.settings` reads them with all others."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import make_url

from app.database import dialect

NO_DEFAULTS = ("", "", "")
SAME_ROLE = "MAIL_DATABASE_URL names the role of another process; name one that has no other rights"


@dataclass(frozen=True)
class DatabaseSettings:
    """The same database for each role; empty where this process does not have the role.

    :param app: of the web process. In the process that sends mail it is the same as ``mail``: no
        other URL is there, so a break-in through a mail server's answer reads no account.
    :param migrator: the role that may change tables; without one, the same as ``app``.
    :param mail: the role that sees the outbox alone.
    :param admin: for ``flask db create`` alone; empty means the user of this machine.
    """

    app: str
    migrator: str
    mail: str
    admin: str

    @classmethod
    def read(
        cls, read: Callable[..., str], problems: list[str], defaults: tuple[str, str, str]
    ) -> DatabaseSettings:
        """Read the settings; what is malformed is added to ``problems``.

        :param defaults: the URLs of development, or :data:`NO_DEFAULTS`.
        """
        app = read("DATABASE_URL", defaults[0])
        if app != defaults[0]:
            defaults = NO_DEFAULTS  # another server has roles of its own
        migrator = read("MIGRATION_DATABASE_URL", defaults[1])
        mail = read("MAIL_DATABASE_URL", defaults[2])
        is_web_or_command = app or migrator
        app = app if is_web_or_command else mail
        found = cls(app, migrator or app, mail, read("ADMIN_DATABASE_URL"))
        names = {found.admin: "ADMIN_DATABASE_URL", found.migrator: "MIGRATION_DATABASE_URL"}
        names |= {found.app: "DATABASE_URL", found.mail: "MAIL_DATABASE_URL"}
        malformed = [
            problem
            for url, name in names.items()
            if url
            and (problem := dialect.url_problem(url, name, admin=name == "ADMIN_DATABASE_URL"))
        ]
        problems += malformed
        if mail and is_web_or_command and not malformed:
            others = {make_url(url).username for url in (found.app, found.migrator) if url}
            problems += [SAME_ROLE] if make_url(mail).username in others else []
        return found


def development_urls(database: str, secret_key: str) -> tuple[str, str, str]:
    """The database of development, for the roles of the app, the migrator and the mail process.

    The passwords follow from the key: nobody has to choose them or write them down.

    :param database: its name, and that of the app's role.
    """
    app, migrator, mail = (
        dialect.development_url(
            role, hmac.digest(secret_key.encode(), role.encode(), "sha256").hex(), database
        )
        for role in (database, f"{database}-migrator", f"{database}-mail")
    )
    return app, migrator, mail
