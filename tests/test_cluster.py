"""`make cluster` without a cluster: refused options, pass or fail of a scenario, the report."""

from __future__ import annotations

import json
import os
import sys

import pytest

from tests.template import ROOT, run
from tools.cluster import policies, report
from tools.cluster.phases import Phase, total
from tools.cluster.runner import WITHOUT_LOSS, faults
from tools.cluster.scenarios import SCENARIOS


@pytest.mark.parametrize("variable", ["ONLY", "DATABASES", "AUTH"])
def test_a_name_that_does_not_exist_is_refused(variable: str) -> None:
    result = run(
        *(sys.executable, "-m", "tools.cluster"),
        cwd=ROOT,
        env=os.environ | {variable: "earthquake"},
    )
    assert result.returncode == 1
    assert f"{variable}: there is no earthquake; there are: " in result.stdout


def test_an_update_may_lose_nothing() -> None:
    phase = Phase()
    phase.counts.update({"new": 600, "kept": 100, "write": 40})
    assert all(name in SCENARIOS for name in WITHOUT_LOSS)
    assert faults("update", "postgresql", phase) == []
    phase.counts["write refused"] = 1
    assert faults("update", "postgresql", phase) == ["0 lost, 1 refused"]
    assert faults("rotation", "postgresql", phase) == [], "README.md says that this may be"
    phase.counts["new lost"] = 2
    assert faults("rotation", "postgresql", phase) == ["2 lost, 0 refused"]
    assert faults("update", "mysql", phase) == ["2 lost, 1 refused"]
    assert faults("update", "sqlite", phase) == [], "one pod: its update is an outage"
    assert faults("killed-node", "postgresql", phase) == [], "measured, not judged"
    assert total([phase, phase]).counts["new lost"] == 4


def test_the_table_is_what_was_kept_of_runs() -> None:
    kept = json.loads(report.KEPT.read_text(encoding="utf-8")) if report.KEPT.exists() else {}
    assert {line["scenario"] for line in kept.values()} <= set(report.ORDER)
    page = report.PAGE.read_text(encoding="utf-8")
    assert not kept or report.table(kept) in page
    assert "<!-- bench:cluster -->" in page


def pod(name: str, address: str, component: str, space: str = "one") -> policies.Object:
    metadata = {"name": name, "namespace": space, "labels": {"component": component}}
    return {
        "metadata": metadata,
        "spec": {"nodeName": "node1"},
        "status": {"podIP": address, "phase": "Running"},
    }


def test_a_policy_lets_in_what_it_names_and_nothing_else() -> None:
    web, cache = pod("web", "10.244.1.2", "web"), pod("cache", "10.244.1.3", "cache")
    stranger = pod("web", "10.244.2.2", "web", "two")
    deny = {
        "metadata": {"namespace": "one"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    }
    admit = {
        "metadata": {"namespace": "one"},
        "spec": {
            "podSelector": {"matchLabels": {"component": "cache"}},
            "policyTypes": ["Ingress"],
            "ingress": [
                {
                    "from": [{"podSelector": {"matchLabels": {"component": "web"}}}],
                    "ports": [{"protocol": "TCP", "port": 6379}],
                }
            ],
        },
    }
    text = policies.table("node1", [web, cache, stranger], {"one": {}, "two": {}}, [deny, admit])
    rule = "ip saddr 10.244.1.2 tcp dport 6379 return"
    assert f"chain ingress_10_244_1_3 {{ {rule}; counter drop; }}" in text
    assert "chain ingress_10_244_1_2 { counter drop; }" in text
    assert "chain egress_10_244_1_3 { counter drop; }" in text
    assert "10.244.2.2" not in text, "of another namespace and without a policy"
    deny["spec"]["podSelector"] = {
        "matchExpressions": [{"key": "component", "operator": "Exists"}],
    }
    with pytest.raises(ValueError, match="Exists"):
        policies.table("node1", [web], {"one": {}}, [deny])
