"""Requests to engines of this computer, over connections that stay open where that is safe. Event loop.

aiohttp's session takes three times as long for each request: it looks up names, proxies, cookies and
redirects, of which an engine of ours has none. What is left is a head, a body, and aiohttp's own connection,
which reads the answer.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

from tray_app.gateway.limits import READ_AHEAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import StreamReader
    from multidict import CIMultiDictProxy

    from tray_app.gateway.upstream import Upstream

CONNECT_S = 5.0
READ_S = 600.0
"""So long an engine may send nothing: a slow processor needs minutes for a long prompt."""
KEEP_ALIVE_S = 2.0
"""Shorter than llama.cpp's 5 s, so that it never closes a connection that gets a request."""


class EngineAnswer:
    """An engine's answer, of which `content` is still to be read. For `async with`, as `ClientResponse`."""

    def __init__(
        self,
        status: int,
        headers: CIMultiDictProxy[str],
        content: StreamReader,
        release: Callable[[], None],
    ) -> None:
        self.status = status
        self.headers = headers
        self.content = content
        self._release = release

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._release()

    @property
    def content_type(self) -> str:
        """The media type without its parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()


HttpAnswer = aiohttp.ClientResponse | EngineAnswer


class EngineConnections:
    """Connections to the engines, by their addresses."""

    def __init__(self, keep_alive_s: float = KEEP_ALIVE_S) -> None:
        self._keep_alive_s = keep_alive_s
        self._loop = asyncio.get_running_loop()
        self._idle: defaultdict[str, deque[tuple[float, ResponseHandler]]] = defaultdict(deque)
        self._sweeping: asyncio.TimerHandle | None = None

    async def post(self, upstream: Upstream, path: str, body: bytes, *, keep: bool) -> EngineAnswer:
        """Send a request. `keep`: over a connection that may have been used, and may be used again.

        Raises
        ------
        aiohttp.ClientError
            If there is no answer: `ServerDisconnectedError` or `ClientOSError` if the connection has ended.
        TimeoutError
            If the engine is silent for too long.

        """
        address = urlsplit(upstream.base_url)
        connection = self._rested(address.netloc) if keep else None
        if connection is None:
            connection = await self._connect(address.hostname or "", address.port or 80)
        try:
            connection.set_response_params(
                read_until_eof=True,
                auto_decompress=False,
                read_timeout=READ_S,
                read_bufsize=READ_AHEAD_BYTES,
            )
            if connection.transport:  # else it has ended meanwhile, as is read next
                connection.transport.write(_head(upstream, path, len(body), keep=keep) + body)
            connection.start_timeout()
            message, content = await connection.read()
        except HttpProcessingError as exc:
            connection.close()
            raise aiohttp.ClientPayloadError("The engine's answer is not HTTP") from exc
        except BaseException:
            connection.close()
            raise

        def release() -> None:
            if keep and content.is_eof() and not connection.should_close:
                self._rest(address.netloc, connection)
            else:
                connection.close()

        return EngineAnswer(message.code, message.headers, content, release)

    def close(self) -> None:
        """Close the connections that no request has."""
        if self._sweeping:
            self._sweeping.cancel()
        for _, connection in (pair for idle in self._idle.values() for pair in idle):
            connection.close()
        self._idle.clear()

    async def _connect(self, host: str, port: int) -> ResponseHandler:
        try:
            async with asyncio.timeout(CONNECT_S):
                _, connection = await self._loop.create_connection(
                    lambda: ResponseHandler(self._loop), host, port
                )
        except TimeoutError:  # which is an `OSError` as well
            raise
        except OSError as exc:
            raise aiohttp.ClientOSError(*exc.args) from exc
        return connection

    def _rested(self, address: str) -> ResponseHandler | None:
        """The connection that was used last, if one is idle."""
        idle = self._idle.get(address)
        while idle:
            _, connection = idle.pop()
            if connection.is_connected() and not connection.should_close:
                return connection
            connection.close()
        return None

    def _rest(self, address: str, connection: ResponseHandler) -> None:
        self._idle[address].append((self._loop.time(), connection))
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(self._keep_alive_s, self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle for too long."""
        self._sweeping = None
        now_s = self._loop.time()
        for address, idle in list(self._idle.items()):
            while idle and now_s - idle[0][0] >= self._keep_alive_s:
                idle.popleft()[1].close()
            if not idle:
                del self._idle[address]  # engines come and go, each at a port of its own
        oldest_s = min((idle[0][0] for idle in self._idle.values()), default=None)
        if oldest_s is not None:
            self._sweeping = self._loop.call_at(oldest_s + self._keep_alive_s, self._sweep)


def _head(upstream: Upstream, path: str, length: int, *, keep: bool) -> bytes:
    headers = {
        "Host": upstream.base_url.rpartition("/")[2],
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "Content-Length": length,
        "Connection": "keep-alive" if keep else "close",
        **upstream.headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {upstream.url(path).removeprefix(upstream.base_url)} HTTP/1.1\r\n{lines}\r\n".encode()
