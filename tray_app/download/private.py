"""Whether an address leads into a private network: this computer, a home's or a company's. Asks the resolver.

A server on the internet must not redirect there: the app would then fetch for it what it cannot reach itself.
Any thread; a name takes as long as the system's resolver does.
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
"""Addresses of IPv6 whose last 32 bits are one of IPv4: compatible, mapped, and behind a NAT64."""
_LOOPBACK = IPv4Address("127.0.0.1")


def is_private(address: Address) -> bool:
    """Whether it is not of the public internet: loopback, private, link-local, shared, multicast, …"""
    address = _plain(address)
    site_local = isinstance(address, IPv6Address) and address.is_site_local
    return not address.is_global or address.is_multicast or address.is_reserved or site_local


def literal_address(host: str) -> Address | None:
    """The address that a host is written as: also 2130706433, 0x7f.1, localhost; None: it is a name."""
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
    """All addresses of a host; none if its name is not known."""
    if address := literal_address(host):
        return (address,)
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, ValueError):  # ValueError: it cannot be a name
        return ()
    return tuple(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found)


def first_private(addresses: Iterable[Address]) -> Address | None:
    """The first that is of a private network, if any is."""
    return next(filter(is_private, addresses), None)


def peer_of(connection: socket.socket) -> Address | None:
    """Whom a connection leads to; None if that is no address of the internet's protocols."""
    try:
        return ipaddress.ip_address(str(connection.getpeername()[0]).partition("%")[0])
    except (OSError, ValueError, IndexError):
        return None


def _plain(address: Address) -> Address:
    """The address that is meant by one which carries another."""
    if not isinstance(address, IPv6Address):
        return address
    if any(address in network for network in _IPV4_INSIDE):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.sixtofour or address
