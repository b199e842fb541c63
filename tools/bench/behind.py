"""Run in a service's folder with its Python: start the service's Nginx in front of gunicorn.

``python behind.py SOCKET ...``: on loopback, with ``deploy/nginx/`` as in production except for
paths, ports, user and domain. It prints its address and its certificate authority as JSON, and
runs until standard input ends.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests import live


def main(sockets: list[str]) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        live.nginx(Path(folder), *map(Path, sockets)) as site,
    ):
        Path(folder).chmod(0o755)  # Nginx's workers have a user of their own
        shown = {"address": site.address, "port": site.https_port, "ca": str(site.ca)}
        print(json.dumps(shown | {"domain": site.domain}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
