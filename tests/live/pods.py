"""Podman as the node of a cluster: it runs the pods of the manifests, in a network of its own.

Podman runs in a network namespace without a connection to this machine, so it uses no port of it.
Images come from the Docker daemon of the other tests and stay below ``build/live``.
:func:`for_podman` changes the parts of the manifests that Podman does not support.
"""

from __future__ import annotations

import copy
import ctypes
import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.live.conftest import BUILD, lacking, program
from tests.live.images import Docker
from tests.live.restricted import Object, containers
from tests.template import run

NETWORK, SUBNET, GATEWAY = "pods", "10.89.77.0/24", "10.89.77.1"
PLAYED = {"ConfigMap", "Deployment", "Job", "PersistentVolumeClaim", "Secret"}
CLONE_NEWNET = 0x40000000
STORAGE = """\
[storage]
driver = "overlay"
[storage.options]
auto-userns-min-size = 65536  # as a cluster's node maps them
"""


@dataclass
class Node:
    """A running Podman, and the manifests that it runs."""

    holder: int
    folder: Path
    played: list[Path] = field(default_factory=list)

    @property
    def command(self) -> list[str | Path]:
        return [
            *(program("nsenter"), f"--target={self.holder}", "--net", "--mount", program("podman")),
            *("--root", BUILD / "podman", "--runroot", BUILD / "podman-run"),
            *("--tmpdir", BUILD / "podman-run" / "tmp", "--network-config-dir", self.folder),
            *("--runtime", "runc", "--cgroup-manager", "cgroupfs"),
        ]

    def run(self, *arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        env = os.environ | {
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
            "PODMAN_IGNORE_CGROUPSV1_WARNING": "1",
        }
        return run(*self.command, *arguments, **({"env": env, "timeout": 300} | options))

    def __call__(self, *arguments: str | Path, **options: Any) -> str:
        """Run ``podman``, which must succeed; return its output."""
        result = self.run(*arguments, **options)
        assert result.returncode == 0, f"podman {arguments}: {result.stdout[-4000:]}"
        return result.stdout

    def load(self, docker: Docker, images: list[str]) -> None:
        """Copy images from Docker, unless an earlier run has copied them."""
        identities = docker("image", "inspect", "--format", "{{.Id}}", *images).split()
        for image, identity in zip(images, identities, strict=True):
            if self.run("image", "exists", identity).returncode:
                self._copy(docker, image)
            self("tag", identity, f"localhost/{image}")

    def _copy(self, docker: Docker, image: str) -> None:
        save = [program("docker"), "save", image]
        with subprocess.Popen(save, env=docker.environment, stdout=subprocess.PIPE) as saving:
            self("load", "--quiet", stdin=saving.stdout)
        assert saving.returncode == 0

    def play(self, documents: list[Object], alias: str = "", *, replace: bool = False) -> Path:
        """Run ``podman kube play``; return its file. ``alias`` is the host name in the network."""
        path, result = self.try_to_play(documents, alias, replace=replace)
        assert result.returncode == 0, result.stdout[-4000:]
        return path

    def try_to_play(
        self, documents: list[Object], alias: str = "", *, replace: bool = False
    ) -> tuple[Path, subprocess.CompletedProcess[str]]:
        path = self.folder / f"{len(self.played)}.yaml"
        path.write_text(yaml.safe_dump_all(documents), "utf-8")
        self.played.append(path)
        network = f"{NETWORK}:alias={alias}" if alias else NETWORK
        options = ["--log-driver", "k8s-file", *(["--replace"] if replace else [])]
        return path, self.run("kube", "play", *options, "--network", network, path)

    def log(self, container: str) -> Path:
        """The log file of a container on this machine, in the format of a cluster's node."""
        return Path(self.inspect(container)["HostConfig"]["LogConfig"]["Path"])

    def stop(self, played: Path) -> None:
        """Stop the pods of this file; keep the volumes."""
        self("kube", "down", played)

    def volume(self, name: str) -> Path:
        """The folder of a volume, on this machine."""
        return BUILD / "podman" / "volumes" / name / "_data"

    def inspect(self, container: str) -> Object:
        return dict(json.loads(self("container", "inspect", container))[0])

    def address(self, container: str) -> str:
        """The pod's address in its network."""
        pod = json.loads(self("pod", "inspect", self.inspect(container)["Pod"]))
        infra = (pod[0] if isinstance(pod, list) else pod)["InfraContainerID"]
        return str(self.inspect(infra)["NetworkSettings"]["Networks"][NETWORK]["IPAddress"])

    def connect(self, address: tuple[str, int]) -> socket.socket:
        """A connection from beside the pods."""
        result: list[socket.socket | OSError] = []

        def connecting() -> None:  # in a thread, since a namespace is a thread's
            with Path(f"/proc/{self.holder}/ns/net").open() as file:
                if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
                    result.append(OSError(ctypes.get_errno(), "setns"))
                    return
            try:
                result.append(socket.create_connection(address, 30))
            except OSError as error:
                result.append(error)

        thread = threading.Thread(target=connecting)
        thread.start()
        thread.join()
        if isinstance(result[0], OSError):
            raise result[0]
        return result[0]

    def clear(self) -> None:
        """Remove everything except the images."""
        for path in reversed(self.played):
            self.run("kube", "down", "--force", path)
        self.played.clear()
        self.run("pod", "rm", "--all", "--force", "--time", "0")
        self.run("rm", "--all", "--force", "--time", "0")
        for kind in ("volume", "secret"):
            if names := self.run(kind, "ls", "--quiet").stdout.split():
                self.run(kind, "rm", *names)


@contextmanager
def node() -> Iterator[Node]:
    """Start a namespace for Podman; stop everything at the end."""
    if os.geteuid():
        lacking("needs root, for the pods' network")
    for name in ("podman", "runc", "catatonit", "nsenter", "unshare"):
        program(name)
    folder = BUILD / "podman-node"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # User namespaces take their users from here; on this machine there may be none to take.
    (folder / "subuid").write_text("containers:1000000:10000000\n", "utf-8")
    (folder / "storage.conf").write_text(STORAGE, "utf-8")
    start = 'for file in subuid subgid; do mount --bind "$0/subuid" "/etc/$file"; done'
    start += "; ip link set lo up; exec cat"
    command = ["unshare", "--net", "--mount", "sh", "-ec", start, folder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin
        assert holder.stdout
        running = Node(holder.pid, folder)
        try:
            holder.stdin.write(b"started\n")
            holder.stdin.flush()
            assert holder.stdout.readline(), "cannot make namespaces"
            running.clear()  # what an earlier run left that was killed
            running("network", "create", "--internal", "--subnet", SUBNET, NETWORK)
            yield running
        finally:
            running.clear()
            running.run("network", "rm", "--force", NETWORK)
            running.run("image", "prune", "--force")  # what newer ones have replaced
            holder.stdin.close()


TLS = "tls"  # this Secret is the cluster's: cert-manager writes it


def parts_of_secrets(manifests: list[Object], secrets: list[Object]) -> list[Object]:
    """For each volume with only some keys of a Secret: a new Secret with only these keys."""
    whole = {secret["metadata"]["name"]: secret for secret in secrets}
    parts = []
    for document in manifests:
        spec = document.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)  # of a CronJob
        for volume in spec.get("template", {}).get("spec", {}).get("volumes", []):
            source = volume.get("secret", {})
            items = source.get("items")
            if items and source["secretName"] != TLS:
                data = whole[source["secretName"]]["data"]
                missing = [item["key"] for item in items if item["key"] not in data]
                assert source.get("optional") or not missing, missing
                part = copy.deepcopy(whole[source["secretName"]])
                part["metadata"]["name"] += f"-of-{document['metadata']['name']}"
                part["data"] = {it["path"]: data[it["key"]] for it in items if it["key"] in data}
                parts.append(part)
    return parts


def for_podman(documents: list[Object], images: dict[str, str]) -> list[Object]:
    """The manifests as Podman can run them.

    - Images have the names of this machine, because there is no registry.
    - Podman has no fsGroup: everybody may read a Secret's files, and the folder of the certificate,
      which would belong to root in memory, is on disk.
    - Podman cannot map one volume to the users of two pods: pods with a volume run without their
      own user namespace.
    - Podman mounts all keys of a Secret: :func:`parts_of_secrets` makes one with the wanted keys.

    All else stays as for a cluster. Podman ignores replicas, all probes except the liveness probe,
    preStop, namespaces, Services, NetworkPolicies and scaling.
    """
    played = [copy.deepcopy(document) for document in documents if document["kind"] in PLAYED]
    for document in played:
        document["metadata"].pop("namespace", None)
        pod = document.get("spec", {}).get("template", {}).get("spec", {})
        for container in containers(pod):
            name = container["image"].partition("@")[0].partition(":")[0].rpartition("/")[2]
            container |= {"image": f"localhost/{images[name]}", "imagePullPolicy": "Never"}
        for volume in pod.get("volumes", []):
            if "secret" in volume:
                assert volume["secret"]["defaultMode"] == 0o440
                volume["secret"]["defaultMode"] = 0o444
                if volume["secret"]["secretName"] != TLS and volume["secret"].pop("items", []):
                    volume["secret"]["secretName"] += f"-of-{document['metadata']['name']}"
            if "persistentVolumeClaim" in volume:
                pod.pop("hostUsers", None)
            if volume["name"] == "nginx-tls":
                del volume["emptyDir"]["medium"]
    return played
