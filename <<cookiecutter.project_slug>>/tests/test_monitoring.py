"""Alert rules, dashboard and the ways to Prometheus: they name numbers that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from flask import Flask
from prometheus_client import CollectorRegistry

from app import metrics
from tests.marks import practice

pytestmark = practice("logs")

FOLDER = Path("deploy/monitoring")
DOCUMENT = Path("docs/monitoring.md").read_text("utf-8")
NAME = re.compile(r"\bapp_[a-z_]+")
OUTSIDE = {"app_backup_time_seconds"}  # written by the operator, see docs/monitoring.md


def known(app: Flask) -> set[str]:
    """The names of the samples that the service has."""
    registry = CollectorRegistry()
    registry.register(metrics.Numbers(app))
    metrics.counted(app.wsgi_app, registry)
    names = {
        name
        for family in registry.collect()
        for name in (family.name, f"{family.name}_{family.type}", f"{family.name}_total")
    }
    return names | {"app_request_seconds_bucket", "app_database_connections"}


def test_alerts_and_dashboard_name_numbers_that_there_are(app: Flask) -> None:
    there = known(app) | OUTSIDE
    for name in ("alerts.yml", "dashboard.json"):
        found = set(NAME.findall((FOLDER / name).read_text("utf-8")))
        assert len(found) > 3, name
        assert found <= there, name


def test_every_number_is_explained(app: Flask) -> None:
    table = DOCUMENT.split("## How Prometheus")[0]
    explained = set(re.findall(r"`(app_[a-z_]+)`", table))
    assert explained <= known(app) | {"app_request_seconds"}
    with_total = {"app_requests_total", "app_security_events_total"}
    assert explained >= with_total | {it.name for it in metrics.Numbers(app).collect()} - {"app"}


def test_the_alerts_are_rules() -> None:
    (group,) = yaml.safe_load((FOLDER / "alerts.yml").read_text("utf-8"))["groups"]
    for rule in group["rules"]:
        assert rule.keys() - {"for"} == {"alert", "expr", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("page", "ticket")
    assert len({it["alert"] for it in group["rules"]}) == len(group["rules"])


def test_prometheus_takes_the_alerts() -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("no promtool on this machine; install it (apt-get install prometheus)")
    command = [program, "check", "rules", str(FOLDER / "alerts.yml")]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_the_dashboard_shows_panels() -> None:
    board = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
    assert all(target["expr"] for panel in board["panels"] for target in panel["targets"])


def test_the_documented_way_publishes_no_port() -> None:
    """Whoever follows it must not open the numbers to the world."""
    way = DOCUMENT.split("## How Prometheus gets them")[1].split("## Alerts")[0]
    (snippet,) = re.findall(r"```(?:yaml|ini)\n(.*?)```", way, re.DOTALL)
    assert not ("services:" in snippet and "ports:" in snippet)
    assert "9464" in snippet
    for line in snippet.splitlines():
        if "ListenStream" in line:
            assert line == "ListenStream=127.0.0.1:9464"
        if "networks:" in line and "[" in line:
            assert re.search(r"networks: \[(provider, )?metrics\]", line)
    assert any(it in snippet for it in ("internal: true", "IPAddressDeny=any", "podSelector"))
