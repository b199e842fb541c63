"""The registry, and the images in it that are not the service's own.

Images are built by Docker from the service's Dockerfile, unchanged, as the tests under tests/live
do: stand-ins from Debian's packages take the names of the official base images.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from tests.live.compose import AIOSMTPD, MARIADB, POSTGRESQL, VALKEY
from tests.live.images import Docker, base, pinned_base, stand_in
from tests.live.mailbox import NAME as MAILBOX
from tools.cluster.environment import BUILD, REGISTRY, UNPACKED, Processes, run, run_folder

DATABASES = {"postgresql": ("postgres", POSTGRESQL), "mysql": ("mariadb", MARIADB)}
MOST = 3 * 2**30  # bytes that the registry keeps between runs; each run adds less than 100 MB
ENGINE = """\
#!/bin/sh
# Docker, with the stand-in of the base image.
[ "$1" = build ] || exec docker "$@"
shift
exec docker build --network host --build-context '{pinned}=docker-image://{base}' "$@"
"""
REGISTRY_SETTINGS = """\
version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "{address}"}}
"""


def prepare(docker: Docker, projects: list[Path], databases: list[str]) -> None:
    """Build the images that need the network: stand-ins and new images of the services."""
    base(docker)
    stand_in(docker, "valkey", VALKEY)
    mail_root(docker)
    for name in databases:
        if name in DATABASES:
            root_of(docker, name)
    for project in projects:
        for target in ("app", "nginx"):
            warm(docker, project, target)


def warm(docker: Docker, project: Path, target: str) -> None:
    """Build once with a network; later builds take the same steps from the cache."""
    options = ["--build-context", f"{pinned_base(project)}=docker-image://{base(docker)}"]
    docker("build", "--quiet", "--network", "host", "--target", target, *options, project)


def root_of(docker: Docker, name: str) -> Path:
    """The files of a database server."""
    short, (lines, entry) = DATABASES[name]
    return _unpacked(docker, stand_in(docker, short, lines, {"docker-entrypoint.sh": entry}))


def mail_root(docker: Docker) -> Path:
    """The files of the mail server."""
    return _unpacked(docker, stand_in(docker, MAILBOX, AIOSMTPD))


def _unpacked(docker: Docker, image: str) -> Path:
    """The files of a stand-in image; extracted once."""
    folder = BUILD / "servers" / image.replace(":", "-")
    if not folder.exists():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        container = docker("create", image, "true").strip()  # which never runs
        export = ["docker", "export", container]
        with subprocess.Popen(export, env=docker.environment, stdout=subprocess.PIPE) as archive:
            run("tar", "--directory", part, "--extract", stdin=archive.stdout)
        docker("rm", container)
        part.rename(folder)
    return folder


def engine(docker: Docker, project: Path) -> Path:
    """The program that deploy.sh runs in Docker's place."""
    program = run_folder() / f"engine-{project.name}"
    program.write_text(ENGINE.format(pinned=pinned_base(project), base=base(docker)), "utf-8")
    program.chmod(0o755)
    return program


def registry(processes: Processes) -> None:
    """Start the registry. Docker compresses and sends only the layers that it does not have yet."""
    settings = run_folder() / "registry.yaml"
    folder = BUILD / "registry"
    if sum(file.stat().st_size for file in folder.rglob("*")) > MOST:
        shutil.rmtree(folder)
    settings.write_text(REGISTRY_SETTINGS.format(folder=folder, address=REGISTRY), "utf-8")
    processes.start("registry", UNPACKED / "usr/bin/docker-registry", "serve", settings)


def push(docker: Docker, image: str, name: str) -> str:
    """Push an image to the registry; return its name with the digest."""
    docker("tag", image, f"{REGISTRY}/{name}")
    said = docker("push", f"{REGISTRY}/{name}")
    (digest,) = re.findall(r"digest: (sha256:[0-9a-f]{64})", said)
    return f"{REGISTRY}/{name}@{digest}"


def servers(docker: Docker) -> str:
    """Push the images of the cluster itself; return the name of the stand-in for Valkey."""
    tar = ["tar", "--directory", "/usr/bin", "--create", "catatonit"]
    with subprocess.Popen(tar, stdout=subprocess.PIPE) as archive:
        changes = ["--change", 'ENTRYPOINT ["/catatonit", "-P"]', "--change", "USER 65535:65535"]
        docker("import", *changes, "-", "pause", stdin=archive.stdout)
    push(docker, "pause", "pause")
    push(docker, base(docker), "python")
    return push(docker, stand_in(docker, "valkey", VALKEY), "valkey")
