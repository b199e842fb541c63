"""`make leaked` checks the archives that it reads, and writes the same list each time."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from tests.template import SERVICE
from tools import leaked


def archive(folder: Path, name: str, text: str) -> Path:
    path = folder / "package.tgz"
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(text.encode())
        tar.addfile(member, io.BytesIO(text.encode()))
    return path


def integrity(path: Path) -> str:
    return base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()


def test_another_archive_or_no_list_is_an_error(tmp_path: Path) -> None:
    """A registry whose package was replaced must not decide what a service accepts."""
    path = archive(tmp_path, "package/data/75.txt", "123456\nmanchesterunited\n")
    found = leaked.passwords(path, integrity(path), "package/data/*.txt")
    assert list(found) == ["123456", "manchesterunited"]
    with pytest.raises(ValueError, match="another SHA-512"):
        list(leaked.passwords(path, integrity(path)[::-1], "package/data/*.txt"))
    with pytest.raises(ValueError, match="no package/other"):
        list(leaked.passwords(path, integrity(path), "package/other/*.txt"))


def test_digests_are_of_our_lengths_folded_and_sorted() -> None:
    expected = hashlib.sha256(b"manchesterunited").hexdigest()[:8]
    long = "x" * 128
    found = leaked.digests(["Manchester United", "manchesterunited", "x" * 14, long, long + "x"])
    assert found == sorted([expected, hashlib.sha256(long.encode()).hexdigest()[:8]])
    listed = leaked.LEAKED.read_text(encoding="ascii").splitlines()
    assert expected in listed
    assert len(listed) == 9760  # of two packages; another number is a change to look at


def test_the_service_reads_what_the_command_writes() -> None:
    passwords = (SERVICE / "app/security/passwords.py").read_text(encoding="utf-8")
    assert f"MIN_LENGTH = {leaked.MIN_LENGTH}\nMAX_LENGTH = {leaked.MAX_LENGTH}\n" in passwords
    blocklist = (SERVICE / "app/security/blocklist.py").read_text(encoding="utf-8")
    assert f"DIGITS = {leaked.DIGITS}\n" in blocklist
