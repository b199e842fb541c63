"""Renderings are complete, parseable, clean, reproducible and safe to commit."""

from __future__ import annotations

import ast
import json
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from cookiecutter.exceptions import FailedHookException
from cookiecutter.main import cookiecutter
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.template import (
    AXES,
    LITTER,
    LONGEST,
    OPTIONS,
    QUESTIONS,
    ROOT,
    SERVICE,
    commit,
    copied,
    environment,
    files,
    git,
    render,
    run,
)

TOP_LEVEL = {
    *(".env", ".env.example", ".gitattributes", ".github", ".gitignore", ".pre-commit-config.yaml"),
    *("Makefile", "README.md", "SECURITY.md", "pyproject.toml", "wsgi.py"),
    *("app", "deploy", "docs", "migrations", "requirements.lock", "tests"),
    *("requirements-audit.lock", "requirements-dev.lock", ".gitleaks.toml", ".template"),
    ".devcontainer",
}
SECRET = re.compile(r"^SECRET_KEY=(\S{64})$", re.MULTILINE)
PIN = re.compile(
    r"^([a-z0-9][a-z0-9.-]*)==(\S+)((?: ; [^\\\n]+)?) \\\n((?: {4}--hash=.+\n)+)", re.M
)
PARSERS = {
    ".py": ast.parse,
    ".json": json.loads,
    ".toml": tomllib.loads,
    ".yml": yaml.safe_load,
    ".yaml": lambda text: list(yaml.safe_load_all(text)),  # Kubernetes' hold several documents
}


@pytest.fixture(scope="module")
def longest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render(tmp_path_factory.mktemp("longest"), **LONGEST)


# --- Complete and parseable


def test_the_top_level_is_what_the_readme_says(project: Path) -> None:
    api = not (project / "app" / "static").exists()
    expected = TOP_LEVEL | ({"examples"} if api else set())  # of a client
    if (project / "deploy" / "container").exists():
        expected |= {"Dockerfile", ".dockerignore"}
    if (project / "deploy" / "docker").exists():
        expected |= {"compose.yaml"}
    assert {path.name for path in project.iterdir()} - set(LITTER) == expected


def test_nothing_of_the_template_is_left(project: Path) -> None:
    marker = re.compile(r"<< ?cookiecutter|# <[%#]|cookiecutter\.|\b_options/")
    left = [
        f"{path.relative_to(project)}: {found.group()}"
        for path in files(project)
        if (found := marker.search(path.read_text(encoding="utf-8")))
    ]
    assert left == []
    assert [
        path for path in project.rglob("*") if re.search(r"cookiecutter|<|_options", path.name)
    ] == []


def test_everything_parses(project: Path) -> None:
    for path in files(project):
        if parse := PARSERS.get(path.suffix):
            parse(path.read_text(encoding="utf-8"))


def test_each_module_can_be_read_at_once(project: Path) -> None:
    """No module of the service has more than 150 lines: one that has more is about two things."""
    modules = {it: it.read_text(encoding="utf-8") for it in project.glob("app/**/*.py")}
    lengths = {str(it.relative_to(project)): text.count("\n") for it, text in modules.items()}
    assert "app/settings.py" in lengths
    assert {name: lines for name, lines in lengths.items() if lines > 150} == {}


def test_no_folder_is_empty_and_nothing_is_a_link(project: Path) -> None:
    assert [path for path in project.rglob("*") if path.is_dir() and not any(path.iterdir())] == []
    assert [path for path in project.rglob("*") if path.is_symlink()] == []


def test_the_contents_of_the_readme_are_its_headings(project: Path) -> None:
    text = re.sub(r"(?ms)^```.*?^```", "", (project / "README.md").read_text(encoding="utf-8"))
    headings = re.findall(r"(?m)^## (.+)$", text)
    anchors = [re.sub(r"[^\w\- ]", "", it.lower()).replace(" ", "-") for it in headings]
    contents = re.findall(r"(?m)^- \[(.+)\]\(#(.+)\)$", text.partition("\n## ")[0])
    assert contents == list(zip(headings, anchors, strict=True))


def test_answers_reach_the_package(longest: Path) -> None:
    package = tomllib.loads((longest / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert package["name"] == LONGEST["project_slug"]
    assert package["description"] == LONGEST["description"]
    assert package["authors"] == [
        {"name": LONGEST["author_name"], "email": LONGEST["author_email"]},
    ]


# --- Clean


def test_ruff_finds_nothing(project: Path) -> None:
    result = run(
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--no-cache",
        "--output-format",
        "concise",
        cwd=project,
    )
    assert result.returncode == 0, result.stdout
    # Lines with an answer and lines of tests may be longer; the code keeps the limit.
    result = run(
        *(sys.executable, "-m", "ruff", "check", "--no-cache", "--isolated"),
        *("--select", "E501", "--line-length", "100", "app", "deploy", "migrations"),
        cwd=project,
    )
    assert result.returncode == 0, result.stdout


def test_the_format_is_that_of_ruff(project: Path) -> None:
    result = run(
        sys.executable, "-m", "ruff", "format", "--check", "--diff", "--no-cache", cwd=project
    )
    assert result.returncode == 0, result.stdout


def test_the_longest_answers_are_clean_too(longest: Path) -> None:
    for path in files(longest):
        if parse := PARSERS.get(path.suffix):
            parse(path.read_text(encoding="utf-8"))
    for command in (["check"], ["format", "--check", "--diff"]):
        result = run(sys.executable, "-m", "ruff", *command, "--no-cache", cwd=longest)
        assert result.returncode == 0, result.stdout


def test_bandit_finds_nothing(project: Path) -> None:
    result = run(
        *(sys.executable, "-m", "bandit", "-q", "-c", "pyproject.toml", "-r"),
        *("app", "deploy", "migrations", "wsgi.py"),
        cwd=project,
    )
    # A false warning hides the next true one.
    assert (result.returncode, result.stdout) == (0, "")


# --- Safe to commit


# The tests of deploy/ need none of the service's packages.
POLICIES = "deployment deployment_scripts images network_policies release rollouts".split()


def test_what_is_deployed_passes_the_service_s_own_policy(pair: Path) -> None:
    names = [f"tests/test_{name}.py" for name in POLICIES]
    found = [name for name in names if (pair / name).exists()]
    assert len(found) >= 2
    # Without the service's conftest.py, which starts its app. It takes seconds, so nine suffice.
    options = ["--noconftest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    result = run(sys.executable, "-m", "pytest", *options, *found, cwd=pair)
    assert result.returncode == 0, result.stdout[-8000:]
    assert "skipped" not in result.stdout, result.stdout


def test_only_the_owner_may_read_the_secrets(project: Path) -> None:
    path = project / ".env"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "APP_ENV=development\n" in path.read_text(encoding="utf-8")
    assert SECRET.search(path.read_text(encoding="utf-8"))


def test_git_stages_no_secret(tmp_path: Path) -> None:
    project = render(tmp_path)
    key = SECRET.search((project / ".env").read_text(encoding="utf-8"))
    assert key
    git = ["git", "-c", "core.excludesFile=/dev/null"]
    for command in (["init", "--quiet"], ["add", "--all"]):
        result = run(*git, *command, cwd=project)
        assert result.returncode == 0, result.stdout
    staged = set(run(*git, "ls-files", "-z", cwd=project).stdout.rstrip("\0").split("\0"))
    everything = {str(path.relative_to(project)) for path in files(project)}
    assert everything - staged == {".env"}, "only .env is left out, and nothing else by accident"
    assert run(*git, "grep", "--cached", "-F", "-e", key[1], cwd=project).returncode == 1


@pytest.mark.parametrize("auth", AXES["auth"])
def test_gitleaks_finds_nothing_in_the_first_commit(tmp_path: Path, auth: str) -> None:
    """Otherwise the first `make audit` fails, and users get used to ignoring its findings."""
    if not shutil.which("gitleaks"):
        pytest.skip("needs gitleaks (apt-get install gitleaks)")
    project = render(tmp_path, auth=auth)
    git(project, "init", "--quiet")
    commit(project, "First")
    result = run("gitleaks", "detect", "--no-banner", "--redact", "--verbose", cwd=project)
    assert result.returncode == 0, result.stdout


def test_rendering_again_keeps_the_secrets(tmp_path: Path) -> None:
    project = render(tmp_path)
    before = (project / ".env").read_text(encoding="utf-8")
    cookiecutter(
        str(ROOT),
        no_input=True,
        default_config=True,
        overwrite_if_exists=True,
        output_dir=str(tmp_path),
    )
    assert (project / ".env").read_text(encoding="utf-8") == before
    assert not (project / "_options").exists()


def test_every_setting_is_documented(project: Path) -> None:
    read = re.compile(r"""(?:\bread(?:\.\w+)?|os\.environ\.get)\(\s*"([A-Z_]+)\"""")
    code = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("app", "deploy")
        for path in (project / folder).rglob("*.py")
    )
    settings = set(read.findall(code)) - {"CREDENTIALS_DIRECTORY"}  # systemd sets it
    assert {"APP_ENV", "SECRET_KEY", "DATABASE_URL", "REDIS_URL", "DOMAIN_NAME"} < settings
    example = (project / ".env.example").read_text(encoding="utf-8")
    assert settings == set(re.findall(r"^(?:# )?([A-Z_]+)=", example, re.MULTILINE))
    documents = [project / "README.md", *(project / "docs").iterdir()]
    text = "".join(path.read_text(encoding="utf-8") for path in documents)
    assert settings <= set(re.findall(r"`([A-Z_]+)`", text))


# --- The sources


def test_every_source_is_valid_before_it_is_rendered() -> None:
    """Editors, linters and reviewers can use the template like any other code."""
    for path in [*files(SERVICE), *files(ROOT / "hooks")]:
        if path.suffix in (".py", ".toml"):
            PARSERS[path.suffix](path.read_text(encoding="utf-8"))


def test_overlays_are_the_choices() -> None:
    folders = {
        axis.name: {choice.name for choice in axis.iterdir()}
        for axis in OPTIONS.iterdir()
        if axis.name not in LITTER
    }
    interface = {"html"} | ({"json"} if "token" in AXES["auth"] else set())
    assert folders == {name: set(choices) for name, choices in AXES.items()} | {
        "interface": interface,
        "runtime": {"container"},
        "forwarder": {"provider"},
        "storage": {"server"},
        "accounts": {"own"},
    }


def test_every_question_is_explained() -> None:
    asked = [name for name in QUESTIONS if not name.startswith("_")]
    assert asked == [
        *("project_name", "project_slug", "description", "author_name", "author_email"),
        *("domain_name", "database", "auth", "deployment"),
    ]
    prompts = QUESTIONS["__prompts__"]
    assert list(prompts) == asked
    for axis, choices in AXES.items():
        assert QUESTIONS[axis] == choices[0], "the first is the default"
        assert re.findall(r"\n        \[bold\](\w+)\[/\] +\S", prompts[axis]) == choices
    for name in asked:
        text = prompts[name]
        assert re.search(r"\[dim\][A-Z][^\[]+[.:]\[/\]", text), f"{name} lacks its sentence"
        for line in re.sub(r"\[/?\w*\]", "", text).splitlines():
            assert len(line) <= 80, "a terminal would break the line"


@pytest.mark.parametrize("hook", ["pre_gen_project", "post_gen_project"])
def test_hooks_need_only_the_standard_library(hook: str) -> None:
    tree = ast.parse((ROOT / "hooks" / f"{hook}.py").read_text(encoding="utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).split(".")[0])
    network_or_programs = {"socket", "urllib", "http", "ssl", "subprocess", "ftplib", "smtplib"}
    assert imported <= sys.stdlib_module_names - network_or_programs


def test_a_failure_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    template = copied(tmp_path / "template")
    shutil.rmtree(template / SERVICE.name / "_options" / "deployment" / AXES["deployment"][0])
    output = tmp_path / "output"
    output.mkdir()
    with pytest.raises(FailedHookException):
        cookiecutter(str(template), no_input=True, default_config=True, output_dir=str(output))
    assert list(output.iterdir()) == []


# --- The locks


def test_the_locks_satisfy_what_is_asked_for(project: Path) -> None:
    package = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    check_lock(project / "requirements.lock", package["project"]["dependencies"])
    for group in ("dev", "audit"):
        lock = project / f"requirements-{group}.lock"
        check_lock(lock, package["dependency-groups"][group])


def test_the_lock_of_the_template_satisfies_what_is_asked_for() -> None:
    package = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    check_lock(ROOT / "requirements-dev.lock", package["dependency-groups"]["dev"])


def check_lock(lock: Path, asked: list[str]) -> None:
    """Check that the lock pins all requirements with hashes and has no other package."""
    text = lock.read_text(encoding="utf-8")
    header = "# This file was autogenerated by uv via the following command:\n#    make lock\n"
    assert text.startswith(header), "no path, no date: it changes with its pins only"
    pins: dict[str, list[str]] = {}
    rest = text.removeprefix(header)
    for match in PIN.finditer(rest):
        pins.setdefault(match[1], []).append(match[2])
    assert PIN.sub("", rest) == "", "a line that is no pin with hashes: an index, a path, a comment"
    for requirement in map(Requirement, asked):
        versions = pins.get(canonicalize_name(requirement.name), [])
        assert versions, f"{requirement.name} is not locked; run `make lock`"
        for version in versions:
            assert version in requirement.specifier, f"run `make lock`: {requirement} but {version}"


def test_both_locks_name_the_same_versions(project: Path) -> None:
    """`make setup` installs both together, so a package in both needs one version."""
    run_time, dev = (
        {match[1]: match[2] for match in PIN.finditer((project / name).read_text(encoding="utf-8"))}
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert {name for name in run_time.keys() & dev.keys() if run_time[name] != dev[name]} == set()


def test_make_writes_the_secrets_of_a_fresh_clone(tmp_path: Path) -> None:
    """Git ignores ``.env``, so a new clone has none."""
    project = render(tmp_path)
    (project / ".env").unlink()
    subprocess.run(["make", ".env"], cwd=project, env=environment(tmp_path), check=True)
    path = project / ".env"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SECRET.search(path.read_text(encoding="utf-8"))
