"""Enforces the NetworkPolicies of one node's pods with nftables, as a network plugin does.

``python -m tools.cluster.policies NODE``, in the node's network namespace. It asks the API three
times a second. What a policy of this service may say is known here, and nothing else.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPException, HTTPSConnection
from typing import Any

from tools.cluster.environment import API, run_folder

Object = dict[str, Any]
SIDES = {
    "Ingress": ("ingress", "from", "saddr", "daddr"),
    "Egress": ("egress", "to", "daddr", "saddr"),
}


def chosen(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a label selector chooses these labels.

    :raises ValueError: for an operator that is not known here.
    """
    if any(labels.get(key) != text for key, text in selector.get("matchLabels", {}).items()):
        return False
    for wanted in selector.get("matchExpressions", []):
        if wanted["operator"] != "In":
            raise ValueError(f"operator {wanted['operator']}")
        if labels.get(wanted["key"]) not in wanted["values"]:
            return False
    return True


def peers(policy: Object, rule: Object, side: str, pods: list[Object], spaces: Object) -> list[str]:
    """The addresses that a rule names; an empty text means every address."""
    if side not in rule:
        return [""]
    found = []
    for peer in rule[side]:
        if "ipBlock" in peer:
            found.append(peer["ipBlock"]["cidr"])
            continue
        for pod in pods:
            space = pod["metadata"]["namespace"]
            if "namespaceSelector" in peer:
                if not chosen(peer["namespaceSelector"], spaces[space]):
                    continue
            elif space != policy["metadata"]["namespace"]:
                continue
            if chosen(peer.get("podSelector", {}), pod["metadata"].get("labels", {})):
                found.append(pod["status"]["podIP"])
    return found


def allowed(policies: list[Object], kind: str, pods: list[Object], spaces: Object) -> Iterator[str]:
    """The traffic that these policies allow, as rules of nftables."""
    name, side, word, _ = SIDES[kind]
    for policy in policies:
        for rule in policy["spec"].get(name) or []:
            ports = [f"{p['protocol'].lower()} dport {p['port']} " for p in rule.get("ports", [])]
            for address in peers(policy, rule, side, pods, spaces):
                who = f"ip {word} {address} " if address else ""
                yield from (f"{who}{port}return" for port in ports or [""])


def table(node: str, pods: list[Object], spaces: Object, policies: list[Object]) -> str:
    """The table for the pods of this node. Answers to allowed connections may pass."""
    chains, jumps = [], []
    for pod in pods:
        if pod["spec"].get("nodeName") != node:
            continue
        labels, address = pod["metadata"].get("labels", {}), pod["status"]["podIP"]
        own = [
            policy
            for policy in policies
            if policy["metadata"]["namespace"] == pod["metadata"]["namespace"]
            and chosen(policy["spec"]["podSelector"], labels)
        ]
        for kind, (name, _, _, at) in SIDES.items():
            if applied := [policy for policy in own if kind in policy["spec"]["policyTypes"]]:
                chain = f"{name}_{address.replace('.', '_')}"
                rules = sorted(set(allowed(applied, kind, pods, spaces)))
                chains.append(f"chain {chain} {{ {'; '.join([*rules, 'counter drop'])}; }}")
                jumps.append(f"ip {at} {address} jump {chain}; ")
    return (
        "table inet policies {}\ndelete table inet policies\ntable inet policies {\n"
        + "\n".join(sorted(chains))
        + "\nchain forward { type filter hook forward priority -10; "
        + "ct state established,related accept; "
        + "".join(sorted(jumps))
        + "}\n}\n"
    )


def main(node: str) -> None:
    """Keep this node's table up to date until the process is ended."""
    pki = run_folder() / "pki"
    tls = ssl.create_default_context(cafile=pki / "ca.crt")
    tls.load_cert_chain(pki / "admin.crt", pki / "admin.key")

    # Kept open: the API server would spend a tenth of a processor on new connections alone.
    connection = HTTPSConnection(API.removeprefix("https://"), context=tls, timeout=5)

    def items(path: str) -> list[Object]:
        connection.request("GET", path)
        with connection.getresponse() as answer:
            text = answer.read()
        if answer.status != 200:
            raise OSError(f"{path}: {answer.status}")
        return list(json.loads(text)["items"])

    last = ""
    while True:
        try:
            pods = [
                pod
                for pod in items("/api/v1/pods")
                if pod["status"].get("podIP") and pod["status"]["phase"] in ("Pending", "Running")
            ]
            spaces = {
                space["metadata"]["name"]: space["metadata"].get("labels", {})
                for space in items("/api/v1/namespaces")
            }
            text = table(node, pods, spaces, items("/apis/networking.k8s.io/v1/networkpolicies"))
            if text != last:
                subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)
                last = text
        except (OSError, HTTPException) as error:  # no API: what was allowed stays allowed
            print(error, flush=True)
            connection.close()
        time.sleep(0.3)


if __name__ == "__main__":
    main(sys.argv[1])
