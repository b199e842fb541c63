"""Every line of Nginx's configuration has one owner: the table in ``nginx.list``.

Most of what Nginx does shows in ``test_https.py``. A line more may open what no test of today
tries: a header for other sites, a cookie without a flag, a header of the app that is hidden.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.marks import practice
from tests.security.test_numbers import table

pytestmark = practice("https")

FOLDER = Path("deploy/nginx")
TLS = "deploy/nginx/tls.conf"  # its owner is test_tls_is_what_mozilla_recommends
# A text in quotes stays whole. A comment begins where a word would begin.
COMMENT = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?<!\S)#[^\n]*""")


def configured(text: str) -> list[str]:
    """The lines of a configuration without comments and indentation."""
    kept = COMMENT.sub(lambda found: found[1] or "", text).splitlines()
    return [line.strip() for line in kept if line.strip()]


def nginx() -> dict[str, list[str]]:
    """The lines of each file in the folder, whatever its name."""
    files = (path for path in FOLDER.rglob("*") if path.is_file())
    found = {path.as_posix(): configured(path.read_text("utf-8")) for path in files}
    assert found.pop(TLS)
    return found


def test_every_line_of_nginx_is_in_the_table() -> None:
    expected, found = table("nginx.list"), nginx()
    for file in found.keys() | expected.keys():
        assert found.get(file) == expected.get(file), f"{file}: see tests/security/nginx.list"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a on;  # why\n# b on;\n\n  c 'd # e';", ["a on;", "c 'd # e';"]),
        ('a "it\'s # b"; c on;', ['a "it\'s # b"; c on;']),
        ("# it's\na b#c; d on;", ["a b#c; d on;"]),
    ],
)
def test_only_comments_are_left_out(text: str, read: list[str]) -> None:
    assert configured(text) == read
