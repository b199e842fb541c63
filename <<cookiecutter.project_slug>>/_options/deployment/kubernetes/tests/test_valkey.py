"""Valkey, which counts the limits: a password for all, and the service alone behind it."""

from __future__ import annotations

import re

from app.redis_settings import redis_problem, redis_risk
from tests import deployment_policy as policy
from tests.manifests import FOLDER
from tests.policy import check


def test_valkey_asks_for_a_password() -> None:
    lines = (FOLDER / "base/valkey.conf").read_text(encoding="utf-8").splitlines()
    found = dict(line.split(" ", 1) for line in lines if line and not line.startswith("#"))
    check("deploy/kubernetes/base/valkey.conf", found, policy.VALKEY, policy.TABLE)


def test_the_host_without_tls_is_the_pod_that_only_the_service_reaches() -> None:
    url = re.search(r'write REDIS_URL "(\S+)"', (FOLDER / "secrets.sh").read_text("utf-8"))
    (host,) = re.findall(
        "^REDIS_PRIVATE_HOST=(.*)$", (FOLDER / "base/settings.env").read_text("utf-8"), re.MULTILINE
    )
    assert url is not None
    assert redis_problem(url[1]) is None
    assert redis_risk(url[1], host) is None
    assert {flow for flow in policy.FLOWS if host in flow} == {
        ("web", "to", host, "TCP 6379"),
        (host, "from", "web", "TCP 6379"),
    }
