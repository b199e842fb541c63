"""A rendered service deployed by its own script into the tests' Docker daemon."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.live.images import PINNED, Docker, base, pinned_base, stand_in
from tests.live.mailbox import NAME as MAILBOX
from tests.live.mailbox import PROGRAM, Mailbox, mail_url
from tests.live.pebble import Pebble, pebble
from tests.template import free_ports, run

DEPLOY_TIMEOUT = 600  # seconds
ADDRESS = "127.0.0.1"

# Stand-ins for the official images of the servers: Debian's packages, and the parts of the official
# entry points that compose.yaml uses.
POSTGRESQL = (
    """\
RUN groupadd -g 999 postgres && useradd -u 999 -g 999 -d /var/lib/postgresql postgres \\
 && apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql >/dev/null \\
 && rm -rf /var/lib/apt/lists/* /var/lib/postgresql/* \\
 && install -d -o 999 -g 999 -m 0700 /var/lib/postgresql/data
COPY docker-entrypoint.sh /
ENTRYPOINT ["sh", "/docker-entrypoint.sh"]
""",
    """\
set -eu
export PGDATA=/var/lib/postgresql/data PATH="$PATH:$(echo /usr/lib/postgresql/*/bin)"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb --username=postgres --pwfile="$POSTGRES_PASSWORD_FILE" $POSTGRES_INITDB_ARGS
fi
exec "$@"
""",
)
MARIADB = (
    """\
RUN groupadd -g 999 mysql && useradd -u 999 -g 999 -d /nonexistent mysql \\
 && apt-get update -qq \\
 && apt-get install -y -qq --no-install-recommends mariadb-server >/dev/null \\
 && rm -rf /var/lib/apt/lists/* /var/lib/mysql/* /etc/mysql/debian.cnf \\
 && chown 999:999 /var/lib/mysql && chmod 0700 /var/lib/mysql
COPY docker-entrypoint.sh /
ENTRYPOINT ["sh", "/docker-entrypoint.sh"]
""",
    """\
set -eu
if [ ! -d /var/lib/mysql/mysql ]; then
    mariadb-install-db --auth-root-authentication-method=normal --skip-test-db >/dev/null
    printf "ALTER USER root@localhost IDENTIFIED BY '%s';" "$(cat "$MARIADB_ROOT_PASSWORD_FILE")" \\
        >/tmp/init.sql
    set -- "$@" --init-file=/tmp/init.sql
fi
exec "$@"
""",
)
VALKEY = """\
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends valkey-server >/dev/null \\
 && rm -rf /var/lib/apt/lists/*
WORKDIR /data
"""
AIOSMTPD = """\
RUN apt-get update -qq \\
 && apt-get install -y -qq --no-install-recommends python3-aiosmtpd >/dev/null \\
 && rm -rf /var/lib/apt/lists/*
"""


def server_images(docker: Docker) -> dict[str, str]:
    """The stand-in images, by the name of the official image that each replaces."""
    entry = "docker-entrypoint.sh"
    return {
        "postgres": stand_in(docker, "postgres", POSTGRESQL[0], {entry: POSTGRESQL[1]}),
        "mariadb": stand_in(docker, "mariadb", MARIADB[0], {entry: MARIADB[1]}),
        "valkey/valkey": stand_in(docker, "valkey", VALKEY),
    }


@dataclass
class Deployment:
    """A service that runs as in production, on this machine."""

    docker: Docker
    project: Path
    http_port: int
    https_port: int
    domain: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    authority: Pebble | None = None
    mailbox: Mailbox = field(kw_only=True)

    def __post_init__(self) -> None:
        site = (self.project / "deploy/nginx/site.conf").read_text("utf-8")
        self.domain = re.findall(r"return 308 https://([^$]+)\$", site)[0]
        self.environment = self.docker.environment | {
            "COMPOSE_FILE": f"compose.yaml{os.pathsep}override.yaml",
            "HTTP_ADDRESS": ADDRESS,
            "HTTP_PORT": str(self.http_port),
            "HTTPS_PORT": str(self.https_port),
        }

    def override(self, **services: dict[str, Any]) -> None:
        """Write an override file: stand-in images, a mail server, and ``services``."""
        shipped = yaml.safe_load((self.project / "compose.yaml").read_text("utf-8"))["services"]
        build = {
            "network": "host",
            "additional_contexts": [
                f"{pinned_base(self.project)}=docker-image://{base(self.docker)}"
            ],
        }
        servers, override = server_images(self.docker), {}
        for name, service in shipped.items():
            if "build" in service:
                override[name] = {"build": build}
            else:
                assert PINNED.fullmatch(service["image"]), "an image that is not pinned by a digest"
                override[name] = {"image": servers[service["image"].partition(":")[0]]}
            override[name] |= services.get(name, {})
        # The mail server: in the network of the container that sends, and in no other.
        override["mail"]["volumes"] = [f"{self.mailbox.authority}:/mailbox.pem:ro"]
        override[MAILBOX] = {
            "image": stand_in(self.docker, MAILBOX, AIOSMTPD),
            "command": ["python3", "/mailbox.py", "0.0.0.0", "465", "/mails/server.pem", "/mails"],  # noqa: S104
            "volumes": [f"{PROGRAM}:/mailbox.py:ro", f"{self.mailbox.folder}:/mails"],
            "networks": ["mail"],
        }
        text = yaml.safe_dump({"services": override}).replace("'!reset'", "!reset null")
        (self.project / "override.yaml").write_text(text, "utf-8")

    def compose(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return self.docker.run(
            "compose", *arguments, cwd=self.project, env=self.environment, **options
        )

    def must(self, *arguments: str, **options: Any) -> str:
        """Run ``docker compose``, which must succeed; return its output."""
        result = self.compose(*arguments, **options)
        assert result.returncode == 0, f"{arguments}: {result.stdout[-4000:]}"
        return result.stdout

    def script(self, name: str, *arguments: str, **values: str) -> str:
        """Run a script of ``deploy/docker`` as the operator does; it must succeed."""
        result = run(
            *("sh", f"deploy/docker/{name}", *arguments),
            cwd=self.project,
            env=self.environment | values,
            timeout=DEPLOY_TIMEOUT,
        )
        if result.returncode:
            logs = self.compose("logs", "--tail", "40").stdout
            raise AssertionError(f"{name}: {result.stdout[-4000:]}\n{logs[-6000:]}")
        return result.stdout

    def containers(self) -> dict[str, dict[str, Any]]:
        """``docker inspect`` of the running containers, by service, without the tests' mailbox."""
        ids = self.must("ps", "--quiet").split()
        inspected = json.loads(self.docker("inspect", *ids)) if ids else []
        label = "com.docker.compose.service"
        services = {found["Config"]["Labels"][label]: found for found in inspected}
        services.pop(MAILBOX, None)
        return services

    def wait_until_healthy(self, *services: str) -> None:
        def healthy() -> bool:
            found = self.containers()
            return all(
                name in found and found[name]["State"].get("Health", {}).get("Status") == "healthy"
                for name in services
            )

        wait_until(healthy, lambda: self.compose("logs", "--tail", "20", *services).stdout)

    def kill(self, service: str) -> None:
        """``kill -9`` to the first process of the container, as the kernel may do it."""
        os.kill(self.containers()[service]["State"]["Pid"], signal.SIGKILL)

    def secrets(self) -> dict[str, str]:
        """Every secret of this deployment."""
        found = {path.name: path.read_text().strip() for path in self.project.glob("secrets/*")}
        development = (self.project / ".env").read_text("utf-8")
        found[".env"] = re.findall("^SECRET_KEY=(.+)$", development, re.MULTILINE)[0]
        return {name: value for name, value in found.items() if len(value) >= 16}


@contextmanager
def deployed(
    docker: Docker,
    project: Path,
    folder: Path,
    *,
    values: dict[str, str] | None = None,
    **more: Any,
) -> Iterator[Deployment]:
    """Deploy the service with its one command; remove everything at the end.

    Its certificate authority is Pebble, Let's Encrypt's own server for tests, on this machine.

    :param values: answers of the operator, as environment variables.
    :param more: changes of services in compose.yaml, by the name of the service.
    """
    mailbox = Mailbox(folder / "mailbox")
    deployment = Deployment(docker, project, *free_ports(2), mailbox=mailbox)
    with pebble(folder / "pebble", deployment.http_port) as authority:
        deployment.authority = authority
        settings = project / "deploy/docker/settings.env"
        text = f"{settings.read_text('utf-8')}\nACME_SERVER={authority.url}\n"
        settings.write_text(text, "utf-8")
        deployment.override(
            certbot={
                "environment": {"REQUESTS_CA_BUNDLE": "/pebble.pem"},
                "volumes": [f"{authority.ca}:/pebble.pem:ro"],
                "network_mode": "host",  # it is on the loopback
                "networks": "!reset",
            },
            **more,
        )
        try:
            deployment.must("up", "--detach", "--no-deps", MAILBOX)
            given = {"MAIL_URL": mail_url("/mailbox.pem")} | (values or {})
            deployment.script("deploy.sh", **given)
            yield deployment
        finally:
            deployment.compose("down", "--volumes", "--timeout", "3")


def wait_until(
    condition: Callable[[], object], say: Callable[[], str] = str, seconds: float = 90
) -> None:
    """Wait for the condition, for a limited time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited for {seconds} seconds: {say()[-6000:]}"
        time.sleep(0.2)
