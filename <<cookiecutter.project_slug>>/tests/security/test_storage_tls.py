"""Redis over a network: an attacker reads its password, or poses as Redis and resets counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from app.settings import ConfigurationError
from tests import needs
from tests.browser import Browser
from tests.conftest import running_redis
from tests.live import free_ports, make_certificates
from tests.marks import asvs, practice, slow

pytestmark = practice("rate_limits")

# The URL, the exception, and what start-up says of it.
UNSAFE = [
    ("redis://:pw@10.9.8.7", None, "sends to 10.9.8.7 without TLS"),
    ("redis://:pw@redis.example:6379/0", None, "sends to redis.example without TLS"),
    ("redis://localhost.example", None, "sends to localhost.example without TLS"),
    ("redis://localhost@redis.example", None, "sends to redis.example without TLS"),
    ("redis://redis.example", "valkey", "sends to redis.example without TLS"),
    ("redis://valkey.example", "valkey", "sends to valkey.example without TLS"),
    ("redis://redis.example", "*", "sends to redis.example without TLS"),
    ("redis://10.9.8.7", "10.9.8.0/24", "sends to 10.9.8.7 without TLS"),
    ("rediss://redis.example?ssl_cert_reqs=none", None, "remove ssl_cert_reqs"),
    ("rediss://redis.example?ssl_cert_reqs=optional", None, "remove ssl_cert_reqs"),
    ("rediss://redis.example?ssl_check_hostname=false", None, "remove ssl_check_hostname"),
    ("rediss://redis.example?ssl_check_hostname=0", None, "remove ssl_check_hostname"),
    ("rediss://valkey?ssl_cert_reqs=none", "valkey", "remove ssl_cert_reqs"),
]
SAFE = [
    ("redis+unix:///run/redis.sock", None),
    ("redis+unix:///run/redis.sock?db=1", None),
    ("redis://localhost:6379/0", None),
    ("redis://:pw@127.0.0.1", None),
    ("redis://[::1]:6379", None),
    ("rediss://:pw@redis.example:6380/0", None),
    ("rediss://redis.example?ssl_cert_reqs=required&ssl_check_hostname=true", None),
    ("redis://:pw@valkey:6379/0", "valkey"),
    ("redis://:pw@10.9.8.7", "10.9.8.7"),
]


def problems(make_app: Callable[..., Flask], url: str, private_host: str | None) -> list[str]:
    try:
        make_app(REDIS_URL=url, REDIS_PRIVATE_HOST=private_host)
    except ConfigurationError as error:
        return error.problems
    return []


@asvs("12.3.1", "12.3.2")
@pytest.mark.parametrize(("url", "private_host", "problem"), UNSAFE)
@slow
def test_production_refuses_redis_without_tls_or_verification(
    make_app: Callable[..., Flask], url: str, private_host: str | None, problem: str
) -> None:
    (found,) = problems(make_app, url, private_host)
    assert found.startswith("REDIS_URL ")
    assert problem in found


@pytest.mark.parametrize(("url", "private_host"), SAFE)
@slow
def test_production_accepts_a_local_or_verified_redis(
    make_app: Callable[..., Flask], url: str, private_host: str | None
) -> None:
    assert problems(make_app, url, private_host) == []


@pytest.mark.parametrize(
    "option", ["socket_timeout=600", "retry_on_error=x", "max_connections=1", "ssl_ca_path=/tmp"]
)
def test_url_options_cannot_weaken_the_redis_connection(
    make_app: Callable[..., Flask], option: str
) -> None:
    (found,) = problems(make_app, f"rediss://redis.example?{option}", None)
    named = option.split("=")[0]
    assert found.startswith(f"REDIS_URL has the unknown option {named}; allowed: db, ")


def test_a_file_that_is_not_there_is_named(make_app: Callable[..., Flask], tmp_path: Path) -> None:
    url = f"rediss://redis.example?ssl_ca_certs={tmp_path}/ca.pem"
    named = f"REDIS_URL names a file that is not there: ssl_ca_certs={tmp_path}/ca.pem"
    assert problems(make_app, url, None) == [named]


def test_development_may_use_any_redis(make_app: Callable[..., Flask]) -> None:
    changes = {"APP_ENV": "development", "REDIS_URL": "redis://redis.example"}
    assert make_app(**changes).config["SETTINGS"].redis_url == "redis://redis.example"


@asvs("12.3.2", "12.3.4")
@slow
def test_only_a_redis_with_a_good_certificate_counts(
    needs_redis: None, make_app: Callable[..., Flask], tmp_path: Path
) -> None:
    needs.program("openssl")
    authority = make_certificates(tmp_path / "tls", "DNS:localhost")
    port, _ = free_ports("127.0.0.1")
    tls = {
        "tls-port": str(port),
        "bind": "127.0.0.1",
        "tls-auth-clients": "no",
        "tls-ca-cert-file": str(authority),
        "tls-cert-file": str(authority.with_name("fullchain.pem")),
        "tls-key-file": str(authority.with_name("privkey.pem")),
    }
    limits = {}
    with running_redis(tmp_path / "redis.sock", **tls):
        for case, url in {
            "an authority that we know": f"rediss://localhost:{port}?ssl_ca_certs={authority}",
            "another authority": f"rediss://localhost:{port}",
            "another name": f"rediss://127.0.0.1:{port}?ssl_ca_certs={authority}",
        }.items():
            ready = Browser(make_app(REDIS_URL=url)).get("/readyz")
            limits[case] = ready.get_json()["rate_limits"]
    assert limits == {
        "an authority that we know": "ok",
        "another authority": "degraded",
        "another name": "degraded",
    }
