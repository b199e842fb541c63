"""A Docker daemon of the tests' own, and the images of a rendered service in it.

The tests use no registry. The service names official base images by digest; the tests replace them
by images that debootstrap makes from Debian's packages. The service's Dockerfile stays unchanged.
The daemon keeps images and its build cache below ``build/live``, so that only the first run is
slow. It changes no firewall rule and creates no bridge.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.live.conftest import BUILD, install, lacking, program
from tests.template import run

SUITE = "trixie"
CACHE = "3GB"  # of the build cache that stays between runs
BUILD_TIMEOUT = 900  # seconds; the first build downloads packages
PINNED = re.compile(r"\b((?:[a-z]+/)?[a-z]+:[a-z0-9.-]+@sha256:[0-9a-f]{64})")

# Hides the journal of this machine from the daemon; a test can put its own socket there.
OWN_JOURNAL = """\
mkdir -p /run/systemd/journal
mount --bind "$0" /run/systemd/journal
exec "$@"
"""

# Certificate authorities of this machine: behind a proxy that inspects traffic, a build needs them
# to reach the package index. Only the stand-in images contain them.
AUTHORITIES = Path("/usr/local/share/ca-certificates")
DEBIAN = """\
FROM debootstrap
COPY authorities/ /usr/local/share/ca-certificates/
RUN update-ca-certificates
ENV DEBIAN_FRONTEND=noninteractive
"""
PYTHON = """\
RUN apt-get update -qq \\
 && apt-get install -y -qq --no-install-recommends python3 python3-pip python3-venv >/dev/null \\
 && rm -rf /var/lib/apt/lists/* /usr/lib/python3*/EXTERNALLY-MANAGED \\
 && ln -s /usr/bin/python3 /usr/local/bin/python
"""


@dataclass(frozen=True)
class Docker:
    """A running daemon."""

    socket: Path

    @property
    def journal(self) -> Path:
        """The daemon's /run/systemd/journal, where a test may put a socket."""
        return self.socket.parent / "journal"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of programs that use this daemon."""
        return os.environ | {"DOCKER_HOST": f"unix://{self.socket}"}

    def run(self, *arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run ``docker`` with this daemon."""
        options = {"env": self.environment, "timeout": BUILD_TIMEOUT} | options
        return run(program("docker"), *arguments, **options)

    def __call__(self, *arguments: str | Path, **options: Any) -> str:
        """Run ``docker``, which must succeed; return its output."""
        result = self.run(*arguments, **options)
        assert result.returncode == 0, f"docker {arguments}: {result.stdout[-4000:]}"
        return result.stdout

    def has(self, image: str) -> bool:
        return self.run("image", "inspect", image).returncode == 0


@contextmanager
def daemon(*options: str) -> Iterator[Docker]:
    """Run a daemon with the images of earlier runs. A lock allows one daemon at a time.

    :param options: more options of ``dockerd``.
    """
    if os.geteuid():
        lacking("needs root, for a Docker daemon of its own")
    for name in ("dockerd", "docker", "debootstrap"):
        program(name)
    BUILD.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="docker-"))  # a short path: it holds sockets
    docker = Docker(folder / "docker.sock")
    docker.journal.mkdir()
    with (BUILD / "docker.lock").open("w") as lock, (folder / "log").open("w") as log:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = subprocess.Popen(
            [
                *("unshare", "--mount", "sh", "-ec", OWN_JOURNAL, docker.journal),
                *(program("dockerd"), "--host", f"unix://{docker.socket}"),
                *("--data-root", BUILD / "docker", "--exec-root", folder / "exec"),
                *("--pidfile", folder / "pid", "--bridge", "none"),
                *("--iptables=false", "--ip6tables=false", "--log-level", "warn"),
                *options,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            deadline = time.monotonic() + 60
            while docker.run("version", timeout=10).returncode:
                if process.poll() is not None or time.monotonic() > deadline:
                    lacking(f"dockerd does not start: {(folder / 'log').read_text()[-2000:]}")
                time.sleep(0.1)
            yield docker
        finally:
            if left := docker.run("ps", "--all", "--quiet").stdout.split():
                docker.run("rm", "--force", "--volumes", *left)
            # Remove the images of this rendering; keep the stand-ins, which take long to build.
            docker.run("image", "prune", "--force")
            docker.run("builder", "prune", "--force", "--keep-storage", CACHE)
            process.terminate()
            process.wait(60)
            shutil.rmtree(folder, ignore_errors=True)


def stand_in(
    docker: Docker, name: str, dockerfile: str, files: dict[str, str] | None = None
) -> str:
    """Build Debian with these lines of a Dockerfile, unless it exists; return the image's name."""
    content = DEBIAN + dockerfile + "".join(files or {})
    content += "".join((files or {}).values())
    tag = f"stand-in-{name}:{hashlib.sha256(content.encode()).hexdigest()[:12]}"
    if docker.has(tag):
        return tag
    _import_debian(docker)
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        (context / "authorities").mkdir()
        for authority in AUTHORITIES.glob("*.crt"):
            shutil.copy(authority, context / "authorities")
        (context / "authorities" / "README").touch()  # COPY wants a file
        for file, text in (files or {}).items():
            (context / file).write_text(text, "utf-8")
        (context / "Dockerfile").write_text(DEBIAN + dockerfile, "utf-8")
        docker("build", "--network", "host", "--quiet", "--tag", tag, context)
    return tag


def _import_debian(docker: Docker) -> None:
    if docker.has("debootstrap"):
        return
    command = [program("debootstrap"), "--variant=minbase", "--include=ca-certificates", SUITE]
    root = install(f"debian-{SUITE}", [], [[*command, "root"]]) / "root"
    tar = ["tar", "--directory", root, "--create", "."]
    with subprocess.Popen(tar, stdout=subprocess.PIPE) as archive:
        docker("import", "-", "debootstrap", stdin=archive.stdout)
    assert archive.returncode == 0


def base(docker: Docker) -> str:
    """The image that stands in for the official image of Python."""
    return stand_in(docker, "python", PYTHON + 'CMD ["python3"]\n')


def pinned_base(project: Path) -> str:
    """The base image in the service's Dockerfile, with its digest."""
    (name,) = set(PINNED.findall((project / "Dockerfile").read_text("utf-8")))
    return str(name)


def build(docker: Docker, project: Path, target: str, tag: str | None = None) -> str:
    """Build a target of the service's unchanged Dockerfile; return the image's name."""
    tag = tag or f"{project.name}-{target}:test"
    docker(
        *("build", "--quiet", "--network", "host", "--target", target, "--tag", tag),
        *("--build-context", f"{pinned_base(project)}=docker-image://{base(docker)}", project),
    )
    return tag
