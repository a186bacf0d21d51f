"""HTTP exchanges with a listener of this computer, and what goes wrong in them. Any thread; blocks.

By the standard library alone: a terminal command that only asks the running app would wait longer for
`requests` than for the answer. It follows no redirect, and no proxy has a part in it.
"""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from tray_app.errors import ErrorCode, GatewayError
from tray_app.phrases import phrase
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from http.client import HTTPResponse
    from threading import Event
    from typing import Self

Answer = TypeVar("Answer")

_LOOK_S = 0.05
"""How often a wait checks whether it was canceled."""


class SlowAnswerError(GatewayError):
    """Something listens there, but has not answered in time."""


class NobodyAnswersError(GatewayError):
    """Nothing listens there, or the connection was closed."""


class WaitCalledOffError(Exception):
    """The wait for an answer was canceled."""


class Reason(msgspec.Struct):
    """Why a request was refused, in OpenAI's dialect."""

    message: str
    code: Any = None
    """What went wrong, for programs: a word, with some servers a number."""


class ErrorBody(msgspec.Struct):
    """The body of an answer that refuses."""

    error: Reason


class LoopbackConnection:
    """A connection to the listener at `url` (`http://HOST:PORT/PATH`), for one request after the other.

    Use it with `with`: leaving the block hangs up, also in the middle of an answer.
    """

    def __init__(self, url: str, cancelled: Event | None = None) -> None:
        """When `cancelled` is set, a wait for the listener ends at once with `WaitCalledOffError`."""
        parts = urlsplit(url)
        self._url, self._path = url, parts.path
        host = parts.hostname or ""
        self._connection = (
            _CancellableConnection(host, parts.port, cancelled)
            if cancelled
            else HTTPConnection(host, parts.port)
        )
        self._response: HTTPResponse | None = None
        self._timeout_s: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        if self._response:
            self._response.close()

    def send(
        self, method: str, path: str, timeout_s: float | None, body: bytes, headers: Mapping[str, str]
    ) -> HTTPResponse:
        """The answer to a request, whose body can still be read. `path` is below that of the `url`.

        `timeout_s` limits every wait for the listener, until the next request; None: it takes as long as it
        takes. `SlowAnswerError` if that is over, `NobodyAnswersError` if there is no answer.
        """
        self._wait_for(timeout_s)
        with self._faults():
            self._connection.request(method, self._path + path, body or None, dict(headers))
            self._response = self._connection.getresponse()
            return self._response

    def content(self, response: HTTPResponse, most_bytes: int | None = None) -> bytes:
        """The body of an answer, or of one that is longer its first `most_bytes`. Errors as `send`."""
        with self._faults():
            may_be_longer = most_bytes is not None and (
                response.length is None or response.length > most_bytes
            )
            return response.read(most_bytes) if may_be_longer else response.read()

    def lines(self, response: HTTPResponse) -> Iterator[bytes]:
        """The lines of an answer as they come, without their ends. Errors as `send`."""
        rest = b""
        with self._faults():
            while piece := response.read1():  # `readline` takes a stream that was cut off for one that ended
                *lines, rest = (rest + piece).split(b"\n")
                yield from (line.removesuffix(b"\r") for line in lines)
        yield rest

    def _wait_for(self, timeout_s: float | None) -> None:
        self._timeout_s = self._connection.timeout = timeout_s
        if self._connection.sock:
            self._connection.sock.settimeout(timeout_s)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as exc:
            raise SlowAnswerError(
                ErrorCode.SERVER_NOT_RESPONDING,
                "The server did not answer in time",
                phrase(
                    "{url} has not answered for {seconds:.0f} s.",
                    url=self._url,
                    seconds=self._timeout_s or 0.0,
                ),
                "Try again later, or see its log.",
            ) from exc
        except (OSError, HTTPException) as exc:
            raise NobodyAnswersError(
                ErrorCode.SERVER_UNREACHABLE,
                "The server did not answer",
                phrase("There is no answer at {url}.", url=self._url),
                "Start the server, or see its log.",
            ) from exc


class _CancellableConnection(HTTPConnection):
    """One whose reads end when an event is set, also while nothing comes."""

    def __init__(self, host: str, port: int | None, cancelled: Event) -> None:
        super().__init__(host, port)
        self._cancelled = cancelled

    def connect(self) -> None:
        super().connect()
        self.sock = _CancellableSocket(self.sock, self._cancelled)


class _CancellableSocket(socket.socket):
    """Waits a moment at a time, below what http.client counts as a time-out: it reads no more after one."""

    def __init__(self, connected: socket.socket, cancelled: Event) -> None:
        timeout_s = connected.gettimeout()
        super().__init__(connected.family, connected.type, connected.proto, connected.detach())
        self.settimeout(timeout_s)
        self._cancelled = cancelled

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        timeout_s = self.gettimeout()
        ends_s = None if timeout_s is None else time.monotonic() + timeout_s
        try:
            self.settimeout(_LOOK_S)
            while not self._cancelled.is_set():
                try:
                    return super().recv_into(*args, **kwargs)
                except TimeoutError:
                    if ends_s is not None and time.monotonic() >= ends_s:
                        raise
            raise WaitCalledOffError
        finally:
            self.settimeout(timeout_s)


def decoded(
    status: int, content: bytes, kind: type[Answer], hook: Callable[[type, Any], Any] | None = None
) -> Answer:
    """What an answer with this status says; `GatewayError` if it is not of this kind."""
    try:
        return msgspec.json.decode(content, type=kind, dec_hook=hook)
    except NOT_JSON as exc:
        raise GatewayError(
            ErrorCode.ANSWER_NOT_UNDERSTOOD,
            "Unexpected answer from the server",
            phrase("It has status {status} and is not what this app expects.", status=status),
        ) from exc
