"""Accepts connections, and closes those of clients that only hold them open. Runs on a listener's event loop.

The number of open connections is limited: for a new one, the one that has been idle for longest is closed,
never one with a request under way. If a client does not read its answer, the connection is closed.

asyncio's own server has no such limit, and leaks connections that arrive while it closes
(python/cpython#109564).
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections import deque
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from tray_app.gateway.limits import LOOK_AT_CLIENTS_S, MAX_UNREAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tray_app.gateway.http_protocol import Connection, WireServer

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_AGAIN_S = 0.05
"""How often accepting is tried again: the system does not tell when it has descriptors again."""
_ROUNDS_TO_LET_IN = 3
"""Rounds of the event loop until a task has received the connection that its socket has just accepted."""

_logger = logging.getLogger(__name__)


class ConnectionLimit:
    """Lets at most `most` connections in to `server`; a client has `patience_s` to take more of an answer."""

    def __init__(self, server: WireServer, most: int, patience_s: float) -> None:
        self._server = server
        self._most = most
        self._patience_s = patience_s
        self._clients: set[socket.socket] = set()
        self._beginnings: set[asyncio.Task[None]] = set()
        self._door = asyncio.Lock()
        self._exhausted = False
        self._visited = asyncio.Event()
        """Set while there are connections: as long as there is none, nothing wakes this app."""
        self._sockets: list[socket.socket] = []
        self._is_closing = False
        self._tasks: list[asyncio.Task[None]] = []

    def open(self, sockets: Iterable[socket.socket]) -> None:
        """Accept connections at these listening sockets, until `close`."""
        self._sockets = list(sockets)
        self._tasks = [asyncio.create_task(self._take(listening)) for listening in self._sockets]
        self._tasks.append(asyncio.create_task(self._watch()))

    async def close(self) -> None:
        """Accept no more connections. Those that were accepted are known to the server when this returns."""
        self._is_closing = True
        for listening in self._sockets:
            with suppress(NotImplementedError):  # the event loop of Windows has no readers
                asyncio.get_running_loop().remove_reader(listening)
        # A cancelled task would lose a connection that was accepted for it in this round.
        for _ in range(_ROUNDS_TO_LET_IN):
            await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*self._beginnings, return_exceptions=True)

    async def _take(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        listening.setblocking(False)
        while not self._is_closing:
            try:
                first, _ = await loop.sock_accept(listening)
                first.setblocking(False)
            except OSError as exc:
                await self._recover(exc)
                continue
            self._exhausted = False
            await self._let_in(self._all_that_wait(first, listening))

    def _all_that_wait(self, first: socket.socket, listening: socket.socket) -> deque[socket.socket]:
        """All connections that wait to be accepted, in order; if there are very many, only those that have
        sent something.
        """
        came = deque((first,))
        with suppress(OSError):  # none is left, or there are no more descriptors: the others wait
            while True:
                client, _ = listening.accept()
                client.setblocking(False)
                came.append(client)
                if len(came) > self._most:
                    silent = next((one for one in came if not _speaks(one)), None)
                    if silent is None:
                        break
                    came.remove(silent)
                    silent.close()
        return came

    async def _let_in(self, came: deque[socket.socket]) -> None:
        self._clients.update(came)
        self._visited.set()
        try:
            while came:
                await self._make_room(len(came) - 1)
                task = asyncio.create_task(self._begin(came.popleft()))
                self._beginnings.add(task)
                task.add_done_callback(self._beginnings.discard)
        finally:  # at the end: connections that were accepted but not used
            for client in came:
                client.close()

    async def _begin(self, client: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._server, client)
        except OSError:  # closed already
            client.close()
            self._server.changed.set()

    async def _recover(self, exc: OSError) -> None:
        """Called when accepting failed: the client has disconnected, or the system has no descriptors or
        memory.
        """
        if exc.errno in _EXHAUSTED:
            if not self._exhausted:
                _logger.warning("No connection can be taken just now: %s", exc)
            self._exhausted = True
            for idle in self._longest_idle():
                self._server.open[idle].abort()
        await asyncio.sleep(_AGAIN_S)

    async def _make_room(self, behind: int) -> None:
        """Wait until there is a place for one more connection. `behind`: how many more are waiting."""
        async with self._door:
            while (over := self._too_many()) > behind:
                self._server.changed.clear()
                for idle in self._longest_idle(over):
                    self._server.open[idle].abort()
                await self._server.changed.wait()

    def _too_many(self) -> int:
        """By how many connections the limit is exceeded."""
        if len(self._clients) > self._most:
            self._clients = {client for client in self._clients if client.fileno() >= 0}
        return len(self._clients) - self._most

    def _longest_idle(self, number: int = 1) -> list[Connection]:
        """The connections that have been idle for longest and have sent nothing new."""
        clients = {client.fileno(): client for client in self._clients}
        idle = sorted((one for one in self._server.open if not one.is_busy), key=lambda one: one.idle_since_s)
        silent = (one for one in idle if not _speaks(clients[self._number(one)]))
        return list(islice(silent, number))

    def _number(self, connection: Connection) -> int:
        number: int = self._server.open[connection].get_extra_info("socket").fileno()
        return number

    async def _watch(self) -> None:
        every_s = min(LOOK_AT_CLIENTS_S, self._patience_s / 2)
        while True:
            await self._visited.wait()
            await asyncio.sleep(every_s)
            self._give_up_the_unread()
            if not (self._server.open or self._beginnings):
                self._visited.clear()

    def _give_up_the_unread(self) -> None:
        """Close connections whose clients do not read their answers, and more if unread answers take too much
        memory.
        """
        now_s = asyncio.get_running_loop().time()
        unread = {one: wire.get_write_buffer_size() for one, wire in self._server.open.items()}
        for connection, size in unread.items():
            connection.look(size, now_s)
        total = sum(unread.values())
        for connection in sorted(filter(unread.get, unread), key=lambda one: one.taken_s):
            patience_s = 0.0 if total > MAX_UNREAD_BYTES else self._patience_s
            if now_s - connection.taken_s <= patience_s:
                break
            total -= unread[connection]
            self._server.open[connection].abort()


def _speaks(client: socket.socket) -> bool:
    """Whether a client has sent something that was not read yet."""
    try:
        return bool(client.recv(1, socket.MSG_PEEK))
    except OSError:  # nothing has arrived, or the client has disconnected
        return False
