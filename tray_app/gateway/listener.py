"""An aiohttp application on a port, served by a thread with an event loop of its own.

The thread is started by `open` and joined by `close`; both are called by one other thread at a time.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from tray_app.gateway.connections import ConnectionLimit
from tray_app.gateway.http_protocol import WireRunner
from tray_app.gateway.limits import (
    CLIENT_PATIENCE_S,
    LINGER_S,
    MAX_CONTROL_CONNECTIONS,
    QUIET_CONNECTION_S,
    READ_AHEAD_BYTES,
)
from tray_app.system.ports import listen

LOOPBACK = "127.0.0.1"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - only where the person opens the server to the network
GRACE_S = 0.5  # how long answers under way may go on when the listener closes; aiohttp takes it twice
_BACKLOG = 1024  # a client that finds no room here tries again after a whole second

log = logging.getLogger(__name__)

BuildApplication = Callable[[], AbstractAsyncContextManager[web.Application]]


@dataclass(frozen=True, slots=True)
class _Open:
    host: str
    port: int
    loop: asyncio.AbstractEventLoop
    closing: asyncio.Event


class _DiscreetLogger(logging.LoggerAdapter[logging.Logger]):
    """aiohttp's log, without what a malformed request contains: it may be a key, or a text."""

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        if isinstance(kwargs.get("exc_info"), HttpProcessingError | web.RequestPayloadError):
            super().log(logging.DEBUG, "A request was refused that is not HTTP")
        else:
            super().log(level, msg, *args, **kwargs)


class Listener:
    """Serves what `build` makes, over so many connections at once.

    `build` is entered on the loop at each opening and left at each closing. A client that takes nothing of
    its answer for `patience_s` is given up.
    """

    def __init__(
        self,
        name: str,
        build: BuildApplication,
        most_connections: int = MAX_CONTROL_CONNECTIONS,
        *,
        patience_s: float = CLIENT_PATIENCE_S,
    ) -> None:
        self._name = name
        self._build = build
        self._most_connections = most_connections
        self._patience_s = patience_s
        self._thread: threading.Thread | None = None
        self._open: _Open | None = None

    @property
    def port(self) -> int | None:
        """The port that is listened on; None while closed."""
        return self._open.port if self._open else None

    @property
    def host(self) -> str | None:
        """The IPv4 address that is listened on, besides its counterpart in IPv6; None while closed."""
        return self._open.host if self._open else None

    def open(self, port: int, host: str = LOOPBACK) -> None:
        """Listen on a port of this host, which is LOOPBACK or EVERYWHERE, by IPv4 and IPv6.

        Blocks until bound; 0 takes any free port.

        Raises
        ------
        OSError
            If the port cannot be bound in one of them.

        """
        if self._thread is not None:
            raise RuntimeError(f"{self._name} is open already")
        opened: Future[_Open] = Future()
        thread = threading.Thread(target=self._run, args=(host, port, opened), name=self._name, daemon=True)
        thread.start()
        try:
            self._open = opened.result()
        except BaseException:
            thread.join()
            raise
        self._thread = thread

    def close(self, timeout_s: float = 5.0) -> None:
        """End what is under way, free the port and join the thread. Nothing happens if it is closed."""
        if self._thread is None or self._open is None:
            return
        self._open.loop.call_soon_threadsafe(self._open.closing.set)
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            log.error("%s did not end within %.1f s", self._name, timeout_s)
        self._thread = self._open = None

    def _run(self, host: str, port: int, opened: Future[_Open]) -> None:
        try:
            asyncio.run(self._serve(host, port, opened))
        except Exception as exc:  # the top of a thread: whoever waits in open() must hear of it
            if opened.done():
                log.exception("%s broke off", self._name)
            else:
                opened.set_exception(exc)

    async def _serve(self, host: str, port: int, opened: Future[_Open]) -> None:
        closing = asyncio.Event()
        async with self._build() as application:
            # handler_cancellation: a client that leaves ends its request, and with it the engine's work.
            # No access log: request lines are nobody's business.
            runner = WireRunner(
                application,
                access_log=None,
                logger=_DiscreetLogger(log),
                handler_cancellation=True,
                auto_decompress=False,  # what takes in a body unpacks it, as far as it is wanted
                keepalive_timeout=QUIET_CONNECTION_S,
                lingering_time=LINGER_S,
                read_bufsize=READ_AHEAD_BYTES,
                shutdown_timeout=GRACE_S,
            )
            with ExitStack() as stack:
                sockets = [stack.enter_context(one) for one in listen(port, host, _BACKLOG)]
                await runner.setup()
                door = ConnectionLimit(runner.wire, self._most_connections, self._patience_s)
                try:
                    door.open(sockets)
                    bound = sockets[0].getsockname()[1]
                    opened.set_result(_Open(host, bound, asyncio.get_running_loop(), closing))
                    await closing.wait()
                finally:
                    await door.close()
                    await runner.cleanup()
