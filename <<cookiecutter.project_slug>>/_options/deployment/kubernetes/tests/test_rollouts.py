"""What a rollout, a full network or a killed container may cost."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

# <% if cookiecutter.database == "sqlite" %>
from tests.manifests import BASE, COMPONENT, PODS, named
# <% else %>
from tests.manifests import BASE, PODS, named
# <% endif %>
from tests.policy import seconds


def web() -> Any:
    return PODS["web"]


def test_a_killed_container_is_back_as_soon_as_it_works() -> None:
    """No visitor is sent to a pod before its startup probe succeeds."""
    pod = web()
    assert pod.get("restartPolicy", "Always") == "Always"
    (app,) = (it for it in pod["containers"] if it["name"] == "app")
    assert app["startupProbe"]["periodSeconds"] == 1
    assert app["startupProbe"]["failureThreshold"] >= 180  # while the database is not there yet


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_a_pod_has_an_account_that_nobody_else_makes(pod: dict[str, Any]) -> None:
    """The cluster makes "default" itself; who comes second with it fails."""
    accounts = {it["metadata"]["name"]: it for it in BASE if it["kind"] == "ServiceAccount"}
    assert "default" not in accounts
    assert accounts[pod["serviceAccountName"]]["automountServiceAccountToken"] is False


def test_a_pod_listens_until_balancers_know_that_it_leaves() -> None:
    app, nginx = (
        container["lifecycle"]["preStop"]["sleep"]["seconds"] for container in web()["containers"]
    )
    graceful = re.search(
        r"^graceful_timeout = (\d+)", Path("deploy/gunicorn.conf.py").read_text(), re.M
    )
    assert graceful
    assert nginx < app, "Nginx stops to take requests before the app does"
    assert app + int(graceful[1]) < web()["terminationGracePeriodSeconds"]
    if [it for it in BASE if it["kind"] == "HorizontalPodAutoscaler"]:  # another pod takes over
        assert nginx > 3 * 8, "three checks of GKE, one each 8 s; EKS 2 x 10 s, AKS 2 x 5 s"


def test_pods_go_to_other_nodes_where_no_node_has_a_zone() -> None:
    """The scheduler ignores such a node for all constraints when one of them is by zone."""
    if not [it for it in BASE if it["kind"] == "HorizontalPodAutoscaler"]:
        return
    (spread,) = web()["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    wishes = web()["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert [wish["podAffinityTerm"]["topologyKey"] for wish in wishes] == [
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    ]


def test_pods_wait_only_seconds_for_dns() -> None:
    asking = [pod for name, pod in PODS.items() if name != "valkey"]
    assert len(asking) == 4
    for pod in asking:
        options = {it["name"]: it["value"] for it in pod["dnsConfig"]["options"]}
        assert options == {"ndots": "1", "timeout": "1", "attempts": "2"}


@pytest.mark.parametrize("kind", ["readinessProbe", "livenessProbe"])
def test_a_busy_pod_stays_ready(tmp_path: Path, kind: str) -> None:
    """The database has vanished: a late page that says so, no refused connection."""
    app = web()["containers"][0]
    _, script, *arguments = app[kind]["exec"]["command"]

    def probe() -> int:
        env = os.environ | {"GUNICORN_BIND": f"unix:{tmp_path}/app.sock"}
        command = [sys.executable, script, *arguments]
        return subprocess.run(command, env=env, check=False, timeout=20).returncode

    assert probe() == 1, "nobody is there"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{tmp_path}/app.sock")
        listening.listen()  # and never answers
        assert probe() == 0


def test_how_pods_are_replaced() -> None:
    deployment = named(BASE)["Deployment/web"]["spec"]
    mail = named(BASE)["Deployment/mail"]["spec"]
    assert mail["replicas"] == 1
    # <% if cookiecutter.database == "sqlite" %>
    # One process has the file, so the old pod stops first.
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    assert mail["strategy"] == {"type": "Recreate"}
    assert named(BASE)["CronJob/backup"]["spec"]["concurrencyPolicy"] == "Forbid"
    # <% else %>
    assert "replicas" not in deployment, "an update would undo what the autoscaler did"
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert mail["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert named(BASE)["PodDisruptionBudget/web"]["spec"]["maxUnavailable"] == 1
    assert named(BASE)["HorizontalPodAutoscaler/web"]["spec"]["minReplicas"] == 2
    # <% endif %>


# <% if cookiecutter.database == "sqlite" %>
def test_the_pods_with_the_file_are_on_one_node() -> None:
    """The volume is on one node: a pod elsewhere waits for it, and visitors for the service."""

    def companions(name: str, how: str) -> list[dict[str, Any]]:
        when = f"{how}DuringSchedulingIgnoredDuringExecution"
        found = PODS[name]["affinity"]["podAffinity"][when]
        return [it.get("podAffinityTerm", it) for it in found]

    def with_pods_of(selector: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"topologyKey": "kubernetes.io/hostname", "labelSelector": selector}]

    assert companions("mail", "required") == with_pods_of({"matchLabels": {COMPONENT: "web"}})
    assert companions("web", "preferred") == with_pods_of({"matchLabels": {COMPONENT: "mail"}})
    # With itself: before an update it is needed also where no pod runs.
    values = {"key": COMPONENT, "operator": "In", "values": ["web", "mail", "backup"]}
    assert companions("backup", "required") == with_pods_of({"matchExpressions": [values]})


# <% endif %>
def test_a_mail_that_is_being_sent_comes_to_its_end() -> None:
    """Cut off, it is sent again, and perhaps read twice."""
    timeout = seconds("app/mail/transport.py", "TIMEOUT")
    assert PODS["mail"]["terminationGracePeriodSeconds"] > timeout


def test_the_process_that_sends_mail_is_restarted_when_it_hangs(tmp_path: Path) -> None:
    """And not while it waits for a slow mail server, or after one that failed."""
    lease = seconds("app/mail/outbox.py", "LEASE")
    (container,) = PODS["mail"]["containers"]
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        *shell, command = container[kind]["exec"]["command"]
        file = tmp_path / kind

        def probe(age: float) -> int:
            """The answer for a file of so many seconds."""
            os.utime(file, (time.time() - age,) * 2)  # noqa: B023 # called in this round
            return subprocess.run(here, check=False, timeout=20).returncode  # noqa: B023

        here = [*shell, command.replace("/tmp/heartbeat", str(file))]
        assert subprocess.run(here, check=False, timeout=20).returncode == 1, "it has not begun"
        file.touch()
        assert probe(0) == 0
        assert probe(lease - 60) == 0
        assert probe(lease + 60) == 1
    assert container["livenessProbe"]["periodSeconds"] == 60


def test_a_backup_is_written_each_night() -> None:
    spec = named(BASE)["CronJob/backup"]["spec"]
    minute, hour, *day = spec["schedule"].split()
    assert (minute.isdigit(), hour.isdigit(), day) == (True, True, ["*", "*", "*"])
    assert spec.get("suspend", False) is False
    assert spec["concurrencyPolicy"] == "Forbid", "of two at once, each deletes older ones"
