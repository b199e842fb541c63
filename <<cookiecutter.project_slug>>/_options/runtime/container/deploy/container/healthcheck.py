"""``healthcheck.py /readyz [ADDRESS]``: request a page; exit status 0 if it succeeds, else 1.

``healthcheck.py connect`` only connects. It succeeds while the process accepts connections, even if
all threads wait for an unreachable database.

ADDRESS is ``unix:/path`` or ``host:port``; the default is the address of gunicorn.
"""

import os
import socket
import sys
from http.client import HTTPConnection

TIMEOUT = 5  # seconds
DOMAIN = "<< cookiecutter.domain_name >>"
HOST = os.environ.get("DOMAIN_NAME", DOMAIN)  # requests for another name are refused
SOCKET = "unix:/run/<< cookiecutter.project_slug >>/app.sock"


class Connection(HTTPConnection):
    """A connection over a unix socket or TCP."""

    def __init__(self, address: str) -> None:
        super().__init__(HOST, timeout=TIMEOUT)
        self.address = address

    def connect(self) -> None:
        if self.address.startswith("unix:"):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(TIMEOUT)
            self.sock.connect(self.address.removeprefix("unix:"))
        else:
            host, _, port = self.address.rpartition(":")
            self.sock = socket.create_connection((host, int(port)), TIMEOUT)


def main(path: str, address: str = "") -> int:
    connection = Connection(address or os.environ.get("GUNICORN_BIND", SOCKET))
    try:
        if path == "connect":
            connection.connect()
            return 0
        connection.request("GET", path)
        response = connection.getresponse()
        print(response.status, response.read(200).decode(errors="replace"))
        return 0 if response.status < 400 else 1
    except OSError as error:
        print(error)
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
