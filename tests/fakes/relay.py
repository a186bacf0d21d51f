"""Stands between a client and a server, as somebody who has the port: keeps and may change what passes."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_READ_BYTES = 65_536
_LOOK_S = 0.1


class Relay:
    """Passes on what comes, to `target` (None: nobody, it only listens), through `change` on the way back."""

    def __init__(self, target: int | None, change: Callable[[bytes], bytes]) -> None:
        self._target = target
        self._change = change
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(_LOOK_S)
        self._ended = threading.Event()
        self.port: int = self._listening.getsockname()[1]
        self.from_clients: list[bytes] = []
        """What each connection has sent."""
        self.from_server: list[bytes] = []
        self._threads = [threading.Thread(target=self._accept, name="relay")]
        self._threads[0].start()

    def close(self) -> None:
        """End all threads."""
        self._ended.set()
        self._listening.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while not self._ended.is_set():
            with suppress(OSError):
                client, _ = self._listening.accept()
                thread = threading.Thread(target=self._serve, args=(client, len(self.from_clients)))
                self.from_clients.append(b"")
                self.from_server.append(b"")
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket, number: int) -> None:
        with client:
            if self._target is None:
                self._take(client, number)
                return
            with socket.create_connection(("127.0.0.1", self._target)) as server:
                self._pass_on(client, server, number)

    def _take(self, client: socket.socket, number: int) -> None:
        client.settimeout(_LOOK_S)
        while not self._ended.is_set():
            with suppress(TimeoutError):
                if not (said := client.recv(_READ_BYTES)):
                    return
                self.from_clients[number] += said

    def _pass_on(self, client: socket.socket, server: socket.socket, number: int) -> None:
        client.settimeout(_LOOK_S)
        server.settimeout(_LOOK_S)
        while not self._ended.is_set():
            with suppress(TimeoutError):
                if not (said := client.recv(_READ_BYTES)):
                    return
                self.from_clients[number] += said
                server.sendall(said)
            with suppress(TimeoutError):
                if not (answered := server.recv(_READ_BYTES)):
                    return
                self.from_server[number] += answered
                client.sendall(self._change(answered))


@contextmanager
def relay(target: int | None = None, change: Callable[[bytes], bytes] = lambda said: said) -> Iterator[Relay]:
    """A relay on a port of its own."""
    between = Relay(target, change)
    try:
        yield between
    finally:
        between.close()
