"""Backup and restore; how each database does it is in :mod:`app.database.dumps`."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
# <% if cookiecutter.auth == "oidc" %>
from sqlalchemy import delete, func, insert, inspect, select, table
# <% else %>
from sqlalchemy import column, delete, func, insert, inspect, select, table, update
# <% endif %>
from sqlalchemy.orm import Mapped, mapped_column

# <% if cookiecutter.database == "sqlite" %>
from app.database import MIGRATIONS, Base, UTCDateTime, db, dumps, migration_engine
# <% else %>
from app.database import MIGRATIONS, Base, UTCDateTime, db, dumps, migration_engine, roles
# <% endif %>

# Tables of what lets somebody in and may have ended since; not every auth style has all of them.
ENDED = {"personal_tokens", "sessions", "tickets"}
# <% if cookiecutter.auth != "oidc" %>
RESET = "factors_end_at"  # of an account: a reset of its second factors, see app.auth.factor_resets
# <% endif %>


class Backup(Base):
    """When the newest backup began: it holds what was there then. Only ``flask db`` writes it."""

    __tablename__ = "backups"

    id: Mapped[int] = mapped_column(primary_key=True)
    taken_at: Mapped[datetime] = mapped_column(UTCDateTime)


def new_file(prefix: str = "") -> Path:
    """A file in the folder "backups", named after the time."""
    return Path("backups", f"{prefix}{datetime.now(UTC):%Y-%m-%dT%H%M%S}{dumps.SUFFIX}")


def prune(keep: int) -> list[Path]:
    """Delete all but the newest backups in the folder "backups"; those before a restore stay.

    :param keep: how many stay, at least 1.
    :returns: what was deleted.
    """
    dated = sorted(Path("backups").glob(f"[0-9]*T[0-9]*{dumps.SUFFIX}"))
    old = dated[:-keep]
    for path in old:
        path.unlink()
    return old


def back_up(target: Path) -> Path:
    """Write a backup that only its owner may read. It overwrites nothing.

    The file gets its name when it is complete, could be read and is on the disk: a command that is
    killed leaves "NAME.partial".
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if target.exists():
        raise FileExistsError(f"File exists: {target}")
    unfinished = target.with_name(f"{target.name}.partial")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600, exist_ok=False)
    try:
        dumps.backup(migration_engine().url, unfinished)
        dumps.verify(migration_engine().url, unfinished)
        with unfinished.open("rb") as written:
            os.fsync(written.fileno())  # all of it is on the disk before it is recorded
        unfinished.rename(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return target


def record(taken_at: datetime) -> None:
    """Record in the database that a backup is complete, and forget older ones.

    :param taken_at: when it began.
    :raises SQLAlchemyError: also when the schema is from before this table.
    """
    with migration_engine().begin() as connection:
        connection.execute(delete(Backup))
        connection.execute(insert(Backup).values(taken_at=taken_at))


def newest() -> datetime | None:
    """When the newest backup began; None while none is recorded."""
    return db.session.scalar(select(func.max(Backup.taken_at)))


def restore(file: Path, saved: Path) -> None:
    """Replace the database with the backup ``file``, and end every session.

    :param saved: a backup of the present database, restored when ``file`` is not usable.
    :raises ValueError: when ``file`` is not a backup of this service.
    """
    # <% if cookiecutter.database == "sqlite" %>
    replace = partial(dumps.restore, db.engine.url)
    # <% elif cookiecutter.database == "postgresql" %>
    replace = partial(dumps.restore, roles.from_settings())
    # <% else %>
    replace = partial(dumps.restore, roles.from_settings(), saved)
    # <% endif %>
    try:
        replace(file)
    except dumps.Failed:
        raise  # it has changed nothing
    except BaseException:
        _end_sessions(file)  # stopped by a signal, perhaps after the last table
        raise
    try:
        _end_sessions(file)
    except BaseException:
        replace(saved)
        raise


def _end_sessions(file: Path) -> None:
    """What has ended since the backup would work again, such as the cookie that a thief has."""
    known = {script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}
    with migration_engine().begin() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
        if revision not in known:
            raise ValueError(
                f"{file} has the schema {revision}, which this code does not know; the previous"
                " data is restored"
            )
        for name in ENDED & {*inspect(connection).get_table_names()}:
            connection.execute(delete(table(name)))
        # <% if cookiecutter.auth != "oidc" %>
        # The owner may have cancelled it since, and gets no second mail about it.
        if RESET in {it["name"] for it in inspect(connection).get_columns("users")}:
            connection.execute(update(table("users", column(RESET))).values({RESET: None}))
        # <% endif %>
