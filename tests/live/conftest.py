"""A rendered service, started as in production, and external tools that check it.

The tests install the tools below ``build/live``, once. If the machine lacks a program, the test is
skipped; in CI it fails. Tests that need a newer Nginx are skipped in CI too: Ubuntu has none.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import site
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from tests.groups import group
from tests.live.pages import LOOKED_AT
from tests.live.person import Person
from tests.template import ROOT, render, run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

    from tests.live.images import Docker

HERE = Path(__file__).parent
BUILD = ROOT / "build" / "live"
INSTALL_TIMEOUT = 600  # seconds


def lacking(reason: str) -> NoReturn:
    """Skip the test, or fail it in CI."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def program(*names: str) -> str:
    """The path of the first of these programs that is installed; skip or fail without one."""
    search = f"{os.environ['PATH']}:/usr/sbin"
    for name in names:
        if path := shutil.which(name, path=search):
            return path
    return lacking(f"needs {' or '.join(names)}")


def install(name: str, sources: list[Path], commands: list[list[str | Path]]) -> Path:
    """Run the commands in ``build/live/<name>``, unless an earlier run used the same sources."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process of these tests may want the same
        return _install(BUILD / name, sources, commands)


def _install(folder: Path, sources: list[Path], commands: list[list[str | Path]]) -> Path:
    made_from = hashlib.sha256(sys.version.encode())
    for source in sources:
        made_from.update(source.read_bytes())
    marker = folder / "made-from"
    if marker.exists() and marker.read_text("utf-8") == made_from.hexdigest():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for command in commands:
        result = run(*command, cwd=folder, timeout=INSTALL_TIMEOUT)
        if result.returncode:
            lacking(f"cannot install {folder.name}: {result.stdout[-2000:]}")
    marker.write_text(made_from.hexdigest(), "utf-8")
    return folder


def virtual_environment(name: str, wheels: list[Path], sdists: list[Path]) -> Path:
    """A virtual environment with the locked packages; returns its folder of programs."""
    python = BUILD / name / "bin" / "python"
    options = ["--quiet", "--require-hashes", "--no-deps"]
    # uv takes a fortieth of the CPU time of pip. Only pip builds the packages without a wheel.
    uv = [sys.executable, "-m", "uv", "pip", "install", f"--python={python}", *options]
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", *options]
    commands: list[list[str | Path]] = [
        [sys.executable, "-m", "venv", *([] if sdists else ["--without-pip"]), "."],
        [*uv, "--only-binary=:all:", *(f"--requirement={lock}" for lock in wheels)],
        *([*pip, "--no-build-isolation", f"--requirement={lock}"] for lock in sdists),
    ]
    return install(name, [*wheels, *sdists], commands) / "bin"


def install_packages(project: Path, name: str) -> None:
    """Give a service its packages; all services with the same name share them."""
    locks = [project / "requirements.lock", project / "requirements-dev.lock"]
    installed = virtual_environment(name, locks, []).parent
    (project / ".venv").symlink_to(installed)
    (installed / "installed").touch()  # for make: newer than the locks


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> Iterator[None]:
    """Make programs that the tests start stop on SIGINT, also if the suite runs in the background.

    A shell starts background jobs with SIGINT ignored, and programs inherit that. With a handler
    here, a new program gets the default action.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def heard_signals() -> Iterator[None]:
    """Under nohup, this process ignores SIGHUP, and programs that it starts inherit that."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(scope="module", autouse=True)
def network_interfaces(request: pytest.FixtureRequest) -> Iterator[None]:
    """Never run browsers at the same time as containers or machines: the module waits for a lock.

    Each container and machine adds a network interface, and Chromium then drops its connections.
    """
    locks = {"browsers": fcntl.LOCK_EX, "containers": fcntl.LOCK_SH, "machines": fcntl.LOCK_SH}
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / "interfaces.lock").open("w") as lock:
        if how := locks.get(group(request.node.nodeid)):
            fcntl.flock(lock, how)
        yield


def installed_tools() -> Path:
    """The folder with the checkers written in Python: gixy, schemathesis and sslyze."""
    wheels, sdists = HERE / "requirements.txt", HERE / "requirements-sdist.txt"
    return virtual_environment("tools", [wheels], [sdists])


@pytest.fixture(scope="session")
def tools() -> Path:
    return installed_tools()


@pytest.fixture(scope="session")
def checkers() -> Path:
    """The folder with the checkers of images and manifests: checkov, hadolint and others."""
    return virtual_environment("judges", [HERE / "requirements-deployments.txt"], [])


@pytest.fixture(scope="session")
def node() -> Path:
    """The folder with the checkers written in JavaScript, below ``node_modules``."""
    program("node")
    npm = [program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    files = sorted((HERE / "node").iterdir())
    folder = install("node", files, [["cp", *files, "."], [*npm]])
    # The Observatory would download the HSTS preload list; no test needs it.
    preload = folder / "node_modules/@mdn/mdn-http-observatory/conf/hsts-preload.json"
    preload.write_text("{}", "utf-8")
    return folder


@dataclass(frozen=True)
class Service:
    """A running service: its folder, its address, and its certificate authority."""

    project: Path
    domain: str
    address: str
    http_port: int
    https_port: int
    ca: str
    directory: str
    server: subprocess.Popen[str]

    def ask(self, wanted: str, address: str) -> str:
        """Send a request to ``tests/serve.py`` of the service, which describes them; its answer."""
        assert self.server.stdin
        assert self.server.stdout
        print(wanted, address, file=self.server.stdin, flush=True)
        return str(json.loads(self.server.stdout.readline()))

    @property
    def origin(self) -> str:
        return f"https://{self.domain}"

    @property
    def nginx_config(self) -> Path:
        return Path(self.directory, "nginx", "nginx.conf")


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The default answers, rendered and served."""
    with serving(tmp_path_factory.mktemp("live"), auth="session") as service:
        yield service


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The JSON API (``auth=token``) with the default answers, rendered and served."""
    with serving(tmp_path_factory.mktemp("api"), auth="token") as service:
        yield service


@contextmanager
def serving(folder: Path, auth: str, *settings: str) -> Iterator[Service]:
    """A service, rendered and served as in production by gunicorn and Nginx.

    :param settings: more settings, such as ``SECOND_FACTOR=required``.
    """
    for name in ("nginx", "openssl", "redis-server"):
        program(name)
    project = render(folder, auth=auth)
    locks = [project / "requirements.lock", project / "requirements-dev.lock"]
    python = virtual_environment(f"service-{auth}", locks, []) / "python"
    check = 'from tests import needs; print(needs.too_old(needs.program("nginx")))'
    found = run(python, "-c", check, cwd=project)
    assert found.returncode == 0, found.stdout
    if reason := found.stdout.strip():
        pytest.skip(reason)  # the machine's Nginx is too old
    path = f"{os.environ['PATH']}:/usr/sbin"
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            [python, "-m", "tests.serve", *settings],
            cwd=project,
            env=os.environ | {"PATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as server,
    ):
        assert server.stdin
        assert server.stdout
        try:
            line = server.stdout.readline()
            errors.seek(0)
            assert line, errors.read()
            yield Service(project, **json.loads(line), server=server)
        finally:
            server.stdin.close()
            server.wait(60)


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    """A Docker daemon of the tests' own."""
    from tests.live import images

    with images.daemon() as running:
        yield running


@contextmanager
def browsers() -> Iterator[Playwright]:
    """Playwright, from the virtual environment of :func:`installed_tools`."""
    (packages,) = installed_tools().parent.glob("lib/python*/site-packages")
    site.addsitedir(str(packages))
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with browsers() as running:
        yield running


@contextmanager
def running_chromium(playwright: Playwright, service: Service, home: Path) -> Iterator[Browser]:
    """Chromium with this home; it resolves the service's domain to its address."""
    ports = {80: service.http_port, 443: service.https_port}
    rules = [f"MAP {service.domain}:{port} {service.address}:{ports[port]}" for port in ports]
    browser = playwright.chromium.launch(
        executable_path=program("chromium", "google-chrome", "chromium-browser"),
        chromium_sandbox=False,
        env={**os.environ, "HOME": str(home)},
        args=["--disable-quic", f"--host-resolver-rules={', '.join(rules)}"],
    )
    try:
        yield browser
    finally:
        browser.close()


@pytest.fixture(scope="module")
def chromium(
    playwright: Playwright, service: Service, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    """Chromium, which trusts the authority of the module's ``service``."""
    with chromium_that_trusts(playwright, service, tmp_path_factory.mktemp("home")) as browser:
        yield browser


@contextmanager
def chromium_that_trusts(playwright: Playwright, service: Service, home: Path) -> Iterator[Browser]:
    """Chromium that trusts the authorities of the service and, if there is one, its provider."""
    trusted = home / ".pki" / "nssdb"
    trusted.mkdir(parents=True)
    database = ["-d", f"sql:{trusted}"]
    authorities = [service.ca, *Path(service.directory).glob("provider/ca.pem")]
    commands = [["-N", "--empty-password"]]
    commands += [["-A", "-t", "C,,", "-n", f"ca{n}", "-i", ca] for n, ca in enumerate(authorities)]
    for arguments in commands:
        result = run(program("certutil"), *database, *arguments)
        assert result.returncode == 0, result.stdout
    with running_chromium(playwright, service, home) as browser:
        yield browser


@pytest.fixture
def new_person(
    chromium: Browser, service: Service, node: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[[], Person]]:
    """Make people with a browser; at the end no browser has a problem that the test did not accept.

    And they have looked at the pages that ``LOOKED_AT`` promises of the test. All have the same IP
    address, so the limits are reset before each test.
    """
    service.ask("reset", "limits")
    axe = (node / "node_modules/axe-core/axe.min.js").read_text("utf-8")
    people: list[Person] = []

    def make() -> Person:
        people.append(Person(chromium, service, axe))
        return people[-1]

    yield make
    for person in people:
        person.context.close()
    assert [problem for person in people for problem in person.problems] == []
    looked_at = {title for person in people for title in person.titles}
    promised = LOOKED_AT.get(request.node.originalname, {})
    assert {page for page, title in promised.items() if title not in looked_at} == set()


@pytest.fixture
def person(new_person: Callable[[], Person]) -> Person:
    return new_person()
