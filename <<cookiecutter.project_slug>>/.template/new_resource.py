"""Write a resource of the owner's: ``make resource NAME=project FIELDS="name:text due:date"``.

It is a copy of the example, see ``source.py``. Everything is checked before the first file is
written, and when a later step fails, also at Ctrl-C, every file is as before.
"""

from __future__ import annotations

import ast
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import checks
import source as sources
import writing
from changes import FLASK, ROOT, Changes, RefusedError, migrated, refuse, run
from fields import Field, ShapeError
from names import Names, camel, plural_of, words
from source import APP, ENTRIES, RUFF, Source

FIELDS = "title:text body:rich"
BEFORE = "    health.init_app(app)\n"  # create_app() registers the features before this


def find_source(temporary: Path) -> Source:
    """The example of this service; or that of its history; or that of its template."""
    with suppress(ShapeError):
        return sources.read(ROOT)
    with suppress(ShapeError):
        return sources.read(from_history(temporary))
    print("The example is gone, here and from the commits: rendering the template")
    rendering = temporary / "template"
    rendering.mkdir()
    run("sh", ".template/update.sh", "source", str(rendering), what="Rendering the template")
    try:
        return sources.read(rendering)
    except ShapeError:
        refuse("The template has no example that this program can copy. Set FROM=COMMIT.")


def from_history(temporary: Path) -> Path:
    """The service as the newest commit has it that has the example; an empty folder without one."""
    folder, archive = temporary / "commit", temporary / "commit.zip"
    folder.mkdir()
    commits = ["HEAD"]
    with suppress(RefusedError):  # no commit, or no git
        changed = ("git", "log", "--format=%H~", f"-S{sources.EXAMPLE}", "--", "app")
        commits += run(*changed, what="git log").split()
    for commit in commits:
        with suppress(RefusedError):  # this one does not have it
            run("git", "grep", "--quiet", sources.EXAMPLE, commit, "--", "app", what="git grep")
            files = ("app", str(ENTRIES))
            run("git", "archive", f"--output={archive}", commit, *files, what="git archive")
            shutil.unpack_archive(archive, folder)
            break
    return folder


def registered(names: Names) -> str:
    """``app/__init__.py`` with the new feature."""
    text = (ROOT / APP).read_text("utf-8")
    if text.count(BEFORE) != 1 or "\nfrom app.settings import" not in text:
        refuse(f"{APP} has no place for a feature: keep the line {BEFORE.strip()} in create_app().")
    text = text.replace(BEFORE, f"    {names.many}.init_app(app)\n{BEFORE}")
    return text.replace(
        "\nfrom app.settings", f"\nfrom app import {names.many}\nfrom app.settings", 1
    )


def described(source: Source, names: Names, fields: list[Field]) -> str:
    """``tests/resources.py`` with the entry of the new resource."""
    text = (ROOT / ENTRIES).read_text("utf-8")
    for node in ast.parse(text).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if getattr(targets[0], "id", "") == "RESOURCES" and isinstance(value, ast.Tuple | ast.List):
            break
    else:
        refuse(f"{ENTRIES} has no RESOURCES = (...) for the entry of the resource.")
    lines = text.splitlines(keepends=True)
    start = sum(map(len, lines[: value.lineno - 1])) + value.col_offset + 1
    text = f"{text[:start]}{names.many.upper()}, {text[start:]}"
    statement = sum(map(len, lines[: node.lineno - 1]))
    text = text[:statement] + writing.entry(source, names, fields) + text[statement:]
    imports = {line for it in fields for line in writing.imports(it, ENTRIES.name)}
    imports.add(f"from app.{names.many}.models import {camel(names.one)}")
    new = "".join(f"{line}\n" for line in sorted(imports) if f"{line}\n" not in text)
    return text.replace("\nfrom app.", f"\n{new}from app.", 1)


def write(source: Source, names: Names, fields: list[Field]) -> list[Path]:
    """Write the resource and its migration, and apply the migration; return the files."""
    files = writing.written(source, names, fields)
    changed = {APP: registered(names), ENTRIES: described(source, names, fields)}
    migrated()
    with Changes() as changes:
        for path, text in (files | changed).items():
            changes.write(path, text)
        new = [str(path) for path in files if path.suffix == ".py"]
        run(*RUFF, "check", "--quiet", "--fix", *new, what="Checking the new files")
        run(*RUFF, "check", "--quiet", "--fix", "--select=I", *map(str, changed), what="Sorting")
        run(*RUFF, "format", "--quiet", *new, *map(str, changed), what="Formatting")
        changes.migration(f"add {words(names.many)}")
        run(*FLASK, "db", "upgrade", what="Migrating the database")
        return changes.paths()


def main() -> None:
    name = os.environ.get("NAME", "")
    if not name:
        refuse(
            'Name the resource: make resource NAME=project FIELDS="name:text due:date body:rich"'
        )
    checks.check_name(name, "resource")
    names = Names(name, os.environ.get("PLURAL") or plural_of(name))
    checks.check_name(names.many, "resource")
    if names.many == name:
        refuse(f"The plural of {name} needs another name, for example PLURAL={name}_list.")
    fields = checks.parse(os.environ.get("FIELDS") or FIELDS)
    checks.check_service(names, fields)
    with tempfile.TemporaryDirectory() as temporary:
        source = find_source(Path(temporary))
        checks.check_clashes(source, names)
        paths = write(source, names, fields)
    print(f"Wrote {words(names.many)}, with attacks on every route and field:")
    for path in paths:
        print(f"  {path.relative_to(ROOT)}")
    print("The database has the table. Next: read the migration, make check, then git commit.")


if __name__ == "__main__":
    try:
        main()
    except RefusedError as error:
        sys.exit(f"{error}\nNothing was changed.")
    except ShapeError:
        sys.exit("The example has another shape than this program knows.\nNothing was changed.")
    except KeyboardInterrupt:
        sys.exit("\nStopped. Nothing was changed.")
