"""The API server of the tests by ``kind``, where ``KUBERNETES_BIN`` names no programs.

Not tested with kind itself, because its node image was not available. Tested with a stand-in for
``kind`` that starts an API server and writes a kubeconfig.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.live.cluster_api import GO, Cluster
from tests.template import run

CREATION = 600  # seconds: the image of the node is about 1 GB


@contextmanager
def control_plane(cluster: Cluster) -> Iterator[None]:
    """A cluster of kind until the block ends, without its node: the tests register their own."""
    access = cluster.folder / "kind.conf"
    options = ["--name", f"tests-{os.getpid()}", "--kubeconfig", access]

    def kubectl(*words: str) -> str:
        environment = os.environ | GO | {"KUBECONFIG": str(access)}
        result = run("kubectl", *words, env=environment, timeout=60)
        assert result.returncode == 0, result.stdout
        return result.stdout

    try:
        created = run("kind", "create", "cluster", "--wait", "120s", *options, timeout=CREATION)
        assert created.returncode == 0, created.stdout
        (known,) = json.loads(kubectl("config", "view", "--raw", "--output=json"))["clusters"]
        cluster.port = urlsplit(known["cluster"]["server"]).port or 443  # on 127.0.0.1
        authority = base64.b64decode(known["cluster"]["certificate-authority-data"])
        cluster.authority.parent.mkdir()
        cluster.authority.write_bytes(authority)
        for user in cluster.tokens:
            kubectl("create", "serviceaccount", user)
            token = kubectl("create", "token", user, "--duration=2h")
            cluster.tokens[user] = token.strip()
        role = ("--clusterrole=cluster-admin", "--serviceaccount=default:operator")
        kubectl("create", "clusterrolebinding", "operator", *role)
        # Its control plane goes on: the kubelet registers its node only when it starts.
        kubectl("delete", "nodes", "--all")
        cluster.write_access()
        yield
    finally:
        run("kind", "delete", "cluster", *options, timeout=120)
