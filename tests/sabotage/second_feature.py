"""Mistakes in the feature ``projects`` that is added to a service, see tests/second_feature."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.sabotage.defect import Defect

VIEWS = "app/projects/views.py"
NAMES = [
    "the owner is left out of a query",
    "a route is public",
    "a link deletes",
    "a link deletes, and somebody gave a reason",
    "SQL is put together",
    "a write has no limit",
    "the index is missing",
    "a text gets through",
]
DELETE = '"/<public_id:public_id>/delete"'
LOAD = "get_owned(Project, public_id)"
UNOWNED = """\
    from flask import abort
    from sqlalchemy import select

    from app.database import db

    query = select(Project).where(Project.public_id == public_id)
    query = query.execution_options(unscoped="somebody shared a link to it")
    row = db.session.scalar(query) or abort(404)
"""
SQL = """\
    from sqlalchemy import text

    from app.database import db

    db.session.execute(text(f"SELECT 1 WHERE '' = '{%s}'"))
"""
INDEX = r"""(?:    with op\.batch.*\n    )?    (?:batch_)?op\.create_index\((?:.*\n)*?    +\)\n"""


@dataclass(frozen=True)
class Texts:
    """Texts of the views that differ between pages and an API."""

    show: str
    create: str
    delete: str
    deleting_link: str
    use: str  # of a text of the request
    text: str


TEXTS = {
    "html": Texts(
        show=f'    return render_template("projects/show.html", row={LOAD})\n',
        create='@blueprint.route("/new", methods=["GET", "POST"])\n',
        delete=f"@blueprint.post({DELETE})\n",
        deleting_link=f'@blueprint.route({DELETE}, methods=["GET", "POST"])\n',
        use="    project, status = save(",
        text="form.name.data",
    ),
    "json": Texts(
        show=f"    return {LOAD}\n",
        create='@blueprint.post("")\n',
        delete='@blueprint.delete("/<public_id:public_id>")\n',
        deleting_link=(f'@blueprint.get({DELETE})\n@blueprint.delete("/<public_id:public_id>")\n'),
        use="    project = resources.create(",
        text="body.name",
    ),
}
LAST = {
    "html": Defect(
        "templates",
        "a text gets through",
        "<p>Due {{ row.due }}</p>",
        "<p>{{ row.name|safe }}</p>",
        "test_stored_attacks_do_nothing",
        file="app/templates/projects/show.html",
    ),
    "json": Defect(
        "sanitization",
        "a text gets through",
        "name: Annotated[str, PlainText(1, MAX_NAME)]",
        "name: str",
        "test_a_line_of_text_is_checked",
        file="app/projects/schemas.py",
    ),
}


def defects(interface: str, folder: Path) -> dict[str, Defect]:
    """Each of ``NAMES`` in this service, which has the feature."""
    texts = TEXTS[interface]
    (migration,) = (folder / "migrations/versions").glob("*_add_projects.py")
    index = re.findall(INDEX, migration.read_text("utf-8"))[0]
    access, csrf = (partial(Defect, practice, file=VIEWS) for practice in ("access", "csrf"))
    show = '@blueprint.get("/<public_id:public_id>")\n'
    found = [
        access(
            NAMES[0],  # without a reason, app/security/scope.py adds the owner again
            texts.show,
            UNOWNED + texts.show.replace(LOAD, "row"),
            "test_a_foreign_object_and_a_missing_one_are_the_same_404",
        ),
        access(
            NAMES[1],
            show,
            f"from app.security.access import public\n\n\n{show}@public\n",
            "test_every_route_is_classified",
        ),
        csrf(NAMES[2], texts.delete, texts.deleting_link, "test_reading_changes_nothing"),
        csrf(
            NAMES[3],
            texts.delete,
            "from app.security.safe_methods import writes\n\n\n"
            f'{texts.deleting_link}@writes("a link in a mail")\n',
            "test_reading_changes_nothing",
        ),
        Defect(
            "queries",
            NAMES[4],
            texts.use,
            SQL % texts.text + texts.use,
            "test_no_attack_reaches_a_statement",
            file=VIEWS,
        ),
        Defect(
            "rate_limits",
            NAMES[5],
            texts.create,
            "from app.security.rate_limits import unlimited\n\n\n"
            f'{texts.create}@unlimited("imports write many")\n',
            "test_every_route_that_changes_something_is_limited",
            file=VIEWS,
        ),
        Defect("plans", NAMES[6], index, "    pass\n", "test_plans.py", file=path(migration)),
        LAST[interface],
    ]
    return {defect.name: defect for defect in found}


def path(migration: Path) -> str:
    return f"migrations/versions/{migration.name}"
