"""Requests to the API server of the tests, by ``kubectl`` or directly."""

from __future__ import annotations

import json
import os
import re
import ssl
import threading
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

from tests.template import free_ports, run

# Garbage collection at Go's default (100) takes a quarter of kubectl's CPU time, as measured.
GO = {"GOGC": "400"}
APPLY = "application/apply-patch+yaml"


def path_of(thing: Any) -> str:
    """The path of an object in the API."""
    group, about = thing["apiVersion"], thing["metadata"]
    plural = re.sub("ss$", "sse", re.sub("([^a])y$", r"\1ie", thing["kind"].lower())) + "s"
    place = f"/namespaces/{about['namespace']}" if "namespace" in about else ""
    start = "apis" if "/" in group else "api"
    return f"/{start}/{group}{place}/{plural}/{about['name']}".rstrip("/")


class Cluster:
    """The API server.

    :param tokens: of its users, an administrator and one without rights.
    :param ends: the end of each Job, by NAMESPACE/NAME; "": it never ends.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (self.port,) = free_ports(1)
        self.tokens = {"operator": "operator", "nobody": "nobody"}
        self.ends: dict[str, str] = {}
        self.authority = folder / "certificates" / "apiserver.crt"  # which the server writes
        self.kept = threading.local()  # a connection for each thread
        self.opened: list[HTTPSConnection] = []

    def environment(self, user: str = "operator") -> dict[str, str]:
        return {"KUBECONFIG": str(self.folder / f"{user}.conf")} | GO

    def kubectl(self, *arguments: str, **options: Any) -> str:
        """Run ``kubectl``, which must succeed; return its output."""
        env = os.environ | self.environment()
        result = run("kubectl", *arguments, env=env, **{"timeout": 60} | options)
        assert result.returncode == 0, result.stdout
        return result.stdout

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens['operator']}"}

    def write_access(self) -> None:
        """Write a file for ``kubectl`` for each user."""
        for user in self.tokens:
            self._write_access(user)

    def _write_access(self, user: str) -> None:
        server = {"server": f"https://127.0.0.1:{self.port}"}
        server["certificate-authority"] = str(self.authority)
        access = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": server}],
            "users": [{"name": "u", "user": {"token": self.tokens[user]}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "c",
        }
        (self.folder / f"{user}.conf").write_text(json.dumps(access), "utf-8")

    def connection(self) -> HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self.authority))
        return HTTPSConnection("127.0.0.1", self.port, timeout=10, context=context)

    def watch(self, path: str) -> Iterator[Any]:
        """All objects below the path, then, for five seconds, each that changes."""
        connection = self.connection()
        try:
            connection.request("GET", f"{path}?watch=1&timeoutSeconds=5", headers=self.headers)
            for line in connection.getresponse():
                yield json.loads(line)["object"]
        finally:
            connection.close()

    def request(
        self, method: str, path: str, body: Any = None, kind: str = "application/json"
    ) -> tuple[Any, list[str]]:
        """Send a request; return the answer and the server's warnings.

        :param body: a text, or an object that is sent as JSON.
        :raises OSError: if the server refuses the request or does not answer.
        """
        if not hasattr(self.kept, "connection"):
            self.kept.connection = self.connection()
            self.opened.append(self.kept.connection)
        connection = self.kept.connection
        headers = self.headers | {"Content-Type": kind}
        try:
            text = body if isinstance(body, str | None) else json.dumps(body)
            connection.request(method, path, text and text.encode(), headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        except BaseException:
            connection.close()  # the next request opens it again
            raise
        if answer.status >= 400:
            raise OSError(answer.status, text)
        return json.loads(text) if text.startswith("{") else text, answer.headers.get_all(
            "Warning", []
        )

    def disconnect(self) -> None:
        """Close the connections of all threads. Call it after the threads have ended."""
        for connection in self.opened:
            connection.close()

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """Send a request; return the answer without the warnings."""
        return self.request(method, path, body, kind)[0]

    def apply(self, thing: Any, *, dry_run: bool = False) -> list[str]:
        """Send the request of `kubectl apply --server-side --validate=strict`; return the warnings.

        kubectl itself would wait minutes between the requests for several hundred objects.
        """
        path = f"{path_of(thing)}?fieldManager=kubectl&force=true&fieldValidation=Strict"
        return self.request("PATCH", path + "&dryRun=All" * dry_run, thing, APPLY)[1]
