"""Units: what somebody who has taken over the service could do next on its host."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path("deploy/systemd")
FORBIDDEN = """
NoNewPrivileges RestrictNamespaces RestrictSUIDSGID RestrictRealtime LockPersonality PrivateIPC
MemoryDenyWriteExecute ProtectHome PrivateDevices PrivateMounts ProtectKernelTunables RemoveIPC
ProtectKernelModules ProtectKernelLogs ProtectControlGroups ProtectClock ProtectHostname
"""
# Of every unit, in hardening.conf.
CONFINED = {
    **{name: ["yes"] for name in FORBIDDEN.split()},
    "CapabilityBoundingSet": [""],
    "AmbientCapabilities": [""],
    "ProtectSystem": ["strict"],
    "ProtectProc": ["invisible"],
    "DevicePolicy": ["closed"],
    "SystemCallArchitectures": ["native"],
    "UMask": ["0077"],
    "LimitCORE": ["0"],
}
SERVICES = sorted(FOLDER.glob("*.service"))


def settings(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"(\w+)=(.*)", line):
            found.setdefault(match[1], []).append(match[2])
    return found


def test_what_no_unit_needs_no_unit_has() -> None:
    found = settings(FOLDER / "hardening.conf")
    assert {name: found.get(name) for name in CONFINED} == CONFINED


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_a_unit_gets_no_further(path: Path) -> None:
    unit = settings(path)
    # As root, which alone reads the key, but without any right of root.
    root = path.stem == "app-certificate"
    assert root or unit.get("DynamicUser") == ["yes"] or unit["User"][0] not in ("root", "0")
    # A unit may ask for more than hardening.conf, and for nothing less.
    assert not {name for name in CONFINED if name in unit and unit[name] != CONFINED[name]}
    assert unit["SystemCallFilter"][0].split()[0] == "@system-service"
    assert "~@privileged @resources" in unit["SystemCallFilter"]
    if path.stem not in ("app-certificate", "app-outside@"):  # which reach others by their task
        assert unit["PrivateNetwork"] == ["yes"] or unit["RestrictAddressFamilies"] == ["AF_UNIX"]
        assert unit["IPAddressDeny"] == ["any"]
    # Variables are inherited, and shown by /proc.
    assert not re.search("KEY|SECRET|PASSWORD|TOKEN", " ".join(unit.get("Environment", [])))


def test_the_service_reaches_sockets_alone() -> None:
    unit = settings(FOLDER / "app.service")
    assert unit["PrivateNetwork"] == unit["PrivateUsers"] == ["yes"]
    assert unit["IPAddressDeny"] == ["any"]
    assert not {"MIGRATION_DATABASE_URL", "ADMIN_DATABASE_URL"} & {
        credential.partition(":")[0] for credential in unit["LoadCredential"]
    }


def test_nobody_but_nginx_reaches_the_service() -> None:
    unit = settings(FOLDER / "app.socket")
    assert unit["ListenStream"] == [it for it in unit["ListenStream"] if it.startswith("/run/")]
    assert unit["SocketUser"] == ["root"]
    assert unit["SocketGroup"] == ["www-data"]
    assert unit["SocketMode"] == ["0660"]


def test_a_killed_service_is_started_at_once_and_requests_wait() -> None:
    """tests/test_restart.py kills it."""
    unit, socket = settings(FOLDER / "app.service"), settings(FOLDER / "app.socket")
    assert (unit["Restart"], unit["RestartSec"]) == (["always"], ["100ms"])
    assert unit["Type"] == ["notify"]  # so that a start that fails is seen as one
    assert unit["Requires"][0].endswith(".socket")
    site = Path("deploy/nginx/site.conf").read_text(encoding="utf-8")
    assert f"server unix:{socket['ListenStream'][0]} " in site
