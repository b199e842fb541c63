"""Run in a service's folder by its own Python: its own Nginx before gunicorn's sockets.

``python behind.py SOCKET ...``: on loopback, with ``deploy/nginx/`` as in production but for paths,
ports, user and domain. It prints where it listens and whom to trust, as JSON, and lasts until
standard input ends.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests import live


def main(sockets: list[str]) -> None:
    if live.MISSING:
        sys.exit(live.MISSING)
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
