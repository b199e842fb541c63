"""Kubernetes: manifests and deploy.sh against a real API server with controllers and scheduler."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.live import cluster_nodes
from tests.live.cluster import running
from tests.live.cluster_api import Cluster
from tests.live.cluster_operator import KINDS, Operator, definition, operator, prepare
from tests.live.compose import wait_until
from tests.live.test_kubernetes import OVERLAYS, SERVICES, documents, kustomize
from tests.template import run

pytestmark = pytest.mark.kubernetes


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("cluster")) as started:
        yield started


@pytest.fixture(scope="module")
def ready(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """The cluster, with the kinds and volumes that the manifests need."""
    # Without the definitions, deploy.sh applies nothing and says what is missing.
    service = operator(cluster, tmp_path_factory.mktemp("early"), "early", database="sqlite")
    service.fails_to_deploy("  Certificate of cert-manager.io/v1")
    assert "early" not in cluster.kubectl("get", "namespaces")
    prepare(cluster)
    return cluster


@pytest.fixture(scope="module")
def stories(
    ready: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[None]]]:
    """What runs during other tests, because it mostly waits for kubectl and the controllers."""
    folder = tmp_path_factory.mktemp("stories")
    started = {}
    with ThreadPoolExecutor() as pool:
        for story, database in ((releases, "postgresql"), (one_pod, "sqlite"), (spread, "mysql")):
            service = operator(ready, folder, f"demo-{database}", database=database)
            started[story.__name__] = pool.submit(story, service)
        yield started


@pytest.fixture(scope="module")
def services(
    cluster: Cluster,
    stories: dict[str, Future[None]],  # they wait while this renders
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Operator]:
    """The manifests of all combinations of database and auth."""
    folder = tmp_path_factory.mktemp("rendered")
    return {
        name: operator(cluster, folder, f"all-{name}", **answers)
        for name, answers in SERVICES.items()
    }


def manifests(services: dict[str, Operator], folder: Path, overlay: str) -> list[Any]:
    """The manifests of all combinations, rendered by one run of kubectl."""
    folder.mkdir()
    lines = [
        f"- {Path('..', *['..'] * len(folder.parts), str(it.folder)[1:])}/overlays/{overlay}\n"
        for it in services.values()
    ]
    (folder / "kustomization.yaml").write_text("resources:\n" + "".join(lines), "utf-8")
    found = documents(kustomize(folder))
    first = ("Namespace", "ServiceAccount")  # as kubectl does
    return sorted(found, key=lambda it: it["kind"] not in first)


def test_the_cluster_takes_every_combination_and_runs_its_pods(
    ready: Cluster, services: dict[str, Operator], tmp_path: Path
) -> None:
    """Both overlays, strictly, without a warning about Pod Security or an old API."""
    overlays = {name: manifests(services, tmp_path / name, name) for name in OVERLAYS}
    for thing in overlays["production"]:
        if thing["kind"] == "Namespace":
            ready.apply(thing)
    wrong = [
        (thing["kind"], thing["metadata"], warning)
        for things in overlays.values()
        for thing in things
        for warning in ready.apply(thing, dry_run=True)
    ]
    assert wrong == []

    def waiting() -> list[str]:
        """The Deployments and Jobs that are not in the wanted state yet."""
        found = []
        for thing in ready.call("GET", "/apis/apps/v1/deployments")["items"]:
            want, status = thing["spec"]["replicas"], thing["status"]
            pods = 2 if thing["metadata"]["name"] == "web" else 1
            if not thing["metadata"]["namespace"].startswith("all-"):
                continue
            if "all-sqlite" in thing["metadata"]["namespace"]:
                pods = 1
            now = (status.get("observedGeneration"), want, status.get("updatedReplicas"))
            now += (status.get("replicas"), status.get("availableReplicas"))
            if now != (thing["metadata"]["generation"], *[pods] * 4):
                found.append(f"{thing['metadata']['namespace']} {thing['metadata']['name']} {now}")
        for thing in ready.call("GET", "/apis/batch/v1/jobs")["items"]:
            ours = thing["metadata"]["namespace"].startswith("all-")
            if ours and not thing["status"].get("succeeded"):
                found.append(f"{thing['metadata']['namespace']} migrate {thing['status']}")
        return found

    for overlay, things in overlays.items():
        for service in services.values():
            if overlay != "production":  # deploy.sh does the same
                path = f"/apis/batch/v1/namespaces/{service.namespace}/jobs/migrate"
                ready.call("DELETE", f"{path}?propagationPolicy=Background")
        for thing in things:
            ready.apply(thing)
        wait_until(lambda: waiting() == [], lambda: "\n".join(waiting()))
        pods = [pod for it in services.values() for pod in it.list("Pod")]
        assert {pod["metadata"]["labels"]["overlay"] for pod in pods} == {overlay}
    for service in services.values():
        ready.call("DELETE", f"/api/v1/namespaces/{service.namespace}")


def test_third_party_kinds_are_checked_by_their_real_definitions(
    ready: Cluster, services: dict[str, Operator]
) -> None:
    """The test above would accept a field that cert-manager or a gateway does not know."""
    if lacking := [kind for kind in KINDS if definition(kind) is None]:
        pytest.skip(f"no crds/ in the folder KUBERNETES_BIN defines {', '.join(lacking)}")
    folder = services["mysql-session"].folder
    found = {
        thing["kind"]: thing
        for name in OVERLAYS
        for thing in documents(kustomize(folder / "overlays" / name))
    }
    for kind in KINDS:
        thing = found[kind]
        thing["metadata"]["namespace"] = "default"
        assert ready.apply(thing, dry_run=True) == []
        thing["spec"]["secretNaem"] = "web"
        with pytest.raises(OSError, match=r"field not declared in schema"):
            ready.apply(thing, dry_run=True)


def test_a_service_through_its_releases(stories: dict[str, Future[None]]) -> None:
    stories["releases"].result()


def test_sqlite_comes_back_when_its_migration_fails_or_is_cut_off(
    stories: dict[str, Future[None]],
) -> None:
    stories["one_pod"].result()


def test_the_pods_of_a_release_are_on_different_nodes(stories: dict[str, Future[None]]) -> None:
    stories["spread"].result()


def spread(service: Operator) -> None:
    """Rollouts of two pods; they are in different zones if the nodes have zones."""
    manifests = documents(kustomize(service.folder / "overlays/production"))
    (web,) = (
        thing
        for thing in manifests
        if thing["kind"] == "Deployment" and thing["metadata"]["name"] == "web"
    )
    for zones in ((None, None, None), ("a", "a", "b"), ("a", "b", None)):
        places = rollouts(service.cluster, web, zones)
        zone = dict(zip(cluster_nodes.NODES, zones, strict=True))
        assert [place for place in places if place[0] == place[1]] == [], zones
        same = [place for place in places if zone[place[0]] == zone[place[1]]]
        assert not any(zones) or same == [], f"in one zone, though there is another: {zones}"


def rollouts(ready: Cluster, web: Any, zones: tuple[str | None, ...]) -> list[list[str]]:
    """The nodes of the two pods after each of five rollouts."""
    cluster_nodes.zones(ready, *zones)
    namespace = f"spread-{len(set(zones))}"
    ready.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    account = {"apiVersion": "v1", "kind": "ServiceAccount"}
    ready.apply(account | {"metadata": {"name": "workload", "namespace": namespace}})
    web["metadata"]["namespace"] = namespace
    web["spec"]["replicas"] = 2
    places = []
    for release in range(5):
        web["spec"]["template"]["metadata"]["annotations"]["web-secret"] = str(release)
        ready.apply(web)

        def pods() -> list[Any]:
            return list(ready.call("GET", f"/api/v1/namespaces/{namespace}/pods")["items"])

        def rolled_out() -> bool:
            wanted = [(str(release), "Running")] * 2  # noqa: B023 # called in this round
            return wanted == [
                (it["metadata"]["annotations"]["web-secret"], it["status"].get("phase"))
                for it in pods()
            ]

        wait_until(rolled_out, lambda: str(pods()))
        places.append(sorted(pod["spec"]["nodeName"] for pod in pods()))
    ready.call("DELETE", f"/api/v1/namespaces/{namespace}")
    return places


def releases(service: Operator) -> None:
    """Updates, a rotated key, a step back, another overlay."""
    ready = service.cluster
    own, jobs = ("--namespace", service.namespace), f"{service.namespace}/"
    migration, backup = f"{jobs}migrate", f"{jobs}backups-before-update"
    twin = service.twin()
    service.changes(
        "base/web.yaml", "          env:\n", "          env:\n            - {name: OLD, value: x}\n"
    )
    service.deploys()
    wait_until(lambda: service.get("Deployment", "web")["spec"]["replicas"] == 2)  # the autoscaler
    before = service.state()
    service.deploys()
    assert service.state() == before, "what changes nothing restarts nothing"
    ready.ends[backup] = "Failed"
    service.fails_to_deploy("the backup did not succeed")
    ready.ends.pop(backup)
    assert service.state() == before
    assert service.names("Job") == {"migrate"}, "that of the last deployment"
    twin.fails_to_deploy("the cluster has secrets that are not here")

    # After a rotation and a failed migration, pods have the old key: another rotation is refused.
    rotate = ("sh", service.folder / "secrets.sh", "rotate")
    environment = _no_pod(service)
    rotated = run(*rotate, env=environment)
    assert rotated.returncode == 0, rotated.stdout
    ready.ends[migration] = "Failed"
    service.fails_to_deploy("the migration did not succeed")
    refused = run(*rotate, env=environment)
    assert refused.returncode == 1, "the Secret has changed, and the pods still have the key before"
    assert "Nothing was changed: a pod still has the keys" in refused.stdout
    ready.ends.pop(migration)
    # deploy.sh deletes settings that no release uses, and keeps those for `rollout undo`.
    ready.kubectl(*own, "create", "configmap", "settings-old")
    label = f"app.kubernetes.io/name={service.namespace}"
    ready.kubectl(*own, "label", "configmap/settings-old", label)
    kept = service.names("ConfigMap") - {"settings-old"}
    service.changes("base/settings.env", "\nDOMAIN_NAME=", "\nSOMETHING=new\nDOMAIN_NAME=")
    service.changes("base/web.yaml", "            - {name: OLD, value: x}\n", "")
    service.deploys()
    after = service.state()
    secret = service.get("Secret", "web")["metadata"]["resourceVersion"]
    for name in ("web", "mail"):
        pods = service.get("Deployment", name)["spec"]["template"]
        assert pods["metadata"]["annotations"]["web-secret"] == secret
    assert (before["revision"], after["revision"]) == ("1", "2")
    assert after["Deployment/valkey"] == before["Deployment/valkey"], "it read nothing new"
    maps = service.names("ConfigMap")
    assert "settings-old" not in maps
    assert kept < maps

    # `rollout undo` restores the previous release. The next deployment must remove it and the first
    # overlay: otherwise the policy of the first overlay would let all traffic in.
    ready.kubectl(*own, "rollout", "undo", "deployment/web", "deployment/mail")
    undone = service.app()
    assert undone["envFrom"][0]["configMapRef"]["name"] in kept
    assert "OLD" in [variable["name"] for variable in undone["env"]]
    service.deploys("gateway")
    again = service.app()
    assert again["envFrom"][0]["configMapRef"]["name"] not in kept
    assert "OLD" not in [variable["name"] for variable in again["env"]]
    policies = service.names("NetworkPolicy")
    assert ("web-from-gateway" in policies, "web-from-everywhere" in policies) == (True, False)
    assert service.names("Certificate") == set()

    # The password of the mail server is read by the pod that sends mail, and by no other.
    before = service.state()
    (service.folder / "secrets" / "MAIL_URL").write_text("smtps://demo:new@mail.test\n", "utf-8")
    service.deploys("gateway")
    after = service.state()
    changed = {name for name in before if name.startswith("Dep") and before[name] != after[name]}
    assert changed == {"Deployment/mail"}


def one_pod(service: Operator) -> None:
    """The service stops for a migration, and starts again also if the migration fails."""
    ready = service.cluster
    migration = f"{service.namespace}/migrate"
    backup = f"{service.namespace}/backups-before-update"
    service.deploys("gateway")
    service.deploys()
    assert service.names("Gateway") | service.names("HTTPRoute") == set()
    assert "web-from-gateway" not in service.names("NetworkPolicy")
    before = service.state()
    service.deploys()
    assert service.state() == before, "what changes nothing stops nothing"

    service.changes("base/settings.env", "\nDOMAIN_NAME=", "\nSOMETHING=new\nDOMAIN_NAME=")
    ready.ends[backup] = "Failed"
    service.fails_to_deploy("the backup did not succeed")
    ready.ends.pop(backup)
    assert service.state()["revision"] == before["revision"]
    ready.ends[migration] = "Failed"
    service.fails_to_deploy("the migration did not succeed")
    for name in ("web", "mail"):
        assert service.get("Deployment", name)["spec"]["replicas"] == 1

    ready.ends[migration] = ""
    with subprocess.Popen(**service.command("production"), stdout=subprocess.DEVNULL) as script:
        wait_until(lambda: service.get("Deployment", "web")["spec"]["replicas"] == 0)
        wait_until(lambda: 1 in [job["status"].get("ready") for job in service.list("Job")])
        script.terminate()
        assert script.wait(60) == 143
    ready.ends.pop(migration)
    for name in ("web", "mail"):
        assert service.get("Deployment", name)["spec"]["replicas"] == 1
    assert service.names("Job") == set(), "a migration has the file as well"
    service.deploys()


def test_a_user_without_rights_writes_no_new_secrets(services: dict[str, Operator]) -> None:
    service = services["sqlite-token"]
    service.fails_to_deploy("does not say whether it has secrets", user="nobody")
    assert not (service.folder / "secrets" / "SECRET_KEY").exists()


def _no_pod(service: Operator) -> dict[str, str]:
    """An environment in which `kubectl exec` does nothing, because no pod really runs."""
    kubectl = service.folder / "no-pod" / "kubectl"
    kubectl.parent.mkdir()
    real = f'exec {shutil.which("kubectl")} "$@"'
    kubectl.write_text(f'#!/bin/sh\ncase " $* " in *" exec "*) ;; *) {real} ;; esac\n', "utf-8")
    kubectl.chmod(0o755)
    environment = os.environ | service.cluster.environment("operator")
    return environment | {"PATH": f"{kubectl.parent}:{os.environ['PATH']}"}
