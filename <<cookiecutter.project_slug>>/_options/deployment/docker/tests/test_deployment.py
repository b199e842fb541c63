"""Containers: what somebody who has taken over one of them could do next.

``tests/deployment_policy.py`` is the table of what each may do.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import deployment_policy as policy
from tests.marks import asvs, practice
from tests.policy import check, exposed, seconds, settings, unexplained

TABLE = "tests/deployment_policy.py"
COMPOSE: dict[str, Any] = yaml.safe_load(Path("compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PINNED = re.compile(r"(\S+:\S+)@sha256:[0-9a-f]{64}")
# The longest times of a health check, in seconds.
TIMES = {"interval": 600, "timeout": 30, "start_period": 600, "start_interval": 1}
UNITS = {"s": 1, "m": 60, "h": 3600}


def image(service: dict[str, Any], name: str) -> str:
    """Where an image comes from: built from the Dockerfile, or by whom, and whether it is pinned."""
    if build := service.get("build"):
        assert build.keys() == {"context", "target"}, "arguments of a build end up in its layers"
        assert service["image"] == f"{policy.SLUG}-{build['target']}", name
        return f"built here: {build['target']}" if build["context"] == "." else "built elsewhere"
    pinned = PINNED.fullmatch(service["image"])
    return f"{pinned[1]}, pinned" if pinned else f"{service['image']}, without a digest"


def health(found: dict[str, Any]) -> Any:
    """What a health check asks; its times are for the operator, as long as it notices soon."""
    if found == {"disable": True}:
        return "none"
    times = {key: str(it) for key, it in found.items() if key != "test"}
    read = {key: re.fullmatch(r"(\d+)([smh])", it) for key, it in times.items()}
    soon = all(it and int(it[1]) * UNITS[it[2]] <= TIMES.get(key, 0) for key, it in read.items())
    return found["test"] if soon else found


def view(name: str) -> dict[str, Any]:
    """A container in the words of the table."""
    service = SERVICES[name]
    seen = {key: value for key, value in service.items() if key not in policy.HARMLESS}
    seen.pop("build", None)
    seen["image"] = image(service, name)
    if "healthcheck" in service:
        seen["healthcheck"] = health(service["healthcheck"])
    for key in ("secrets", "volumes", "networks", "ports", "tmpfs"):
        if key in seen:
            assert all(isinstance(it, str) for it in seen[key]), f"{name}: write {key} as a text"
            seen[key] = set(seen[key])
    after = seen.setdefault("depends_on", {})
    if isinstance(after, dict):
        seen["depends_on"] = {
            other: it["condition"] if it.keys() == {"condition"} else it
            for other, it in after.items()
        }
    if not seen["depends_on"] and "depends_on" not in policy.CONTAINERS.get(name, {}):
        del seen["depends_on"]
    if isinstance(seen.get("command"), list):
        # Valkey's options are written one a line.
        seen["command"] = [str(it) for it in seen["command"]]
        if name == "valkey":
            seen["command"] = " ".join(seen["command"]).split()
    return seen


def test_only_workloads_of_the_policy_run() -> None:
    """A container, secret, network or volume that nobody has judged is not deployed."""
    known = {"name", "services", "secrets", "networks", "volumes"}
    assert {key for key in COMPOSE if not key.startswith("x-")} == known
    check(
        "compose.yaml, services", dict.fromkeys(SERVICES), dict.fromkeys(policy.CONTAINERS), TABLE
    )
    check("compose.yaml, networks", COMPOSE["networks"], policy.NETWORKS, TABLE)
    check("compose.yaml, volumes", COMPOSE["volumes"], policy.VOLUMES, TABLE)
    files = {name: {"file": f"secrets/{name}"} for name in policy.SECRETS}
    check("compose.yaml, secrets", COMPOSE["secrets"], files, TABLE)


@practice("audits")
def test_compose_reads_no_other_file() -> None:
    """Unasked it merges an override into compose.yaml; no table judges it but the document."""
    found = {path.name for name in ("compose.*", "docker-compose*") for path in Path().glob(name)}
    assert found <= {"compose.yaml", "compose.override.yaml"}
    if "compose.override.yaml" in found:
        document = Path("docs/monitoring.md").read_text(encoding="utf-8")
        (wanted,) = re.findall(r"```yaml\n(services:.*?)```", document, re.DOTALL)
        written = Path("compose.override.yaml").read_text(encoding="utf-8")
        same = [yaml.serialize(yaml.compose(it)) for it in (written, wanted)]
        assert same[0] == same[1], "it differs from docs/monitoring.md: write it into compose.yaml"


@practice("audits")
@asvs("13.2.2", "13.2.4", "13.2.5", "13.3.2")
@pytest.mark.parametrize("name", policy.CONTAINERS)
def test_each_container_matches_the_policy(name: str) -> None:
    """Its user, privileges, mounts, network, secrets, limits, health check and command."""
    assert name in SERVICES, f"compose.yaml lacks {name}, which {TABLE} names"
    check(f"compose.yaml, {name}", view(name), policy.CONTAINERS[name], TABLE)


@practice("logs")
@asvs("16.4.3")
@pytest.mark.parametrize("way", ["as it is", "as the README sends it elsewhere"])
def test_every_container_hands_its_log_to_docker(way: str) -> None:
    """One place says where all go on to, and it may be changed as the README says."""
    text = Path("compose.yaml").read_text(encoding="utf-8")
    driver = "json-file"
    if way != "as it is":
        readme = Path("deploy/docker/README.md").read_text(encoding="utf-8")
        (lines,) = re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)
        text, times = re.subn(r"(logging: &logging\n)(    .+\n)+", rf"\1{lines}", text)
        assert times == 1
        driver = "journald"
    services = yaml.safe_load(text)["services"]
    assert {it["logging"]["driver"] for it in services.values()} == {driver}
    for service in services.values():
        assert not [it for it in service.get("volumes", []) if ":/var/log" in it]


@practice("audits")
@asvs("13.3.1")
def test_a_secret_is_a_file() -> None:
    """`docker inspect` and /proc show variables."""
    for name, service in SERVICES.items():
        assert exposed(service.get("environment", {})) == [], name
    written = Path("deploy/docker/settings.env").read_text(encoding="utf-8").splitlines()
    assert exposed(settings(written)) == [], "secrets are files in secrets/"


@practice("audits")
def test_settings_are_for_the_service_alone() -> None:
    written = Path("deploy/docker/settings.env").read_text(encoding="utf-8").splitlines()
    assert unexplained(written, "ACME_EMAIL", "ACME_SERVER") == []


@pytest.mark.parametrize("name", SERVICES)
def test_restarted_containers_are_checked_every_second(name: str) -> None:
    """And counts again as soon as it works."""
    if name not in ("create", "migrate"):  # they end
        assert SERVICES[name]["healthcheck"]["start_interval"] == "1s"


def test_a_mail_that_is_being_sent_comes_to_its_end() -> None:
    """A kill in between sends it twice."""
    grace = re.fullmatch(r"(\d+)s", SERVICES["mail"]["stop_grace_period"])
    assert grace
    assert int(grace[1]) >= seconds("app/mail/transport.py", "TIMEOUT") + 30


def test_every_instance_is_behind_nginx() -> None:
    """And none counts as dead after one failure."""
    site = Path("deploy/nginx/site.conf").read_text(encoding="utf-8")
    found = re.findall(r"^ +server (\S+) max_fails=0;$", site, re.MULTILINE)
    instances = [name for name in SERVICES if name.startswith("app-")]
    assert found == [f"unix:{policy.APP_SOCKETS}/{name}.sock" for name in instances]
