"""Functions for all parts: a service with production settings, a load generator, CPU clocks.

Two services, or two versions of one, alternate in rounds, so other load slows both. The result is
the median of the ratios of all rounds. CPU time is that of the server's processes only, so the load
generator may run on the same machine.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from http.client import HTTPResponse
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
PRODUCTION = Path(__file__).with_name("production.py")
CONFIGURATION = "deploy/gunicorn.conf.py"
TIMEOUT = 60  # seconds for a server to start or to answer


# --- What a part returns


@dataclass(frozen=True)
class Bar:
    """A bar of docs/bench.svg.

    :param value: the length of the bar: a ratio; 1 is as fast as the app compared with.
    :param goal: the ratio at which the picture has a mark; None for no mark.
    """

    label: str
    value: float
    goal: float | None = None


@dataclass(frozen=True)
class Result:
    """The result of a part: a table in Markdown and, with ``bars``, a chart in the picture.

    :param notes: sentences below the table: method, machine and conclusion.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    bars: Sequence[Bar] = ()


# --- A service and where it is


@dataclass
class Place:
    """The folder of rendered services and their virtual environments, which are reused.

    :param python: a Python that has the packages of every service; None: each is installed.
    """

    folder: Path
    python: Path | None = None
    rendered: dict[str, Service] = field(default_factory=dict)

    def service(self, **answers: str) -> Service:
        """The service with these answers and the defaults for the rest, ready to run.

        With a database other than SQLite its server must run: ``make db`` makes roles there.
        """
        name = "-".join(["bench", *answers.values()])
        if name not in self.rendered:
            folder = self.folder / name
            shutil.rmtree(folder, ignore_errors=True)
            command = [sys.executable, "-m", "cookiecutter", str(ROOT), "--no-input"]
            given = [f"{key}={value}" for key, value in {"project_slug": name, **answers}.items()]
            options = ["--default-config", "--output-dir", str(self.folder), *given]
            subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
            service = Service(folder, self.python or self._installed(folder))
            service.run("-m", "flask", "--app", "wsgi", "db", "create")
            self.rendered[name] = service
        return self.rendered[name]

    def _installed(self, folder: Path) -> Path:
        """A Python with the packages of the service's locks, installed once for equal locks."""
        locks = [folder / name for name in ("requirements.lock", "requirements-dev.lock")]
        name = sha256(b"".join(lock.read_bytes() for lock in locks)).hexdigest()[:16]
        environment = self.folder / f"venv-{name}"
        python = environment / "bin/python"
        if not (environment / "installed").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
            install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            strict = ["--require-hashes", "--only-binary", ":all:", "--no-deps"]
            files = [text for lock in locks for text in ("-r", str(lock))]
            subprocess.run([*install, *strict, *files], check=True)
            (environment / "installed").touch()
        return python


@dataclass(frozen=True)
class Service:
    """A rendered service and its Python."""

    folder: Path
    python: Path

    def run(
        self, *arguments: str | Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the service's Python in its folder; return the process with its output.

        :raises RuntimeError: with the output, if the exit status is not 0.
        """
        done = subprocess.run(
            [self.python, *arguments],
            cwd=self.folder,
            env=self.variables(environment or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, arguments))}: {done.stderr[-4000:]}")
        return done

    def variables(self, environment: Mapping[str, str]) -> dict[str, str]:
        """The environment of its processes: its own programs first, no variables of ours."""
        return {
            "PATH": f"{self.python.parent}:{os.environ['PATH']}",
            "HOME": os.environ.get("HOME", "/"),
            "PYTHONPATH": str(self.folder),
            "PYTHONUNBUFFERED": "1",
            **environment,
        }

    @contextmanager
    def helper(
        self,
        script: Path,
        *arguments: str | Path,
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Run a script of tools/bench in the service's folder until the block ends.

        Yield the first line that it prints, parsed as JSON.

        :raises RuntimeError: if it prints nothing; its standard error is shown before.
        """
        with subprocess.Popen(
            [self.python, script, *arguments],
            cwd=self.folder,
            env=self.variables(environment or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise RuntimeError(f"{self.folder.name}: {script.name} did not start; see above")
            yield json.loads(line)
            process.communicate("")

    @contextmanager
    def production(self) -> Iterator[dict[str, str]]:
        """Production settings with a new Redis and a new, migrated database."""
        with self.helper(PRODUCTION) as environment:
            yield environment

    @contextmanager
    def gunicorn(
        self,
        environment: Mapping[str, str],
        *options: str,
        application: str = "wsgi:app",
        workers: int = 1,
        threads: int = 4,
    ) -> Iterator[Server]:
        """The service under gunicorn with its own configuration, on a Unix socket.

        One worker, which is not replaced, so that its CPU can be read at any time.

        :param options: more of gunicorn's, such as ``--preload``.
        :param application: another WSGI application, importable in the service's folder.
        """
        fixed = ["--max-requests", "0", "--workers", str(workers), "--threads", str(threads)]
        command = ["-m", "gunicorn", "--config", CONFIGURATION, *fixed, *options, application]
        with self.serving(command, environment, "GUNICORN_BIND") as server:
            yield server

    @contextmanager
    def serving(
        self, command: Sequence[str | Path], environment: Mapping[str, str], bind: str = ""
    ) -> Iterator[Server]:
        """Any server, run by the service's Python until the block ends; ``app.log`` has its output.

        :param command: arguments of Python; ``{socket}`` in them stands for the socket's path.
        :param bind: a variable that gets ``unix:`` and the path.
        """
        path = self.folder / f"bench-{random.randrange(10**6)}.sock"  # noqa: S311
        values = dict(environment) | ({bind: f"unix:{path}"} if bind else {})
        arguments = [str(text).replace("{socket}", str(path)) for text in command]
        log = self.folder / "app.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [self.python, *arguments],
                cwd=self.folder,
                env=self.variables(values),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        server = Server(path, process.pid)
        try:
            deadline = time.monotonic() + TIMEOUT
            while not server.accepts():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(log.read_text(errors="replace")[-4000:])
                time.sleep(0.02)
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            with suppress(FileNotFoundError):
                path.unlink()


# --- A running server


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: status, headers and body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def cookie(self) -> str:
        """The cookies it sets, as a client sends them back."""
        pairs = [value.split(";")[0] for name, value in self.headers if name == "Set-Cookie"]
        return "; ".join(pairs)


@dataclass(frozen=True)
class Load:
    """The cost of a load: seconds of wall time, and of CPU time in the server's processes."""

    requests: int
    seconds: float
    cpu: float

    @property
    def cpu_per_request(self) -> float:
        """CPU time for one request, in microseconds."""
        return self.cpu / self.requests * 1e6

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


@dataclass(frozen=True)
class Server:
    """A server on a Unix socket, and its processes."""

    socket: Path
    pid: int

    def accepts(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self.socket))
            except OSError:
                return False
            return True

    def pids(self) -> list[int]:
        """The ids of the started process and of all its descendants."""
        found = [self.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").iterdir():
                with suppress(FileNotFoundError):
                    found += map(int, (task / "children").read_text().split())
        return found

    def cpu(self) -> float:
        """CPU time of the living processes, user and system: seconds, exact to the nanosecond."""
        # The id of a process's CPU clock on Linux, computed as in clock_getcpuclockid(3).
        return sum(time.clock_gettime_ns((~pid << 3) | 2) for pid in self.pids()) / 1e9

    def memory(self, kind: str = "Pss") -> int:
        """Bytes of all processes by the names in /proc/PID/smaps_rollup: ``Pss``, ``Rss`` ..."""
        total = 0
        for pid in self.pids():
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, _, value = line.partition(":")
                total += int(value.split()[0]) * 1024 if name == kind else 0
        return total

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: str = ""
    ) -> Answer:
        """Send one request, with the headers that Nginx sets."""
        with closing(self._connected()) as connected:
            connected.sendall(http_request(method, path, headers, body))
            response = HTTPResponse(connected, method=method)
            with response:
                response.begin()
                return Answer(response.status, response.getheaders(), response.read())

    def load(self, request: bytes, requests: int, *, clients: int = 4, status: int = 200) -> Load:
        """Send a request repeatedly, on a new connection each time as Nginx does.

        :param requests: the number of all requests; ``clients`` send them at the same time.
        :raises RuntimeError: if an answer has another status.
        """
        expected = b" %d " % status
        wrong: list[bytes] = []

        def client() -> None:
            for _ in range(requests // clients):
                with closing(self._connected()) as connected:
                    connected.sendall(request)
                    first = received = connected.recv(65536)
                    while received:
                        received = connected.recv(65536)
                if expected not in first[:16]:
                    wrong.append(first[:400])
                    return

        with ThreadPoolExecutor(clients) as pool:
            cpu, started = self.cpu(), time.perf_counter()
            for each in [pool.submit(client) for _ in range(clients)]:
                each.result()  # raises what ended a client
            seconds, cpu = time.perf_counter() - started, self.cpu() - cpu
        if wrong:
            raise RuntimeError(f"an answer is not {status}: {wrong[0].decode(errors='replace')}")
        return Load(requests // clients * clients, seconds, cpu)

    def _connected(self) -> socket.socket:
        connected = socket.socket(socket.AF_UNIX)
        connected.settimeout(TIMEOUT)
        connected.connect(str(self.socket))
        return connected


def http_request(
    method: str, path: str, headers: Mapping[str, str] | None = None, body: str = ""
) -> bytes:
    """The bytes of a request from Nginx; ``headers`` are those of the client."""
    fixed = {
        "Host": "service.test",
        "X-Forwarded-For": "203.0.113.7",
        "X-Forwarded-Proto": "https",
        "X-Request-ID": "0123456789abcdef0123456789abcdef",
        "Connection": "close",
    }
    content = body.encode()
    length = {"Content-Length": str(len(content))} if method not in ("GET", "HEAD") else {}
    lines = [f"{method} {path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in (fixed | length | dict(headers or {})).items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


# --- Taking turns


def alternately(rounds: int, sides: Mapping[str, Callable[[], Load]]) -> dict[str, list[Load]]:
    """Measure each side once a round, in random order; drop the first round."""
    measured: dict[str, list[Load]] = {name: [] for name in sides}
    names = list(sides)
    for number in range(rounds + 1):
        random.shuffle(names)
        for name in names:
            load = sides[name]()
            if number:
                measured[name].append(load)
    return measured


def ratio(ours: Sequence[float], others: Sequence[float]) -> float:
    """The median of the rounds' ratios."""
    return median(a / b for a, b in zip(ours, others, strict=True))
