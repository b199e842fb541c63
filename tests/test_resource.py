"""``make resource`` of a service: what it writes and refuses, and that a failure leaves no file."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.features import ALL_KINDS, committed, lint, make, python, state, words
from tests.template import SERVICE, commit, git

TOOL = SERVICE / ".template"
MIGRATION = "migrations/script.py.mako"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service with pages; each test restores the files that it changes."""
    folder = committed(tmp_path_factory.mktemp("session"), "session")
    assert make(folder, "migrate").returncode == 0
    return folder


@pytest.fixture
def unchanged(service: Path) -> Iterator[dict[str, bytes]]:
    yield state(service)
    git(service, "checkout", "--quiet", ".")
    git(service, "clean", "--quiet", "--force", "-d")


@pytest.fixture(scope="module")
def names() -> Iterator[ModuleType]:
    yield from tool("names")


@pytest.fixture(scope="module")
def fields() -> Iterator[ModuleType]:
    yield from tool("fields")


def tool(name: str) -> Iterator[ModuleType]:
    """Load a module of the tool without writing bytecode, which the template would render."""
    sys.path.insert(0, str(TOOL))
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    yield importlib.import_module(name)
    sys.dont_write_bytecode = before
    sys.path.remove(str(TOOL))
    sys.modules.pop(name)


# --- What it writes


@pytest.mark.parametrize("auth", ["session", "token", "oidc"])
def test_the_first_resource_is_written_and_the_example_leaves(tmp_path: Path, auth: str) -> None:
    service = committed(tmp_path, auth)
    assert len(words(service)) > 30
    result = make(service, "resource", "NAME=line_item", f"FIELDS={ALL_KINDS}")
    assert result.returncode == 0, result.stdout
    assert_it_is_written(service, result.stdout)
    lint(service)
    if auth != "oidc":  # the code is that of auth=session
        python(service, "mypy")
    commit(service, "a resource")

    result = make(service, "remove-example", "DEPLOYED=no")
    assert result.returncode == 0, result.stdout
    assert words(service) == []
    assert git(service, "diff", "--cached", "--stat") == "", "nothing is staged for a commit"
    lint(service)
    python(service, "flask", "--app", "wsgi", "db", "check")
    pages = [] if auth == "token" else ["tests/test_pages.py"]  # and where sign-in leads
    python(service, "pytest", "--quiet", "tests/security/test_resources.py", *pages)
    again = make(service, "remove-example")
    assert again.returncode != 0
    assert "The example is gone already" in again.stdout


def assert_it_is_written(service: Path, output: str) -> None:
    """The tool adds files, and adds only lines to the existing lists."""
    changed = git(service, "status", "--porcelain")
    known = ["app/__init__.py", "tests/resources.py"]
    assert sorted(re.findall(r"^ M (.+)$", changed, re.MULTILINE)) == known
    for line in git(service, "diff", "--unified=0").splitlines():
        if re.match(r"-[^-]", line):
            assert re.match(r"-(from (app|datetime) import |    \w+,$|RESOURCES = )", line), line
    assert {"app/line_items/"} < set(re.findall(r"^\?\? (.+)$", changed, re.MULTILINE))
    assert all(path in output for path in ("app/line_items/models.py", *known))
    modules = (service / "app/line_items").glob("*.py")
    written = "\n".join(path.read_text("utf-8") for path in modules)
    assert not re.search(r"(?i)note|\btitle\b", written)
    assert "a line item" in written
    assert '"/line-items"' in written or '"/api/v1/line-items"' in written
    python(service, "flask", "--app", "wsgi", "db", "check")  # the migration was applied


def test_names_become_identifiers_and_words(names: ModuleType) -> None:
    old, new = names.Names("note", "notes"), names.Names("hour_sheet", "hour_sheets")
    for before, after in [
        (
            '"""Write a note. Notes: a footnote."""',
            '"""Write an hour sheet. Hour sheets: a footnote."""',
        ),
        ("class NewNote(Note): ...", "class NewHourSheet(HourSheet): ..."),
        (
            "note, notes = notes.one(NOTES)",
            "hour_sheet, hour_sheets = hour_sheets.one(HOUR_SHEETS)",
        ),
        (
            'Blueprint("notes", url_prefix="/notes")',
            'Blueprint("hour_sheets", url_prefix="/hour-sheets")',
        ),
        (
            'go("notes.index", "notes/show.html")',
            'go("hour_sheets.index", "hour_sheets/show.html")',
        ),
        ('add("notes.index", "Notes")', 'add("hour_sheets.index", "Hour sheets")'),
        ('{"name": "note", "names": "notes"}', '{"name": "hour sheet", "names": "hour sheets"}'),
        ("x = note_id  # a note", "x = hour_sheet_id  # an hour sheet"),
    ]:
        assert names.renamed(f"{before}\n", old, new) == f"{after}\n"


def test_plurals_and_articles(names: ModuleType) -> None:
    words = "project box city day bus church hero"
    assert [names.plural_of(word) for word in words.split()] == (
        "projects boxes cities days buses churches heros".split()
    )
    for word in ("invoice", "hour", "issue", "order", "utterance"):
        assert names.VOWEL.match(word), word
    for word in ("user", "unit", "one_off", "euro", "project", "utility"):
        assert not names.VOWEL.match(word), word


def test_a_source_of_another_shape_is_noticed(fields: ModuleType) -> None:
    example = fields.Example("title", "body")
    wanted = [fields.Field("name", "text"), fields.Field("due", "date")]
    good = "    title: Mapped[str] = mapped_column(String(MAX_TITLE))"
    assert fields.expanded(good, example, wanted).splitlines() == [
        "    name: Mapped[str] = mapped_column(String(MAX_NAME))",
        "    due: Mapped[date] = mapped_column(Date)",
    ]
    for line in ("def short(it): return it.title[:9]", "# the title", f"{good}\n{good}"):
        with pytest.raises(fields.ShapeError):
            fields.expanded(line, example, wanted)


# --- What it refuses

REFUSED = {
    "no name": ("", "Name the resource"),
    "digit": ("NAME=2x", "cannot be the name"),
    "capital": ("NAME=Project", "cannot be the name"),
    "keyword": ("NAME=class", "cannot be the name"),
    "shell": ("NAME=a;touch${IFS}x", "cannot be the name"),
    "too long": (f"NAME={'a' * 31}", "cannot be the name"),
    "plural": ("NAME=sheep PLURAL=sheep", "needs another name"),
    "package": ("NAME=note", "app/notes is there already"),
    "module of the app": ("NAME=quota", "app/quotas.py is there already"),
    "table": ("NAME=session", "table sessions"),
    "model": ("NAME=user PLURAL=people", "model User"),
    "route": ("NAME=healthy PLURAL=healthz", "route healthz"),
    "module of Python": ("NAME=type", "module types"),
    "name of the code": ("NAME=form PLURAL=sheets", "form has another meaning"),
    "no kind": ("NAME=project FIELDS=name", "write each field as name:kind"),
    "unknown kind": ("NAME=project FIELDS=name:blob", "write each field as name:kind"),
    "twice": ("NAME=project FIELDS=a:text,a:date", "is there twice"),
    "no text": ("NAME=project FIELDS=a:date", "Add a field of the kind text"),
    "column of each row": ("NAME=project FIELDS=a:text,version:number", "called version"),
    "owner": ("NAME=project FIELDS=a:text,owner:text", "called owner"),
    "part of a form": ("NAME=project FIELDS=a:text,data:text", "called data"),
    "type": ("NAME=project FIELDS=a:text,date:date", "called date"),
}


def assert_refused(service: Path, words: str, sentence: str) -> None:
    before = state(service)
    given = [word.replace(",", " ") for word in words.split()]
    result = make(service, "resource", *given)
    assert result.returncode != 0, result.stdout
    assert sentence in result.stdout
    assert "Nothing was changed" in result.stdout
    assert "Traceback" not in result.stdout
    assert state(service) == before


@pytest.mark.parametrize(("words", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_resource_that_cannot_be_written_is_refused(
    service: Path, unchanged: dict[str, bytes], words: str, sentence: str
) -> None:
    assert_refused(service, words, sentence)


def test_models_without_a_migration_are_refused(service: Path, unchanged: dict[str, bytes]) -> None:
    """Otherwise the new migration would contain unfinished models of the owner."""
    models = service / "app/notes/models.py"
    text = models.read_text("utf-8").replace("    body:", "    more: Mapped[str | None]\n    body:")
    models.write_text(text, "utf-8")
    assert_refused(service, "NAME=project", "Comparing the models with the database failed")


# --- What it undoes

STEPS = {
    "the migration is not written": ("down_revision =", "${1 / 0}\ndown_revision ="),
    "the migration fails": (
        "def upgrade() -> None:",
        "def upgrade() -> None:\n    raise SystemExit(3)",
    ),
    "Ctrl-C": (
        "def upgrade() -> None:",
        "import os, signal, time\nif 'upgrade' in __import__('sys').argv:\n"
        "    os.kill(os.getppid(), signal.SIGINT)\n    time.sleep(5)\ndef upgrade() -> None:",
    ),
}


def assert_undone(service: Path, old: str, new: str) -> None:
    mako = service / MIGRATION
    text = mako.read_text("utf-8")
    assert old in text
    mako.write_text(text.replace(old, new), "utf-8")
    before = state(service)
    result = make(service, "resource", "NAME=project", f"FIELDS={ALL_KINDS}")
    assert result.returncode != 0, result.stdout
    assert "Nothing was changed" in result.stdout
    assert state(service) == before
    mako.write_text(text, "utf-8")
    python(service, "flask", "--app", "wsgi", "db", "check")


@pytest.mark.parametrize(("old", "new"), STEPS.values(), ids=STEPS)
def test_a_step_that_fails_leaves_nothing(
    service: Path, unchanged: dict[str, bytes], old: str, new: str
) -> None:
    assert_undone(service, old, new)


# --- The tests above notice it

DEFECTS = {
    "what is there is not refused": ("checks.py", "if (ROOT / place).exists():", "if False:"),
    "reserved fields are not refused": ("checks.py", 'field.name in facts["field"]', "False"),
    "nothing is undone": ("changes.py", "        if error is None:", "        if True:"),
}


@pytest.mark.parametrize(("file", "old", "new"), DEFECTS.values(), ids=DEFECTS)
def test_a_defect_in_the_tool_is_noticed(
    service: Path, unchanged: dict[str, bytes], file: str, old: str, new: str
) -> None:
    text = (service / ".template" / file).read_text("utf-8")
    assert text.count(old) == 1
    (service / ".template" / file).write_text(text.replace(old, new), "utf-8")
    with pytest.raises(AssertionError):
        assert_all(service)


def assert_all(service: Path) -> None:
    for case in ("package", "part of a form"):
        assert_refused(service, *REFUSED[case])
    assert_undone(service, *STEPS["the migration is not written"])
