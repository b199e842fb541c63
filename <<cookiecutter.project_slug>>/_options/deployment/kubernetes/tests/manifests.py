"""The manifests of deploy/kubernetes, as they are written: no kubectl is needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path("deploy/kubernetes")
COMPONENT = "app.kubernetes.io/component"
Object = dict[str, Any]


def documents(path: Path) -> list[Object]:
    """The objects of a file. An anchor is resolved, an empty document left out."""
    return [it for it in yaml.safe_load_all(path.read_text(encoding="utf-8")) if it]


def kustomization(name: str) -> Object:
    (found,) = documents(FOLDER / name / "kustomization.yaml")
    return found


def resources(name: str) -> list[Object]:
    """The objects of the files that the kustomization of this folder lists as resources."""
    listed = [it for it in kustomization(name)["resources"] if it.endswith(".yaml")]
    return [it for file in listed for it in documents(FOLDER / name / file)]


def named(objects: list[Object]) -> dict[str, Object]:
    """By kind and name, as kubectl shows them."""
    found = {f"{it['kind']}/{it['metadata']['name']}": it for it in objects}
    assert len(found) == len(objects), "two objects with the same name"
    return found


def pods(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """The component and the specification of each pod."""
    for it in objects:
        spec = it.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)  # of a CronJob
        if "template" in spec:
            template = spec["template"]
            assert template["metadata"]["labels"] == {COMPONENT: it["metadata"]["name"]}
            yield it["metadata"]["name"], template["spec"]


BASE = resources("base")
PODS = dict(pods(BASE))


def containers(pod: Object) -> list[Object]:
    return [*pod.get("initContainers", []), *pod["containers"]]
