"""Remove the example: ``make remove-example``. One change of files, to read in ``git diff``.

By default a new migration drops the table, because some deployment may have it. Only the owner
knows that none has: with ``DEPLOYED=no`` the first migrations no longer make the table.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import source as sources
from changes import ROOT, Changes, RefusedError, migrated, refuse, run
from dropping import drop_table
from names import Names, label
from source import APP, ENTRIES, RUFF
from without import mention, without

# Lines of these that have a path of the example go: the others stand without it.
DOCUMENTS = ("README.md", "SECURITY.md", "docs/sign-in.md")
CLIENT = Path("examples", "client.py")
# Its paragraphs, each a file's numbers.
NUMBERS = Path("tests", "security", "numbers.list")


def check_commits() -> None:
    """Refuse while there is something that git could not bring back."""
    try:
        run("git", "rev-parse", "--verify", "HEAD", what="git")
    except RefusedError:
        refuse("Commit the service first, so that you can read this change and undo it.")
    if run("git", "status", "--porcelain", "--", ".", what="git status"):
        refuse("There are uncommitted changes. Commit them first, so that this is a change alone.")


def edited(names: Names) -> dict[Path, str]:
    """The files that stay, as they are without the example."""
    path = re.compile(rf"/{names.many}\b")
    files = {it: without((ROOT / it).read_text("utf-8"), names) for it in (APP, ENTRIES)}
    if (ROOT / CLIENT).exists():
        files[CLIENT] = without((ROOT / CLIENT).read_text("utf-8"), names)
    for document in map(Path, DOCUMENTS):
        if (ROOT / document).exists():
            lines = (ROOT / document).read_text("utf-8").splitlines(keepends=True)
            files[document] = "".join(line for line in lines if not path.search(line))
    paragraphs = (ROOT / NUMBERS).read_text("utf-8").split("\n\n")
    own = f"app/{names.many}/"
    files[NUMBERS] = "\n\n".join(it for it in paragraphs if not it.startswith(own))
    return {it: text for it, text in files.items() if text != (ROOT / it).read_text("utf-8")}


def check_uses(names: Names, files: dict[Path, str], gone: list[Path]) -> None:
    """Refuse while other code of the owner's stands on the example."""
    use = re.compile(rf"\bapp\.{names.many}\b|[\"']{names.many}[./]")
    for path in [*ROOT.glob("app/**/*"), *ROOT.glob("tests/**/*")]:
        place = path.relative_to(ROOT)
        if path.suffix not in (".py", ".html") or place in gone:
            continue
        if use.search(files.get(place) or path.read_text("utf-8")):
            refuse(f"{place} uses the example: change that first.")


def main() -> None:
    deployed = os.environ.get("DEPLOYED") or "yes"
    if deployed not in ("yes", "no"):
        refuse("DEPLOYED is yes, the default, or no: whether some deployment has the example.")
    package = sources.example_in(ROOT)
    if package is None:
        refuse("The example is gone already.")
    check_commits()
    names = sources.names_of(package)
    gone = [
        *package.rglob("*.py"),
        *(ROOT / "app" / "templates" / names.many).rglob("*.html"),
        *ROOT.glob(f"tests/test_{names.many}.py"),
    ]
    gone = [path.relative_to(ROOT) for path in gone]
    files = edited(names)
    check_uses(names, files, gone)
    migrated()
    with Changes() as changes:
        for path in gone:
            changes.remove(path)
        for path, text in files.items():
            changes.write(path, text)
        code = [str(path) for path in files if path.suffix == ".py"]
        run(*RUFF, "check", "--quiet", "--fix", "--select=I,F401", *code, what="Sorting")
        run(*RUFF, "format", "--quiet", *code, what="Formatting")
        drop_table(changes, names, deployed == "yes")
    report(names, deployed == "yes")


def report(names: Names, deployed: bool) -> None:
    print(run("git", "status", "--short", "--", ".", what="git status"), end="")
    named = mention(names)
    listed = run("git", "ls-files", "-co", "--exclude-standard", what="git ls-files").splitlines()
    for path in (ROOT / name for name in listed if "migrations/versions" not in name):
        if path.suffix in (".md", ".py", ".html", ".sh") and path.exists():
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                if named.search(line):
                    print(f"Still named: {path.relative_to(ROOT)}:{number}: {line.strip()[:60]}")
    print(f"{label(names.many)} are gone; nothing is committed. Read git diff, then make check.")
    if deployed:
        print("make migrate drops the table, as the next deployment does, with all rows in it.")
        print("If no deployment ever had it: git restore, then make remove-example DEPLOYED=no.")


if __name__ == "__main__":
    try:
        main()
    except RefusedError as error:
        sys.exit(f"{error}\nNothing was changed.")
    except KeyboardInterrupt:
        sys.exit("\nStopped. Nothing was changed.")
