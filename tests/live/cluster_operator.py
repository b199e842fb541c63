"""An operator who deploys a rendered service, and the objects that the cluster needs first."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.live.cluster_api import APPLY, Cluster, path_of
from tests.live.test_kubernetes import OIDC, SERVER, fill_in
from tests.template import render, run
from tools.cluster.programs import definitions

GATEWAY, CERTIFICATES = "gateway.networking.k8s.io", "cert-manager.io"
DEFINITIONS = "apiextensions.k8s.io/v1"
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


GROUPS = dict.fromkeys(("Deployment", "ReplicaSet"), "apps/v1") | {
    "Job": "batch/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
}
GROUPS |= {kind: f"{group}/v1" for kind, (group, _) in KINDS.items()}


def path_in(namespace: str, kind: str, name: str = "") -> str:
    about = {"namespace": namespace, "name": name}
    return path_of({"apiVersion": GROUPS.get(kind, "v1"), "kind": kind, "metadata": about})


def definition(kind: str) -> str | None:
    """The real definition of a third-party kind, in YAML; None if ``KUBERNETES_BIN`` has none."""
    group, plural = KINDS[kind]
    found = [folder / f"{group}_{plural}.yaml" for folder in definitions()]
    return next((path.read_text("utf-8") for path in found if path.exists()), None)


def stand_in(kind: str) -> Any:
    """A definition that accepts all fields."""
    group, plural = KINDS[kind]
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True}
    version["schema"] = {"openAPIV3Schema": schema}
    unapproved = {"api-approved.kubernetes.io": "unapproved, a test"}
    return {
        "apiVersion": DEFINITIONS,
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "annotations": unapproved},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [version],
        },
    }


def prepare(cluster: Cluster) -> None:
    """Create the kinds of cert-manager and of the Gateway API, and volumes."""
    for kind, (group, plural) in KINDS.items():
        path = f"/apis/{DEFINITIONS}/customresourcedefinitions/{plural}.{group}"
        body = definition(kind) or stand_in(kind)
        cluster.call("PATCH", f"{path}?fieldManager=kubectl&force=true", body, APPLY)
    for thing in (STORAGE, *(VOLUME | {"metadata": {"name": f"volume{n}"}} for n in range(20))):
        cluster.apply(thing)
    cluster.kubectl("wait", "--for", "condition=established", "crd", "--all", "--timeout", "30s")


@dataclass
class Operator:
    """An operator who deploys ``project`` into ``namespace``."""

    cluster: Cluster
    project: Path
    namespace: str

    @property
    def folder(self) -> Path:
        return self.project / "deploy" / "kubernetes"

    def command(self, overlay: str, user: str = "operator") -> dict[str, Any]:
        env = os.environ | SERVER | OIDC | {"INTERVAL": "0.3"} | self.cluster.environment(user)
        return {"args": ["sh", str(self.folder / "deploy.sh"), overlay], "env": env}

    def deploy(self, overlay: str = "production", user: str = "operator") -> tuple[int, str]:
        """Run deploy.sh; return its exit status and output."""
        command = self.command(overlay, user)
        result = run(*command["args"], env=command["env"], timeout=180)
        return result.returncode, result.stdout

    def deploys(self, overlay: str = "production") -> None:
        status, said = self.deploy(overlay)
        assert status == 0, said

    def fails_to_deploy(self, *words: str, user: str = "operator") -> None:
        status, said = self.deploy(user=user)
        assert (status, [word for word in words if word not in said]) == (1, []), said

    def changes(self, file: str, old: str, new: str) -> None:
        """Replace ``old`` everywhere in a file of deploy/kubernetes."""
        path = self.folder / file
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")

    def twin(self) -> Operator:
        """Another operator with a copy of the project."""
        project = shutil.copytree(self.project, self.project.with_name(f"{self.namespace}-twin"))
        return Operator(self.cluster, Path(project), self.namespace)

    def get(self, kind: str, name: str) -> Any:
        """An object as the cluster stores it."""
        return self.cluster.call("GET", path_in(self.namespace, kind, name))

    def list(self, kind: str) -> list[Any]:
        return list(self.cluster.call("GET", path_in(self.namespace, kind))["items"])

    def names(self, kind: str) -> set[str]:
        return {it["metadata"]["name"] for it in self.list(kind)}

    def app(self) -> Any:
        """The container ``app`` in the current template of the Deployment ``web``."""
        pods = self.get("Deployment", "web")["spec"]["template"]["spec"]
        return next(it for it in pods["containers"] if it["name"] == "app")

    def state(self) -> dict[str, Any]:
        """The generations and versions of all objects: a restart of pods changes them."""
        found = {
            f"{kind}/{it['metadata']['name']}": it["metadata"].get(
                "generation", it["metadata"]["resourceVersion"]
            )
            for kind in ("Deployment", "ReplicaSet", "Secret", "ConfigMap")
            for it in self.list(kind)
        }
        web = self.get("Deployment", "web")["metadata"]["annotations"]
        return found | {"revision": web["deployment.kubernetes.io/revision"]}


def operator(cluster: Cluster, folder: Path, namespace: str, **answers: str) -> Operator:
    """Render a service with pushed images and a migration that tries only once."""
    given = {"deployment": "kubernetes"} | answers
    service = Operator(cluster, render(folder, **given, project_slug=namespace), namespace)
    fill_in(service.folder)
    release = service.folder / "release" / "kustomization.yaml"
    digest = f"sha256:{'0123456789abcdef' * 4}"
    release.write_text(re.sub("sha256:0+", digest, release.read_text("utf-8")), "utf-8")
    service.changes("base/migrate.yaml", "backoffLimit: 2", "backoffLimit: 0")
    return service
