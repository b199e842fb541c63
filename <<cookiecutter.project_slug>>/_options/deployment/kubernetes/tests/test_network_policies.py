"""Who connects to whom in the cluster, and by which entrances visitors come.

``FLOWS`` in ``tests/deployment_policy.py`` is the table.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

import pytest

from tests import deployment_policy as policy
from tests.manifests import BASE, COMPONENT, Object, kustomization, named, resources
from tests.marks import asvs, practice

Flow = tuple[str, str, str, str]
# What cert-manager's solver is labelled with, while a certificate is ordered.
SOLVER = {"acme.cert-manager.io/http01-solver": "true"}
# Where clouds keep the privileges of a node, for whoever asks from it.
METADATA = [ip_network("169.254.0.0/16"), ip_network("fd00:ec2::254")]
OVERLAYS = {name: resources(f"overlays/{name}") for name in policy.OVERLAYS}


def selected(selector: Object) -> list[str]:
    """The components that a selector means, with the overlay that it is limited to."""
    labels = dict(selector.get("matchLabels", {}))
    if labels == SOLVER:
        return ["solver of cert-manager"]
    names = [labels.pop(COMPONENT)] if COMPONENT in labels else []
    overlay = labels.pop("overlay", "")
    for it in selector.get("matchExpressions", []):
        assert (it["key"], it["operator"]) == (COMPONENT, "In"), f"no table knows {it}"
        names += it["values"]
    assert not labels, f"no table knows the labels {labels}"
    assert not selector.keys() - {"matchLabels", "matchExpressions"}
    return [f"{name} of {overlay}" if overlay else name for name in names] or ["every pod"]


def is_wide(network: IPv4Network | IPv6Network) -> bool:
    """Whether it holds more than the network of one owner."""
    return network.prefixlen < (16 if network.version == 4 else 48)


def peer(found: Object) -> str:
    """The other side, in the words of the table."""
    if block := found.get("ipBlock"):
        assert found.keys() == {"ipBlock"}
        return "everywhere" if is_wide(ip_network(block["cidr"])) else "your addresses"
    if "namespaceSelector" in found:
        space = found["namespaceSelector"].get("matchLabels", {})
        pod = found.get("podSelector", {}).get("matchLabels", {})
        of = ",".join(f"{name}={value}" for name, value in sorted(pod.items()))
        return f"{space.get('kubernetes.io/metadata.name', 'every namespace')} {of or '*'}"
    (component,) = selected(found["podSelector"])
    return component


def flows(objects: list[Object]) -> set[Flow]:
    """Everything that the policies allow."""
    found: set[Flow] = set()
    for it in objects:
        if it["kind"] != "NetworkPolicy":
            continue
        spec = it["spec"]
        for direction, side in (("ingress", "from"), ("egress", "to")):
            if direction in spec:
                assert direction.capitalize() in spec["policyTypes"]
            for rule in spec.get(direction, []):
                assert not rule.keys() - {"ports", side}
                others = [peer(other) for other in rule.get(side, [])] or ["everywhere"]
                ports = [
                    " ".join(str(port[key]) for key in sorted(port, reverse=True))
                    for port in rule.get("ports", [])
                ]  # protocol, port, endPort
                found |= {
                    (name, side, other, port)
                    for name in selected(spec["podSelector"])
                    for other in others
                    for port in ports or ["every port"]
                }
    return found


def compare(place: str, found: set[Flow], allowed: set[Flow]) -> None:
    says = [
        f"{place}: {' '.join(it)} is open, and no table names it: close it"
        for it in found - allowed
    ]
    says += [
        f"{place}: {' '.join(it)} is closed, and the service needs it" for it in allowed - found
    ]
    assert not says, "\n" + "\n".join([*sorted(says), f"The table is FLOWS in {policy.TABLE}"])


@practice("audits")
@asvs("13.2.4", "13.2.5")
def test_pods_connect_only_to_targets_of_the_policy() -> None:
    denied = named(BASE)["NetworkPolicy/deny-by-default"]["spec"]
    assert denied == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    compare("deploy/kubernetes/base", flows(BASE), policy.FLOWS)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_opens_ports_for_its_own_pods_only(overlay: str) -> None:
    allowed = policy.FLOWS_OF_OVERLAYS[overlay]
    compare(f"deploy/kubernetes/overlays/{overlay}", flows(OVERLAYS[overlay]), allowed)


@pytest.mark.parametrize("metadata", METADATA, ids=str)
def test_no_pod_reaches_the_metadata_of_the_cloud(metadata: IPv4Network | IPv6Network) -> None:
    """Whoever reaches them gets the privileges of the node."""
    for it in BASE:
        for rule in it["spec"].get("egress", []) if it["kind"] == "NetworkPolicy" else []:
            for block in (other["ipBlock"] for other in rule["to"] if "ipBlock" in other):
                left_out = [ip_network(network) for network in block.get("except", [])]
                assert not ip_network(block["cidr"]).overlaps(metadata) or any(
                    it.overlaps(metadata) and it.prefixlen <= metadata.prefixlen for it in left_out
                ), f"{block} lacks: except {metadata}"


# --- The entrances


def test_services_of_the_cluster_expose_only_the_listed_ports() -> None:
    services = {name: it["spec"] for name, it in named(BASE).items() if it["kind"] == "Service"}
    assert services == {
        "Service/web": {
            "selector": {COMPONENT: "web"},
            "ipFamilyPolicy": "PreferDualStack",
            # To Nginx; the app listens on a Unix socket.
            "ports": [
                {"name": "http", "port": 80, "targetPort": "http"},
                {"name": "https", "port": 443, "targetPort": "https"},
            ],
        },
        "Service/valkey": {
            "selector": {COMPONENT: "valkey"},
            "ports": [{"name": "valkey", "port": 6379, "targetPort": "valkey"}],
        },
    }
    (web,) = (it for it in BASE if it["kind"] == "Deployment" and it["metadata"]["name"] == "web")
    ports = {
        it["name"]: it.get("ports", []) for it in web["spec"]["template"]["spec"]["containers"]
    }
    nginx = [{"name": "http", "containerPort": 8080}, {"name": "https", "containerPort": 8443}]
    assert ports == {"app": [], "nginx": nginx}


def test_tls_reaches_the_pod_behind_a_gateway() -> None:
    """The gateway ends TLS and begins it again, and checks the name and the authority of Nginx."""
    objects = named(OVERLAYS["gateway"])

    def spec(name: str) -> dict[str, Any]:
        return dict(objects[name]["spec"])

    listeners = {it["name"]: it for it in spec("Gateway/web")["listeners"]}
    same = {"hostname": policy.DOMAIN, "allowedRoutes": {"namespaces": {"from": "Same"}}}
    certificate = {"mode": "Terminate", "certificateRefs": [{"kind": "Secret", "name": "tls"}]}
    assert listeners == {
        "http": {"name": "http", "protocol": "HTTP", "port": 80, **same},
        "https": {"name": "https", "protocol": "HTTPS", "port": 443, "tls": certificate, **same},
    }
    for name, port in (("http", 80), ("https", 443)):
        assert spec(f"HTTPRoute/{name}") == {
            "parentRefs": [{"name": "web", "sectionName": name}],
            "hostnames": [policy.DOMAIN],
            "rules": [{"backendRefs": [{"name": "web", "port": port}]}],
        }
    assert spec("BackendTLSPolicy/web") == {
        "targetRefs": [{"group": "", "kind": "Service", "name": "web", "sectionName": "https"}],
        "validation": {"wellKnownCACertificates": "System", "hostname": policy.DOMAIN},
    }
    (solver,) = spec("Issuer/letsencrypt")["acme"]["solvers"]
    parent = {"kind": "Gateway", "name": "web", "sectionName": "http"}
    assert solver == {"http01": {"gatewayHTTPRoute": {"parentRefs": [parent]}}}
    annotations = objects["Gateway/web"]["metadata"]["annotations"]
    assert annotations["cert-manager.io/issuer"] == "letsencrypt"


def test_the_certificate_names_the_domain() -> None:
    found = named(OVERLAYS["production"])["Certificate/web"]["spec"]
    assert (found["dnsNames"], found["secretName"]) == ([policy.DOMAIN], "tls")
    assert found["privateKey"]["rotationPolicy"] == "Always"


def test_all_objects_are_in_one_namespace() -> None:
    for name in ("base", "overlays/production", "overlays/gateway", "secrets"):
        assert kustomization(name)["namespace"] == policy.SLUG
    assert not [it for it in BASE if "namespace" in it["metadata"]]
