"""Pods: what somebody who has taken over one of them could do next."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.environment import redis_problem, redis_risk

FOLDER = Path("deploy/kubernetes")
OBJECTS: list[dict[str, Any]] = [
    it
    for path in sorted(FOLDER.rglob("*.yaml"))
    for it in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    if it
]
BASE: list[dict[str, Any]] = [
    it
    for path in sorted((FOLDER / "base").glob("*.yaml"))
    for it in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    if it
]


def pods() -> Iterator[Any]:
    for it in BASE:
        spec = it.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)  # of a CronJob
        if "template" in spec:
            yield pytest.param(spec["template"]["spec"], id=it["metadata"]["name"])


@pytest.mark.parametrize("pod", list(pods()))
def test_a_pod_gets_no_further(pod: dict[str, Any]) -> None:
    assert pod["automountServiceAccountToken"] is False
    assert pod["hostUsers"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] > 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not [volume for volume in pod.get("volumes", []) if "hostPath" in volume]
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"].keys() >= {"cpu", "memory", "ephemeral-storage"}
        for variable in container.get("env", []):
            assert "secretKeyRef" not in variable.get("valueFrom", {}), "a secret is a file"


def test_a_killed_container_is_back_as_soon_as_it_works() -> None:
    """No visitor is sent to a pod before its startup probe succeeds."""
    deployments = [it for it in BASE if it["kind"] == "Deployment"]
    (web,) = (it for it in deployments if it["metadata"]["name"] == "web")
    pod = web["spec"]["template"]["spec"]
    assert pod.get("restartPolicy", "Always") == "Always"
    (app,) = (it for it in pod["containers"] if it["name"] == "app")
    assert app["startupProbe"]["periodSeconds"] == 1
    assert app["startupProbe"]["failureThreshold"] >= 180  # while the database is not there yet
    assert app["startupProbe"]["exec"]["command"][-1] == "/readyz"
    for kind in ("readinessProbe", "livenessProbe"):
        assert app[kind]["exec"]["command"][-1] == "/healthz"


def test_the_cluster_lets_in_restricted_pods_alone() -> None:
    (namespace,) = (it for it in BASE if it["kind"] == "Namespace")
    labels = namespace["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_nobody_is_reached_who_is_not_named() -> None:
    policies = {it["metadata"]["name"]: it["spec"] for it in BASE if it["kind"] == "NetworkPolicy"}
    assert policies.pop("deny-by-default") == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }
    for name, policy in policies.items():
        assert policy["podSelector"], name
        for rule in policy.get("egress", []):
            assert rule.get("ports"), name
        for direction, side in (("ingress", "from"), ("egress", "to")):
            for rule in policy.get(direction, []):
                assert rule, f"{name} lets everything pass"
                assert {} not in rule.get(side, []), name


def test_the_host_without_tls_is_the_pod_that_only_the_service_reaches() -> None:
    url = re.search(r'write REDIS_URL "(\S+)"', (FOLDER / "secrets.sh").read_text("utf-8"))
    settings = (FOLDER / "base/settings.env").read_text("utf-8")
    (host,) = re.findall("^REDIS_PRIVATE_HOST=(.*)$", settings, re.MULTILINE)
    assert url is not None
    assert redis_problem(url[1]) is None
    assert redis_risk(url[1], host) is None
    policies = {it["metadata"]["name"]: it["spec"] for it in BASE if it["kind"] == "NetworkPolicy"}
    allowed = policies[f"{host}-from-web"]
    assert allowed["podSelector"]["matchLabels"] == {"app.kubernetes.io/component": host}
    (rule,) = allowed["ingress"]
    assert rule["from"] == [
        {"podSelector": {"matchLabels": {"app.kubernetes.io/component": "web"}}}
    ]


def test_no_secret_is_in_a_manifest() -> None:
    assert [it for it in OBJECTS if it.get("kind") == "Secret"] == []
