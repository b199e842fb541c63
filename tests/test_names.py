"""install.sh refuses a service name that belongs to an account or a folder of the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.template import render, run

# Names that each Debian system uses, and the message of install.sh.
TAKEN = {
    "backup": "the user backup already exists",
    "shadow": "the group shadow already exists",
    "security": "/etc/security exists",
    "dpkg": "/etc/dpkg exists",
    "misc": "/var/lib/misc exists",
}


def said(slug: str, folder: Path) -> str:
    """Return the messages of install.sh about this host before it changes anything."""
    scripts = render(folder, deployment="systemd", project_slug=slug) / "deploy" / "systemd"
    check = "set -eu; here=$1; . ./common.sh; . ./host.sh; check_settings"
    return run("sh", "-c", check, "sh", scripts, cwd=scripts).stdout


@pytest.mark.parametrize("slug", TAKEN)
def test_a_name_of_the_host_is_refused(slug: str, tmp_path: Path) -> None:
    if not Path("/etc/debian_version").exists():
        pytest.skip("no Debian or Ubuntu: install.sh is for these")
    assert TAKEN[slug] in said(slug, tmp_path)


def test_a_new_name_is_taken(tmp_path: Path) -> None:
    assert "choose another project_slug" not in said("a-name-nobody-has", tmp_path)
