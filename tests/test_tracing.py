"""Follow docs/tracing.md of the service: the data that it would send contains no secret."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tests.features import committed
from tests.template import environment, run

SENDING = Path(__file__).with_name("tracing_sent.py")
# Where each planted secret is, and which tool sends it if the service does not redact it.
CANARIES = {"password", "cookie", "authorization", "path", "query", "message", "variable"}
BOTH = {"path", "query", "message"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service with the two modules of the page; its packages are in the folder "added"."""
    folder = committed(tmp_path_factory.mktemp("tracing"), "session")
    page = (folder / "docs" / "tracing.md").read_text("utf-8")
    for name, code in re.findall(r"`(app/\w+\.py)`:\n\n```python\n(.*?)```", page, re.DOTALL):
        (folder / name).write_text(code, "utf-8")
    packages = re.findall(r"^(opentelemetry-[a-z-]+>=\S+)$", page, re.MULTILINE)
    packages += re.findall(r"`(sentry-sdk>=\S+)`", page)
    assert len(packages) == 4
    wanted = [it for it in packages if "exporter" not in it]  # nothing is sent anywhere
    uv = Path(sys.executable).with_name("uv")
    arguments = ("--quiet", "--python", folder / ".venv/bin/python", "--target", folder / "added")
    values = environment(folder.parent)
    installed = run(uv, "pip", "install", *arguments, *wanted, env=values, timeout=300)
    if installed.returncode:
        pytest.skip(f"cannot install the packages of the page: {installed.stdout[-500:]}")
    return folder


def sent(service: Path, tool: str) -> str:
    """The data that the tool would send about a request that fails."""
    values = environment(service.parent, APP_ENV="development", PYTHONPATH=f"{service}:added")
    result = run(".venv/bin/python", SENDING, tool, cwd=service, env=values)
    assert result.returncode == 0, result.stdout
    found = json.loads(result.stdout.splitlines()[-1])["sent"]
    assert isinstance(found, str)
    return found


def canaries(text: str) -> set[str]:
    return set(re.findall(r"canary-(\w+)", text))


def change(module: Path, old: str, new: str) -> None:
    text = module.read_text("utf-8")
    assert text.count(old) == 1, old
    module.write_text(text.replace(old, new), "utf-8")


def test_the_modules_pass_the_checks_of_the_service(service: Path) -> None:
    for words in (("check", "--quiet"), ("format", "--check", "--quiet")):
        modules = ("app/tracing.py", "app/error_reports.py")
        result = run(".venv/bin/python", "-m", "ruff", *words, *modules, cwd=service)
        assert result.returncode == 0, result.stdout


def test_opentelemetry_sends_no_secret(service: Path) -> None:
    found = sent(service, "opentelemetry")
    assert canaries(found) == set()
    assert "192.0.2.77" not in found
    assert "/broken/<token>" in found  # the route, by which a span is found
    assert "own work" in found
    assert "ERROR" in found
    change(service / "app/tracing.py", "Redacted(exporter)", "exporter")
    found = sent(service, "opentelemetry")
    assert canaries(found) >= BOTH | {"unknown"}
    assert "192.0.2.77" in found


def test_sentry_sends_no_secret(service: Path) -> None:
    found = sent(service, "sentry")
    assert canaries(found) == set()
    assert "192.0.2.77" not in found
    assert "RuntimeError" in found
    assert '"transaction": "broken"' in found  # the endpoint, by which a report is found
    assert '"function": "broken"' in found
    module = service / "app/error_reports.py"
    change(module, "before_send=redacted,", "")
    assert canaries(sent(service, "sentry")) >= BOTH
    change(module, "include_local_variables=False,", "")
    change(module, 'max_request_body_size="never",', "")
    change(module, "send_default_pii=False,", "send_default_pii=True,")
    # Sentry itself knows that one name, and "password"; not "confirm" and "__Host-session".
    assert canaries(sent(service, "sentry")) == CANARIES - {"authorization"}
