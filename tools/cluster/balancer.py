"""A load balancer as in a cloud: it passes TCP to healthy nodes and keeps the client's address.

It asks each node every 8 seconds and gives up after 3 answers that are missing or bad, as Google's
does by default (Amazon's: 10 seconds, 2 or 3). Connections that have begun stay where they are.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.request

from tools.cluster.environment import NODES, run
from tools.cluster.service import Service

INTERVAL, FAILURES = 8.0, 3
TABLE = """
table ip balancer_{name} {{}}
delete table ip balancer_{name}
table ip balancer_{name} {{
    chain out {{
        type nat hook output priority -100
        {rules}
    }}
}}
"""


def healthy(address: str, port: int) -> bool:
    """Whether the node reports a pod of the service."""
    try:
        url = f"http://{address}:{port}/healthz"
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:  # urllib's errors are of this kind
        return False


class Balancer:
    """Follows the health of the nodes, in a thread, until the command ends."""

    def __init__(self, service: Service) -> None:
        self.service = service
        text = service.kubectl("get", "service", "web", "--output", "json")
        spec = json.loads(text)["spec"]
        self.ports = {port["port"]: port["nodePort"] for port in spec["ports"]}
        self.check = spec["healthCheckNodePort"]
        self.failures = dict.fromkeys(NODES.values(), FAILURES)
        self.live: list[str] | None = None
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        while True:
            for address in NODES.values():
                good = healthy(address, self.check)
                self.failures[address] = 0 if good else self.failures[address] + 1
            live = [address for address, count in self.failures.items() if count < FAILURES]
            if live != self.live:
                self._use(live)
            time.sleep(INTERVAL)

    def _use(self, live: list[str]) -> None:
        choice = ", ".join(f"{number} : {address}" for number, address in enumerate(live))
        rules = [
            f"ip daddr {self.service.address} tcp dport {port} "
            f"dnat to numgen random mod {len(live)} map {{ {choice} }} :{target}"
            for port, target in self.ports.items()
            if live
        ]
        name = self.service.name.replace("-", "_")
        run("nft", "-f", "-", input=TABLE.format(name=name, rules="\n        ".join(rules)))
        print(f"{time.strftime('%T')} {self.service.name}: balanced to {live}", flush=True)
        self.live = live
