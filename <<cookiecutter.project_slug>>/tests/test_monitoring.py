"""Alert rules, dashboard and the ways to Prometheus: they name numbers that there are."""

from __future__ import annotations

import json
import re
# <% if cookiecutter.deployment == "kubernetes" %>
import shutil
# <% endif %>
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from prometheus_client import CollectorRegistry

from app.metrics.collector import Metrics
from app.metrics.counting import counted
from tests import needs
from tests.decisions import named, rows
from tests.marks import practice, slow

pytestmark = practice("logs")

FOLDER = Path("deploy/monitoring")
DOCUMENT = Path("docs/monitoring.md").read_text("utf-8")
NAME = re.compile(r"\bapp_[a-z_]+")
RULES_TEST = "tests/alerts_test.yml"


def known(app: Flask) -> set[str]:
    """The names of the samples that the service has."""
    registry = CollectorRegistry()
    registry.register(Metrics(app))
    counted(app.wsgi_app, registry)
    names = {
        name
        for family in registry.collect()
        for name in (family.name, f"{family.name}_{family.type}", f"{family.name}_total")
    }
    # Each process has the first two for itself: see app/metrics/__init__.py. The others are there
    # when there is a backup, and when Nginx shows a certificate.
    gauges = {"app_database_connections", "app_password_hashes"}
    gauges |= {"app_backup_seconds", "app_certificate_seconds"}
    return names | gauges | {"app_request_seconds_bucket", "app_password_hashes_refused_total"}


def test_alerts_and_dashboard_use_existing_metrics(app: Flask) -> None:
    there = known(app)
    for name in ("alerts.yml", "dashboard.json"):
        found = set(NAME.findall((FOLDER / name).read_text("utf-8")))
        assert len(found) > 3, name
        assert found <= there, name


def test_the_alerts_name_events_that_the_code_logs() -> None:
    """The table is compared with the code: see test_each_event_is_in_the_inventory."""
    logged = {name for row in rows("Event") for name in named(row["Event"])}
    for path in (FOLDER / "alerts.yml", Path(RULES_TEST)):
        found = re.findall(r'\bevent[=!~]+"([^"]+)"', path.read_text("utf-8"))
        assert len(found) > 1, path
        assert {name for it in found for name in it.split("|")} <= logged, path


def test_every_metric_has_a_description(app: Flask) -> None:
    table = DOCUMENT.split("## How Prometheus")[0]
    explained = set(re.findall(r"`(app_[a-z_]+)`", table))
    assert explained >= {"app_backup_seconds", "app_certificate_seconds"}
    assert explained <= known(app) | {"app_request_seconds"}
    with_total = {"app_requests_total", "app_security_events_total"}
    assert explained >= with_total | {it.name for it in Metrics(app).collect()} - {"app"}


def test_the_alerts_are_rules() -> None:
    (group,) = yaml.safe_load((FOLDER / "alerts.yml").read_text("utf-8"))["groups"]
    for rule in group["rules"]:
        assert rule.keys() - {"for"} == {"alert", "expr", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("page", "ticket")
    assert len({it["alert"] for it in group["rules"]}) == len(group["rules"])


def test_each_alert_fires_in_its_rule_test() -> None:
    (group,) = yaml.safe_load((FOLDER / "alerts.yml").read_text("utf-8"))["groups"]
    names = {it["alert"] for it in group["rules"]}
    good, bad, _ = yaml.safe_load(Path(RULES_TEST).read_text("utf-8"))["tests"]
    assert {it["alertname"] for it in good["alert_rule_test"]} == names
    (fires,) = bad["promql_expr_test"]
    found = (re.search(r'alertname="(\w+)"', it["labels"]) for it in fires["exp_samples"])
    assert {it[1] for it in found if it} == names


@slow
@pytest.mark.parametrize(
    "words", [("check", "rules", str(FOLDER / "alerts.yml")), ("test", "rules", RULES_TEST)]
)
def test_prometheus_takes_the_alerts(words: tuple[str, ...]) -> None:
    checked = subprocess.run([needs.program("promtool"), *words], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_dashboard_shows_panels() -> None:
    board = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
    assert all(target["expr"] for panel in board["panels"] for target in panel["targets"])


def test_the_dashboard_shows_what_the_alerts_watch() -> None:
    watched, shown = (
        set(re.findall(r"\b(?:app|node)_[a-z_]+", (FOLDER / name).read_text("utf-8")))
        for name in ("alerts.yml", "dashboard.json")
    )
    assert watched - shown == {"app_outbox_readable"}  # yes or no: nothing to draw


def test_the_dashboard_and_the_alerts_are_about_this_service_alone() -> None:
    (job,) = (it["job_name"] for it in scrape_configuration()["scrape_configs"])
    board = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
    (group,) = yaml.safe_load((FOLDER / "alerts.yml").read_text("utf-8"))["groups"]
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    for expression in (*asked, *(rule["expr"] for rule in group["rules"])):
        names = set(NAME.findall(expression))
        selected = re.findall(rf'\b(app_[a-z_]+)\{{job="{job}"', expression)
        assert set(selected) == names, expression


def scrape_configuration() -> Any:
    return yaml.safe_load(re.findall(r"```yaml\n(scrape_configs:\n.*?)```", DOCUMENT, re.DOTALL)[0])
# <% if cookiecutter.deployment != "kubernetes" %>


def test_the_documented_way_publishes_no_port() -> None:
    """Whoever follows it must not open the numbers to the world."""
    snippet = re.findall(r"```(?:yaml|ini)\n(.*?)```", DOCUMENT, re.DOTALL)[0]
    # <% if cookiecutter.deployment == "docker" %>
    assert "ports" not in snippet
    assert "metrics: { internal: true }" in snippet
    assert "certificate: { internal: true }" in snippet
    assert snippet.count('METRICS_ADDRESS: "0.0.0.0:9464"') == 2
    assert snippet.count('CERTIFICATE_ADDRESS: "nginx:8443"') == 2
    # <% else %>
    assert snippet.splitlines()[1:] == [
        "[Socket]",
        "ListenStream=127.0.0.1:9464",
        "IPAddressDeny=any",
        "IPAddressAllow=localhost",
    ]
    # <% endif %>
# <% else %>


def test_the_component_opens_the_port_to_prometheus_alone() -> None:
    folder = Path("deploy/kubernetes/metrics")
    policy = yaml.safe_load((folder / "network.yaml").read_text("utf-8"))["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    (way,) = policy["ingress"]
    (peer,) = way["from"]  # one peer with both: two peers would be the one or the other
    assert peer == {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
    }
    assert way["ports"] == [{"protocol": "TCP", "port": 9464}]
    for name in Path("deploy/kubernetes/overlays").glob("*/kustomization.yaml"):
        assert "../../metrics" not in name.read_text("utf-8")  # off by default


@pytest.mark.parametrize("overlay", ["production", "gateway"])
def test_an_overlay_with_the_component_has_the_listener(overlay: str, tmp_path: Path) -> None:
    needs.program("kubectl")
    shutil.copytree("deploy/kubernetes", tmp_path / "kubernetes")
    place = tmp_path / "kubernetes" / "overlays" / overlay
    text = (place / "kustomization.yaml").read_text("utf-8")
    assert text.count("  - ../../release\n") == 1
    text = text.replace("  - ../../release\n", "  - ../../release\n  - ../../metrics\n")
    (place / "kustomization.yaml").write_text(text)
    command = ["kubectl", "kustomize", str(place)]
    rendered = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {(it["kind"], it["metadata"]["name"]): it for it in yaml.safe_load_all(rendered)}
    assert ("NetworkPolicy", "web-from-prometheus") in found
    web = found["Deployment", "web"]["spec"]["template"]["spec"]
    (app,) = (it for it in web["containers"] if it["name"] == "app")
    assert app["ports"] == [{"containerPort": 9464, "name": "metrics"}]
    (settings,) = (it["configMapRef"]["name"] for it in app["envFrom"])
    assert found["ConfigMap", settings]["data"]["METRICS_ADDRESS"] == "0.0.0.0:9464"
    (nginx,) = (it for it in web["containers"] if it["name"] == "nginx")
    (https,) = (it["containerPort"] for it in nginx["ports"] if it["name"] == "https")
    assert found["ConfigMap", settings]["data"]["CERTIFICATE_ADDRESS"] == f"127.0.0.1:{https}"
    assert "9464" not in str(found["Service", "web"])
# <% endif %>
