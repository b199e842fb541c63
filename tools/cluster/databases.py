"""PostgreSQL and MariaDB in the hub, over TLS, with data in memory; can be disconnected."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.live.images import Docker
from tools.cluster import images
from tools.cluster.environment import (
    API,
    HERE,
    HUB,
    PODS,
    Processes,
    listens,
    run,
    run_folder,
    wait_until,
)
from tools.cluster.service import PASSWORD

OWNER = "999"  # of both servers, in their images
PORTS = {"postgresql": 5432, "mysql": 3306}
DATA = {"postgresql": "/var/lib/postgresql/data", "mysql": "/var/lib/mysql"}
CUT = """
table ip cut {{
    chain input {{
        type filter hook input priority 0
        ip saddr {pods} tcp dport {{ {ports} }} drop
    }}
}}
"""


def authority() -> None:
    """Create the authority of the outside servers, and a certificate for the databases."""
    folder = run_folder() / "outside"
    folder.mkdir()
    run("sh", HERE / "certificates.sh", API, "database", "database.test", cwd=folder)


def start(processes: Processes, docker: Docker, name: str) -> None:
    """Start an empty server from the files of its image; wait until it listens."""
    root = images.root_of(docker, name)
    data = root / DATA[name].removeprefix("/")
    data.mkdir(parents=True, exist_ok=True)
    options = f"mode=0700,uid={OWNER},gid={OWNER}"
    run("mount", "-t", "tmpfs", "-o", options, "tmpfs", data)
    run("mount", "--bind", "/dev", root / "dev")
    run("mount", "-t", "proc", "proc", root / "proc")
    for kind in ("crt", "key"):
        text = (run_folder() / f"outside/database.{kind}").read_bytes()
        file = root / f"tmp/database.{kind}"
        file.unlink(missing_ok=True)
        file.write_bytes(text)
        file.chmod(0o600)
        run("chown", f"{OWNER}:{OWNER}", file)
    {"postgresql": _postgresql, "mysql": _mariadb}[name](processes, root)
    wait_until(f"{name} listens", lambda: listens(PORTS[name]), 60)


def _inside(root: Path) -> list[str | Path]:
    # The folder of the machine's TMPDIR does not exist in the image.
    return ["env", "--unset=TMPDIR", "chroot", f"--userspec={OWNER}:{OWNER}", root]


def _postgresql(processes: Processes, root: Path) -> None:
    (programs,) = root.glob("usr/lib/postgresql/*/bin")
    programs = Path("/", programs.relative_to(root))
    (root / "tmp/password").write_text(PASSWORD, "utf-8")
    options = ["--username=postgres", "--pwfile=/tmp/password", "--auth=scram-sha-256"]
    run(*_inside(root), programs / "initdb", "-D", DATA["postgresql"], *options)
    rules = root / "var/lib/postgresql/data/pg_hba.conf"
    rules.write_text("hostssl all all all scram-sha-256\n", "utf-8")
    settings = {
        "listen_addresses": HUB,
        "ssl": "on",
        "ssl_cert_file": "/tmp/database.crt",  # noqa: S108  (in a root of its own)
        "ssl_key_file": "/tmp/database.key",  # noqa: S108
        "unix_socket_directories": "",
        "max_connections": "300",
    }
    options = [f"--{name}={text}" for name, text in settings.items()]
    processes.start(
        *("postgresql", *_inside(root), programs / "postgres", "-D", DATA["postgresql"], *options)
    )


def _mariadb(processes: Processes, root: Path) -> None:
    install = ["mariadb-install-db", "--force", "--auth-root-authentication-method=normal"]
    run(*_inside(root), *install, "--datadir", DATA["mysql"])
    statement = f"CREATE USER root@'%' IDENTIFIED BY '{PASSWORD}';\n"
    statement += "GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;\n"
    (root / "tmp/init.sql").write_text(statement, "utf-8")
    processes.start(
        *("mysql", *_inside(root), "mariadbd", "--datadir", DATA["mysql"]),
        *(f"--bind-address={HUB}", "--ssl-cert=/tmp/database.crt", "--ssl-key=/tmp/database.key"),
        *(
            "--require-secure-transport",
            "--init-file=/tmp/init.sql",
            "--skip-name-resolve",
            "--max-connections=300",
        ),
        *("--socket=/tmp/mysql.sock", "--pid-file=/tmp/mysql.pid"),
    )


@contextmanager
def cut_off() -> Iterator[None]:
    """Drop packets from pods to the databases until the block ends."""
    ports = ", ".join(map(str, PORTS.values()))
    run("nft", "-f", "-", input=CUT.format(pods=PODS, ports=ports))
    try:
        yield
    finally:
        run("nft", "delete", "table", "ip", "cut")
