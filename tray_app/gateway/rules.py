"""What clients may do, as a value made of the settings. Pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from tray_app.settings.origins import EVERYONE, is_allowed

_LOOPBACK_NAMES = frozenset(("localhost", "127.0.0.1", "[::1]"))
"""What nearly every client writes; to read a numeric address takes longer than all else that is checked."""
_HOST = re.compile(r"(\[[^\]]*\]|[A-Za-z0-9._-]*)(?::([0-9]*))?")
_CONTAINER_NAMES = tuple(
    f".{tool}.internal"
    for tool in ("docker", "containers", "lima", "orb", "minikube", "k3d", "rancher-desktop")
)
"""The names by which programs in containers reach their host: host.docker.internal, and so on.

Nobody can register a name below `.internal` (ICANN keeps it for private use), so no page on the internet can
have such a name and later bind it to our address. Other names below `.internal` and `.local` are refused: a
company may use that domain, and each computer in its network can choose the address of its own name.
"""


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that concern requests. The gateway reads them for each request."""

    key: str = field(default="", repr=False)
    """The key that every client must send; empty if none is needed."""
    origins: tuple[str, ...] = ()
    """Web pages that may use the server: the setting `allowed_origins`."""
    network: bool = False
    """Whether other computers may connect."""
    names: tuple[str, ...] = ()
    """The names of this computer in its network, in lower case."""
    native_routes: bool = False
    metrics: bool = False

    @property
    def permits_every_page(self) -> bool:
        """Whether all web pages are permitted, also without an `Origin`."""
        return EVERYONE in self.origins

    def permits_host(self, host: str) -> bool:
        """Whether a `Host` header names this computer. Checked only for requests without a key.

        A web page whose own name was bound to our address (DNS rebinding) sends its own name as `Host`, and
        has no key. `localhost` and names below it never come from a name server (RFC 6761), and a numeric
        address cannot be rebound; so all of those are accepted.
        """
        name, _ = _name_and_port(host)
        if _is_loopback(name) or name in self.names or name.endswith(_CONTAINER_NAMES):
            return True
        return self.network and _address(name) is not None

    def permits_origin(self, origin: str, host: str) -> bool:
        """Whether a web page may use the server: one that the person allows, or one of this server."""
        return is_allowed(origin, self.origins) or _is_own(origin.lower(), host.lower())


def _is_own(origin: str, host: str) -> bool:
    """Whether a page came from this server, perhaps by another name of the loopback address."""
    scheme, _, sender = origin.partition("://")
    if scheme != "http" or sender == host:
        return scheme == "http"
    (its_name, its_port), (name, port) = _name_and_port(sender), _name_and_port(host)
    return its_port == port and _is_loopback(its_name) and _is_loopback(name)


def _name_and_port(host: str) -> tuple[str, str]:
    """Both parts of a `Host` header; the name in lower case and without a dot at its end."""
    found = _HOST.fullmatch(host)
    return (found[1].lower().removesuffix("."), found[2] or "") if found else ("", "")


def _is_loopback(name: str) -> bool:
    """Whether a name always means this computer; on most systems 0.0.0.0 does too."""
    if name in _LOOPBACK_NAMES or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and (address.is_loopback or address.is_unspecified)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """A numeric address; IPv6 is written in brackets, perhaps with a zone, and may contain one of IPv4."""
    text = name[1:-1] if name.startswith("[") else name
    if name.startswith("[") != (":" in text):
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
