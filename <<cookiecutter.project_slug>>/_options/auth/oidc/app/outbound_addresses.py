"""Which addresses this service may connect to: the provider could name an internal server (SSRF).

The provider's metadata decide about host and port, DNS about the address. So the address itself is
checked: it is public, or in ``OIDC_PRIVATE_NETWORKS``. Only the standard library is imported, so
that another program can use this file without loading the service. ASVS 1.3.6, 13.2.4.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Network = IPv4Network | IPv6Network

MOST = 4  # addresses of one name that are tried: each may take seconds, and a user waits
# The last 32 bits are an IPv4 address, which is checked (RFC 6052 section 2.1).
NAT64 = IPv6Network("64:ff9b::/96")
# Not public, whatever this version of Python says: 6to4 (RFC 3056), Teredo (RFC 4380) and local
# NAT64 (RFC 8215), which lead to other networks; site-local addresses (RFC 3879); addresses for
# documentation (RFC 9637).
NOT_PUBLIC = tuple(
    map(IPv6Network, ("2002::/16", "2001::/32", "64:ff9b:1::/48", "fec0::/10", "3fff::/20"))
)


class RefusedAddressError(OSError):
    """A server has no address that may be connected to."""


def networks(text: str) -> tuple[Network, ...]:
    """The networks in a list with commas, such as ``10.1.2.0/24, fd00::/8``.

    :raises ValueError: when one is no network.
    """
    return tuple(ip_network(part) for part in text.replace(",", " ").split())


def is_permitted(address: str, allowed: Iterable[Network]) -> bool:
    """Whether the address is public, or in one of the allowed networks."""
    found: IPv4Address | IPv6Address = ip_address(address)
    if isinstance(found, IPv6Address):
        if found in NAT64:
            found = IPv4Address(int(found) & 0xFFFFFFFF)
        elif found.ipv4_mapped:
            found = found.ipv4_mapped
    if any(found in network for network in allowed):
        return True
    special = found.is_multicast or found.is_reserved or any(found in net for net in NOT_PUBLIC)
    return found.is_global and not special


def permitted(host: str, port: int, allowed: Iterable[Network]) -> list[str]:
    """At most four addresses of a server that may be connected to, in the system's order.

    Connect to one of these and not to the name, which may have another address a moment later.

    :raises RefusedAddressError: when there is none.
    :raises OSError: when the name does not resolve.
    :raises ValueError: when ``host`` is no name.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    good = [address for address in addresses if is_permitted(address, allowed)]
    if not good:
        raise RefusedAddressError(
            f"{host} has the address {', '.join(addresses)}, which is not public; if it is the"
            " right one, write its network into OIDC_PRIVATE_NETWORKS"
        )
    return good[:MOST]
