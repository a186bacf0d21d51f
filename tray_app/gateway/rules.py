"""What a person lets clients do, as a value. Pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from tray_app.settings.aliases import same_name
from tray_app.settings.origins import EVERYONE, is_allowed

_HOST = re.compile(r"(\[[^\]]*\]|[A-Za-z0-9._-]*)(?::([0-9]*))?")
_CONTAINER_NAMES = tuple(
    f".{tool}.internal"
    for tool in ("docker", "containers", "lima", "orb", "minikube", "k3d", "rancher-desktop")
)
"""How programs in containers call the computer that they run on: host.docker.internal, and so on.

Nobody can register a name below `.internal` (ICANN keeps it for private use), so no page on the internet has
such a name that it could bind to our address later. The rest of `.internal` is not let in: a company's domain
may be there, in which each of its computers chooses the address of its own name; and with `.local`, everybody
in the network does.
"""


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that concern requests. The gateway reads them anew for each one."""

    temperature: float = 0.7
    """For requests that name none."""
    aliases: tuple[str, ...] = ()
    """Other names of the model that is served."""
    key: str = field(default="", repr=False)
    """What every client must show; empty if none is asked for."""
    origins: tuple[str, ...] = ()
    """Web pages that may use the server, as the setting `allowed_origins` has them."""
    network: bool = False
    """Whether other computers may connect."""
    names: tuple[str, ...] = ()
    """What this computer is called in its network, in small letters."""
    native_routes: bool = False
    metrics: bool = False
    idle_after_s: float | None = None

    @property
    def permits_every_page(self) -> bool:
        """Whether web pages may ask wherever they are from, and without saying it."""
        return EVERYONE in self.origins

    def is_alias(self, name: str) -> bool:
        """Whether this is another name of the model that is served, in small or capital letters."""
        return same_name(name) in map(same_name, self.aliases)

    def permits_host(self, host: str) -> bool:
        """Whether a `Host` header names this computer. For requests without a key: with it any name will do.

        A web page whose own name was bound to our address keeps its name there (DNS rebinding), and it has no
        key. `localhost` and what is below it never come from a name server (RFC 6761), and an address in
        numbers cannot be bound anew: so from a network all of them are taken.
        """
        name, _ = _name_and_port(host)
        if _is_loopback(name) or name in self.names or name.endswith(_CONTAINER_NAMES):
            return True
        return self.network and _address(name) is not None

    def permits_origin(self, origin: str, host: str) -> bool:
        """Whether a web page may ask: one that the person allows, or one that came from here."""
        return is_allowed(origin, self.origins) or _is_own(origin.lower(), host.lower())


def _is_own(origin: str, host: str) -> bool:
    """Whether a page came from the server that it asks, be it by another name of the loopback address."""
    scheme, _, sender = origin.partition("://")
    if scheme != "http" or sender == host:
        return scheme == "http"
    (its_name, its_port), (name, port) = _name_and_port(sender), _name_and_port(host)
    return its_port == port and _is_loopback(its_name) and _is_loopback(name)


def _name_and_port(host: str) -> tuple[str, str]:
    """Both parts of a `Host` header, the name in small letters and without a point at its end."""
    found = _HOST.fullmatch(host)
    return (found[1].lower().removesuffix("."), found[2] or "") if found else ("", "")


def _is_loopback(name: str) -> bool:
    """Whether a name always leads to this computer, as 0.0.0.0 does, too, on most systems."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and (address.is_loopback or address.is_unspecified)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address in numbers; IPv6 has brackets, perhaps a zone, and may hold one of IPv4."""
    text = name[1:-1] if name.startswith("[") else name
    if name.startswith("[") != (":" in text):
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
