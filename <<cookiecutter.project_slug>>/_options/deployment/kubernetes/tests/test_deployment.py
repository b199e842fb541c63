"""Pods: what somebody who has taken over one of them could do next."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
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
    for name in yaml.safe_load((FOLDER / "base/kustomization.yaml").read_text())["resources"]
    for it in yaml.safe_load_all((FOLDER / "base" / name).read_text(encoding="utf-8"))
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
    # While the database is away, a pod that is ready says so on a page.
    assert app["readinessProbe"]["exec"]["command"][-1] == "connect"
    assert app["livenessProbe"]["exec"]["command"][-1] == "/healthz"


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


# --- What a rollout, a full network or a stopped script may cost


def web() -> Any:
    (found,) = (it for it in BASE if it["kind"] == "Deployment" and it["metadata"]["name"] == "web")
    return found["spec"]["template"]["spec"]


@pytest.mark.parametrize("pod", list(pods()))
def test_a_pod_has_an_account_that_nobody_else_makes(pod: dict[str, Any]) -> None:
    """The cluster makes "default" itself; who comes second with it fails."""
    accounts = {it["metadata"]["name"]: it for it in BASE if it["kind"] == "ServiceAccount"}
    assert "default" not in accounts
    assert accounts[pod["serviceAccountName"]]["automountServiceAccountToken"] is False


def test_a_pod_listens_until_balancers_know_that_it_leaves() -> None:
    app, nginx = (
        container["lifecycle"]["preStop"]["sleep"]["seconds"] for container in web()["containers"]
    )
    graceful = re.search(
        r"^graceful_timeout = (\d+)", Path("deploy/gunicorn.conf.py").read_text(), re.M
    )
    assert graceful
    assert nginx < app, "Nginx stops to take requests before the app does"
    assert app + int(graceful[1]) < web()["terminationGracePeriodSeconds"]
    if [it for it in BASE if it["kind"] == "HorizontalPodAutoscaler"]:  # another pod takes over
        assert nginx > 3 * 8, "three checks of GKE, one each 8 s; EKS 2 x 10 s, AKS 2 x 5 s"


def test_pods_go_to_other_nodes_where_no_node_has_a_zone() -> None:
    """The scheduler ignores such a node for all constraints when one of them is by zone."""
    if not [it for it in BASE if it["kind"] == "HorizontalPodAutoscaler"]:
        assert web().get("affinity") is None
        return
    (spread,) = web()["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    wishes = web()["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert [wish["podAffinityTerm"]["topologyKey"] for wish in wishes] == [
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    ]


def test_a_name_costs_seconds_while_dns_does_not_answer() -> None:
    asking = [pod.values[0] for pod in pods() if pod.id != "valkey"]
    assert len(asking) == 3
    for pod in asking:
        options = {it["name"]: it["value"] for it in pod["dnsConfig"]["options"]}
        assert options == {"ndots": "1", "timeout": "1", "attempts": "2"}


def test_a_pod_whose_threads_all_wait_still_gets_visitors(tmp_path: Path) -> None:
    """The database has vanished: a late page that says so, no refused connection."""
    app = web()["containers"][0]
    _, script, *arguments = app["readinessProbe"]["exec"]["command"]

    def probe() -> int:
        env = os.environ | {"GUNICORN_BIND": f"unix:{tmp_path}/app.sock"}
        command = [sys.executable, script, *arguments]
        return subprocess.run(command, env=env, check=False, timeout=20).returncode

    assert probe() == 1, "nobody is there"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{tmp_path}/app.sock")
        listening.listen()  # and never answers
        assert probe() == 0


@pytest.mark.parametrize("overlay", ["production", "gateway"])
def test_what_one_overlay_opens_is_open_for_its_pods_alone(overlay: str) -> None:
    """Pods of "gateway" believe who names a visitor's address; "production" lets in everybody."""
    folder = FOLDER / "overlays" / overlay
    settings = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    (labels,) = settings["labels"]
    assert (labels["pairs"]["overlay"], labels["includeTemplates"]) == (overlay, True)
    policies = list(yaml.safe_load_all((folder / "network.yaml").read_text(encoding="utf-8")))
    assert policies[0]["spec"]["podSelector"]["matchLabels"]["overlay"] == overlay


@pytest.mark.parametrize("script", sorted(FOLDER.glob("*.sh")), ids=lambda path: path.name)
def test_a_signal_leaves_nothing_behind(script: Path) -> None:
    """dash runs no EXIT trap when a signal ends it."""
    text = script.read_text(encoding="utf-8")
    assert re.search("^trap .* EXIT$", text, re.M)
    assert "\ntrap 'exit 130' INT\ntrap 'exit 143' TERM\n" in text


def test_an_error_of_the_cluster_is_no_permission_to_write_new_secrets(tmp_path: Path) -> None:
    kubectl = tmp_path / "kubectl"  # a stand-in: what counts is what the script makes of its error
    kubectl.write_text("#!/bin/sh\necho Forbidden >&2\nexit 1\n")
    kubectl.chmod(0o755)
    before = sorted((FOLDER / "secrets").iterdir())
    env = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    command = ["sh", f"{FOLDER}/deploy.sh", "production"]
    result = subprocess.run(
        command, env=env, check=False, timeout=60, capture_output=True, text=True
    )
    assert result.returncode == 1
    assert "does not say whether it has secrets" in result.stderr
    assert sorted((FOLDER / "secrets").iterdir()) == before
