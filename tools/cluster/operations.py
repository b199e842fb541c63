"""Operations: each runs for all services at once, until every pod is ready."""

from __future__ import annotations

import re
import time

from tools.cluster.environment import ClusterError, kubectl, wait_until
from tools.cluster.loops import first_answer
from tools.cluster.service import Service
from tools.cluster.testbed import Testbed, image, pods, settle


def update(testbed: Testbed) -> None:
    """Deploy a new release under load."""
    before = {service.name: image(service) for service in testbed.services}
    testbed.each(lambda service: service.deploy(testbed.docker, "2"))
    for service in testbed.services:
        if image(service) == before[service.name]:
            raise ClusterError(f"{service.name}: deploy.sh left the old release")
    testbed.each(settle)


def again(testbed: Testbed) -> None:
    """Run deploy.sh again without a change: no pod may be replaced."""

    def deploy(service: Service) -> None:
        before = {pod["metadata"]["uid"] for pod in pods(service, "web,mail,valkey")}
        service.script("deploy.sh", "production")
        if before != {pod["metadata"]["uid"] for pod in pods(service, "web,mail,valkey")}:
            raise ClusterError(f"{service.name}: pods were replaced although nothing was new")

    testbed.each(deploy)


def rollback(testbed: Testbed) -> None:
    """Run ``kubectl rollout undo`` under load."""
    before = {service.name: image(service) for service in testbed.services}

    def undo(service: Service) -> None:
        names = ("deployment/web", "deployment/mail")
        service.kubectl("rollout", "undo", *names)
        for name in names:
            service.kubectl("rollout", "status", name, "--timeout=240s", timeout=250)

    testbed.each(undo)
    for service in testbed.services:
        if image(service) == before[service.name]:
            raise ClusterError(f"{service.name}: the image is the same after `rollout undo`")
    testbed.each(settle)


def rotation(testbed: Testbed) -> None:
    """Rotate ``SECRET_KEY`` under load; nobody is signed out."""

    def rotate(service: Service) -> None:
        service.script("secrets.sh", "rotate")
        service.script("deploy.sh", "production")

    testbed.each(rotate)
    testbed.each(settle)


ASK = """
import sys, time, urllib.request
for _ in range(int(sys.argv[2])):
    try:
        text = urllib.request.urlopen(sys.argv[1], timeout=2).read().decode()
        sys.exit("app_requests_total{" not in text)
    except OSError:
        time.sleep(0.5)
sys.exit("no answer")
"""


def metrics(testbed: Testbed) -> None:
    """Add the listener of docs/monitoring.md under load; only Prometheus may read it."""
    kubectl("create", "namespace", "monitoring")

    def ends(name: str) -> str:
        path = "jsonpath={.status.phase}"
        asked = ("--namespace", "monitoring", "get", "pod", name, "--output", path)
        wait_until(f"{name} has ended", lambda: kubectl(*asked) in ("Succeeded", "Failed"))
        return kubectl(*asked)

    def read(service: Service) -> None:
        release = r"(\n +- \.\./\.\./)release\n"
        listed = r"\1release\1metrics\n"
        service.change("overlays/production/kustomization.yaml", release, listed)
        service.script("deploy.sh", "production")
        settle(service)
        address = f"http://{pods(service)[0]['status']['podIP']}:9464/metrics"
        # Prometheus has to wait until the policies know its address; nobody lets the stranger in.
        asked = (("prometheus", "10", "Succeeded"), ("stranger", "3", "Failed"))
        for who, tries, _ in asked:
            labels = f"--labels=app.kubernetes.io/name={who}"
            start = ["run", f"{who}-{service.name}", "--namespace=monitoring", labels]
            command = ["--restart=Never", "--command", "--", "python", "-c", ASK, address, tries]
            kubectl(*start, f"--image={image(service)}", *command)
        for who, _, expected in asked:
            if ends(name := f"{who}-{service.name}") != expected:
                raise ClusterError(f"{service.name}: {name} has not {expected.lower()}")

    testbed.each(read)


def backup(testbed: Testbed) -> None:
    """Make a backup, write a note, and restore the backup."""

    def restore(service: Service) -> None:
        visitors = testbed.visitors[service.name]
        visitors.quiet.set()
        time.sleep(2)  # writes that had begun have finished
        service.script("backups.sh", "now")
        # By their date; "before-update" is the backup of an earlier moment.
        listed = re.findall(r"^-r.* (\d\S+)$", service.script("backups.sh", "list"), re.MULTILINE)
        writer = visitors.writers[0]
        writer.write("after the backup")
        service.script("backups.sh", "restore", listed[-1])
        settle(service)
        first_answer(visitors)
        visitors.sign_in()
        if "after the backup" in writer.notes():
            raise ClusterError(f"{service.name}: data from after the backup is still there")
        visitors.quiet.clear()

    testbed.each(restore)
