"""``make remove-example`` of a service: no word of the example is left, other files still work."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

from tests.features import WORD, committed, lint, make, python, state, words
from tests.template import SERVICE, commit, copied, git
from tests.test_update import values


def test_without_its_commits_the_source_is_a_rendering(tmp_path: Path) -> None:
    template = copied(tmp_path / "template")
    git(template, "init", "--quiet", "--initial-branch", "main")
    commit(template, "one")
    service = committed(tmp_path / "service", "token")
    assert make(service, "remove-example", "DEPLOYED=no").returncode == 0
    shutil.rmtree(service / ".git")
    git(service, "init", "--quiet")
    commit(service, "without a past")
    before = state(service)
    result = make(service, "resource", "NAME=project")
    assert result.returncode != 0
    assert "Set the path or URL of the template" in result.stdout
    assert state(service) == before
    more = {"TEMPLATE": str(template), "FROM": "main", "PATH": values(service)["PATH"]}
    result = make(service, "resource", "NAME=project", **more)
    assert result.returncode == 0, result.stdout
    assert "rendering the template" in result.stdout
    assert words(service) == []
    lint(service)
    python(service, "pytest", "--quiet", "tests/security/test_resources.py")


def test_a_table_that_may_be_deployed_is_dropped_and_no_longer_counted(tmp_path: Path) -> None:
    service = committed(tmp_path, "session")
    assert make(service, "migrate").returncode == 0
    (database,) = service.glob("instance/*.sqlite3")
    now = "2026-01-01 00:00:00"
    with sqlite3.connect(database) as connection:
        connection.execute(
            "INSERT INTO users"
            " (id, email, created_at, stored_rows, stored_bytes, failures, refusals)"
            " VALUES (1, 'a@example.com', ?, 3, 107, 0, 0), (2, 'b@example.com', ?, 1, 9, 0, 0)",
            (now, now),
        )
        connection.executemany(
            "INSERT INTO notes (owner_id, public_id, title, body, version, created_at, updated_at)"
            " VALUES (1, ?, 'é', 'two', 1, ?, ?)",
            [("x" * 22, now, now), ("y" * 22, now, now)],
        )
    assert make(service, "remove-example").returncode == 0
    assert words(service, "migrations/versions/") == []
    assert git(service, "diff", "--name-only", "--", "migrations") == "", "what is deployed stays"
    flask = ("flask", "--app", "wsgi", "db")
    python(service, *flask, "upgrade")
    python(service, *flask, "check")
    with sqlite3.connect(database) as connection:
        counts = connection.execute("SELECT stored_rows, stored_bytes FROM users ORDER BY id")
        assert counts.fetchall() == [(1, 97), (1, 9)]  # 5 bytes each are gone
    python(service, *flask, "downgrade", "0002")
    python(service, *flask, "upgrade")
    lint(service)


def test_removing_the_example_is_refused_with_a_reason(tmp_path: Path) -> None:
    service = committed(tmp_path, "session")
    page = service / "app/templates/home.html"
    use = "{# #}<a href=\"{{ url_for('notes.index') }}\">All</a>\n"

    def assert_refused(sentence: str, *words: str) -> None:
        before = state(service)
        result = make(service, "remove-example", *words)
        assert result.returncode != 0, result.stdout
        assert sentence in result.stdout
        assert state(service) == before

    assert_refused("DEPLOYED is yes", "DEPLOYED=maybe")
    page.write_text(page.read_text("utf-8") + use, "utf-8")
    assert_refused("There are uncommitted changes")
    commit(service, "a link to the example")
    assert_refused("app/templates/home.html uses the example")
    git(service, "revert", "--no-edit", "HEAD")
    mako = service / "migrations/script.py.mako"
    mako.write_text(mako.read_text("utf-8") + "${1 / 0}\n", "utf-8")
    commit(service, "no migration can be written")
    assert_refused("Writing the migration failed")


def test_the_tool_does_not_name_the_example() -> None:
    """The tool reads the names from the code, so it also removes an example that was renamed."""
    for path in (SERVICE / ".template").iterdir():
        assert not WORD.search(path.read_text("utf-8")), path
