"""`make cluster` without a cluster: refused options, pass or fail of a scenario, the report."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from threading import Event, Lock, Thread
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tests.template import ROOT, run
from tools.cluster import outages, pod_logs, policies, programs, report
from tools.cluster.environment import ClusterError
from tools.cluster.phases import Phase, total
from tools.cluster.runner import WITHOUT_LOSS, faults
from tools.cluster.scenarios import SCENARIOS
from tools.cluster.visitors import Visitors


@pytest.mark.parametrize("variable", ["ONLY", "DATABASES", "AUTH"])
def test_a_name_that_does_not_exist_is_refused(variable: str) -> None:
    result = run(
        *(sys.executable, "-m", "tools.cluster"),
        cwd=ROOT,
        env=os.environ | {variable: "earthquake"},
    )
    assert result.returncode == 1
    assert f"{variable}: there is no earthquake; there are: " in result.stdout


def test_the_folder_of_kubernetes_has_each_program_or_an_archive_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, linked = tmp_path / "kubernetes", tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("KUBERNETES_BIN", str(folder))
    monkeypatch.setattr(programs, "PROGRAMS", linked)
    assert not programs.has_kubernetes("kubelet")
    with pytest.raises(ClusterError, match=f"no Kubernetes in {folder}: .* KUBERNETES_BIN"):
        programs.link("kubelet")
    (folder / "kubelet").write_text("#!/bin/sh\necho by name\n", "utf-8")
    (folder / "kubelet").chmod(0o755)
    assert run(programs.link("kubelet") / "kubelet").stdout == "by name\n"
    assert not programs.has_kubernetes("kubelet", "kube-proxy")
    if shutil.which("zstd") is None:
        pytest.skip("needs zstd, for the archive")
    (folder / "kubelet").unlink()
    all_of_them = tmp_path / "all"
    all_of_them.write_text('#!/bin/sh\necho "${0##*/}"\n', "utf-8")
    assert run("zstd", "-q", all_of_them, "-o", folder / programs.ARCHIVE).returncode == 0
    programs.link("kubelet", "kube-proxy")
    for name in ("kubelet", "kube-proxy"):
        assert run(linked / name).stdout == f"{name}\n"


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


def answered(*ends: tuple[str, str, float]) -> Phase:
    """The phase in which requests ended like this: kind, status or error, seconds."""
    visitors = SimpleNamespace(lock=Lock(), phases=defaultdict(Phase), good=time.monotonic())
    for kind, what, seconds in ends:
        Visitors.count(visitors, "x", kind, what, time.monotonic() - seconds)  # type: ignore[arg-type]
    return visitors.phases["x"]


READ, WROTE = ("new", "200", 0.1), ("write", "302", 0.1)


@pytest.mark.parametrize(
    ("end", "database", "fault"),
    [
        (("write", "503", 12), "postgresql", ""),
        (("write", "503", 12), "sqlite", "refused: {'write 503': 1}"),
        (("write", "500", 1), "postgresql", "refused: {'write 500': 1}"),
        (("write", "504", 1), "mysql", "refused: {'write 504': 1}"),
        (("write", "signed out", 1), "mysql", "1 lost"),
        (("write", "TimeoutError()", 30), "mysql", "1 lost an answer took 30 s"),
        (("write", "302", 25), "mysql", "an answer took 25 s"),
        (("new", "503", 1), "postgresql", "refused: {'new 503': 1}"),
        (("kept", "503", 1), "postgresql", "refused: {'kept 503': 1}"),
    ],
)
@pytest.mark.parametrize("scenario", outages.OUTAGES)
def test_an_outage_is_a_503_in_time_and_only_for_what_needs_the_database(
    scenario: str, end: tuple[str, str, float], database: str, fault: str
) -> None:
    assert scenario in SCENARIOS
    phase = answered(READ, WROTE, end)
    assert " ".join(faults(scenario, database, phase)) == fault
    assert total([phase, phase]).refusals == phase.refusals + phase.refusals
    assert total([answered(READ), phase]).slowest == phase.slowest


@pytest.mark.parametrize(
    ("writes", "missing", "message"),
    [
        ((0, 1), [], ""),
        ((0,), [], "until every writer of one writes again"),
        ((0, 1), ["title"], "one: 1 acknowledged notes are lost"),
    ],
)
def test_after_an_outage_every_writer_writes_again_and_no_note_is_lost(
    monkeypatch: pytest.MonkeyPatch, writes: tuple[int, ...], missing: list[str], message: str
) -> None:
    monkeypatch.setattr(outages, "RECOVERED", 0.1)
    monkeypatch.setattr(outages, "settle", lambda _: None)
    quiet, notes = Event(), {0: ["before"], 1: ["before"]}

    def list_missing() -> list[str]:
        assert quiet.is_set(), "a writer's connection would be used by two"
        return missing

    visitors = SimpleNamespace(notes=notes, quiet=quiet, missing=list_missing)
    testbed = SimpleNamespace(visitors={"one": visitors})

    def each(look: Callable[[Any], None]) -> None:
        asked = Thread(
            target=lambda: [time.sleep(0.05), *(notes[n].append("after") for n in writes)]
        )
        asked.start()
        try:
            look(SimpleNamespace(name="one"))
        finally:
            asked.join()

    testbed.each = each
    with pytest.raises(ClusterError, match=message) if message else nullcontext():
        outages.go_on(testbed)  # type: ignore[arg-type]
    assert not quiet.is_set()


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


def nginx(request: str, status: int) -> str:
    return f'{{"logger":"nginx","request_id":"{request}","path":"/notes/","status":"{status}"}}'


def test_a_refused_request_is_explained_also_when_its_pod_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLUSTER", str(tmp_path))
    monkeypatch.setattr(pod_logs, "BUILD", tmp_path / "build")
    error = "Traceback:\n  File x\nOperationalError: no such host\n(Background on this error)"
    event = json.dumps({"event": "database unavailable", "request_id": "bad", "exception": error})
    written = {
        "nginx": [nginx("bad", 503), nginx("good", 200), "no JSON"],
        "app": ['{"event": "request", "request_id": "good", "status": 500}', event],
    }
    with pod_logs.keep():
        for container, texts in written.items():
            log = tmp_path / "node1/logs/one_web-1_uid" / container / "0.log"
            log.parent.mkdir(parents=True)
            lines = [f"2026-11-30T10:00:01.5Z stdout F {text}" for text in texts[:-1]]
            lines += [f"2026-11-30T10:00:01.6Z stderr P {texts[-1][:20]}"]  # cut by containerd
            lines += [f"2026-11-30T10:00:01.6Z stderr F {texts[-1][20:]}"]
            log.write_text("\n".join(lines), "utf-8")
            pod_logs.link()
            log.unlink()
    assert len(list((tmp_path / "build/logs/pods").iterdir())) == 2
    explanation = pod_logs.explain("one", "2026-11-30T10:00:01")
    assert [line.split(" ", 2)[:2] for line in explanation] == [
        ["2026-11-30T10:00:01.5Z", "web-1"],
        ["2026-11-30T10:00:01.6Z", "web-1"],
    ]
    assert '"status": "503"' in explanation[0]
    assert "OperationalError: no such host" in explanation[1]
    assert "Traceback" not in explanation[1]
    assert pod_logs.explain("one", "2026-11-30T10:00:02") == []
    assert pod_logs.explain("two", "2026-11-30T10:00:01") == []


def test_a_note_that_is_not_in_the_list_is_missing() -> None:
    pages = {
        "/notes/": '<a href="/notes/a">one</a> <a href="/notes/?before=a">Older notes</a>',
        "/notes/?before=a": '<a href="/notes/b">two</a> <a href="/notes/">Newest notes</a>',
    }
    notes = {0: [("/notes/a", "one"), ("/notes/b", "two"), ("/notes/b", "one"), ("/notes/c", "x")]}
    visitors = SimpleNamespace(notes=notes, _read=lambda _, page: (200, pages[page]))
    assert Visitors._missing(visitors, 0) == ["one", "x"]  # type: ignore[arg-type]


def test_the_dns_of_the_cluster_has_time_of_the_processor() -> None:
    text = (ROOT / "tools/cluster/addons.yaml").read_text(encoding="utf-8")
    (dns,) = [it for it in yaml.safe_load_all(text) if it["kind"] == "DaemonSet"]
    (container,) = dns["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"]["cpu"] == "100m"
