"""How the table of the example leaves the database."""

from __future__ import annotations

import re
import sys

from changes import FLASK, ROOT, Changes, run
from names import Names, words
from source import RUFF, VERSIONS
from without import without

# Runs in the service: the database is at this migration, whatever its tables are.
STAMP = """
import sys
from alembic import command
from dotenv import load_dotenv
load_dotenv()
from wsgi import app
from app.database.schema_commands import alembic_config
with app.app_context():
    command.stamp(alembic_config(), sys.argv[1])
"""
UNCOUNT = '''

def _uncount() -> None:
    """Take these rows and their texts from what the accounts of their owners count."""
    table = sa.Table("{table}", sa.MetaData(), autoload_with=op.get_bind())
    users = sa.table("users", *map(sa.column, ("id", "stored_rows", "stored_bytes")))

    def size(column: sa.ColumnElement[str]) -> sa.ColumnElement[int]:
        # Older SQLite counts letters, but for a BLOB.
        if op.get_bind().dialect.name == "sqlite":
            return sa.func.length(sa.cast(column, sa.LargeBinary()))
        return sa.func.octet_length(column)

    texts = [it for it in table.c if isinstance(it.type, sa.String) and it.name != "public_id"]
    sizes = sa.func.sum(sum(sa.func.coalesce(size(it), 0) for it in texts))
    own = table.c.owner_id == users.c.id
    rows = sa.select(sa.func.count(table.c.id)).where(own).scalar_subquery()
    size_of_rows = sa.select(sa.func.coalesce(sizes, 0)).where(own).scalar_subquery()
    op.execute(
        sa.update(users).values(
            stored_rows=users.c.stored_rows - rows,
            stored_bytes=users.c.stored_bytes - size_of_rows,
        )
    )
'''


def drop_table(changes: Changes, names: Names, deployed: bool) -> None:
    """Write the migration that drops the table; or let no migration make it."""
    path = changes.migration(f"drop {words(names.many)}")
    text = path.read_text("utf-8")
    drop = f'    op.drop_table("{names.many}")\n'
    text = text.replace(drop, f"    _uncount()\n{drop}", 1) + UNCOUNT.format(table=names.many)
    changes.write(path.relative_to(ROOT), text)
    if deployed:
        return
    run(*FLASK, "db", "upgrade", what="Dropping the table from the database of development")
    for other in sorted(VERSIONS.glob("*.py")):
        before = other.read_text("utf-8")
        if other != path and (after := without(before, names)) != before:
            changes.write(other.relative_to(ROOT), after)
            run(*RUFF, "check", "--quiet", "--fix", "--select=I,F401", str(other), what="Sorting")
            run(*RUFF, "format", "--quiet", str(other), what="Formatting")
    last = re.findall(r'(?m)^down_revision = "(.+)"$', text)
    run(sys.executable, "-c", STAMP, last[0], what="Marking the database")
    changes.remove(path.relative_to(ROOT))  # last: until here it can be reverted
