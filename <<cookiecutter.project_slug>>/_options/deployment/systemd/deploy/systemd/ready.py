"""Wait until the service is ready for requests: its database answers and has the right schema."""

import http.client
import socket
import sys
import time

SOCKET = "/run/<< cookiecutter.project_slug >>/app.sock"
DOMAIN = "<< cookiecutter.domain_name >>"
PATIENCE = 30  # seconds


def ask() -> str:
    """What ``/readyz`` says; empty when all is well."""
    connection = http.client.HTTPConnection(DOMAIN, timeout=5)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.settimeout(5)
        connection.sock.connect(SOCKET)
        connection.request("GET", "/readyz", headers={"X-Forwarded-Proto": "https"})
        response = connection.getresponse()
        said = response.read().decode(errors="replace").strip()
        return "" if response.status == 200 else f"status {response.status}: {said}"
    except (OSError, http.client.HTTPException) as error:
        return f"no answer: {error!r}"
    finally:
        connection.close()


deadline = time.monotonic() + PATIENCE
while (problem := ask()) and time.monotonic() < deadline:
    time.sleep(0.2)
sys.exit(f"The service is not ready, {problem}" if problem else 0)
