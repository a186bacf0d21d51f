"""The server's public address: where it is bound, who may ask there, and with which key. Any thread."""

from __future__ import annotations

import logging
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.app.server_status import port_of
from tray_app.errors import ErrorCode, Fix, GatewayError, SettingsError
from tray_app.gateway.counters import Traffic
from tray_app.gateway.rules import Rules
from tray_app.phrases import phrase
from tray_app.settings.keys import GATEWAY
from tray_app.settings.origins import is_allowed
from tray_app.system.ports import EVERYWHERE, LOOPBACK, PortInUseError, nearest_free_port, port_obstacle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tray_app.gateway.server import Gateway
    from tray_app.gateway.upstream import Backend
    from tray_app.settings.keystore import KeyStore
    from tray_app.settings.schema import Settings
    from tray_app.system.ports import PortError

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the address is bound, and the rules for requests there."""

    port: int
    host: str
    rules: Rules


class PublicAddress:
    """The gateway to the engines of `backend`, bound to the address in the present settings.

    `page_refused` is called on a thread of the gateway after `refused_origins` has grown.
    """

    def __init__(
        self,
        backend: Backend,
        settings: Callable[[], Settings],
        secrets: KeyStore,
        page_refused: Callable[[], None],
    ) -> None:
        self._backend = backend
        self._settings = settings
        self._secrets = secrets
        self._page_refused = page_refused
        self._rules = Rules()
        self._gateway: Gateway | None = None
        """Made when the address is first opened: the icon of an app that starts need not wait for it."""
        self._binding = threading.Lock()  # held while the address is opened or closed, which can take seconds

    @property
    def base_url(self) -> str | None:
        """What clients on this computer are given; None while the address is closed."""
        return self._gateway.base_url if self._gateway else None

    def access(self) -> tuple[str, str]:
        """The bound address, and the key that it asks for. `GatewayError` if no address is open."""
        rules = self._rules  # read before the address, so that a new key never goes to an old address
        if base_url := self.base_url:
            return base_url, rules.key
        raise GatewayError(
            ErrorCode.SERVER_NOT_RUNNING,
            "The server is not running",
            "There is no address to connect to.",
            "Start the server.",
        )

    def traffic(self) -> Traffic:
        """What clients have asked for."""
        return self._gateway.traffic() if self._gateway else Traffic()

    def traffic_of(self) -> Mapping[str, Traffic]:
        """The same of each model, by its id."""
        return self._gateway.traffic_of() if self._gateway else {}

    def refused_origins(self) -> tuple[str, ...]:
        """The apps and pages of this computer that were refused and that nobody has decided about yet."""
        refused = self._gateway.refused_origins() if self._gateway else ()
        settings = self._settings()
        decided = (*settings.allowed_origins, *settings.refused_origins)
        return tuple(each for each in refused if not is_allowed(each, decided))

    def check(self) -> None:
        """`AppError` if the address could not be opened with the present settings and keys."""
        self._place()

    def open(self, unless: Callable[[], bool]) -> bool:
        """Bind the address in the settings, unless `unless()` is true once the lock is held.

        Returns whether the address has changed. `AppError` if it cannot be bound: the earlier one is then
        kept, if possible.
        """
        place = self._place()
        with self._binding:
            if unless():
                return False
            old = self._bound()
            if old and (old.port, old.host) == (place.port, place.host):
                self._rules = place.rules
                return False
            if not (old and old.port == place.port) and (obstacle := port_obstacle(place.port, place.host)):
                raise obstacle
            if self._gateway:
                self._gateway.close()
            try:
                self._bind(place)
            except OSError as exc:
                self._bind_again(old)
                raise _refused(place.port, place.host) from exc
            return True

    def close_if(self, is_unwanted: Callable[[], bool], timeout_s: float = 5.0) -> None:
        """Close the address if `is_unwanted()` is true once the lock is held."""
        with self._binding:
            if self._gateway and is_unwanted():
                self._gateway.close(timeout_s)

    def _bound(self) -> _Place | None:
        if self._gateway is None:
            return None
        port, host = port_of(self._gateway.base_url), self._gateway.host
        return _Place(port, host, self._rules) if port and host else None

    def _bind(self, place: _Place) -> None:
        # Only after the old address was closed: while it is open to the network, its key must stay in force.
        self._rules = place.rules
        if self._gateway is None:
            from tray_app.gateway.server import Gateway

            self._gateway = Gateway(self._backend, lambda: self._rules, page_refused=self._page_refused)
        self._gateway.open(place.port, place.host)

    def _bind_again(self, place: _Place | None) -> None:
        try:
            if place:
                self._bind(place)
        except OSError:
            _logger.exception("The previous address cannot be opened again either")

    def _place(self) -> _Place:
        """The address and rules of the present settings.

        `SettingsError` if a key is needed and there is none.
        """
        settings = self._settings()
        network = settings.network == "lan"
        rules = Rules(
            key=check_client_key(settings, self._secrets),
            origins=settings.allowed_origins,
            network=network,
            names=_names_of_this_computer(),
            native_routes=settings.native_routes,
            metrics=settings.metrics,
        )
        return _Place(settings.port, listening_address(settings), rules)


def _refused(port: int, host: str) -> PortError:
    """Why a port could not be bound, also if the program that had it has ended meanwhile."""
    return port_obstacle(port, host) or PortInUseError(port, (), nearest_free_port(port))


def listening_address(settings: Settings) -> str:
    """The address of this machine that the server listens on."""
    return EVERYWHERE if settings.network == "lan" else LOOPBACK


def client_key(settings: Settings, secrets: KeyStore) -> str:
    """The key that clients must send; empty if none is needed. `AppError` if it cannot be read."""
    return (secrets.get(GATEWAY.name) or "") if settings.network == "lan" else ""


def check_client_key(settings: Settings, secrets: KeyStore) -> str:
    """As `client_key`; `SettingsError` if one is needed and there is none."""
    key = client_key(settings, secrets)
    if settings.network == "lan" and not key:
        raise SettingsError(
            ErrorCode.NETWORK_NEEDS_KEY,
            "The local network needs an API key",
            "Without one, anyone on the network could use this server.",
            phrase(
                "Set one in the settings under “Network & access”, or run: powerinfer-tray key set "
                "gateway. On a computer without a keychain, add --file, or set the environment variable "
                "{variable}.",
                variable=GATEWAY.variables[0],
            ),
            fix=Fix.SETTING,
            setting=GATEWAY.name,
        )
    return key


def _names_of_this_computer() -> tuple[str, ...]:
    """The names of this computer in its network: host name and multicast DNS name."""
    full = socket.gethostname().lower()
    short = full.partition(".")[0]
    return tuple({full, short, f"{short}.local"}) if short else ()
