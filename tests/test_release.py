"""A release has one version, a tag, and a changelog that names the files to port by hand."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest

from tests.template import OPTIONS, QUESTIONS, ROOT, SERVICE, run

CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
VERSION = QUESTIONS["_template_version"]
HEADING = re.compile(r"^## (\d+)\.(\d+)\.(\d+) - (unreleased|\d{4}-\d\d-\d\d)$", re.MULTILINE)


def security_entries(changelog: str) -> list[str]:
    """Return the entries below all headings "Security"."""
    sections = re.findall(r"^### Security\n(.*?)(?=^#|\Z)", changelog, re.MULTILINE | re.DOTALL)
    return [
        " ".join(entry.split())
        for section in sections
        for entry in re.split(r"^- ", section, flags=re.MULTILINE)[1:]
    ]


def names_a_file(entry: str) -> bool:
    """Return whether an entry names, in backticks, a file of some service."""
    return any(is_rendered(path) for path in re.findall(r"`([^`\s]+)`", entry))


def is_rendered(path: str) -> bool:
    if ".." in PurePosixPath(path).parts or path.startswith(("/", OPTIONS.name)):
        return False
    return (SERVICE / path).is_file() or any(
        (choice / path).is_file() for choice in OPTIONS.glob("*/*")
    )


def test_every_security_change_names_the_file_to_port() -> None:
    assert [entry for entry in security_entries(CHANGELOG) if not names_a_file(entry)] == []


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ("Sessions end on a change of the password: `app/auth/sessions.py`.", True),
        ("Roles lose a right: see\n  `migrations/roles.sql`", True),
        ("Tokens are compared in constant time.", False),
        ("`app/auth/session.py` ends them.", False),
        ("`app/auth`", False),
        ("`../README.md`", False),
        ("`_options/auth/oidc/app/auth/views.py`", False),
    ],
)
def test_a_security_change_without_its_file_is_found(entry: str, named: bool) -> None:
    changelog = f"## 0.2.0 - unreleased\n\n### Security\n\n- {entry}\n\n### Added\n\n- More.\n"
    (found,) = security_entries(changelog)
    assert names_a_file(found) is named


def test_the_changelog_begins_with_the_version() -> None:
    headings = HEADING.findall(CHANGELOG)
    assert len(headings) == len(re.findall(r"^## ", CHANGELOG, re.MULTILINE)), "X.Y.Z - date"
    versions = [tuple(map(int, heading[:3])) for heading in headings]
    assert versions == sorted(versions, reverse=True)
    assert ".".join(headings[0][:3]) == VERSION
    assert "unreleased" not in [heading[3] for heading in headings[1:]]


def test_a_tag_is_the_version() -> None:
    tags = run("git", "tag", "--points-at", "HEAD", cwd=ROOT)
    if tags.returncode != 0:
        pytest.skip("the template is not in git here")
    released = [tag for tag in tags.stdout.split() if re.fullmatch(r"v\d.*", tag)]
    assert released in ([], [f"v{VERSION}"])
    assert not released or f"## {VERSION} - unreleased" not in CHANGELOG


def test_only_the_questions_contain_the_version() -> None:
    assert not re.search(r"^version\b", (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
