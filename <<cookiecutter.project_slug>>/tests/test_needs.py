"""What the machine lacks leaves out a test, and fails it in CI."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import needs
from tests.marks import practice

pytestmark = practice("audits")

FAILED, LEFT_OUT = pytest.fail.Exception, pytest.skip.Exception
SHOWN = """#!/bin/sh
echo "nginx version: nginx/{}" >&2
echo "built with OpenSSL {} 9 Jan 2026" >&2
"""


@pytest.fixture(autouse=True)
def ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """A skip would hide the failure of these tests."""
    monkeypatch.setenv("CI", "true")


@pytest.mark.parametrize(("ci", "ends"), [("true", FAILED), ("", LEFT_OUT)])
def test_what_is_missing_fails_in_ci_and_leaves_out_elsewhere(
    monkeypatch: pytest.MonkeyPatch, ci: str, ends: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    for need in (needs.program, needs.auditor):
        with pytest.raises((FAILED, LEFT_OUT)) as ended:
            need("no-such-program")
        assert ended.type is ends


def test_what_is_there_lacks_nothing() -> None:
    assert Path(needs.program("sh")).is_file()


@pytest.mark.parametrize(
    ("nginx", "openssl", "is_old"),
    [
        ("1.24.0", "3.5.1", True),
        ("1.25.0", "3.3.0", True),
        ("1.25.1", "3.0.13", True),
        ("1.25.1", "3.3.0", False),
        ("1.26.3", "3.5.1", False),
    ],
)
def test_only_an_old_nginx_is_too_old(
    tmp_path: Path, nginx: str, openssl: str, is_old: bool
) -> None:
    program = tmp_path / "nginx"
    program.write_text(SHOWN.format(nginx, openssl))
    program.chmod(0o755)
    assert bool(needs.too_old(str(program))) == is_old
