"""What a person lets clients do, as a value. Pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

_LOCAL_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?", re.IGNORECASE)
_HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(:\d+)?")


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that concern requests. The gateway reads them anew for each one."""

    temperature: float = 0.7
    """For requests that name none."""
    key: str = field(default="", repr=False)
    """What every client must show; empty if none is asked for."""
    origins: tuple[str, ...] = ()
    """Web pages that may use the server."""
    network: bool = False
    """Whether other computers may connect."""
    names: tuple[str, ...] = ()
    """What this computer is called in its network, in small letters."""
    native_routes: bool = False
    metrics: bool = False
    idle_after_s: float | None = None

    def permits_host(self, host: str) -> bool:
        """Whether a `Host` header names this computer.

        A web page whose own name was bound to our address keeps its name there (DNS rebinding); an address
        in numbers cannot be bound anew, so from a network all of them are taken.
        """
        if _LOCAL_HOST.fullmatch(host):
            return True
        found = _HOST.fullmatch(host)
        if not self.network or not found:
            return False
        name = found[1].lower()
        return name in self.names or _is_address(name.strip("[]"))

    def permits_origin(self, origin: str, host: str) -> bool:
        """Whether a web page may ask: one that the person allows, or one that came from here."""
        return origin in self.origins or origin.lower() == f"http://{host}".lower()


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
