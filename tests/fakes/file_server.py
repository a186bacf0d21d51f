"""A real HTTP server on loopback that serves files and misbehaves on request; one thread per connection.

with FileServer() as server:
    model = server.put("/model.gguf", content)
    model.faults.append(Drop(after_bytes=1000))      # for the next request; then it behaves again
    fetch(model.url)
    assert model.requests[1].offset == 1000
"""

from __future__ import annotations

import hashlib
import re
import socket
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection breaks after so many bytes of the body."""

    after_bytes: int


@dataclass(frozen=True, slots=True)
class Stall:
    """After so many bytes of the body nothing more comes, until the client or the server closes."""

    after_bytes: int


@dataclass(frozen=True, slots=True)
class Silence:
    """The request is read, and never answered."""


@dataclass(frozen=True, slots=True)
class Trickle:
    """The body comes in pieces of this size, so far apart."""

    piece_bytes: int
    interval_s: float


@dataclass(frozen=True, slots=True)
class Status:
    """An answer without the file."""

    code: int
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """A web page with status 200 in place of the file."""

    content_type: str = "text/html; charset=utf-8"
    body: bytes = b"<!DOCTYPE html><html><body>Please sign in</body></html>"


@dataclass(frozen=True, slots=True)
class NoRange:
    """The Range header is ignored: 200 and the whole file."""


@dataclass(frozen=True, slots=True)
class Headers:
    """The usual answer, with these headers replaced; an empty text leaves a header out."""

    replaced: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Node:
    """Another computer of a mirror answers: it vouches for the file in its own way, or has another one."""

    etag: str
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class SlowHeaders:
    """The answer's first line comes letter by letter, so far apart."""

    interval_s: float


@dataclass(frozen=True, slots=True)
class CutHeaders:
    """The connection ends in the middle of the headers."""


Fault = Drop | Stall | Silence | Trickle | Status | Page | NoRange | Headers | Node | SlowHeaders | CutHeaders


class Content(Protocol):
    """What is served: bytes, or something that makes them up when asked."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: slice, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class SparseContent:
    """A big file of zeros, with something at its start and at its end."""

    size_bytes: int
    head: bytes
    tail: bytes

    def __len__(self) -> int:
        return self.size_bytes

    def __getitem__(self, index: slice) -> bytes:
        start, end, _ = index.indices(self.size_bytes)
        piece = bytearray(max(0, end - start))
        for offset, known in ((0, self.head), (self.size_bytes - len(self.tail), self.tail)):
            low, high = max(start, offset), min(end, offset + len(known))
            if low < high:
                piece[low - start : high - start] = known[low - offset : high - offset]
        return bytes(piece)


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked."""

    headers: Mapping[str, str]

    @property
    def offset(self) -> int:
        """The first byte asked for."""
        return (self.span or (0, None))[0]

    @property
    def span(self) -> tuple[int, int | None] | None:
        """The bytes asked for, the end exclusive and None where it is left open; None: the whole file."""
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        return (int(found[1]), int(found[2]) + 1 if found[2] else None) if found else None


@dataclass(slots=True)
class ServedFile:
    """One address. Tests may change every field while the server runs."""

    url: str
    content: Content
    content_type: str = "application/octet-stream"
    etag: str | None = None
    """None: the content's own digest, as a careful server would; empty: none is sent."""
    ranges: bool = True
    length: bool = True
    """False: no Content-Length; the body is chunked, or ends with the connection."""
    chunked: bool = True
    total: bool = True
    """False: a partial answer does not say how long the whole file is."""
    faults: deque[Fault] = field(default_factory=deque)
    """One for each coming request, in order."""
    always: Fault | None = None
    """For every request that has no fault of its own."""
    redirect: Redirect | None = None
    requests: list[Request] = field(default_factory=list)
    connections: set[tuple[str, int]] = field(default_factory=set)
    """Whom the requests came from: as many as there were connections."""
    asked: threading.Event = field(default_factory=threading.Event)
    """Set with the first request."""
    _digested: tuple[Content, str] | None = None

    def next_fault(self) -> Fault | None:
        """What goes wrong with the request that is just being answered."""
        return self.faults.popleft() if self.faults else self.always

    def etag_of(self, content: Content) -> str:
        """What vouches for this content; computed once, for many requests ask for parts of it."""
        if self.etag is not None:
            return self.etag
        if self._digested is None or self._digested[0] is not content:
            self._digested = content, f'"{hashlib.md5(content[:]).hexdigest()}"'  # noqa: S324
        return self._digested[1]


@dataclass(frozen=True, slots=True)
class Redirect:
    """An answer that sends the client on."""

    location: str
    headers: Mapping[str, str] = field(default_factory=dict)
    code: int = 302


class FileServer:
    """The server. Everything it started has ended when the `with` block is left."""

    def __init__(self) -> None:
        self.closing = threading.Event()
        self.files: dict[str, ServedFile] = {}
        self.tunnel_status = 502
        """What is answered as a proxy that is asked for a connection."""
        self.tunnels: list[Mapping[str, str]] = []
        """The headers of those who asked for one."""
        self._http = _Server(self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), name="file-server")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.end_connections()
        self._http.server_close()
        self._thread.join()

    @property
    def base_url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def put(self, path: str, content: Content) -> ServedFile:
        """Serve `content` at `path`, which is already percent-encoded."""
        served = self.files[path] = ServedFile(f"{self.base_url}{path}", content)
        return served

    def redirect(
        self, path: str, location: str, headers: Mapping[str, str] | None = None, code: int = 302
    ) -> ServedFile:
        """Answer at `path` with a redirect."""
        served = self.put(path, b"")
        served.redirect = Redirect(location, headers or {}, code)
        return served

    def put_like_hugging_face(self, path: str, content: bytes, *, revision: str = "c0ffee") -> ServedFile:
        """Serve as Hugging Face does: facts on a redirect, the bytes from an address that sends no ETag."""
        stored = self.put(f"/cdn{path}", content)
        stored.etag = ""
        self.redirect(
            path,
            stored.url,
            {
                "X-Linked-Size": str(len(content)),
                "X-Linked-ETag": f'"{hashlib.sha256(content).hexdigest()}"',
                "X-Repo-Commit": revision,
            },
        )
        return stored


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close waits for them

    def __init__(self, owner: FileServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.owner = owner
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()

    def process_request(self, request: socket.socket, client_address: tuple[str, int]) -> None:  # type: ignore[override]
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle(self) -> None:
        with suppress(
            ConnectionError, TimeoutError
        ):  # the client has had enough, or a fault is to look like it
            super().handle()

    def log_message(self, *_: object) -> None:
        """Silent: tests look at `requests`."""

    def do_CONNECT(self) -> None:
        self.server.owner.tunnels.append(dict(self.headers))
        self._send(self.server.owner.tunnel_status, {"Content-Length": "0"})

    def do_GET(self) -> None:
        served = self.server.owner.files.get(self.path.partition("?")[0])
        if served is None:
            self._send(404, {"Content-Length": "0"})
            return
        request = Request(dict(self.headers))
        served.requests.append(request)
        served.connections.add(self.client_address)
        served.asked.set()
        fault = served.next_fault()
        match fault:
            case Status(code, headers):
                self._send(code, {"Content-Length": "0", **headers})
            case Silence():
                self._wait_for_end()
                raise ConnectionAbortedError
            case SlowHeaders(interval_s):
                for letter in b"HTTP/1.1 200 OK" * 100:
                    self.wfile.write(bytes([letter]))
                    if self.server.owner.closing.wait(interval_s):
                        raise ConnectionAbortedError
            case CutHeaders():
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Le")
                raise ConnectionAbortedError
            case Page(content_type, body):
                self._send(200, {"Content-Type": content_type, "Content-Length": str(len(body))}, [body])
            case _ if served.redirect is not None:
                redirect = served.redirect
                self._send(
                    redirect.code, {"Location": redirect.location, "Content-Length": "0", **redirect.headers}
                )
            case _:
                self._serve(served, request.span, fault)

    def _serve(self, served: ServedFile, asked: tuple[int, int | None] | None, fault: Fault | None) -> None:
        content = served.content  # the test may replace it meanwhile
        if isinstance(fault, Node) and fault.content is not None:
            content = fault.content
        ranged = asked is not None and served.ranges and not isinstance(fault, NoRange)
        start, end = asked if asked and ranged else (0, None)
        end = min(end or len(content), len(content))
        if ranged and start >= len(content):
            self._send(416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"})
            return
        body = _Body(content, start, end)
        headers = {
            "Content-Type": served.content_type,
            "ETag": served.etag_of(content),
            "Content-Range": f"bytes {start}-{end - 1}/{len(content) if served.total else '*'}"
            if ranged
            else "",
            "Content-Length": str(end - start) if served.length else "",
            "Transfer-Encoding": "" if served.length or not served.chunked else "chunked",
        }
        if isinstance(fault, Headers):
            headers |= fault.replaced
            self.close_connection = True
        if isinstance(fault, Node):
            headers["ETag"] = fault.etag
        if not headers["Content-Length"] and not headers["Transfer-Encoding"]:
            self.close_connection = True  # that is the end of the body
        pieces = self._pieces(body, fault)
        self._send(
            206 if ranged else 200, headers, _chunked(pieces) if headers["Transfer-Encoding"] else pieces
        )

    def _pieces(self, body: _Body, fault: Fault | None) -> Iterator[bytes]:
        match fault:
            case Drop(after_bytes):
                yield from body.pieces(PIECE_BYTES, after_bytes)
                raise ConnectionAbortedError
            case Stall(after_bytes):
                yield from body.pieces(PIECE_BYTES, after_bytes)
                self._wait_for_end()
                raise ConnectionAbortedError
            case Trickle(piece_bytes, interval_s):
                for piece in body.pieces(piece_bytes):
                    yield piece
                    if self.server.owner.closing.wait(interval_s):
                        raise ConnectionAbortedError
            case _:
                yield from body.pieces(PIECE_BYTES)

    def _send(
        self, code: int, headers: Mapping[str, str], body: Iterator[bytes] | list[bytes] | None = None
    ) -> None:
        self.send_response(code)
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        for piece in body or ():
            self.wfile.write(piece)

    def _wait_for_end(self) -> None:
        """Until the client closes its side, or `end_connections` ours."""
        self.rfile.read(1)


@dataclass(frozen=True, slots=True)
class _Body:
    """A part of a content, read only as it is sent: it may be larger than the memory."""

    content: Content
    start: int
    end: int

    def pieces(self, piece_bytes: int, most_bytes: int | None = None) -> Iterator[bytes]:
        end = self.end if most_bytes is None else min(self.end, self.start + most_bytes)
        for offset in range(self.start, end, piece_bytes):
            yield self.content[offset : min(offset + piece_bytes, end)]


def _chunked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in filter(None, pieces):  # an empty chunk would be the end
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"
