"""The roles of the service on the database's server: each process has the one that it needs."""

from __future__ import annotations

from typing import NamedTuple

from flask import current_app
from sqlalchemy import URL, make_url

from app.database import db, migration_engine


class Roles(NamedTuple):
    """The roles, each as the URL with which it connects.

    :param app: of the web process: reads and writes rows.
    :param migrator: of ``flask db``: changes tables, and gives the others their rights.
    :param mail: of ``flask mail deliver``: sees the outbox alone. None where it is not used.
    """

    app: URL
    migrator: URL
    mail: URL | None = None

    @property
    def named(self) -> dict[str, URL]:
        """Those that are there, by the names that the SQL in ``migrations/`` gives them."""
        return {name: url for name, url in self._asdict().items() if url is not None}

    def statements(self, text: str) -> str:
        """SQL without the statements for the role of the mail process, when there is none."""
        kept = [it for it in text.split(";\n") if self.mail is not None or "{mail" not in it]
        return ";\n".join(kept)


def from_settings() -> Roles:
    """The roles that the settings of this process name."""
    mail = current_app.config["SETTINGS"].mail_database_url.reveal()
    return Roles(db.engine.url, migration_engine().url, make_url(mail) if mail else None)
