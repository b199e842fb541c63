"""Pods: what somebody who has taken over one of them could do next.

``tests/pods_policy.py`` is the table of what each may do, ``tests/deployment_policy.py`` that of
what else is in the cluster.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests import deployment_policy as policy
from tests import pods_policy
from tests.manifests import (
    BASE,
    FOLDER,
    PODS,
    containers,
    documents,
    kustomization,
    named,
    resources,
)
from tests.marks import asvs, practice
from tests.policy import check, exposed, settings, unexplained

PINNED = re.compile(r"(\S+:\S+)@sha256:[0-9a-f]{64}")
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def test_only_workloads_of_the_policy_run() -> None:
    """No Secret (their place is a folder of its own), no role, and nothing that nobody has judged."""
    check(
        "deploy/kubernetes/base",
        dict.fromkeys(named(BASE)),
        dict.fromkeys(policy.BASE),
        policy.TABLE,
    )
    for overlay, wanted in policy.OVERLAYS.items():
        found = dict.fromkeys(named(resources(f"overlays/{overlay}")))
        check(f"deploy/kubernetes/overlays/{overlay}", found, dict.fromkeys(wanted), policy.TABLE)


def test_every_file_is_one_that_is_listed() -> None:
    """A file that nobody lists protects nothing."""
    for name in ("base", "overlays/production", "overlays/gateway"):
        listed = kustomization(name)
        files = {it for it in listed["resources"] if it.endswith(".yaml")}
        files |= {it["path"] for it in listed.get("patches", [])} | {"kustomization.yaml"}
        unlisted = {
            path.name for path in (FOLDER / name).iterdir() if path.suffix == ".yaml"
        } - files
        assert unlisted <= policy.OF_OTHER_ANSWERS


@pytest.mark.parametrize("name", pods_policy.PODS)
def test_each_pod_matches_the_policy(name: str) -> None:
    """Its user, its account and token, its share of the node, and its volumes."""
    assert name in PODS, f"deploy/kubernetes/base lacks {name}, which {pods_policy.TABLE} names"
    pod = PODS[name]
    seen = {key: it for key, it in pod.items() if key not in pods_policy.HARMLESS_IN_PODS}
    check(f"pod {name}", seen, pods_policy.PODS[name], pods_policy.TABLE)
    volumes = {
        it["name"]: {key: of for key, of in it.items() if key != "name"} for it in pod["volumes"]
    }
    check(f"volumes of {name}", volumes, pods_policy.VOLUMES[name], pods_policy.TABLE)
    found = {f"{name}/{it['name']}" for it in containers(pod)}
    wanted = {it for it in pods_policy.CONTAINERS if it.startswith(f"{name}/")}
    check(f"containers of {name}", dict.fromkeys(found), dict.fromkeys(wanted), pods_policy.TABLE)


def mount(found: dict[str, Any]) -> str:
    words = [found["name"], found["mountPath"], *["read-only"] * (found.get("readOnly") is True)]
    rest = found.keys() - {"name", "mountPath", "readOnly"}
    return " ".join([*words, *(f"{key}={found[key]}" for key in sorted(rest))])


def source(found: dict[str, Any]) -> str:
    """Where variables come from. A secretRef would show secrets in /proc and to `kubectl describe`."""
    ((kind, of),) = found.items()
    return f"{kind.removesuffix('Ref')} {of['name']}"


def probe(found: dict[str, Any]) -> Any:
    """What it runs. Its times are for the operator, as long as it notices within ten minutes."""
    each, times = found.get("periodSeconds", 10), found.get("failureThreshold", 3)
    soon = each * times <= 600 and found.get("timeoutSeconds", 1) <= 30
    known = {"exec", "periodSeconds", "timeoutSeconds", "failureThreshold"}
    return found["exec"]["command"] if found.keys() <= known and soon else found


def view(container: dict[str, Any]) -> dict[str, Any]:
    """A container in the words of the table."""
    seen = {
        key: it
        for key, it in container.items()
        if key
        not in (
            *pods_policy.HARMLESS_IN_CONTAINERS,
            *PROBES,
            "name",
            "command",
            "args",
            "resources",
        )
    }
    pinned = PINNED.fullmatch(container["image"])
    seen["image"] = f"{pinned[1]}, pinned" if pinned else container["image"]
    seen["run"] = [*container.get("command", []), *container.get("args", [])]
    seen["env"] = {it["name"]: it.get("value", it) for it in container.get("env", [])}
    if "envFrom" in container:
        seen["envFrom"] = {source(it) for it in container["envFrom"]}
    seen["limits"] = container.get("resources", {}).get("limits")
    seen["mounts"] = {mount(it) for it in seen.pop("volumeMounts", [])}
    seen["probes"] = {name: probe(container[name]) for name in PROBES if name in container}
    return seen


@practice("audits")
@asvs("13.2.2", "13.3.2")
@pytest.mark.parametrize("name", pods_policy.CONTAINERS)
def test_each_container_matches_the_policy(name: str) -> None:
    """Its image, privileges, mounts, secrets, limits, health checks and command."""
    pod, _, of = name.partition("/")
    (container,) = (dict(it) for it in containers(PODS[pod]) if it["name"] == of)
    allowed = pods_policy.CONTAINERS[name] | {"securityContext": pods_policy.CONFINED}
    check(f"container {name}", view(container), allowed, pods_policy.TABLE)
    assert exposed(view(container)["env"]) == [], "a secret is a file"


@pytest.mark.parametrize("name", pods_policy.PODS)
def test_operation_opens_no_way_in(name: str) -> None:
    """The keys of which the policy allows any value: names, hooks and ports."""
    asks = PODS[name].get("dnsConfig", {}).keys()
    assert asks <= {"options"}, "another server of names sends the pod anywhere"
    for it in containers(PODS[name]):
        for hook, does in it.get("lifecycle", {}).items():
            assert (hook, [*does]) == ("preStop", ["sleep"]), "a hook that runs a program"
        assert not [port for port in it.get("ports", []) if port.keys() & {"hostPort", "hostIP"}]


@practice("logs")
@asvs("16.4.3")
def test_every_container_leaves_its_log_to_the_node() -> None:
    """It can write no file that lasts, so what it has to say is in its streams."""
    found = [(name, it) for name, pod in PODS.items() for it in containers(pod)]
    assert len(found) > 3
    for name, container in found:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
        mounts = [it["mountPath"] for it in container.get("volumeMounts", [])]
        assert not [path for path in mounts if path.startswith("/var/log")], name


def test_the_cluster_lets_in_restricted_pods_alone() -> None:
    namespace = named(BASE)[f"Namespace/{policy.SLUG}"]
    modes = {f"pod-security.kubernetes.io/{mode}" for mode in ("enforce", "audit", "warn")}
    labels = namespace["metadata"]["labels"]
    versions = {f"{mode}-version": labels.get(f"{mode}-version") for mode in modes}
    assert len(set(versions.values())) == 1, "one version, so that an update adds no new rule"
    assert re.fullmatch(r"v1\.\d+", next(iter(versions.values())) or "")
    assert labels == dict.fromkeys(modes, "restricted") | versions
    for account in ("workload", "mail"):
        assert named(BASE)[f"ServiceAccount/{account}"]["automountServiceAccountToken"] is False


# --- Images


def test_a_release_is_a_digest() -> None:
    found = kustomization("release")
    assert found.keys() == {"apiVersion", "kind", "images"}
    images = {it["name"]: it for it in found["images"]}
    assert images.keys() == {"app", "nginx"}
    for image in images.values():
        assert image.keys() == {"name", "newName", "digest"}, "a tag is another image tomorrow"
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", image["digest"])
        assert not re.search(r":[^/]*$|@", image["newName"])


@pytest.mark.parametrize("overlay", policy.OVERLAYS)
def test_an_overlay_changes_what_the_policy_names(overlay: str) -> None:
    """Its labels keep the pods of the two apart; its patches open no more than is listed."""
    name = f"overlays/{overlay}"
    found = kustomization(name)
    labels = {"app.kubernetes.io/name": policy.SLUG, "overlay": overlay}
    assert found["labels"] == [{"pairs": labels, "includeTemplates": True}]
    assert found["namespace"] == policy.SLUG
    assert (found["resources"][0], found["components"]) == ("../../base", ["../../release"])
    assert {it["path"] for it in found["patches"]} == policy.PATCHES[overlay].keys()
    maps = [{"name": "real-ip", "files": ["real_ip.conf"]}] if overlay == "gateway" else []
    assert found.get("configMapGenerator", []) == maps
    known = (
        "apiVersion kind namespace labels resources components patches configMapGenerator".split()
    )
    assert not found.keys() - set(known), f"{name} does what no table names"
    for file, wanted in policy.PATCHES[overlay].items():
        (patch,) = documents(FOLDER / name / file)
        check(f"{name}/{file}", patch["spec"], wanted, policy.TABLE)


def test_the_base_generates_settings_alone() -> None:
    found = kustomization("base")
    known = "apiVersion kind namespace labels resources configMapGenerator".split()
    assert found.keys() == set(known), "what generates or replaces is in no table"
    assert found["configMapGenerator"] == [
        {"name": "settings", "envs": ["settings.env"]},
        {"name": "valkey", "files": ["valkey.conf"]},
    ]
    written = (FOLDER / "base/settings.env").read_text(encoding="utf-8").splitlines()
    assert exposed(settings(written)) == [], "secrets are files in deploy/kubernetes/secrets"
    assert unexplained(written) == []


# --- Secrets, and addresses


def test_each_secret_has_its_files() -> None:
    found = kustomization("secrets")
    assert {it["name"]: it["files"] for it in found["secretGenerator"]} == policy.FILES
    assert {key for it in found["secretGenerator"] for key in it} == {"name", "files"}
    ignored = (FOLDER / "secrets/.gitignore").read_text(encoding="utf-8").split()
    assert ignored == ["*", "!.gitignore", "!kustomization.yaml"], "no secret gets into git"


def test_client_addresses_are_trusted_only_from_the_cluster() -> None:
    """Of it, the NetworkPolicy lets in none but the gateway."""
    text = (FOLDER / "overlays/gateway/real_ip.conf").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    private = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
    assert lines == [
        *(f"set_real_ip_from {network};" for network in private),
        "real_ip_header X-Forwarded-For;",
    ]
