"""Wait until the service is ready for requests: its database answers and has the right schema.

Prints the answer of ``/readyz``, which Nginx does not forward.
"""

import http.client
import socket
import sys
import time

SOCKET = "/run/<< cookiecutter.project_slug >>/app.sock"
DOMAIN = "<< cookiecutter.domain_name >>"
TIMEOUT = 30  # seconds


def ask() -> tuple[bool, str]:
    """Whether the service is ready, and what ``/readyz`` says."""
    connection = http.client.HTTPConnection(DOMAIN, timeout=5)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.settimeout(5)
        connection.sock.connect(SOCKET)
        connection.request("GET", "/readyz", headers={"X-Forwarded-Proto": "https"})
        response = connection.getresponse()
        said = response.read().decode(errors="replace").strip()
        return response.status == 200, said
    except (OSError, http.client.HTTPException) as error:
        return False, f"no answer: {error!r}"
    finally:
        connection.close()


deadline = time.monotonic() + TIMEOUT
while not (answer := ask())[0] and time.monotonic() < deadline:
    time.sleep(0.2)
ready, said = answer
print(said)
sys.exit(0 if ready else "The service is not ready")
