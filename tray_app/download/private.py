"""Whether an IP address is in a private network: this computer's, a home's or a company's.

A server on the internet must not redirect there, because the app would make requests that the server itself
cannot make. Any thread; names are resolved by the system, which may take long.
"""

from __future__ import annotations

import ipaddress
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    Address = IPv4Address | IPv6Address

_IPV4_INSIDE = (IPv6Network("::/96"), IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
"""IPv6 networks whose last 32 bits are an IPv4 address: compatible, mapped, and NAT64."""
_LOOPBACK = IPv4Address("127.0.0.1")


def is_private(address: Address) -> bool:
    """Whether an address is not on the public internet: loopback, private, link-local, shared, multicast,
    …
    """
    address = _plain(address)
    site_local = isinstance(address, IPv6Address) and address.is_site_local
    return not address.is_global or address.is_multicast or address.is_reserved or site_local


def literal_address(host: str) -> Address | None:
    """The address in a host that is not a name, in forms such as 2130706433 and 0x7f.1, or localhost; else
    None.
    """
    host = host.strip("[]").rstrip(".").partition("%")[0].lower()
    if host == "localhost" or host.endswith(".localhost"):
        return _LOOPBACK
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))  # other numeric forms that the system's resolver accepts
    except (OSError, ValueError):
        return None


def resolved(host: str) -> tuple[Address, ...]:
    """All addresses of a host; none if its name is unknown."""
    if address := literal_address(host):
        return (address,)
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, ValueError):  # ValueError: an invalid name
        return ()
    return tuple(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found)


def first_private(addresses: Iterable[Address]) -> Address | None:
    """The first address in a private network, if there is one."""
    return next(filter(is_private, addresses), None)


def peer_of(connection: socket.socket) -> Address | None:
    """The address at the other end of a connection; None if it is closed or not an IP connection."""
    try:
        return ipaddress.ip_address(str(connection.getpeername()[0]).partition("%")[0])
    except (OSError, ValueError, IndexError):
        return None


def _plain(address: Address) -> Address:
    """The IPv4 address in an IPv6 address that contains one; otherwise the address itself."""
    if not isinstance(address, IPv6Address):
        return address
    if any(address in network for network in _IPV4_INSIDE):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.sixtofour or address
