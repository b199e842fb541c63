"""The settings of the judges: nothing is left out, nothing is excused without a name.

A gate that runs may still look away: by its settings, by a second file of settings that comes
first, by a mark in the code, or by tests that nobody collects.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

# <% if cookiecutter.auth == "token" %>
from app.settings import PAT_PREFIX
# <% endif %>
from tests import conftest
from tests.marks import practice
from tests.security.make import ROOT
from tests.security.test_gates import CONTAINER

pytestmark = practice("audits")

RUFF = {
    "line-length": 100,
    "target-version": "py311",
    "lint": {
        "select": "E F W I B C4 DTZ N PIE PT S SIM UP RUF".split(),
        "ignore": ["E501", "RUF001", "RUF002", "RUF003", "RUF012", "SIM905"],
        "per-file-ignores": {"tests/**": ["S101", "S105", "S106", "S108", "S603", "S607"]},
    },
}
UNTYPED = ["authlib.*", "bleach.*", "flask_wtf.*", "pymysql.*", "zxcvbn.*"]
MYPY = {
    "files": ["app", "wsgi.py"],
    "python_version": "3.11",
    "strict": True,
    "warn_unreachable": True,
    "overrides": [{"module": UNTYPED, "ignore_missing_imports": True}],
}
PYTEST = {
    "testpaths": ["tests"],
    "addopts": ["-ra", "--strict-config", "--strict-markers"],
    "filterwarnings": ["error"],
    "empty_parameter_set_mark": "fail_at_collect",
}
GITLEAKS = {
    "extend": {"useDefault": True},
    # <% if cookiecutter.auth == "token" %>
    "rules": [
        {
            "id": "personal-access-token",
            "description": "A personal access token of this service",
            "regex": rf"\b{PAT_PREFIX}[A-Za-z0-9_-]{{43}}[0-9A-Za-z]{{6}}\b",
            "keywords": [PAT_PREFIX],
        }
    ],
    # <% endif %>
    "allowlist": {"regexes": ["kelp-drizzle-9-anvil-tooth"]},  # the password of the tests
}
# Files from which a judge would read its settings as well, or instead.
SETTINGS = {
    *("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini", "setup.cfg"),
    *("ruff.toml", ".ruff.toml", "mypy.ini", ".mypy.ini", ".bandit", "bandit.yaml", "bandit.toml"),
    *("zizmor.yml", "zizmor.yaml", ".hadolint.yaml", ".hadolint.yml", ".gixy.cfg", "gixy.cfg"),
    *(".gitleaksignore", "gitleaks.toml", "uv.toml", "pip.conf", ".npmrc", "GNUmakefile"),
    *("makefile", ".coveragerc", "sitecustomize.py", ".shellcheckrc", "shellcheckrc"),
    *(".checkov.yaml", ".checkov.yml"),
}
ONCE = {"pyproject.toml", ".gitleaks.toml", ".pre-commit-config.yaml", "Makefile"}  # at the top
CONFTESTS = {"tests/conftest.py", "tests/security/conftest.py"}
HOOKS = {  # of pytest, in conftest.py: they mark and sort, and leave nothing out
    "pytest_xdist_auto_num_workers",
    "pytest_collection_modifyitems",
    "pytest_collection_finish",
}
# What excuses code from a judge, in a comment. "noqa" and "nosec" are in test_audits.py.
EXCUSES = re.compile(
    r"(ruff: *noqa|flake8: *noqa|mypy: *[a-z]|type: *ignore(?!\[[a-z, -]+\])|gitleaks:allow|"
    r"zizmor: *ignore|hadolint (?:global )?ignore *=? *[A-Z0-9,]+|gixy:|nosemgrep|pylint: *\w)"
)
EXCUSED = {("Dockerfile", "hadolint ignore=DL3008")} if CONTAINER else set()  # Debian's packages
# What leaves a test out, however it is imported or called.
LEAVES_OUT = {"skip", "skipif", "skipIf", "skipUnless", "skipTest", "SkipTest", "Skipped", "xfail"}
LEAVES_OUT |= {"importorskip", "exitstatus", "collect_ignore", "collect_ignore_glob", "lacking"}
LEAVES_OUT |= {"pytest_plugins", "__test__"}
CONSIDERED = re.compile("|".join(sorted({*LEAVES_OUT, "pytest_"})))
# Where one of them is used: file, function, and when. What a machine lacks is for tests/needs.py.
LEFT_OUT = {
    ("tests/needs.py", "lacking", ""),  # in CI it fails before
    ("tests/needs.py", "program", "found is None"),
    ("tests/needs.py", "auditor", "not (AUDITORS / name).exists()"),
    ("tests/needs.py", "linux", "sys.platform != 'linux'"),
    ("tests/needs.py", "address", "HOST == 'localhost'"),
    ("tests/needs.py", "address", "except OSError"),
    ("tests/needs.py", "nginx", "(reason := too_old(path))"),
    ("tests/needs.py", "group", "name not in listed.stdout"),
    ("tests/test_needs.py", "", ""),
    # <% if cookiecutter.database == "sqlite" %>
    (
        *("tests/test_full_disk.py", "small"),
        "os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode",
    ),
    # <% else %>
    ("tests/new_service.py", "new_service", "except roles.Refused"),
    (
        *("tests/test_mail_role.py", "test_a_new_password_of_the_role_is_taken"),
        "is_let_in(service.mail)",
    ),
    # <% endif %>
    # <% if cookiecutter.database == "mysql" %>
    ("tests/server.py", "own_server", "made.returncode"),
    # <% endif %>
    # <% if cookiecutter.auth == "oidc" %>
    ("tests/real_provider.py", "install", "done.returncode"),
    # <% endif %>
}


def files() -> Iterator[Path]:
    """Every file of the service, without what its tools make."""
    made = re.compile(r"\.git|\.venv|node_modules|__pycache__|\.\w+_cache")
    todo = [path for path in ROOT.iterdir() if path.name not in ("build", "instance", "backups")]
    todo = [path for path in todo if not made.fullmatch(path.name)]
    while todo:
        path = todo.pop()
        if path.is_dir():
            todo += [inner for inner in path.iterdir() if not made.fullmatch(inner.name)]
        else:
            yield path


def test_the_checkers_examine_all_files() -> None:
    tool = tomllib.loads(Path("pyproject.toml").read_text())["tool"]
    assert tool.keys() == {"pytest", "ruff", "mypy", "bandit"}
    assert tool["ruff"] == RUFF
    assert tool["mypy"] == MYPY
    assert tool["bandit"] == {"skips": []}
    options = dict(tool["pytest"]["ini_options"])
    assert len(options.pop("markers")) >= 3
    assert options == PYTEST
    assert tomllib.loads(Path(".gitleaks.toml").read_text()) == GITLEAKS


def test_no_other_file_configures_a_checker() -> None:
    paths = [path.relative_to(ROOT).as_posix() for path in files()]
    names = Counter(path.rpartition("/")[2] for path in paths)
    assert not SETTINGS & names.keys()
    assert {name for name in ONCE if names[name] == 1 and name in paths} == ONCE
    assert {path for path in paths if path.endswith("conftest.py")} == CONFTESTS


def left_out(node: ast.AST, function: str = "", when: str = "") -> Iterator[tuple[str, str]]:
    """The function and the condition in which each name of LEAVES_OUT is used."""
    names = [getattr(node, field, None) for field in ("id", "attr", "arg", "value")]
    names += [node.asname, *node.name.split(".")] if isinstance(node, ast.alias) else []
    if LEAVES_OUT & {name for name in names if isinstance(name, str)}:
        yield function, when
    if isinstance(node, ast.FunctionDef):
        function, when = node.name, ""
    if isinstance(node, ast.ExceptHandler):
        when = f"except {ast.unparse(node.type) if node.type else ''}"
    for field, inner in ast.iter_fields(node):
        within = isinstance(node, ast.If) and field == "body"
        for child in inner if isinstance(inner, list) else [inner]:
            if isinstance(child, ast.AST):
                yield from left_out(child, function, ast.unparse(node.test) if within else when)


def test_only_what_a_machine_lacks_skips_a_test() -> None:
    """A test is skipped for a reason that the machine has, and for no other."""
    found = set()
    for path in (path for path in files() if path.suffix == ".py" and "tests" in path.parts):
        name, text = path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
        tree = ast.parse(text if CONSIDERED.search(text) else "")
        if path != Path(__file__):
            found |= {(name, *place) for place in left_out(tree)}
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("pytest_"):
                assert path.name == "report.py" or node.name in HOOKS, f"{name}:{node.lineno}"
    assert found - LEFT_OUT == set(), "tests/needs.py says what a test needs"
    assert LEFT_OUT - found == set()


def test_no_test_ends_early() -> None:
    """What comes after a ``return`` without a value asserts nothing."""
    found = []
    for path in (path for path in files() if path.suffix == ".py" and "tests" in path.parts):
        text = path.read_text("utf-8")
        considered = text if re.search(r"\breturn *(#|;|$)", text, re.M) else ""
        for test in ast.walk(ast.parse(considered)):
            if isinstance(test, ast.FunctionDef) and test.name.startswith("test_"):
                ends = [it for it in ast.walk(test) if isinstance(it, ast.Return) and not it.value]
                found += [f"{path.relative_to(ROOT)}:{it.lineno}" for it in ends]
    assert found == []


def test_the_order_of_the_tests_loses_none() -> None:
    paths = [path for path in files() if path.name.startswith("test_")]
    items: Any = [SimpleNamespace(path=path, add_marker=lambda mark: None) for path in paths]
    conftest.pytest_collection_modifyitems(items)
    assert sorted(item.path for item in items) == sorted(paths)


def test_only_listed_marks_exempt_code_from_a_checker() -> None:
    found = {
        (path.relative_to(ROOT).as_posix(), mark)
        for path in files()
        if path != Path(__file__)
        for mark in EXCUSES.findall(path.read_bytes().decode("utf-8", "replace"))
    }
    assert found == EXCUSED
