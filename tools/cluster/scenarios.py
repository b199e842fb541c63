"""What is done to the services, in this order. Visitors are there all the time.

A scenario happens to all services at once; it ends when every pod that had to go is gone.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable

from tools.cluster import databases, nodes
from tools.cluster.coming import first_answer
from tools.cluster.place import ClusterError, kubectl, wait_until
from tools.cluster.service import Service
from tools.cluster.stage import Stage, image, pods, settle

CUT = 40  # seconds without the database, or without DNS
DARK = 75  # seconds without a node: the balancer needs 24, the controllers 20


def busiest(stage: Stage) -> str:
    """The node with most pods of the services."""
    found = [pod["spec"].get("nodeName") for service in stage.services for pod in pods(service)]
    return str(Counter(filter(None, found)).most_common(1)[0][0])


def update(stage: Stage) -> None:
    """A new release, under load."""
    before = {service.name: image(service) for service in stage.services}
    stage.each(lambda service: service.deploy(stage.docker, "2"))
    for service in stage.services:
        if image(service) == before[service.name]:
            raise ClusterError(f"{service.name}: deploy.sh left the old release")
    stage.each(settle)


def again(stage: Stage) -> None:
    """deploy.sh once more, with nothing new: no pod may be replaced."""

    def deploy(service: Service) -> None:
        before = {pod["metadata"]["uid"] for pod in pods(service, "web,valkey")}
        service.script("deploy.sh", "production")
        if before != {pod["metadata"]["uid"] for pod in pods(service, "web,valkey")}:
            raise ClusterError(f"{service.name}: nothing is new, and pods were replaced")

    stage.each(deploy)


def rollback(stage: Stage) -> None:
    """``kubectl rollout undo``, under load."""
    before = {service.name: image(service) for service in stage.services}

    def undo(service: Service) -> None:
        service.kubectl("rollout", "undo", "deployment/web")
        service.kubectl("rollout", "status", "deployment/web", "--timeout=240s", timeout=250)

    stage.each(undo)
    for service in stage.services:
        if image(service) == before[service.name]:
            raise ClusterError(f"{service.name}: the image is the same after `rollout undo`")
    stage.each(settle)


def rotation(stage: Stage) -> None:
    """A new ``SECRET_KEY``, under load; nobody is signed out."""

    def rotate(service: Service) -> None:
        service.script("secrets.sh", "rotate")
        service.script("deploy.sh", "production")

    stage.each(rotate)
    stage.each(settle)


def killed_pod(stage: Stage) -> None:
    """One pod of each service, with SIGKILL and without notice."""

    def kill(service: Service) -> None:
        victim = pods(service)[0]["metadata"]["name"]
        service.kubectl("delete", "pod", victim, "--grace-period=0", "--force")

    stage.each(kill)
    stage.each(settle)


def drain(stage: Stage) -> None:
    """A node is emptied (``kubectl drain``), and used again."""
    node = busiest(stage)
    options = ["--ignore-daemonsets", "--delete-emptydir-data", "--timeout=240s"]
    kubectl("drain", node, *options, timeout=250)
    kubectl("uncordon", node)
    stage.each(settle)


def killed_node(stage: Stage) -> None:
    """A node loses its power, and comes back later."""
    node = busiest(stage)
    stage.processes.end(node)
    time.sleep(DARK)
    nodes.start(stage.processes, node)
    wait_until(f"{node} is ready", lambda: nodes.ready(node))
    nodes.route()
    stage.each(settle)


def database_off(stage: Stage) -> None:
    """Packets to the database vanish for a while."""
    with databases.cut_off():
        time.sleep(CUT)
    stage.each(settle)


def dns_off(stage: Stage) -> None:
    """No pod of the cluster's DNS is there for a while."""
    patch = ["patch", "daemonset", "dns", "--namespace", "kube-system", "--type=merge", "--patch"]
    kubectl(*patch, '{"spec": {"template": {"spec": {"nodeSelector": {"none": "none"}}}}}')
    try:
        time.sleep(CUT)
    finally:
        kubectl(*patch, '{"spec": {"template": {"spec": {"nodeSelector": null}}}}')
    stage.each(settle)


def backup(stage: Stage) -> None:
    """A backup, a note after it, and the backup put in the place of the database."""

    def restore(service: Service) -> None:
        visitors = stage.visitors[service.name]
        visitors.quiet.set()
        time.sleep(2)  # whoever writes has finished
        service.script("backups.sh", "now")
        listed = re.findall(r"^-r.* (\S+)$", service.script("backups.sh", "list"), re.MULTILINE)
        writer = visitors.writers[0]
        writer.write("after the backup")
        service.script("backups.sh", "restore", listed[-1])
        settle(service)
        first_answer(visitors)
        visitors.sign_in()
        if "after the backup" in writer.notes():
            raise ClusterError(f"{service.name}: what came after the backup is still there")
        visitors.quiet.clear()

    stage.each(restore)


# Order and names of the command's ONLY. The first column of docs/cluster.md has the names.
SCENARIOS: dict[str, Callable[[Stage], None]] = {
    "update": update,
    "again": again,
    "rollback": rollback,
    "rotation": rotation,
    "killed-pod": killed_pod,
    "drain": drain,
    "killed-node": killed_node,
    "database-off": database_off,
    "dns-off": dns_off,
    "backup": backup,
}
