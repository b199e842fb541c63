"""External tools check TLS and the configuration of Nginx."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.live.conftest import Service, program
from tests.template import run

pytestmark = pytest.mark.tls


def analyse(service: Service, tools: Path, report: Path, ca: str = "") -> str:
    """Run sslyze with Mozilla's intermediate profile; return its result."""
    target = f"{service.domain}:{service.https_port}{{{service.address}}}"
    command = [tools / "sslyze", "--mozilla_config=intermediate", f"--json_out={report}"]
    result = run(*command, f"--certinfo_ca_file={ca or service.ca}", target)
    return f"{result.stdout}\nreturn code {result.returncode}"


def test_sslyze_finds_mozilla_s_intermediate_profile(
    service: Service, tools: Path, tmp_path: Path
) -> None:
    """The profile inside sslyze is version 5.7; ours is 6.0, which is stricter."""
    said = analyse(service, tools, tmp_path / "report.json")
    assert "OK - Compliant" in said, said
    assert said.endswith("return code 0"), said
    (server,) = json.loads((tmp_path / "report.json").read_text("utf-8"))["server_scan_results"]
    scans = server["scan_result"]
    for name in ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"):
        assert scans[f"{name}_cipher_suites"]["result"]["accepted_cipher_suites"] == [], name
    assert not scans["heartbleed"]["result"]["is_vulnerable_to_heartbleed"]
    assert not scans["session_renegotiation"]["result"]["is_vulnerable_to_client_renegotiation_dos"]
    assert not scans["tls_compression"]["result"]["supports_compression"]


def test_testssl_gives_its_best_grade(service: Service, tmp_path: Path) -> None:
    """testssl.sh tries each known weakness of TLS; the grade is A+."""
    report = tmp_path / "report.json"
    target = f"https://{service.domain}:{service.https_port}"
    command = [program("testssl"), "--quiet", "--color", "0", "--warnings", "batch"]
    command += ["--add-ca", service.ca, "--ip", service.address, "--jsonfile", report]
    said = run(*command, target, timeout=600).stdout
    found = {entry["id"]: entry for entry in json.loads(report.read_text("utf-8"))}
    assert found["overall_grade"]["finding"] == "A+", said
    # The tests' certificate is valid for 30 days, and no authority says whether it is revoked.
    own = {"cert_expirationStatus", "cert_notAfter", "cert_revocation"}
    bad = [e for e in found.values() if e["severity"] in ("MEDIUM", "HIGH", "CRITICAL")]
    assert [entry for entry in bad if entry["id"] not in own] == []


def gixy(tools: Path, config: Path) -> list[str]:
    """Run gixy; return the names of its findings."""
    result = run(tools / "gixy", "--format", "json", config)
    return [finding["plugin"] for finding in json.loads(result.stdout)]


def test_gixy_finds_nothing(service: Service, tools: Path) -> None:
    assert gixy(tools, service.nginx_config) == []


@pytest.mark.parametrize(
    ("file", "good", "bad", "finding"),
    [
        ("nginx.conf", "server_tokens off;", "", "version_disclosure"),
        ("proxy.conf", "Host $host", "Host $http_host", "host_spoofing"),
        ("tls.conf", "TLSv1.2 TLSv1.3", "TLSv1 TLSv1.2", "weak_ssl_tls"),
    ],
)
def test_gixy_would_find(
    service: Service, tools: Path, tmp_path: Path, file: str, good: str, bad: str, finding: str
) -> None:
    copy = tmp_path / "nginx"
    shutil.copytree(service.nginx_config.parent, copy)
    text = (copy / file).read_text("utf-8")
    assert good in text
    (copy / file).write_text(text.replace(good, bad), "utf-8")
    assert finding in gixy(tools, copy / "nginx.conf")


def test_nginx_accepts_the_configuration_in_silence(service: Service, tmp_path: Path) -> None:
    command = [program("nginx"), "-t", "-q", "-e", "stderr", "-c", service.nginx_config]
    result = run(*command, "-g", f"pid {tmp_path}/nginx.pid;")
    assert (result.returncode, result.stdout) == (0, "")
