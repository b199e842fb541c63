"""Containers: what somebody who has taken over one of them could do next."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

COMPOSE: dict[str, Any] = yaml.safe_load(Path("compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OF_OPERATORS = {"MIGRATION_DATABASE_URL", "ADMIN_DATABASE_URL", "ADMIN_PASSWORD"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_gets_no_further(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["ulimits"]["core"] == 0
    for limit in ("mem_limit", "memswap_limit", "cpus", "pids_limit"):
        assert service[limit], limit
    assert all("noexec,nosuid,nodev" in mount for mount in service["tmpfs"])
    assert not {"privileged", "cap_add", "devices", "pid", "ipc", "userns_mode"} & service.keys()
    # A folder of the host is one more way out; the daemon's socket is the host itself.
    for volume in service.get("volumes", []):
        assert volume.partition(":")[0] in COMPOSE["volumes"], volume


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_the_network_that_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service.get("network_mode", "none") == "none"
    networks = {"nginx": {"edge"}, "certbot": {"authority"}}.get(name, set())
    if name.startswith("app-"):
        networks = {"provider"} & COMPOSE["networks"].keys()
    assert set(service.get("networks", [])) == networks
    assert bool(networks) == ("network_mode" not in service)
    assert ("ports" in service) == (name == "nginx")
    assert COMPOSE["networks"].keys() <= {"edge", "authority", "provider"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_secret_is_a_file_for_those_who_need_it(name: str) -> None:
    service = SERVICES[name]
    for variable in dict(service.get("environment", {})):
        assert not re.search(r"PASSWORD$|SECRET|TOKEN|KEY", variable), variable
    if name.startswith("app-"):
        assert not OF_OPERATORS & set(service["secrets"])
    if name in ("nginx", "valkey", "certbot"):
        assert "secrets" not in service


def test_images_of_others_are_pinned() -> None:
    for name, service in SERVICES.items():
        if "build" not in service:
            assert re.search(r"@sha256:[0-9a-f]{64}$", service["image"]), name


@pytest.mark.parametrize("name", SERVICES)
def test_what_dies_is_started_again(name: str) -> None:
    """And counts again as soon as it works."""
    service = SERVICES[name]
    if name in ("create", "migrate"):  # they end
        assert service.get("restart", "no") == "no"
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["start_interval"] == "1s"
