"""The service as in production: gunicorn and Nginx with the files of ``deploy/``, on loopback.

Nginx runs a copy of ``deploy/nginx/`` in which only paths, ports, the user and the domain are
replaced. Nothing outlives the ``with`` block that started it.
"""

from __future__ import annotations

import getpass
import http.client
import itertools
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import needs
from tests.client import DOMAIN  # imports no part of the app: an echo needs none
from tests.guard import STOP_TIMEOUT
from tests.needs import PATH

PROJECT = Path(__file__).resolve().parent.parent
ANSWER_TIMEOUT = 10  # seconds
START_TIMEOUT = 60  # seconds; a busy machine takes long to start a server


@dataclass
class Answer:
    """An HTTP response; ``headers`` in the order sent, names in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: str

    def header(self, name: str) -> str | None:
        """The header's only value; None when it was not sent."""
        values = [value for key, value in self.headers if key == name.lower()]
        assert len(values) <= 1, f"{name} was sent {len(values)} times: {values}"
        return values[0] if values else None


@dataclass
class Site:
    """A running Nginx: its ports, its certificate authority, its logs."""

    address: str
    http_port: int
    https_port: int
    directory: Path
    ca: Path
    domain: str = DOMAIN
    sources: Iterator[str] = field(default_factory=lambda: map(loopback, itertools.count()))

    def tls(self) -> ssl.SSLContext:
        """A client that trusts only our authority."""
        return ssl.create_default_context(cafile=str(self.ca))

    @contextmanager
    def connect(
        self,
        *,
        tls: ssl.SSLContext | bool = True,
        server_name: str | None = None,
        source: str | None = None,
    ) -> Iterator[socket.socket]:
        """A connection to port 443, or without ``tls`` to port 80.

        :param source: the client's address; each connection has another one when not given.
        """
        port = self.https_port if tls else self.http_port
        with socket.create_connection(
            (self.address, port), ANSWER_TIMEOUT, (source or next(self.sources), 0)
        ) as plain:
            if not tls:
                yield plain
                return
            context = tls if isinstance(tls, ssl.SSLContext) else self.tls()
            with context.wrap_socket(plain, server_hostname=server_name or self.domain) as secure:
                yield secure

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        tls: bool = True,
        source: str | None = None,
    ) -> Answer:
        """Send a request with ``Host`` and the given headers, and no others."""
        with self.connect(tls=tls, source=source) as connected:
            connection = http.client.HTTPConnection(self.address)
            connection.sock = connected
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            length = {} if body is None else {"Content-Length": str(len(body))}
            for name, value in {"Host": self.domain, **length, **(headers or {})}.items():
                connection.putheader(name, value)
            connection.endheaders()
            if body is not None:
                with suppress(OSError):  # refused before the end: the answer says why
                    connected.sendall(body)
            return read_answer(connected, method)

    def get(self, path: str, **headers: str) -> Answer:
        """``get("/", accept="application/json")``; an underscore stands for a hyphen."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("GET", path, headers=sent)

    def raw(self, data: bytes, *, tls: bool = True) -> bytes:
        """Send the bytes unchanged and return the whole answer."""
        with self.connect(tls=tls) as connected:
            connected.sendall(data)
            received = b""
            with suppress(TimeoutError, ConnectionError, ssl.SSLError):
                while chunk := connected.recv(65536):
                    received += chunk
            return received

    def log(self) -> str:
        """The log of Nginx up to now: errors and requests."""
        return "".join(path.read_text() for path in sorted(self.directory.glob("log/*.log")))


@contextmanager
def connect_unix(path: Path) -> Iterator[http.client.HTTPConnection]:
    """HTTP over gunicorn's socket."""
    with closing(http.client.HTTPConnection("localhost", timeout=20)) as connection:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(path))
        yield connection


def read_answer(connected: socket.socket, method: str = "GET") -> Answer:
    """Read one response from the connection."""
    response = http.client.HTTPResponse(connected, method=method)
    with response:
        response.begin()
        headers = [(name.lower(), value) for name, value in response.getheaders()]
        return Answer(response.status, headers, response.read().decode())


def loopback(number: int) -> str:
    """A different address of this machine for each number, so that no rate limit is reached."""
    return f"127.77.{number // 250 % 250}.{number % 250 + 1}"


def make_certificates(directory: Path, *names: str) -> Path:
    """Write ``ca.pem``, ``fullchain.pem`` and ``privkey.pem`` for the names; return the first.

    :param names: as OpenSSL writes them: ``DNS:service.test``, ``IP:127.0.0.1``.
    """
    directory.mkdir(parents=True, exist_ok=True)
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", "30"]
    common = ["openssl", "req", "-x509", *new_key]
    authority = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    leaf = [
        *("-CA", "ca.pem", "-CAkey", "ca.key"),
        *("-addext", f"subjectAltName={','.join(names)}"),
        *("-addext", "basicConstraints=critical,CA:FALSE"),
        *("-addext", "keyUsage=critical,digitalSignature"),
        *("-addext", "extendedKeyUsage=serverAuth"),
    ]
    for arguments in (
        [*common, "-subj", "/CN=Test CA", "-keyout", "ca.key", "-out", "ca.pem", *authority],
        [*common, "-subj", "/CN=Test", "-keyout", "privkey.pem", "-out", "fullchain.pem", *leaf],
    ):
        subprocess.run(arguments, cwd=directory, check=True, capture_output=True)
    return directory / "ca.pem"


@contextmanager
def gunicorn(
    directory: Path, environment: Mapping[str, str], application: str = "wsgi:app"
) -> Iterator[Path]:
    """Run gunicorn with ``deploy/gunicorn.conf.py``; yield its socket. It logs to ``app.log``."""
    path = directory / "app.sock"
    command = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", application]
    values = {"PATH": os.environ["PATH"], "GUNICORN_BIND": f"unix:{path}", **environment}
    with running(command, directory / "app.log", lambda: accepts(path), values):
        yield path


@contextmanager
def nginx(
    directory: Path,
    *app_sockets: Path,
    address: str = "127.0.0.1",
    ports: tuple[int, int] | None = None,
    domain: str = DOMAIN,
    extra: str = "",
    changes: Mapping[str, str] | None = None,
) -> Iterator[Site]:
    """Run Nginx with ``deploy/nginx/`` in front of the sockets, one for each instance of the app.

    :param ports: for HTTP and HTTPS; free ones when not given.
    :param extra: directives to add at the level of http.
    :param changes: other values for settings: ``{"gzip off": "gzip on"}``.
    """
    program = needs.nginx()
    http_port, https_port = ports or free_ports(address)
    names = [f"DNS:{domain}", f"IP:{address}"]
    site = Site(address, http_port, https_port, directory,
                make_certificates(directory / "tls", *names), domain)  # fmt: skip
    config = configure(site, *app_sockets, extra=extra, changes=changes)
    user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
    main = f"daemon off; pid {directory}/nginx.pid; {user}"
    command = [program, "-e", str(directory / "log/error.log"), "-c", str(config), "-g", main]
    with running(
        command, directory / "nginx.out", lambda: accepts((address, https_port)), {"PATH": PATH}
    ):
        yield site


def configure(
    site: Site, *app_sockets: Path, extra: str = "", changes: Mapping[str, str] | None = None
) -> Path:
    """Copy ``deploy/nginx/`` for the site into its directory; return the main file."""
    target = site.directory / "nginx"
    for name in ("log", "acme", "temp"):
        (site.directory / name).mkdir(exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(PROJECT / "deploy" / "nginx", target)
    temporary = "".join(
        f"{module}_temp_path {site.directory}/temp/{module};\n"
        for module in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    deployed = re.findall(r"return 308 https://([^$]+)\$", (target / "site.conf").read_text())
    assert len(deployed) == 1, "deploy/nginx/site.conf has no redirect to a fixed name"

    def owner(setting: str) -> str:
        files = [it.name for it in target.glob("*.conf") if f"{setting};" in it.read_text()]
        assert len(files) == 1, f"{setting} is in {files}"
        return files[0]

    servers = "".join(f"server unix:{socket} max_fails=0;\n" for socket in app_sockets)
    replacements = [
        ("nginx.conf", r"\n(user|pid) [^;]*;|\n *\w+_temp_path [^;]*;", ""),
        ("nginx.conf", r"error_log [^ ;]+", f"error_log {site.directory}/log/error.log"),
        ("nginx.conf", r"access_log [^ ;]+", f"access_log {site.directory}/log/access.log"),
        ("nginx.conf", r"http \{\n", f"http {{\n{temporary}{extra}"),
        *((owner(old), rf"\b{old};", f"{new};") for old, new in (changes or {}).items()),
        ("site.conf", r"( *server unix:[^;]+;\n)+", servers),
        ("site.conf", r"/var/www/acme", f"{site.directory}/acme"),
        # <% if cookiecutter.__interface == "html" %>
        ("site.conf", r"error_log [^ ;]+", f"error_log {site.directory}/log/error.log"),
        # <% endif %>
        ("site.conf", r"(?<=_certificate )[^;]+", f"{site.directory}/tls/fullchain.pem"),
        ("site.conf", r"(?<=_certificate_key )[^;]+", f"{site.directory}/tls/privkey.pem"),
        ("site.conf", r"\n *listen \[::\]:[^;]*;", ""),
        ("site.conf", r"listen (80|8080)\b", f"listen {site.address}:{site.http_port}"),
        ("site.conf", r"listen (443|8443)\b", f"listen {site.address}:{site.https_port}"),
        ("site.conf", re.escape(deployed[0]), site.domain),
    ]
    for name, pattern, value in replacements:
        path = target / name
        text, count = re.subn(pattern, lambda _, value=value: value, path.read_text())
        assert count, f"deploy/nginx/{name} has no {pattern} to replace"
        path.write_text(text)
    return target / "nginx.conf"


def free_ports(address: str) -> tuple[int, int]:
    """Two free ports."""
    with socket.socket() as first, socket.socket() as second:
        first.bind((address, 0))
        second.bind((address, 0))
        return first.getsockname()[1], second.getsockname()[1]


def accepts(address: Path | tuple[str, int]) -> bool:
    """Whether somebody listens there."""
    family = socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET
    with socket.socket(family) as client:
        client.settimeout(1)
        try:
            client.connect(str(address) if isinstance(address, Path) else address)
        except OSError:
            return False
        return True


def wait_until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait for the condition, for a limited time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited for {seconds} seconds"
        time.sleep(0.02)


@contextmanager
def running(
    command: list[str],
    output: Path,
    ready: Callable[[], bool],
    environment: Mapping[str, str],
    inherited: Collection[int] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends or the tests are killed; its output goes to a file.

    :param inherited: open files that it gets, under the same numbers.
    """
    with output.open("ab") as file:
        # No input: Node.js would make the input of the tests non-blocking, and reads would fail.
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            pass_fds=inherited,
        )
    watch = [sys.executable, "-I", str(PROJECT / "tests" / "guard.py"), str(process.pid)]
    guard = subprocess.Popen(watch, stdin=subprocess.PIPE)
    try:
        wait_until(lambda: process.poll() is not None or ready(), START_TIMEOUT)
        assert process.poll() is None, output.read_text()[-4000:]
        yield process
    finally:
        process.terminate()
        process.send_signal(signal.SIGCONT)  # one that a test has stopped would not hear the other
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        guard.communicate(b"stopped")


def echo(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
    """A WSGI application that answers what it was given, one ``NAME=value`` a line.

    ``/status/404`` answers with that status. It sends HSTS, which is not its business.
    """
    status = environ["PATH_INFO"].removeprefix("/status/")
    headers = {
        "Content-Type": "text/plain",
        "X-Request-ID": environ.get("HTTP_X_REQUEST_ID", ""),
        "Strict-Transport-Security": "max-age=1",
    }
    length = int(environ.get("CONTENT_LENGTH") or 0)
    environ["BODY_LENGTH"] = len(environ["wsgi.input"].read(length))
    start_response(f"{status if status.isdigit() else 200} Status", list(headers.items()))
    return [f"{name}={environ[name]}\n".encode() for name in sorted(environ) if name.isupper()]
