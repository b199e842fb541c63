"""``make template-diff`` and ``make template-update`` of a service, from a template with tags."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cookiecutter.main import cookiecutter

from hooks import source
from tests.template import (
    QUESTIONS,
    ROOT,
    SERVICE,
    commit,
    copied,
    environment,
    git,
    render,
    run,
)

ASKED = [name for name in QUESTIONS if not name.startswith("_")]
ANSWERS = ".template/answers.yaml"
ODD = {
    "project_name": "It's 100 % 'ours' & # {{ x }}: ${y}",
    "description": "日本語 👩\u200d🔧, # no comment, - no list: {no: map}, yes <b> it's & `w`",
    "author_name": "Seán O'Brien",
    "author_email": "sean.o'brien+security_2@mail.example.co",
}


def values(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a new user, with cookiecutter on the path and a separate TMPDIR."""
    temporary = folder.parent / "tmp"
    temporary.mkdir(exist_ok=True)
    programs = folder.parent / "bin"
    if not programs.exists():
        programs.mkdir()
        script = f'#!/bin/sh\nexec "{sys.executable}" -m cookiecutter "$@"\n'
        (programs / "cookiecutter").write_text(script, encoding="utf-8")
        (programs / "cookiecutter").chmod(0o755)
    found = environment(folder.parent, TMPDIR=str(temporary), GIT_CONFIG_NOSYSTEM="1")
    return found | {"PATH": f"{programs}:{found['PATH']}"} | more


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path} no longer has {old!r}; choose another place for this test"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this template with two versions: v1 unchanged, v2 with a change of each kind."""
    copy = copied(tmp_path_factory.mktemp("template") / "template")
    git(copy, "init", "--quiet", "--initial-branch", "main")
    version = f'"_template_version": "{QUESTIONS["_template_version"]}"'
    change(copy / "cookiecutter.json", version, '"_template_version": "1"')
    commit(copy, "one")
    git(copy, "tag", "v1")
    service = copy / SERVICE.name
    change(copy / "cookiecutter.json", '"_template_version": "1"', '"_template_version": "2"')
    change(service / "app/health.py", '"""', '"""Changed by v2. ')
    change(service / "app/commands/users.py", '"""', '"""Changed by v2. ')
    change(service / "tests/traceability.py", '"""', '"""Changed by v2. ')
    change(service / "wsgi.py", '"""', '"""Changed by v2. ')
    change(service / "README.md", "\n## Next steps\n", "\n## Next, says v2\n")
    git(copy, "mv", f"{SERVICE.name}/app/database/backups.py", f"{SERVICE.name}/app/regain.py")
    (service / "app" / "added.py").write_text('"""New in v2."""\n', encoding="utf-8")
    (service / ".gitleaks.toml").unlink()
    commit(copy, "two")
    git(copy, "tag", "v2")
    return copy


@pytest.fixture
def service(template: Path, tmp_path: Path) -> Path:
    """A committed service, as v1 renders it."""
    return rendered(template, tmp_path)


def rendered(template: Path, output: Path, at: str = "v1", **answers: str) -> Path:
    git(template, "checkout", "--quiet", at)
    folder = Path(
        cookiecutter(
            str(template),
            no_input=True,
            default_config=True,
            extra_context=answers,
            output_dir=str(output),
        )
    )
    git(template, "checkout", "--quiet", "main")
    git(folder, "init", "--quiet")
    commit(folder, "rendered")
    return folder


def make(
    service: Path, command: str, *arguments: str, **more: str
) -> subprocess.CompletedProcess[str]:
    words = ("make", "--no-print-directory", f"template-{command}", *arguments)
    return run(*words, cwd=service, env=values(service, **more))


def update(service: Path, template: Path, *arguments: str) -> str:
    result = make(service, "update", f"TEMPLATE={template}", *arguments)
    assert result.returncode == 0, result.stdout
    return result.stdout


def state(service: Path) -> dict[str, bytes]:
    """All files, including ignored ones, and the status of git."""
    files = {
        str(path.relative_to(service)): path.read_bytes()
        for path in service.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(service).parts
    }
    return files | {"": git(service, "status", "--porcelain").encode()}


# --- The record


def test_the_answers_are_recorded_and_no_secret(tmp_path: Path) -> None:
    chosen = {"database": "mysql", "auth": "token", "deployment": "systemd"}
    project = render(tmp_path, **chosen)
    record = yaml.safe_load((project / ANSWERS).read_text(encoding="utf-8"))
    assert record["version"] == QUESTIONS["_template_version"]
    assert list(record["default_context"]) == ASKED
    assert chosen.items() <= record["default_context"].items()
    key = re.search(r"SECRET_KEY=(\S+)", (project / ".env").read_text(encoding="utf-8"))
    assert key
    assert key[1] not in (project / ANSWERS).read_text(encoding="utf-8")


def test_the_template_is_recorded_and_found_again(template: Path, tmp_path: Path) -> None:
    clone = cloned(template, tmp_path)
    service = rendered(clone, tmp_path / "output")
    record = yaml.safe_load((service / ANSWERS).read_text(encoding="utf-8"))
    assert record["template"] == f"file://{template}"
    assert record["commit"] == git(template, "rev-parse", "v1").strip()
    result = make(service, "update")
    assert result.returncode == 0, result.stdout
    assert "Merged v2" in result.stdout


def cloned(template: Path, folder: Path) -> Path:
    """A clone of the template, as cookiecutter makes one from a URL."""
    git(folder, "clone", "--quiet", f"file://{template}", folder / "clone")
    return folder / "clone"


@pytest.mark.parametrize(
    ("url", "recorded"),
    [
        ("https://me:gh-token-123@git.example.com/x/y.git", "https://git.example.com/x/y.git"),
        ("https://gh-token-123@git.example.com/x/y.git", "https://git.example.com/x/y.git"),
        ("ssh://git:gh-token-123@git.example.com/x", "ssh://git@git.example.com/x"),
        ("git@git.example.com:x/y.git", "git@git.example.com:x/y.git"),
        ("/home/me/gh-token-123", ""),
    ],
)
def test_the_record_keeps_no_password_and_no_folder(
    url: str, recorded: str, template: Path, tmp_path: Path
) -> None:
    """Attack: a user clones the template with a token in the URL, and others read the record."""
    git(cloned(template, tmp_path), "remote", "set-url", "origin", url)
    found = source.of(str(tmp_path / "clone"))
    assert found["url"] == recorded
    assert found["commit"] == git(template, "rev-parse", "main").strip()


def test_no_commit_is_recorded_of_what_is_not_committed(template: Path, tmp_path: Path) -> None:
    (cloned(template, tmp_path) / "unsaved").write_text("", encoding="utf-8")
    assert source.of(str(tmp_path / "clone"))["commit"] == ""


def test_an_update_needs_no_tag(template: Path, tmp_path: Path) -> None:
    """Without a version, a service follows the branch of the template."""
    clone = cloned(template, tmp_path)
    git(clone, "tag", "--delete", "v1", "v2")
    service = rendered(clone, tmp_path / "output", at="main~1")
    change(service / ANSWERS, f'template: "file://{template}"', f'template: "file://{clone}"')
    commit(service, "move the template")
    result = make(service, "update")
    assert result.returncode == 0, result.stdout
    assert (service / "app/added.py").exists()
    commit(service, "update")
    assert "up to date" in make(service, "update").stdout


def test_any_answer_survives_the_record(tmp_path: Path) -> None:
    """A rendering from the recorded answers has the same bytes, whatever the answers contain."""
    first = render(tmp_path / "first", **ODD)
    record = yaml.safe_load((first / ANSWERS).read_text(encoding="utf-8"))
    assert ODD.items() <= record["default_context"].items()
    second = Path(
        cookiecutter(
            str(ROOT),
            no_input=True,
            config_file=str(first / ANSWERS),
            output_dir=str(tmp_path / "second"),
        )
    )
    git(first, "init", "--quiet")
    commit(first, "first")
    shutil.copytree(second, first, dirs_exist_ok=True)
    assert git(first, "status", "--porcelain") == ""


# --- Comparing


def test_an_untouched_service_does_not_differ(service: Path, template: Path) -> None:
    result = make(service, "diff", f"TEMPLATE={template}")
    assert result.returncode == 0, result.stdout
    assert result.stdout.strip() == ""


def test_edits_are_shown_and_neither_own_files_nor_secrets(service: Path, template: Path) -> None:
    change(service / "app/health.py", '"""', '"""Ours. ')
    (service / "own.py").write_text("mine = 1\n", encoding="utf-8")
    commit(service, "ours")
    (service / "app/commands/users.py").unlink()
    result = make(service, "diff", f"TEMPLATE={template}")
    assert result.returncode == 0, result.stdout
    assert '+"""Ours. ' in result.stdout
    assert "deleted file mode" in result.stdout
    assert "own.py" not in result.stdout
    assert "/.env\n" not in result.stdout
    assert "2 files changed" in result.stdout


def test_another_answer_is_compared_without_locks(service: Path, template: Path) -> None:
    change(service / "app/health.py", '"""', '"""Ours. ')
    result = make(service, "diff", f"TEMPLATE={template}", "DATABASE=postgresql", AUTH="token")
    assert result.returncode == 0, result.stdout
    assert '-  database: "sqlite"\n+  database: "postgresql"' in result.stdout
    assert "migrations/roles.sql" in result.stdout
    assert "requirements.lock" in result.stdout.partition("diff --git")[0]
    assert "--hash=" not in result.stdout
    assert "Ours" not in result.stdout
    assert 'auth: "token"' not in result.stdout, "AUTH of the environment is somebody else's"


def test_a_coming_version_is_compared(service: Path, template: Path) -> None:
    result = make(service, "diff", f"TEMPLATE={template}", "TO=v2")
    assert "rename from app/database/backups.py" in result.stdout
    assert "Changed by v2" in result.stdout


# --- Updating


def test_an_untouched_service_becomes_what_the_new_version_renders(
    service: Path, template: Path
) -> None:
    secret = (service / ".env").read_bytes()
    said = update(service, template)
    assert "Merged v2 without a commit" in said
    assert 'version: "2"' in (service / ANSWERS).read_text(encoding="utf-8")
    assert (service / "app/regain.py").exists()
    assert not (service / "app/database/backups.py").exists()
    assert not (service / ".gitleaks.toml").exists()
    commit(service, "v2")
    assert make(service, "diff", f"TEMPLATE={template}").stdout.strip() == ""
    assert (service / ".env").read_bytes() == secret
    assert "up to date with v2" in update(service, template)


def test_edits_deletions_and_renames_are_kept(service: Path, template: Path) -> None:
    with (service / "app/health.py").open("a", encoding="utf-8") as file:
        file.write("\n\nOURS = 1\n")
    git(service, "mv", "app/commands/users.py", "app/our_users.py")
    (service / "tests/traceability.py").unlink()  # v2 changes it
    (service / "SECURITY.md").unlink()  # v2 does not
    (service / "own.py").write_text("mine = 1\n", encoding="utf-8")
    commit(service, "ours")
    said = update(service, template)
    health = (service / "app/health.py").read_text(encoding="utf-8")
    assert health.startswith('"""Changed by v2.')
    assert health.endswith("OURS = 1\n")
    assert "Changed by v2" in (service / "app/our_users.py").read_text(encoding="utf-8")
    assert "Kept deleted, although the template changed it: tests/traceability.py" in said
    for name in ("app/commands/users.py", "tests/traceability.py", "SECURITY.md"):
        assert not (service / name).exists(), name
    assert (service / "own.py").exists()
    assert git(service, "ls-files", "--unmerged") == ""


def test_both_sides_in_one_place_are_an_ordinary_conflict(service: Path, template: Path) -> None:
    change(service / "README.md", "\n## Next steps\n", "\n## Next, say we\n")
    commit(service, "ours")
    before = state(service)
    result = make(service, "update", f"TEMPLATE={template}")
    assert result.returncode != 0
    assert "UU README.md" in result.stdout
    assert "git reset --hard undoes" in result.stdout
    readme = (service / "README.md").read_text(encoding="utf-8")
    assert re.search(
        r"^<{7} .*\n## Next, say we\n={7}\n## Next, says v2\n>{7} ", readme, re.MULTILINE
    )
    assert "Changed by v2" in (service / "wsgi.py").read_text(encoding="utf-8")
    git(service, "reset", "--hard")
    assert state(service) == before


def test_a_choice_is_changed_within_the_version(service: Path, template: Path) -> None:
    change(service / "app/health.py", '"""', '"""Ours. ')
    commit(service, "ours")
    update(service, template, "DATABASE=postgresql")
    record = yaml.safe_load((service / ANSWERS).read_text(encoding="utf-8"))
    assert record["version"] == "1"
    assert record["default_context"]["database"] == "postgresql"
    assert (service / "migrations/roles.sql").exists()
    assert "Ours." in (service / "app/health.py").read_text(encoding="utf-8")


def test_an_update_works_after_the_template_moved(
    service: Path, template: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(template), str(moved))
    change(service / ANSWERS, 'template: ""', f'template: "file://{moved}"')
    commit(service, "where it is")
    result = make(service, "update", "TO=v2")
    assert result.returncode == 0, result.stdout
    assert f"file://{moved}" in (service / ANSWERS).read_text(encoding="utf-8")


def test_a_service_in_a_folder_of_a_repository(template: Path, tmp_path: Path) -> None:
    service = rendered(template, tmp_path / "all" / "services")
    shutil.rmtree(service / ".git")
    whole = tmp_path / "all"
    git(whole, "init", "--quiet")
    (whole / ".gitignore").write_text("/services/bin/\n/services/tmp/\n", encoding="utf-8")
    (whole / "app").mkdir()
    (whole / "app" / "health.py").write_text("not = 'ours'\n", encoding="utf-8")
    commit(whole, "all")
    update(service, template)
    assert "Changed by v2" in (service / "app/health.py").read_text(encoding="utf-8")
    assert (whole / "app" / "health.py").read_text(encoding="utf-8") == "not = 'ours'\n"
    assert not (whole / "wsgi.py").exists()


# --- Refused, and interrupted


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "Set the path or URL of the template"),
        (("TEMPLATE=/nowhere",), "Cannot read the template"),
        (("TEMPLATE", "TO=v9"), "The template has no tag or commit v9"),
        (("TEMPLATE", "TO=--all"), "The template has no tag or commit --all"),
        (("TEMPLATE", "FROM=v9"), "Set the version that this service was rendered from: FROM="),
        (("TEMPLATE", "DATABASE=oracle"), "did not render; nothing was changed"),
    ],
    ids=str,
)
def test_an_impossible_update_is_refused(
    arguments: tuple[str, ...], reason: str, service: Path, template: Path
) -> None:
    before = state(service)
    words = [f"TEMPLATE={template}" if word == "TEMPLATE" else word for word in arguments]
    result = make(service, "update", *words)
    assert result.returncode != 0
    assert reason in result.stdout
    assert state(service) == before
    assert list((service.parent / "tmp").iterdir()) == []


def test_without_a_commit_the_version_names_a_tag(service: Path, template: Path) -> None:
    record = (service / ANSWERS).read_text(encoding="utf-8")
    record = re.sub(r"(?m)^commit: .*$", 'commit: ""', record)
    (service / ANSWERS).write_text(record, encoding="utf-8")
    result = make(service, "diff", f"TEMPLATE={template}", "TO=v2")
    assert result.returncode == 0, result.stdout
    assert "Changed by v2" in result.stdout


@pytest.mark.parametrize("staged", [False, True])
def test_a_dirty_tree_is_refused(staged: bool, service: Path, template: Path) -> None:
    change(service / "app/health.py", '"""', '"""Unsaved. ')
    if staged:
        git(service, "add", "--all")
    before = state(service)
    result = make(service, "update", f"TEMPLATE={template}")
    assert result.returncode != 0
    assert "uncommitted changes. Commit them" in result.stdout
    assert state(service) == before


def test_what_is_edited_while_it_renders_is_not_lost(service: Path, template: Path) -> None:
    found = values(service)
    edit = f'echo "# meanwhile" >>"{service}/wsgi.py"'
    program = service.parent / "bin" / "cookiecutter"
    change(program, "#!/bin/sh\n", f"#!/bin/sh\n{edit}\n")
    result = make(service, "update", f"TEMPLATE={template}")
    assert result.returncode != 0
    assert "uncommitted changes" in result.stdout
    assert (service / "wsgi.py").read_text(encoding="utf-8").endswith("# meanwhile\n")
    assert list(Path(found["TMPDIR"]).iterdir()) == []


@pytest.mark.parametrize("ignored", [False, True])
def test_a_file_that_git_does_not_know_is_not_overwritten(
    ignored: bool, service: Path, template: Path
) -> None:
    if ignored:
        with (service / ".gitignore").open("a", encoding="utf-8") as file:
            file.write("added.py\n")
        commit(service, "ignore")
    (service / "app/added.py").write_text("mine = 1\n", encoding="utf-8")
    before = state(service)
    result = make(service, "update", f"TEMPLATE={template}")
    assert result.returncode != 0
    assert "The template adds app/added.py" in result.stdout
    assert state(service) == before


def test_without_git_it_says_what_to_do(template: Path, service: Path) -> None:
    shutil.rmtree(service / ".git")
    result = make(service, "diff", f"TEMPLATE={template}")
    assert result.returncode != 0
    assert "git init, git add --all, git commit" in result.stdout


@pytest.mark.parametrize("moment", ["rendering", "half merged", "merged"])
def test_an_interrupted_run_leaves_everything_as_it_was(
    moment: str, service: Path, template: Path
) -> None:
    """Send a signal while the program of ``moment`` runs, or after it."""
    before = state(service)
    found = values(service, TEMPLATE=str(template))
    program = "cookiecutter" if moment == "rendering" else "git"
    real = shutil.which(program, path=found["PATH"])
    wrapper = service.parent / "wrapper"
    wrapper.mkdir()
    work = f'"{real}" "$@"'
    call = "*" if moment == "rendering" else "*cherry-pick*"
    if moment == "half merged":  # files are written, the index is not
        half = "echo >app/added.py; echo >wsgi.py"
        work = f'case "$*" in {call}) {half};; *) {work};; esac'
    (wrapper / program).write_text(
        f"#!/bin/sh\n{work}\nstatus=$?\n"
        f'case "$*" in {call}) touch "{wrapper}/done"; kill -INT 0; sleep 5;; esac\n'
        "exit $status\n",
        encoding="utf-8",
    )
    (wrapper / program).chmod(0o755)
    result = run(
        *("sh", ".template/update.sh", "update"),
        cwd=service,
        env=found | {"PATH": f"{wrapper}:{found['PATH']}"},
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert (wrapper / "done").exists()
    assert result.returncode != 0
    assert state(service) == before
    assert list(Path(found["TMPDIR"]).iterdir()) == []


def test_the_script_is_posix(tmp_path: Path) -> None:
    if not shutil.which("shellcheck"):
        pytest.skip("needs shellcheck")
    result = run("shellcheck", "-S", "style", "-s", "sh", SERVICE / ".template" / "update.sh")
    assert result.returncode == 0, result.stdout
    assert not os.access(SERVICE / ".template" / "update.sh", os.X_OK), "a zip loses the bit"
