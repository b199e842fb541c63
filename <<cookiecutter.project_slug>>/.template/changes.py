"""Changes to the files of the service that are undone as a whole when a step fails."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
FLASK = (sys.executable, "-m", "flask", "--app", "wsgi")


class RefusedError(Exception):
    """A sentence for the person at the keyboard."""


def refuse(sentence: str) -> NoReturn:
    raise RefusedError(sentence)


def run(*command: str, what: str) -> str:
    """The output of a program in the folder of the service.

    :param what: what the program does, for the message when it fails.
    :raises RefusedError: with the last lines of its output.
    """
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    try:
        result = subprocess.run(  # noqa: S603 - no shell, and names are checked
            command, cwd=ROOT, text=True, check=False, **pipes
        )
    except OSError as error:
        refuse(f"{what} failed: {error}")
    if result.returncode:
        last = "\n".join(result.stdout.strip().splitlines()[-3:])
        refuse(f"{what} failed: {last or f'exit status {result.returncode}'}")
    return result.stdout


def migrated() -> None:
    """Bring the database of development to the last migration.

    :raises RefusedError: also when the models have changes that no migration has.
    """
    run(*FLASK, "db", "create", what="Creating the database")
    run(*FLASK, "db", "upgrade", what="Migrating the database")
    run(*FLASK, "db", "check", what="Comparing the models with the database")


class Changes:
    """Files that are written or removed; all are as before when the block raises, also at Ctrl-C.

    >>> with Changes() as changes:
    ...     changes.write(Path("app/x.py"), "text")
    """

    def __init__(self) -> None:
        self.before: dict[Path, tuple[bytes, int] | None] = {}
        self.folders: list[Path] = []
        self.undo: list[tuple[str, ...]] = []  # commands that go first, the last one first

    def __enter__(self) -> Changes:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _stop)
        return self

    def write(self, path: Path, text: str) -> None:
        """Write a file of the service; missing folders are made."""
        path = ROOT / path
        self._remember(path)
        missing = [it for it in path.parents if not it.exists()]
        self.folders += missing
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def remove(self, path: Path) -> None:
        path = ROOT / path
        self._remember(path)
        path.unlink()

    def migration(self, message: str) -> Path:
        """Let Alembic write a migration for the changed models; when undone, it is reverted too."""
        folder = ROOT / "migrations" / "versions"
        known = set(folder.glob("*.py"))
        try:
            run(*FLASK, "db", "revision", "-m", message, what="Writing the migration")
        finally:
            new = sorted(set(folder.glob("*.py")) - known)
            self.before |= dict.fromkeys(new)
        before = re.search(r'(?m)^down_revision = "(.+)"$', new[0].read_text("utf-8"))
        self.undo.append((*FLASK, "db", "downgrade", before[1] if before else "base"))
        return new[0]

    def paths(self) -> list[Path]:
        return sorted(path for path in self.before if path.exists() or self.before[path])

    def _remember(self, path: Path) -> None:
        if path not in self.before:
            known = (path.read_bytes(), path.stat().st_mode) if path.exists() else None
            self.before[path] = known

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if error is None:
            return
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # undo to the end
        for command in reversed(self.undo):
            result = subprocess.run(  # noqa: S603 - as above
                command, cwd=ROOT, capture_output=True, text=True, check=False
            )
            if result.returncode:
                print(f"Could not undo: {' '.join(command[1:])}: {result.stderr}", file=sys.stderr)
        for path, known in self.before.items():
            if known is None:
                path.unlink(missing_ok=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(known[0])
                path.chmod(known[1])
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)


def _stop(*_: Any) -> NoReturn:
    raise KeyboardInterrupt
