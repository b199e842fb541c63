"""A feature of the owner's is as safe as the example: added by the README's recipe, then broken.

``tests/second_feature/`` is all that somebody writes for ``projects``: a name, a rich text and a
due date. The tests of the service know it by its entry in ``tests/resources.py`` alone.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live.conftest import lacking, virtual_environment
from tests.sabotage.defect import Defect, Service, node_id
from tests.template import ROOT, commit, environment, git, render, run
from tests.test_databases import SERVERS

FEATURE = ROOT / "tests" / "second_feature"
# Files that somebody writes or changes, which README.md of the service lists, and their lines that are
# not empty. The migration comes on top: `make migration` writes it.
COST = {"html": (8, 160), "json": (6, 120)}
IMPORTED = "from app.notes.models import Note\n"
REGISTERED = "    notes.init_app(app)\n"
LISTED = "RESOURCES = (NOTES, SESSIONS)\n"
# Run together with the guards of the defects, where nothing is planted.
CLEAN = ["test_resources.py", "test_access.py", "test_migrations.py", "test_imports.py"]


@dataclass(frozen=True)
class Choices:
    auth: str
    database: str

    def __str__(self) -> str:
        return f"{self.auth}-{self.database}"

    @property
    def interface(self) -> str:
        return "json" if self.auth == "token" else "html"


# Each auth style, and both kinds of database. The defects are planted where `DEFECTS` says.
CHOICES = [Choices("session", "sqlite"), Choices("oidc", "sqlite"), Choices("token", "postgresql")]


@pytest.fixture(scope="module", params=CHOICES, ids=str)
def grown(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service of which somebody has made the first commit, and to which they add projects."""
    choices, slug = request.param, f"grown-{secrets.token_hex(4)}"
    server = SERVERS.get(choices.database)
    if server and (reason := server.missing()):
        lacking(reason)
    folder = render(
        tmp_path_factory.mktemp(str(choices)),
        project_slug=slug,
        auth=choices.auth,
        database=choices.database,
    )
    locks = [folder / "requirements.lock", folder / "requirements-dev.lock"]
    installed = virtual_environment(f"service-{choices}", locks, []).parent
    (folder / ".venv").symlink_to(installed)
    (installed / "installed").touch()  # for make: newer than the locks
    git(folder, "init", "--quiet")
    commit(folder, "rendered")
    try:
        values = environment(folder.parent, ATTACKS="sample")
        yield add_projects(Service(folder, values), choices.interface)
    finally:
        if server:
            server.clean(slug)


def add_projects(service: Service, interface: str) -> Service:
    """Do what the service's README says."""
    folder = service.folder
    shutil.copytree(FEATURE / interface / "app", folder / "app", dirs_exist_ok=True)
    insert(folder / "app/__init__.py", REGISTERED, after="    projects.init_app(app)\n")
    insert(folder / "app/__init__.py", "from app.settings", before="from app import projects\n")
    entries = folder / "tests/resources.py"
    insert(entries, IMPORTED, after="from app.projects.models import Project\n")
    insert(entries, "from typing import Any\n", before="from datetime import date\n")
    insert(entries, LISTED, before=(FEATURE / "entry.py").read_text("utf-8"))
    insert(entries, "(NOTES, ", after="PROJECTS, ")
    for command in (["format"], ["migration", "MESSAGE=add projects"], ["migrate"]):
        result = run("make", *command, cwd=folder, env=service.environment)
        assert result.returncode == 0, result.stdout
    return service


def insert(path: Path, place: str, *, before: str = "", after: str = "") -> None:
    """Write something before or after a text that is there once."""
    text = path.read_text("utf-8")
    assert text.count(place) == 1, f"{path.name}: {place}"
    path.write_text(text.replace(place, before + place + after), "utf-8")


def test_it_costs_as_little_as_promised(grown: Service) -> None:
    git(grown.folder, "add", "--all")
    changed = git(grown.folder, "diff", "--cached", "--unified=0")
    lines: dict[str, int] = {}
    for part in re.split(r"^diff --git a/", changed, flags=re.MULTILINE)[1:]:
        added = re.findall(r"^\+(?!\+\+ )\s*\S.*$", part, re.MULTILINE)
        lines[part.split(" b/")[0]] = len(added)
    (migration,) = [path for path in lines if path.startswith("migrations/versions/")]
    print(f"{migration}: {lines.pop(migration)} lines, written by make migration")
    print(f"{len(lines)} files, {sum(lines.values())} lines: {lines}")
    files, most = COST["json" if "app/projects/schemas.py" in lines else "html"]
    assert len(lines) <= files
    assert sum(lines.values()) <= most
    readme = (grown.folder / "README.md").read_text("utf-8")
    assert not [path for path in lines if f"`{path}`" not in readme], "the README lists each file"


def test_the_checks_of_the_service_pass(grown: Service) -> None:
    for target in ("lint", "types", "bandit"):
        status, output = grown.make(target)
        assert status == 0, output
    interface = "json" if (grown.folder / "app/schemas.py").exists() else "html"
    guards = {it.guard for it in defects(interface, grown.folder)} | set(CLEAN)
    tests = sorted(node_id(grown.folder, guard) for guard in guards)
    status, output, _ = grown.run_tests(tests, "--numprocesses=2", "--dist=loadfile")
    assert status == 0, output[-20_000:]


def defects(interface: str, folder: Path) -> list[Defect]:
    """The mistakes, each in one place of the new feature."""
    views = "app/projects/views.py"
    shown = {
        "html": '    return render_template("projects/show.html", row=get_owned(Project, public_id))\n',
        "json": "    return get_owned(Project, public_id)\n",
    }[interface]
    deletion = {
        "html": '@blueprint.post("/<public_id:public_id>/delete")\n',
        "json": '@blueprint.delete("/<public_id:public_id>")\n',
    }[interface]
    linked = {
        "html": '@blueprint.route("/<public_id:public_id>/delete", methods=["GET", "POST"])\n',
        "json": f'@blueprint.get("/<public_id:public_id>/delete")\n{deletion}',
    }[interface]
    creation = {
        "html": '@blueprint.route("/new", methods=["GET", "POST"])\n',
        "json": '@blueprint.post("")\n',
    }[interface]
    asked, text = {
        "html": ("    rows, last = ", "before"),
        "json": ("    project = resources.create(", "body.name"),
    }[interface]
    (migration,) = (folder / "migrations/versions").glob("*_add_projects.py")
    index = (
        r"(?:    with op\.batch\w+\(.*\n    )?    (?:batch_)?op\.create_index\((?:.*\n)*?    +\)\n"
    )
    indexed = re.search(index, migration.read_text("utf-8"))[0]
    return [
        Defect(
            "access",
            "the owner is left out of a query",  # alone it changes nothing: see app/security/scope.py
            shown,
            "    from flask import abort\n    from sqlalchemy import select\n\n"
            "    from app.database import db\n\n"
            "    query = select(Project).where(Project.public_id == public_id)\n"
            '    query = query.execution_options(unscoped="a link to it was shared")\n'
            "    row = db.session.scalar(query) or abort(404)\n"
            + shown.replace("get_owned(Project, public_id)", "row"),
            "test_a_foreign_object_and_a_missing_one_are_the_same_404",
            file=views,
        ),
        Defect(
            "access",
            "a route is public",
            '@blueprint.get("/<public_id:public_id>")\n',
            "from app.security.access import public\n\n\n"
            '@blueprint.get("/<public_id:public_id>")\n@public\n',
            "test_every_route_is_classified",
            file=views,
        ),
        Defect(
            "csrf", "a link deletes", deletion, linked, "test_reading_changes_nothing", file=views
        ),
        Defect(
            "csrf",
            "a link deletes, and somebody gave a reason",
            deletion,
            "from app.security.safe_methods import writes\n\n\n"
            f'{linked}@writes("a link in a mail")\n',
            "test_reading_changes_nothing",
            file=views,
        ),
        Defect(
            "queries",
            "SQL is put together",
            asked,
            "    from sqlalchemy import text\n\n    from app.database import db\n\n"
            f"    db.session.execute(text(f\"SELECT id FROM projects WHERE name = '{{{text}}}'\"))\n"
            + asked,
            "test_no_attack_reaches_a_statement",
            file=views,
        ),
        Defect(
            "rate_limits",
            "a write has no limit",
            creation + "@rate_limits.write\n",
            creation,
            "test_every_route_that_changes_something_is_limited",
            file=views,
        ),
        Defect(
            "plans",
            "the index is missing",
            indexed,
            "    pass\n",
            "test_plans.py",
            file=migration.relative_to(folder).as_posix(),
        ),
        {
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
        }[interface],
    ]


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


@pytest.mark.parametrize("name", NAMES)
def test_its_suite_finds(grown: Service, name: str) -> None:
    if (grown.folder / "app/auth/provider.py").exists():
        pytest.skip("with a provider the pages are those of session, whose service is broken here")
    interface = "json" if (grown.folder / "app/schemas.py").exists() else "html"
    (defect,) = [it for it in defects(interface, grown.folder) if it.name == name]
    assert grown.finds(defect) is None
