"""Kubernetes: deploy.sh against a real API server with its controllers; no pod runs there."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.live.cluster import Cluster, running
from tests.live.compose import wait_until
from tests.live.test_kubernetes import SERVER, fill_in
from tests.template import render, run

pytestmark = pytest.mark.kubernetes

GATEWAY = "gateway.networking.k8s.io"
CERTIFICATES = "cert-manager.io"
KINDS = {
    "Certificate": (CERTIFICATES, "certificates"),
    "Issuer": (CERTIFICATES, "issuers"),
    "Gateway": (GATEWAY, "gateways"),
    "HTTPRoute": (GATEWAY, "httproutes"),
    "BackendTLSPolicy": (GATEWAY, "backendtlspolicies"),
}
VOLUME = {
    "apiVersion": "v1",
    "kind": "PersistentVolume",
    "spec": {
        "capacity": {"storage": "20Gi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "manual",
        "hostPath": {"path": "/nowhere"},
    },
}
STORAGE = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {
        "name": "manual",
        "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
    },
    "provisioner": "kubernetes.io/no-provisioner",
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("cluster")) as started:
        yield started


@dataclass
class Operator:
    """Somebody with a rendered service in front of the cluster."""

    cluster: Cluster
    project: Path
    namespace: str

    def command(self, overlay: str, user: str = "operator") -> dict[str, Any]:
        env = os.environ | SERVER | {"INTERVAL": "1"} | self.cluster.environment(user)
        script = self.project / "deploy" / "kubernetes" / "deploy.sh"
        return {"args": ["sh", str(script), overlay], "env": env}

    def deploy(self, overlay: str = "production", user: str = "operator") -> tuple[int, str]:
        """The exit status of deploy.sh, and what it said."""
        command = self.command(overlay, user)
        result = run(*command["args"], env=command["env"], timeout=180)
        return result.returncode, result.stdout

    def deploys(self, overlay: str = "production") -> None:
        status, said = self.deploy(overlay)
        assert status == 0, said

    def get(self, *what: str) -> Any:
        return json.loads(
            self.cluster.kubectl("--namespace", self.namespace, "get", *what, "--output", "json")
        )

    def names(self, kind: str) -> set[str]:
        return {it["metadata"]["name"] for it in self.get(kind)["items"]}

    def jobs(self) -> list[Any]:
        return list(self.get("jobs")["items"])

    def state(self) -> dict[str, Any]:
        """What a restart would change."""
        found = {
            f"{it['kind']}/{it['metadata']['name']}": it["metadata"].get(
                "generation", it["metadata"]["resourceVersion"]
            )
            for it in self.get("deployments,replicasets,secrets,configmaps")["items"]
        }
        web = self.get("deployment/web")["metadata"]["annotations"]
        return found | {"revision": web["deployment.kubernetes.io/revision"]}


def operator(cluster: Cluster, folder: Path, database: str, namespace: str = "") -> Operator:
    namespace = namespace or f"demo-{database}"
    project = render(
        folder, deployment="kubernetes", database=database, auth="session", project_slug=namespace
    )
    kubernetes = project / "deploy" / "kubernetes"
    fill_in(kubernetes)
    release = kubernetes / "release" / "kustomization.yaml"
    digest = f"sha256:{'0123456789abcdef' * 4}"
    release.write_text(re.sub("sha256:0+", digest, release.read_text("utf-8")), "utf-8")
    job = kubernetes / "base" / "migrate.yaml"  # one attempt, so that a failure takes seconds
    job.write_text(job.read_text("utf-8").replace("backoffLimit: 2", "backoffLimit: 0"), "utf-8")
    return Operator(cluster, project, namespace)


@pytest.fixture(scope="module")
def ready(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """With the kinds of cert-manager and of the Gateway API, and volumes."""
    folder = tmp_path_factory.mktemp("before")
    without = operator(cluster, folder, "sqlite")
    # Asked first: nothing is applied, and the deployment says what is missing.
    status, said = without.deploy()
    assert (status, "  Certificate of cert-manager.io/v1" in said) == (1, True), said
    assert "demo-sqlite" not in cluster.kubectl("get", "namespaces")
    objects: list[Any] = [STORAGE]
    objects += [VOLUME | {"metadata": {"name": f"volume{number}"}} for number in range(6)]
    for kind, (group, plural) in KINDS.items():
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version = {"name": "v1", "served": True, "storage": True}
        version["schema"] = {"openAPIV3Schema": schema}
        objects.append(
            {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {
                    "name": f"{plural}.{group}",
                    "annotations": {"api-approved.kubernetes.io": "unapproved, a test"},
                },
                "spec": {
                    "group": group,
                    "scope": "Namespaced",
                    "names": {"kind": kind, "plural": plural},
                    "versions": [version],
                },
            }
        )
    listed = {"apiVersion": "v1", "kind": "List", "items": objects}
    cluster.kubectl("apply", "--server-side", "--filename", "-", input=json.dumps(listed))
    cluster.kubectl("wait", "--for", "condition=established", "crd", "--all", "--timeout", "30s")
    return cluster


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_service_through_its_releases(ready: Cluster, tmp_path: Path, database: str) -> None:
    service = operator(ready, tmp_path, database)
    folder = service.project / "deploy" / "kubernetes"
    service.deploys()
    if database == "postgresql":  # the autoscaler's second pod
        wait_until(lambda: service.get("deployment/web")["spec"]["replicas"] == 2, str)
    before = service.state()
    service.deploys()
    assert service.state() == before, "what changes nothing restarts nothing"

    # A key that is rotated is read after a migration that failed, too, and makes one release.
    assert run("sh", folder / "secrets.sh", "rotate").returncode == 0
    ready.end = "Failed"
    try:
        status, said = service.deploy()
        assert (status, "the migration did not succeed" in said) == (1, True), said
    finally:
        ready.end = "Succeeded"
    service.deploys()
    after = service.state()
    secret = service.get("secret/web")["metadata"]["resourceVersion"]
    pod = service.get("deployment/web")["spec"]["template"]
    assert pod["metadata"]["annotations"]["web-secret"] == secret
    assert (before["revision"], after["revision"]) == ("1", "2")
    assert after["Deployment/valkey"] == before["Deployment/valkey"], "it read nothing new"

    # Another overlay leaves nothing of the first, in whose place everybody would be let in.
    service.deploys("gateway")
    policies = service.names("networkpolicies")
    assert ("web-from-gateway" in policies, "web-from-everywhere" in policies) == (True, False)
    assert service.names("certificates") == set()
    service.deploys()
    assert service.names("gateways") == service.names("httproutes") == set()
    assert "web-from-gateway" not in service.names("networkpolicies")

    # Settings that no release reaches any more are gone; those for `rollout undo` are not.
    old = ("--namespace", service.namespace)
    ready.kubectl(*old, "create", "configmap", "settings-old")
    ready.kubectl(
        *old, "label", "configmap/settings-old", f"app.kubernetes.io/name={service.namespace}"
    )
    with (folder / "base" / "settings.env").open("a") as settings:
        settings.write("SOMETHING=new\n")
    kept = service.names("configmaps") - {"settings-old"}
    service.deploys()
    now = service.names("configmaps")
    assert "settings-old" not in now
    assert kept < now

    # One step back is the release before.
    ready.kubectl(*old, "rollout", "undo", "deployment/web")
    pod = service.get("deployment/web")["spec"]["template"]["spec"]
    assert pod["containers"][0]["envFrom"][0]["configMapRef"]["name"] in kept
    service.deploys()
    pod = service.get("deployment/web")["spec"]["template"]["spec"]
    assert pod["containers"][0]["envFrom"][0]["configMapRef"]["name"] not in kept

    # Whoever has none of the secrets makes no new ones.
    other = operator(ready, tmp_path / "other", database)
    status, said = other.deploy()
    assert (status, "the cluster has secrets that are not here" in said) == (1, True), said


def test_sqlite_comes_back_when_its_migration_is_cut_off(ready: Cluster, tmp_path: Path) -> None:
    service = operator(ready, tmp_path, "sqlite", "demo-stopped")
    service.deploys()
    with (service.project / "deploy/kubernetes/base/settings.env").open("a") as settings:
        settings.write("SOMETHING=new\n")
    ready.end = ""
    try:
        with subprocess.Popen(**service.command("production"), stdout=subprocess.DEVNULL) as script:
            wait_until(lambda: service.get("deployment/web")["spec"]["replicas"] == 0, str)
            wait_until(lambda: 1 in [job["status"].get("ready") for job in service.jobs()], str)
            script.terminate()
            assert script.wait(60) == 143
    finally:
        ready.end = "Succeeded"
    assert service.get("deployment/web")["spec"]["replicas"] == 1
    assert service.names("jobs") == set(), "a migration has the file as well"
    service.deploys()


def test_a_user_without_rights_writes_no_new_secrets(ready: Cluster, tmp_path: Path) -> None:
    service = operator(ready, tmp_path, "sqlite")
    status, said = service.deploy(user="nobody")
    assert (status, "does not say whether it has secrets" in said) == (1, True), said
    assert not (service.project / "deploy/kubernetes/secrets/SECRET_KEY").exists()
