"""load.py HOST PATH COMMAND...: send requests while the command runs; count the answers.

Prints the counts as JSON, by status or by name of the error: ``{"200": 1234}``. Each request comes
from another address, so that none reaches a rate limit.
"""

import collections
import http.client
import itertools
import json
import ssl
import subprocess
import sys
import threading

host, path, *command = sys.argv[1:]
BEFORE, AFTER, CLIENTS = 50, 100, 6
answers: collections.Counter[str] = collections.Counter()
addresses = (f"127.78.{n // 250 % 250}.{n % 250 + 1}" for n in itertools.count())
lock = threading.Lock()
enough = threading.Event()
context = ssl.create_default_context()  # other tests verify the certificate
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE


def ask() -> str:
    with lock:
        source = next(addresses)
    connection = http.client.HTTPSConnection(
        host, context=context, timeout=60, source_address=(source, 0)
    )
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return str(response.status)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()


def ask_on() -> None:
    while not enough.is_set():
        answer = ask()
        with lock:
            answers[answer] += 1


def wait_for(number: int) -> None:
    while answers.total() < number and any(client.is_alive() for client in clients):
        enough.wait(0.05)


clients = [threading.Thread(target=ask_on) for _ in range(CLIENTS)]
for client in clients:
    client.start()
wait_for(BEFORE)
status = subprocess.run(command, stdout=sys.stderr).returncode
wait_for(answers.total() + AFTER)
enough.set()
for client in clients:
    client.join()
print(json.dumps(answers))
sys.exit(status)
