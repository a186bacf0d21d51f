"""Servers that mean no good: where their redirects lead, what their numbers are, and what never ends."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
import tracemalloc
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from tests.fakes.downloads import QUICK, fetch
from tests.fakes.errors import coded
from tests.fakes.file_server import FileServer, Headers, Silence
from tests.fakes.models import model_bytes
from tray_app.download.faults import TransientError
from tray_app.download.part import note_order
from tray_app.download.private import is_private, literal_address
from tray_app.download.queue import DownloadQueue
from tray_app.download.repository import address_of_file
from tray_app.download.response_body import Asker, pieces_of
from tray_app.download.session import Session
from tray_app.download.source import DownloadSource, parse_source
from tray_app.errors import DownloadError, ErrorCode
from tray_app.models.remote_header import all_parts, fetch_remote_header
from tray_app.settings.keys import token_name
from tray_app.settings.schema import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TIMEOUT_S = (5.0, 10.0)
CONTENT = model_bytes()


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as running:
        yield running


@pytest.fixture
def far(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> FileServer:
    """A server that stands for the whole internet: the proxy through which all of it is reached."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("http_proxy", server.base_url)
    return server


@contextlib.contextmanager
def wire_server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server whose every byte a test decides; the address of a file there."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            asked = b""
            while not ended.is_set() and (piece := connection.recv(65_536)):
                asked += piece
                if asked.endswith(b"\r\n\r\n"):
                    asked = b""
                    answer(connection)

    def accept() -> None:
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                connection = listener.accept()[0]
                connections.append(connection)
                threads.append(threading.Thread(target=serve, args=(connection,), name="wire"))
                threads[-1].start()

    connections: list[socket.socket] = []
    threads = [threading.Thread(target=accept, name="wire-server")]
    threads[0].start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/m.gguf"
    finally:
        ended.set()
        for connection in connections:
            with contextlib.suppress(OSError):  # its client has gone already
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(10)
        listener.close()


def always(answer: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(answer)


def only(answer: bytes) -> Callable[[socket.socket], None]:
    """This answer, and then nothing more."""

    def send(connection: socket.socket) -> None:
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)

    return send


def whole(extra: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n" % (extra, len(CONTENT)) + CONTENT


PRIVATE = [
    "127.0.0.1",
    "localhost",
    "LOCALHOST.",
    "a.localhost",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "127.1",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::7f00:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[fd00::1]",
    "[fe80::1]",
    "[fec0::1]",
    "[ff02::1]",
]


@pytest.mark.parametrize("host", PRIVATE)
def test_the_internet_does_not_send_us_into_a_private_network(far: FileServer, host: str) -> None:
    port = far.base_url.rpartition(":")[2]
    secret = far.put("/secret.gguf", CONTENT)
    far.redirect("http://far.example/m.gguf", f"http://{host}:{port}/secret.gguf")
    with (
        Session() as session,
        pytest.raises(DownloadError, check=coded(ErrorCode.REDIRECT_TO_PRIVATE_NETWORK)) as caught,
    ):
        session.get_hops("http://far.example/m.gguf", {}, TIMEOUT_S)
    assert "far.example" in caught.value.message
    assert not isinstance(caught.value, TransientError)
    assert secret.requests == []


@pytest.mark.parametrize("host", ["93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_of_the_internet_are_none_of_a_private_network(host: str) -> None:
    address = literal_address(host)
    assert address
    assert not is_private(address)


def test_the_second_redirect_is_looked_at_like_the_first(far: FileServer) -> None:
    secret = far.put("/secret.gguf", CONTENT)
    far.redirect("http://far.example/m.gguf", "http://other.example/x.gguf")
    far.redirect("http://other.example/x.gguf", secret.url)
    with (
        Session() as session,
        pytest.raises(DownloadError, check=coded(ErrorCode.REDIRECT_TO_PRIVATE_NETWORK)),
    ):
        session.get_hops("http://far.example/m.gguf", {}, TIMEOUT_S)
    assert secret.requests == []


def test_who_names_a_private_address_may_be_led_to_another(far: FileServer) -> None:
    target = far.put("/m.gguf", CONTENT)
    start = far.redirect("/start", target.url.replace("127.0.0.1", "localhost"))
    with Session() as session:
        session.get_hops(start.url, {}, TIMEOUT_S)[-1].close()
    assert len(target.requests) == 1


def _resolver(names: dict[str, list[str]]) -> Callable[..., list[Any]]:
    """As `socket.getaddrinfo`; each name gets its next address with each question, and keeps the last."""

    def getaddrinfo(host: str, port: int | None, *_: object, **__: object) -> list[Any]:
        known = names.get(host, [host])
        address = known.pop(0) if len(known) > 1 else known[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 0))]

    return getaddrinfo


@pytest.mark.parametrize(
    "answers", [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"]], ids=["private", "rebound"]
)
def test_a_name_that_leads_into_a_private_network_is_refused_before_anything_is_sent(
    server: FileServer, monkeypatch: pytest.MonkeyPatch, answers: list[str]
) -> None:
    """Also one that is another address for the connection than it was when it was looked at."""
    secret = server.put("/secret.gguf", CONTENT)
    monkeypatch.setenv("no_proxy", "*")
    # The start is on the internet as far as its name tells, and here so that it can answer.
    names = {"far.example": ["127.0.0.1", "93.184.216.34"], "inner.example": answers}
    monkeypatch.setattr(socket, "getaddrinfo", _resolver(names))
    port = server.base_url.rpartition(":")[2]
    server.redirect("/m.gguf", f"http://inner.example:{port}/secret.gguf")
    with (
        Session() as session,
        pytest.raises(DownloadError, check=coded(ErrorCode.REDIRECT_TO_PRIVATE_NETWORK)),
    ):
        session.get_hops(f"http://far.example:{port}/m.gguf", {}, TIMEOUT_S)
    assert secret.requests == []


class _Sends(BaseAdapter):
    """Answers every address with a redirect to the next one of a list, then with a file."""

    def __init__(self, *targets: str) -> None:
        super().__init__()
        self.targets = list(targets)
        self.requests: list[requests.PreparedRequest] = []

    def send(self, request: requests.PreparedRequest, **_: object) -> requests.Response:  # type: ignore[override]
        self.requests.append(request)
        answer = requests.Response()
        answer.url, answer.status_code, answer.request = request.url or "", 200, request
        answer.raw = HTTPResponse(io.BytesIO(CONTENT), preload_content=False)
        if self.targets:
            answer.status_code = 302
            answer.headers["Location"] = self.targets.pop(0)
        return answer

    def close(self) -> None:
        """Nothing is open."""


def _sent(session: Session, start: str, *targets: str) -> list[str | None]:
    """What `Authorization` each request carried."""
    adapter = _Sends(*targets)
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)
    session.get_hops(start, {}, TIMEOUT_S)
    return [request.headers.get("Authorization") for request in adapter.requests]


def _session(endpoint: str = "https://huggingface.co") -> Session:
    settings = Settings(hf_endpoint=endpoint)
    return Session(lambda address: "t" if token_name(address, settings) else None)


@pytest.mark.parametrize(
    ("endpoint", "start", "targets", "expected"),
    [
        ("https://huggingface.co", "https://huggingface.co/a", ["/b"], ["Bearer t", "Bearer t"]),
        ("https://huggingface.co", "https://huggingface.co:443/a", [], ["Bearer t"]),
        ("https://huggingface.co", "https://huggingface.co:8443/a", [], [None]),
        ("https://huggingface.co", "http://huggingface.co/a", [], [None]),
        ("https://huggingface.co", "https://1.1.1.1/a", ["https://huggingface.co/b"], [None, None]),
        (
            "https://huggingface.co",
            "https://huggingface.co/a",
            ["https://1.1.1.1/b", "https://huggingface.co/c"],
            ["Bearer t", None, None],
        ),
        (
            "https://huggingface.co",
            "https://huggingface.co/a",
            ["https://huggingface.co:444/"],
            ["Bearer t", None],
        ),
        ("http://127.0.0.1:81", "http://127.0.0.1:81/a", ["http://127.0.0.1:82/"], ["Bearer t", None]),
        ("http://127.0.0.1:81", "http://127.0.0.1:82/a", [], [None]),
        ("https://127.0.0.1:81", "http://127.0.0.1:81/a", [], [None]),
        ("https://127.0.0.1:81", "https://127.0.0.1:81/a", [], ["Bearer t"]),
    ],
)
def test_a_token_goes_to_its_own_host_and_port_and_nowhere_after_another(
    endpoint: str, start: str, targets: list[str], expected: list[str | None]
) -> None:
    with _session(endpoint) as session:
        assert _sent(session, start, *targets) == expected


def test_the_app_gives_no_token_to_another_port_of_the_mirror() -> None:
    settings = Settings(hf_endpoint="https://mirror.example:8443")
    assert token_name("https://mirror.example:8443/a", settings) == "mirror.example"
    assert token_name("https://mirror.example/a", settings) is None


@pytest.mark.parametrize(
    "url", ["http://x.example:99999/m.gguf", "http://[::1/m.gguf", "ftp://x/m.gguf", "x"]
)
def test_an_address_that_a_journal_brings_is_told_if_it_is_none(url: str, tmp_path: Path) -> None:
    source = DownloadSource(url, "m.gguf")
    note_order(tmp_path / "m.gguf", source, None)
    queue = DownloadQueue()
    try:
        queue.restore(tmp_path)
        (listed,) = queue.snapshot()
        queue.resume(listed.id)
        with pytest.raises(DownloadError) as caught:
            queue.wait(listed.id, 20)
    finally:
        queue.close(5)
    assert caught.value.code is not ErrorCode.INTERNAL_ERROR


def test_what_was_asked_for_over_https_does_not_come_over_http() -> None:
    with Session() as session, pytest.raises(DownloadError, check=coded(ErrorCode.REDIRECT_NOT_SECURE)):
        _sent(session, "https://1.1.1.1/a", "http://1.1.1.1/b")
    with Session() as session:
        assert len(_sent(session, "http://1.1.1.1/a", "https://1.1.1.1/b")) == 2


@pytest.mark.parametrize(
    "location",
    [
        "http://[::1",
        "http://127.0.0.1:99999999/",
        "/a\udcff",
        "/\xff\xfe",
        "/" + "a" * 60_000,
        "/a\x00b",
        "/\x1b[31m",
    ],
    ids=repr,
)
def test_a_redirect_to_no_address_is_told_in_words(location: str) -> None:
    with (
        Session() as session,
        pytest.raises(DownloadError, check=coded(ErrorCode.REDIRECT_INVALID)) as caught,
    ):
        _sent(session, "https://1.1.1.1/a", location)
    assert len(str(caught.value)) < 400


def test_the_body_of_a_redirect_is_not_read() -> None:
    """It may be endless."""
    sent = []

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /m.gguf\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(2000):  # 125 MiB for each redirect
            connection.sendall(b"10000\r\n" + bytes(65_536) + b"\r\n")
            sent.append(65_536)

    tracemalloc.start()
    try:
        with (
            wire_server(answer) as url,
            Session() as session,
            pytest.raises(DownloadError, check=coded(ErrorCode.TOO_MANY_REDIRECTS)),
        ):
            session.get_hops(url, {}, TIMEOUT_S)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(sent) < 200 << 20  # what the system's buffers take, eleven times
    assert peak_bytes < 8 << 20


@pytest.mark.parametrize(
    "interim",
    [
        b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\nX: y\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n",
    ],
    ids=["103", "100", "102 and 103"],
)
def test_an_answer_that_announces_another_is_passed_over(interim: bytes, tmp_path: Path) -> None:
    with wire_server(always(interim + whole())) as url:
        fetch(url, tmp_path)
    assert (tmp_path / "m.gguf").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000,
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 " + b"9" * 5000 + b" OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n" + CONTENT,
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n" + CONTENT,
        b"HTTP/1.1 200 OK\r\nContent-Length: +%d\r\n\r\n" % len(CONTENT) + CONTENT,
        b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-9/" + b"9" * 5000 + b"\r\n\r\n" + CONTENT,
        b"HTTP/1.1 503 No\r\nRetry-After: " + b"9" * 5000 + b"\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["103s", "101", "headers", "line", "status", "length", "negative", "plus", "range", "retry"],
)
def test_an_answer_that_makes_no_sense_ends_in_words(answer: bytes, tmp_path: Path) -> None:
    with wire_server(only(answer)) as url:
        for use in (lambda: fetch(url, tmp_path, retry=QUICK), lambda: fetch_remote_header(url)):
            with pytest.raises(DownloadError) as caught:
                use()
            assert caught.value.code is not ErrorCode.INTERNAL_ERROR


@pytest.mark.parametrize(
    "size",
    [b"-5", b"+5", b"0x5", b"5_0", b"F" * 17, b"", b"x", b"9" * 5000, b" 5", b"5 5"],
    ids=lambda text: text[:8],
)
def test_a_chunk_whose_size_is_no_plain_number_ends_the_body(size: bytes, tmp_path: Path) -> None:
    start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with wire_server(always(start + size + b"\r\n" + CONTENT)) as url:
        with pytest.raises(DownloadError, check=coded(ErrorCode.CONNECTION_LOST)):
            fetch(url, tmp_path, retry=QUICK)
        with pytest.raises(DownloadError):
            fetch_remote_header(url)
    assert not (tmp_path / "m.gguf").exists()


def test_a_chunk_may_have_an_extension_and_the_body_a_trailer(tmp_path: Path) -> None:
    chunk = b"%x ; name=value\r\n" % len(CONTENT) + CONTENT + b"\r\n"
    body = chunk + b"0\r\nX-Digest: 1\r\n\r\n"
    with wire_server(always(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)) as url:
        fetch(url, tmp_path)
    assert (tmp_path / "m.gguf").read_bytes() == CONTENT


def test_a_trailer_that_does_not_end_ends_the_download(tmp_path: Path) -> None:
    body = b"%x\r\n" % len(CONTENT) + CONTENT + b"\r\n0\r\n" + b"X: y\r\n" * 10_000
    start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with wire_server(always(start + body)) as url, pytest.raises(DownloadError):
        fetch(url, tmp_path, retry=QUICK)


def test_a_body_that_comes_byte_by_byte_takes_no_longer_than_it_may() -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(200):
            connection.sendall(b"x")
            time.sleep(0.02)

    with wire_server(answer) as url, Session() as session:
        response = session.get_hops(url, {}, TIMEOUT_S)[-1]
        begun_s = time.monotonic()
        with response, pytest.raises(TransientError, check=coded(ErrorCode.CONNECTION_LOST)):
            list(pieces_of(response, 100_000, limit_s=0.3))
        assert time.monotonic() - begun_s < 2


@pytest.mark.parametrize("buffer_bytes", [100, 8192, 1 << 20])
def test_what_comes_along_with_the_headers_does_not_wait_for_more(buffer_bytes: int) -> None:
    content = 20 * CONTENT
    at_once = content[:1000]
    go_on = threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + at_once)
        go_on.wait(5)
        connection.sendall(content[1000:])

    buffer = memoryview(bytearray(buffer_bytes))
    received = b""
    with wire_server(answer) as url, Session() as session:
        body = Asker(session, parse_source(url), TIMEOUT_S).ask(None)
        with body.response:
            while len(received) < len(at_once):
                received += buffer[: body.read_into(buffer)]
            assert received == at_once
            go_on.set()
            while count := body.read_into(buffer):
                received += buffer[:count]
    assert received == content


def test_an_odd_linked_size_is_told(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.always = Headers({"X-Linked-Size": "9" * 4400})
    for use in (lambda: fetch(served.url, tmp_path, retry=QUICK), lambda: fetch_remote_header(served.url)):
        with pytest.raises(DownloadError, check=coded(ErrorCode.SOURCE_SIZE_UNCLEAR)):
            use()


def _listing(names: list[bytes]) -> bytes:
    return b'{"siblings":[' + b",".join(b'{"rfilename":"%s"}' % name for name in names) + b"]}"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"siblings":[{"rfilename":"' + b"x" * (40 << 20), ErrorCode.REPOSITORY_NOT_LISTED),
        (b'{"x":' + b"[" * 4_000_000, ErrorCode.REPOSITORY_NOT_LISTED),
        (_listing([b"_Q1" * 160 + b"-.gguf"] * 5000), ErrorCode.REPOSITORY_TAG_AMBIGUOUS),
        (_listing([b"_Q1" * 300_000 + b"-.gguf"]), ErrorCode.REPOSITORY_WITHOUT_MODELS),
    ],
    ids=["endless", "deep", "slow names", "long name"],
)
def test_a_list_of_files_takes_little_time_and_memory(
    server: FileServer, body: bytes, code: ErrorCode
) -> None:
    served = server.put("/api/models/o/r", body)
    served.content_type = "application/json"
    begun_s = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(DownloadError, check=coded(code)):
            address_of_file(f"{server.base_url}/o/r", endpoint=server.base_url)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 64 << 20
    assert time.monotonic() - begun_s < 20


@pytest.mark.parametrize("count", [201, 999])
def test_a_name_does_not_make_us_fetch_hundreds_of_files(server: FileServer, count: int) -> None:
    address = f"{server.base_url}/m-00001-of-{count:05}.gguf"
    for use in (all_parts, fetch_remote_header):
        with pytest.raises(DownloadError, check=coded(ErrorCode.MODEL_HAS_TOO_MANY_FILES)) as caught:
            use(address)
    assert f"{count}" in caught.value.message
    assert len(all_parts(f"{server.base_url}/m-00001-of-00200.gguf")) == 200


def test_of_a_thousand_downloads_the_last_is_queued_as_fast_as_the_first(
    server: FileServer, tmp_path: Path
) -> None:
    server.put("/0.gguf", b"").always = Silence()
    queue = DownloadQueue()
    began_s = [time.process_time()]
    try:
        for number in range(1000):
            queue.add(f"{server.base_url}/{number}.gguf", tmp_path)
            if number % 250 == 249:
                began_s.append(time.process_time())
        first_s, *_, last_s = (later - sooner for sooner, later in pairwise(began_s))
        assert last_s < 4 * first_s  # it was seven times, for each looked at all before it
        assert len(queue.snapshot()) == len(list(tmp_path.glob("*.part.json"))) == 1000
    finally:
        queue.close(10)
