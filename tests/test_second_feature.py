"""A feature of the owner is as safe as the example: add it as README.md says, then break it.

``tests/second_feature/`` has all files of the feature ``projects``: a name, a rich text and a due
date. The tests of the service find it only through its entry in ``tests/resources.py``.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest

from tests.live.conftest import install_packages, lacking
from tests.sabotage.defect import Service, node_id
from tests.sabotage.defects import ALL, SELECTED
from tests.sabotage.second_feature import NAMES, defects
from tests.template import AXES, ROOT, commit, environment, git, render, run
from tests.test_databases import SERVERS

FEATURE = ROOT / "tests" / "second_feature"
# How many files an owner writes or changes at most, and how many lines that are not empty. README
# of the service lists the files. `make migration` writes one more file.
COST = {"html": (8, 160), "json": (6, 120)}
IMPORTED = "from app.notes.models import Note\n"
REGISTERED = "    notes.init_app(app)\n"
LISTED = "RESOURCES = (NOTES, "
# Tests that must pass without a defect, in addition to the guards of the defects.
CLEAN = ["test_resources.py", "test_access.py", "test_migrations.py", "test_imports.py"]


@dataclass(frozen=True)
class Choices:
    auth: str
    database: str

    def __str__(self) -> str:
        return f"{self.auth}-{self.database}"


EVERY = [Choices(*it) for it in product(AXES["auth"], ["sqlite", "postgresql"])]
# Each auth style and both kinds of database; `make sabotage` uses all combinations.
SOME = SESSION, _, TOKEN = [
    Choices("session", "sqlite"),
    Choices("oidc", "postgresql"),
    Choices("token", "postgresql"),
]
CHOICES = EVERY if SELECTED == ALL else SOME
# Outside of `make sabotage`, plant each defect only in pages or only in an API.
PLANTED = [
    (choices, name)
    for place, name in enumerate(NAMES)
    for choices in (EVERY if SELECTED == ALL else ((SESSION, TOKEN)[place % 2],))
]


@pytest.fixture(scope="module", params=CHOICES, ids=str)
def grown(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service after its first commit, for adding ``projects``."""
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
    install_packages(folder, f"service-{choices.database}-{choices.auth}".replace("-sqlite", ""))
    git(folder, "init", "--quiet")
    commit(folder, "rendered")
    try:
        values = environment(folder.parent, ATTACKS="sample")
        yield add_projects(Service(folder, values))
    finally:
        if server:
            server.clean(slug)


def interface(service: Service) -> str:
    """``html`` or ``json``: the service has pages or an API."""
    return "html" if (service.folder / "app/resource_forms.py").exists() else "json"


def add_projects(service: Service) -> Service:
    """Do what the service's README says."""
    folder = service.folder
    shutil.copytree(FEATURE / interface(service) / "app", folder / "app", dirs_exist_ok=True)
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
    """Insert text before or after another text, which must occur exactly once."""
    text = path.read_text("utf-8")
    assert text.count(place) == 1, f"{path.name}: {place}"
    path.write_text(text.replace(place, before + place + after), "utf-8")


def test_a_second_feature_needs_as_few_lines_as_promised(grown: Service) -> None:
    git(grown.folder, "add", "--all")
    changed = git(grown.folder, "diff", "--cached", "--unified=0")
    lines: dict[str, int] = {}
    for part in re.split(r"^diff --git a/", changed, flags=re.MULTILINE)[1:]:
        added = re.findall(r"^\+(?!\+\+ )\s*\S.*$", part, re.MULTILINE)
        lines[part.split(" b/")[0]] = len(added)
    (migration,) = [path for path in lines if path.startswith("migrations/versions/")]
    print(f"{migration}: {lines.pop(migration)} lines, written by make migration")
    print(f"{len(lines)} files, {sum(lines.values())} lines: {lines}")
    files, most = COST[interface(grown)]
    assert len(lines) <= files
    assert sum(lines.values()) <= most
    readme = (grown.folder / "README.md").read_text("utf-8")
    assert not [path for path in lines if f"`{path}`" not in readme], "the README lists each file"


def test_the_checks_of_the_service_pass(grown: Service) -> None:
    for target in ("lint", "types", "bandit"):
        status, output = grown.make(target)
        assert status == 0, output
    planted = defects(interface(grown), grown.folder).values()
    guards = {it.guard for it in planted} | set(CLEAN)
    tests = sorted(node_id(grown.folder, guard) for guard in guards)
    status, output, _ = grown.run_tests(tests, "--numprocesses=2", "--dist=loadfile")
    assert status == 0, output[-20_000:]


@pytest.mark.sabotage
@pytest.mark.parametrize(
    ("grown", "name"),
    [pytest.param(*it, id=f"{it[0]}: {it[1]}") for it in PLANTED],
    indirect=["grown"],
    scope="module",
)
def test_the_suite_of_the_second_feature_finds_defects(grown: Service, name: str) -> None:
    defect = defects(interface(grown), grown.folder)[name]
    assert grown.finds(defect) is None
