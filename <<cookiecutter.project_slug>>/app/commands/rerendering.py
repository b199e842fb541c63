"""``flask <table> rerender``: clean text that was stored under older rules by the present ones.

Rich text is cleaned when it is written, so a stricter rule, or a correction in a new release of a
library, does not change the text that is already stored. This command makes all HTML of a table
again from its Markdown source; HTML that an older version stored without a source gets one. A row
that changes meanwhile is not overwritten but read again. Each row is committed on its own, together
with the size in its owner's account, so you can stop the command and run it again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import click
from flask import Flask
from flask.cli import AppGroup
from sqlalchemy import inspect, select, update
from werkzeug.exceptions import Unauthorized

from app import quotas
from app.database import Base, db
from app.database.rows import change
from app.resources import Resource
from app.security.rich_text import RichText
from app.security.sanitization import sanitize_html

BATCH = 100  # rows in memory at once: a few MiB of text, and few statements
OF_ALL = {"unscoped": "an operator has the rich text of all users cleaned again"}


def init_app(app: Flask) -> None:
    """Add the command for each table with rich text, to the group that is called like it."""
    for mapper in list(Base.registry.mappers):
        model = mapper.class_
        if issubclass(model, Resource) and mapper.composites:
            name = str(mapper.local_table)
            group = AppGroup(name, help=f"The table {name}.")
            _add_command(group, model)
            app.cli.add_command(group)


def _add_command(group: AppGroup, model: type[Resource]) -> None:
    @group.command("rerender")
    @click.option("--after", default=0, help="Begin after the row with this number.")
    def run(after: int) -> None:
        """Clean the rich text of all rows again, by the present rules."""
        changed, refused = 0, 0
        for row, done in rerender(model, after):
            changed += done is True
            refused += done is None
            if done is None:
                click.echo(f"Row {row}: the rules refuse it. Edit or delete it.", err=True)
            elif changed % BATCH == 0 and done:
                click.echo(f"{changed} changed, up to row {row}.")
        click.echo(f"Changed: {changed}.")
        if refused:
            sys.exit(1)


def rerender(model: type[Resource], after: int = 0) -> Iterator[tuple[int, bool | None]]:
    """Clean the rich text of all rows again. Commits after each row.

    :param after: begin after the row with this number.
    :returns: the number of each row, and whether it was changed; None when the rules refuse it.
    """
    last = after
    while rows := _after(model, last):
        for row in rows:
            try:
                values = _cleaned(row)
            except ValueError:
                last = row.id
                yield last, None
                continue
            if values and not _replace(row, values):
                break  # it has just changed: read it and what follows again
            last = row.id
            yield last, bool(values)


def _after(model: type[Resource], last: int) -> list[Resource]:
    query = select(model).where(model.id > last).order_by(model.id).limit(BATCH)
    rows = list(db.session.scalars(query, execution_options=OF_ALL))
    db.session.expunge_all()
    db.session.commit()  # nothing is locked, and SQLite writes on what it has read last
    return rows


def _cleaned(row: Resource) -> dict[str, Any]:
    """The columns of rich text that change.

    :raises ValueError: when neither the source nor the stored HTML can be cleaned.
    """
    values: dict[str, Any] = {}
    for name in (it.key for it in inspect(type(row)).composites):
        old, source = getattr(row, name), getattr(row, f"{name}_source")
        try:
            new = RichText(old)
            found = {f"{name}_source": str(new), f"{name}_html": new.stored}
        except ValueError:  # the source stays for its owner to change
            found = {f"{name}_source": source, f"{name}_html": sanitize_html(old.html)}
        if found != {f"{name}_source": source, f"{name}_html": old.html}:
            values |= found
    return values


def _replace(row: Resource, values: dict[str, Any]) -> bool:
    """Write these columns and count them, unless the row has changed since it was read."""
    model = type(row)
    more, less = (
        quotas.size_of(*(text for text in texts if text is not None))
        for texts in (values.values(), [getattr(row, name) for name in values])
    )
    try:
        quotas.charge(row.owner_id, size=more - less, always=True)
    except Unauthorized:  # the account, and the row with it, has just been deleted
        db.session.rollback()
        return False
    this = update(model).where(model.id == row.id, model.version == row.version)
    kept = {"version": row.version + 1, "updated_at": row.updated_at}
    done = change(this.values(**kept, **values), OF_ALL) == 1
    if done:
        db.session.commit()
    else:
        db.session.rollback()
    return done
