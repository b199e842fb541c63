""".devcontainer/ of the template installs everything that README.md and .ci/run need."""

from __future__ import annotations

import json
import re

from tests.template import ROOT, SERVICE

FOLDER = ROOT / ".devcontainer"
# Programs that need a privileged container or a separate kernel: their tests are skipped.
PRIVILEGED = {
    *("debootstrap", "docker.io", "docker-cli", "podman", "runc", "catatonit"),
    *("kubernetes-client", "iproute2", "etcd-server", "zstd"),
}
IN_THE_BASE = {"python3"}


def test_the_devcontainer_has_the_programs_that_tests_start() -> None:
    script = (ROOT / ".ci/run").read_text("utf-8")
    needed = set(re.findall(r"\bneed \S+ (\S+)", script))
    assert len(needed) > 20
    dockerfile = (FOLDER / "Dockerfile").read_text("utf-8")
    installed = set(re.findall(r"(?<=\s)[a-z][a-z0-9.-]+(?=\s)", dockerfile))
    assert needed - installed == PRIVILEGED | IN_THE_BASE
    for server in ("postgresql", "mariadb"):
        assert f"service {server} start;" in dockerfile.splitlines()[-1]


def test_it_is_the_base_of_the_services_and_no_more_powerful() -> None:
    dockerfiles = [FOLDER / "Dockerfile", SERVICE / "_options/runtime/container/Dockerfile"]
    own, service = (
        re.findall(r"^FROM (python\S+@sha256:[0-9a-f]{64})", path.read_text("utf-8"), re.MULTILINE)
        for path in dockerfiles
    )
    assert own == service
    settings = json.loads((FOLDER / "devcontainer.json").read_text("utf-8"))
    assert settings == {
        "name": "hardened-flask",
        "build": {"dockerfile": "Dockerfile"},
        "overrideCommand": False,  # the image's own command starts the servers, as root
        "init": True,
        "securityOpt": ["no-new-privileges:true"],
        "remoteUser": "developer",
        "forwardPorts": [5000],
        "postCreateCommand": "make help",
    }
