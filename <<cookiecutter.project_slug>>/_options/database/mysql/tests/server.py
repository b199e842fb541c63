"""A MySQL or MariaDB of the tests' own, with TLS; it lives as long as the ``with`` block."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL

from tests import needs
from tests.live import accepts, free_ports, make_certificates, running
from tests.needs import HOST, PATH

ELSEWHERE = "127.0.0.2"  # its address too, but not the one of the certificate


class Server:
    """Where it listens, and its administrator, who needs the unix socket."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.address = needs.address()
        self.port = free_ports(self.address)[0]
        self.socket = directory / "mysqld.sock"
        self.admin = URL.create(
            "mysql+pymysql", "root", "", "localhost", query={"unix_socket": str(self.socket)}
        )


@contextmanager
def own_server(directory: Path) -> Iterator[Server]:
    """Run the server that is installed here; its certificate in ``tls`` is for ``HOST``."""
    program = shutil.which("mysqld", path=PATH) or needs.program("mariadbd")
    server = Server(directory)
    make_certificates(directory / "tls", f"DNS:{HOST}")
    options = [f"--datadir={directory}/data", *(["--user=root"] if os.geteuid() == 0 else [])]
    shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    if "MariaDB" in shown.stdout:
        script = shutil.which("mariadb-install-db", path=PATH) or "mariadb-install-db"
        authentication = "--auth-root-authentication-method=normal"
        make = [script, "--no-defaults", *options, authentication, "--skip-test-db"]
    else:
        make = [program, "--no-defaults", "--initialize-insecure", *options]
    made = subprocess.run(make, capture_output=True, text=True, env={"PATH": PATH}, check=False)
    if made.returncode:  # AppArmor lets a packaged MySQL work in its own folders alone
        needs.lacking(f"{program} makes no database here: {(made.stdout + made.stderr)[-500:]}")
    command = [
        *(program, "--no-defaults", *options, f"--socket={server.socket}"),
        *(f"--bind-address={server.address},{ELSEWHERE}", f"--port={server.port}"),
        *(f"--pid-file={directory}/pid", f"--log-error={directory}/error.log"),
        *(f"--ssl-ca={directory}/tls/ca.pem", f"--ssl-cert={directory}/tls/fullchain.pem"),
        *(f"--ssl-key={directory}/tls/privkey.pem", "--secure-file-priv="),
    ]
    with running(command, directory / "output.log", lambda: accepts(server.socket), {"PATH": PATH}):
        yield server
