"""schemathesis tests the API against its OpenAPI description, with all checks.

schemathesis.toml lists statuses that a valid request may also get.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import ssl
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.live.conftest import HERE, Service
from tests.template import run

# Stateful scenarios use the results of earlier requests, so they need one account.
PHASES = {"coverage,fuzzing": 20, "stateful": 100_000}  # requests that an account makes
ACCOUNTS = 600  # more than a run needs
numbers = itertools.count()


@pytest.fixture
def accounts(api: Service, tmp_path: Path) -> Path:
    """A file with access tokens of new accounts, valid for ten minutes."""
    emails = (f"user{next(numbers)}@example.com" for _ in range(ACCOUNTS))
    path = tmp_path / "tokens"
    path.write_text("\n".join(api.ask("session", email) for email in emails), "utf-8")
    return path


@pytest.fixture(scope="module")
def description(api: Service, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the OpenAPI description that the service serves."""
    connection = HTTPConnection(api.address, api.https_port, timeout=10)
    connection.connect()
    context = ssl.create_default_context(cafile=api.ca)
    connection.sock = context.wrap_socket(connection.sock, server_hostname=api.domain)
    try:
        connection.request("GET", "/api/v1/openapi.json", headers={"Host": api.domain})
        content = connection.getresponse().read()
    finally:
        connection.close()
    path = tmp_path_factory.mktemp("description") / "openapi.json"
    path.write_bytes(content)
    return path


def run_schemathesis(
    api: Service, tools: Path, description: Path, accounts: Path, phases: str, *more: str
) -> tuple[int, str]:
    """Run schemathesis; return its exit status and output.

    :param more: options of its own.
    """
    base = f"https://{api.address}:{api.https_port}"
    values = {
        "DOMAIN": api.domain,
        "BASE": base,
        "CA": api.ca,
        "TOKENS": str(accounts),
        "REQUESTS_PER_ACCOUNT": str(PHASES[phases]),
        "SCHEMATHESIS_HOOKS": "hooks",
        "PYTHONPATH": ".",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [tools / "schemathesis", "run", description, "--url", base, "--checks", "all"]
    command += ["--phases", phases, "--max-examples", "10", "--seed", "1", "--no-color"]
    # The time to generate a request depends on the load of this machine, not on the service.
    command += ["--suppress-health-check", "too_slow"]
    folder = HERE / "schemathesis"
    result = run(*command, *more, cwd=folder, env=os.environ | values, timeout=600)
    return result.returncode, result.stdout


@pytest.mark.parametrize("phases", PHASES)
def test_schemathesis_finds_nothing(
    api: Service, tools: Path, description: Path, accounts: Path, phases: str
) -> None:
    code, said = run_schemathesis(api, tools, description, accounts, phases)
    assert code == 0, said
    operations = json.loads(description.read_text("utf-8"))["paths"]
    count = sum(map(len, operations.values()))
    assert f"{count} selected / {count} total" in said, said
    if phases != "stateful":
        assert re.search(rf"Tested: +{count}\b", said), said
    generated = re.search(r"(\d+) generated, (\d+) passed", said)
    assert generated, said
    assert int(generated[1]) == int(generated[2]) > 50
    log = Path(api.directory, "app.log").read_text("utf-8")
    assert '"level": "ERROR"' not in log, "an error of the service, whatever was answered"


def test_schemathesis_would_find_a_wrong_description(
    api: Service, tools: Path, description: Path, accounts: Path, tmp_path: Path
) -> None:
    wrong = json.loads(description.read_text("utf-8"))
    del wrong["paths"]["/api/v1/me"]["get"]["responses"]["401"]
    wrong["components"]["schemas"]["Profile"]["properties"]["email"]["type"] = "integer"
    (tmp_path / "wrong.json").write_text(json.dumps(wrong), "utf-8")
    wrong_file, only = tmp_path / "wrong.json", ("--include-path", "/api/v1/me")
    code, said = run_schemathesis(api, tools, wrong_file, accounts, "coverage,fuzzing", *only)
    assert code == 1, said
    assert "ST108 Response violates schema" in said, said
    assert "ST103 Undocumented status code" in said, said
