"""Operations: each runs for all services at once, until every pod is ready."""

from __future__ import annotations

import re
import time

from tools.cluster.coming import first_answer
from tools.cluster.place import ClusterError
from tools.cluster.service import Service
from tools.cluster.stage import Stage, image, pods, settle


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
            raise ClusterError(f"{service.name}: pods were replaced although nothing was new")

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
            raise ClusterError(f"{service.name}: data from after the backup is still there")
        visitors.quiet.clear()

    stage.each(restore)
