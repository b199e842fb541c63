"""Connect to an address that was checked, while TLS verifies the name.

A library that gets a name looks it up again, and may find another address than the checked one (DNS
rebinding). So it gets the address.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from requests import ConnectionError as FailedConnection
from requests import ConnectTimeout, PreparedRequest, Response
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.exceptions import NewConnectionError

from app.outbound_addresses import Network, permitted

PORTS = {"http": 80, "https": 443}


class CheckedAdapter(BaseAdapter):
    """A transport adapter for a session of requests.

    :param allowed: networks that are not public and may be connected to.
    """

    def __init__(self, allowed: Iterable[Network]) -> None:
        super().__init__()
        self.allowed = tuple(allowed)
        self.opened: list[HTTPAdapter] = []

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """As in :class:`requests.adapters.HTTPAdapter`.

        :raises RefusedAddressError: when the server has no address that may be connected to.
        """
        url = urlsplit(str(request.url))
        request.headers["Host"] = url.netloc.rpartition("@")[2]
        failed: FailedConnection | None = None
        for address in permitted(url.hostname or "", url.port or PORTS[url.scheme], self.allowed):
            self.opened.append(_AddressAdapter(address))
            try:
                return self.opened[-1].send(request, *args, **kwargs)
            except FailedConnection as error:
                if not _is_unconnected(error):
                    raise  # something was sent; a code must not be sent twice
                failed = error
        raise failed or FailedConnection(f"{url.hostname} has no address", request=request)

    def close(self) -> None:
        """Close all connections."""
        for adapter in self.opened:
            adapter.close()


class _AddressAdapter(HTTPAdapter):
    """Connects to one address, whatever host the request names."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address

    def build_connection_pool_key_attributes(
        self, request: PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        server, options = super().build_connection_pool_key_attributes(request, verify, cert)
        if server["scheme"] == "https":
            options["server_hostname"] = server["host"]  # the name in the certificate
        return {**server, "host": self.address}, options


def _is_unconnected(error: FailedConnection) -> bool:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, ConnectTimeout) or isinstance(reason, NewConnectionError)
