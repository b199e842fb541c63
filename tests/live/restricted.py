"""Kubernetes' Pod Security Standard "restricted", over rendered manifests.

https://kubernetes.io/docs/concepts/security/pod-security-standards/ (version 1.34), and stricter
rules of ours. A cluster checks the standard when it creates a pod; this checks it before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Object = dict[str, Any]

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim"}
VOLUMES |= {"projected", "secret"}
HOST = ("hostNetwork", "hostPID", "hostIPC")
SECCOMP = ("RuntimeDefault", "Localhost")
SELINUX = (None, "container_t", "container_init_t", "container_kvm_t", "container_engine_t")


def pods(documents: list[Object]) -> Iterator[tuple[str, Object]]:
    """Every pod that the manifests make: its owner's name, and its specification."""
    for document in documents:
        name = f"{document['kind']}/{document['metadata']['name']}"
        specification = document.get("spec", {})
        if document["kind"] == "Pod":
            yield name, specification
        elif "jobTemplate" in specification:
            yield name, specification["jobTemplate"]["spec"]["template"]["spec"]
        elif "template" in specification:
            yield name, specification["template"]["spec"]


def containers(pod: Object) -> Iterator[Object]:
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from pod.get(kind, [])


def violations(documents: list[Object]) -> list[str]:
    """All violations of the profile and of our stricter rules."""
    return [
        f"{name}: {problem}"
        for name, pod in pods(documents)
        for problem in (*of_pod(pod), *beyond(pod))
    ]


def of_pod(pod: Object) -> Iterator[str]:
    """The violations of the profile "restricted" by one pod."""
    for key in HOST:
        if pod.get(key):
            yield key
    for volume in pod.get("volumes", []):
        if kinds := set(volume) - {"name"} - VOLUMES:
            yield f"volume {volume['name']} is a {kinds.pop()}"
    whole = pod.get("securityContext", {})
    for context in (
        whole,
        *(container.get("securityContext", {}) for container in containers(pod)),
    ):
        if context.get("runAsUser") == 0:
            yield "runAsUser is 0"
        if context.get("sysctls") or context.get("windowsOptions", {}).get("hostProcess"):
            yield "sysctls or hostProcess"
        if context.get("procMount", "Default") != "Default":
            yield "procMount"
        if context.get("appArmorProfile", {}).get("type", "RuntimeDefault") == "Unconfined":
            yield "appArmorProfile is Unconfined"
        selinux = context.get("seLinuxOptions", {})
        if selinux.get("type") not in SELINUX or selinux.get("user") or selinux.get("role"):
            yield "seLinuxOptions"
        if context.get("seccompProfile", {}).get("type", SECCOMP[0]) not in SECCOMP:
            yield "seccompProfile is Unconfined"
    for container in containers(pod):
        own, name = container.get("securityContext", {}), container["name"]
        if not own.get("runAsNonRoot", whole.get("runAsNonRoot")):
            yield f"{name} may run as root"
        if own.get("seccompProfile", whole.get("seccompProfile")) is None:
            yield f"{name} has no seccompProfile"
        if own.get("privileged") or own.get("allowPrivilegeEscalation") is not False:
            yield f"{name} may gain privileges"
        capabilities = own.get("capabilities", {})
        if "ALL" not in capabilities.get("drop", []) or capabilities.get("add"):
            yield f"{name} has capabilities"
        if any(port.get("hostPort") for port in container.get("ports", [])):
            yield f"{name} takes a port of the host"


def beyond(pod: Object) -> Iterator[str]:
    """The violations of our stricter rules by one pod."""
    if pod.get("automountServiceAccountToken") is not False:
        yield "has a token of the cluster's API"
    if pod.get("hostUsers") is not False:
        yield "shares the users of the node"
    if pod.get("enableServiceLinks") is not False:
        yield "has variables that name other services"
    if pod.get("securityContext", {}).get("runAsUser", 0) < 10_000:
        yield "its user may be one of the node's"
    for volume in pod.get("volumes", []):
        if "secret" in volume and volume["secret"].get("defaultMode", 0o644) & 0o007:
            yield f"others may read the secret {volume['name']}"
        if "emptyDir" in volume and not volume["emptyDir"].get("sizeLimit"):
            yield f"{volume['name']} may fill the node"
    for container in containers(pod):
        name, resources = container["name"], container.get("resources", {})
        if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
            yield f"{name} may write its root"
        for kind in ("requests", "limits"):
            if set(resources.get(kind, {})) != {"cpu", "memory", "ephemeral-storage"}:
                yield f"{name} has not all {kind}"
        if "@sha256:" not in container["image"]:
            yield f"{name} has an image without a digest"
        secret = [v for v in container.get("env", []) if "secretKeyRef" in v.get("valueFrom", {})]
        if secret or any("secretRef" in source for source in container.get("envFrom", [])):
            yield f"{name} has a secret in its environment, where every child process sees it"
