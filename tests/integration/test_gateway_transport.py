"""The ways in which clients put a request on the wire, before the real engine."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

import pytest

from tests.fakes.gateways import FixedBackend, gateway_to, post
from tests.fakes.llamacpp import llamacpp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray_app.gateway.upstream import Upstream

BODY = json.dumps({"input": "word one"}).encode()
PATH = "/v1/embeddings"
DIMENSIONS = 64


@pytest.fixture(scope="module")
def engine() -> Iterator[Upstream]:
    with llamacpp() as upstream:
        yield upstream


@pytest.fixture
def url(engine: Upstream) -> Iterator[str]:
    with gateway_to(engine) as base_url:
        yield base_url


def raw_deflate(data: bytes) -> bytes:
    """Without zlib's header, as some clients understand the word."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@contextmanager
def connected(url: str) -> Iterator[tuple[socket.socket, BinaryIO]]:
    address = urlsplit(url)
    place = address.hostname, address.port or 0
    with socket.create_connection(place, timeout=30) as client, client.makefile("rb") as lines:
        yield client, lines


def request(*headers: bytes, body: bytes = BODY, version: bytes = b"1.1") -> bytes:
    """A whole request; its length is told unless one of the headers says how the body comes."""
    told = headers if b"Transfer-Encoding" in b"".join(headers) else (*headers, length_of(body))
    head = (b"POST " + PATH.encode() + b" HTTP/" + version, b"Host: localhost", *told)
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def length_of(body: bytes) -> bytes:
    return b"Content-Length: %d" % len(body)


def in_chunks(body: bytes, size: int = 7) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x;note=1\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def answer_from(lines: BinaryIO) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the next answer on a connection."""
    status = int(lines.readline().split()[1])
    headers = {}
    while line := lines.readline().strip():
        name, _, value = line.decode().partition(": ")
        headers[name.lower()] = value
    return status, headers, lines.read(int(headers.get("content-length", 0)))


def check_vector(answer: tuple[int, dict[str, str], bytes]) -> None:
    status, _, body = answer
    assert status == 200, body
    assert len(json.loads(body)["data"][0]["embedding"]) == DIMENSIONS


def test_who_asks_first_is_told_to_go_on(url: str) -> None:
    with connected(url) as (client, lines):
        head, _, body = request(b"Expect: 100-continue").partition(b"\r\n\r\n")
        client.sendall(head + b"\r\n\r\n")
        assert lines.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert lines.readline() == b"\r\n"
        client.sendall(body)
        check_vector(answer_from(lines))


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        (b"identity", bytes),
        (b"gzip", gzip.compress),
        (b"x-gzip", gzip.compress),
        (b"GZip", gzip.compress),
        (b"deflate", zlib.compress),
        (b"deflate", raw_deflate),
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_packed_and_chunked_bodies_are_read(url: str, encoding: bytes, packed: object, chunked: bool) -> None:
    assert callable(packed)
    body = packed(BODY)
    headers = [b"Content-Encoding: " + encoding]
    with connected(url) as (client, lines):
        if chunked:
            client.sendall(request(*headers, b"Transfer-Encoding: chunked", body=in_chunks(body)))
        else:
            client.sendall(request(*headers, body=body))
        check_vector(answer_from(lines))


def test_a_body_may_come_in_pieces(url: str) -> None:
    with connected(url) as (client, lines):
        for byte in request():
            client.sendall(bytes([byte]))
        check_vector(answer_from(lines))


def test_clients_of_the_first_version_are_answered_and_the_connection_ends(url: str) -> None:
    with connected(url) as (client, lines):
        client.sendall(request(version=b"1.0"))
        check_vector(answer_from(lines))
        assert lines.read() == b""


def test_the_first_version_can_keep_its_connection(url: str) -> None:
    with connected(url) as (client, lines):
        for _ in range(2):
            client.sendall(request(b"Connection: keep-alive", version=b"1.0"))
            answer = answer_from(lines)
            check_vector(answer)
            assert answer[1]["connection"].lower() == "keep-alive"


def test_requests_that_are_sent_together_are_answered_in_their_order(url: str) -> None:
    bodies = [json.dumps({"input": ["x"] * number}).encode() for number in (3, 1, 2)]
    wrong = request(body=b"{}")
    with connected(url) as (client, lines):
        client.sendall(b"".join(request(body=body) for body in bodies) + wrong + request())
        counts = [len(json.loads(answer_from(lines)[2])["data"]) for _ in bodies]
        assert counts == [3, 1, 2]
        assert answer_from(lines)[0] == 400
        check_vector(answer_from(lines))


def test_a_connection_is_kept_after_answers_and_refusals(url: str) -> None:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    try:
        connection.connect()
        first = connection.sock
        for method, path, body, status in (
            ("POST", PATH, BODY, 200),
            ("POST", PATH, b"{}", 400),
            ("GET", "/v1/nothing", None, 404),
            ("HEAD", "/v1/models", None, 200),
            ("OPTIONS", PATH, None, 204),
            ("GET", PATH, None, 405),
            ("POST", "/v1/completions", b'{"prompt":"a","max_tokens":2,"stream":true}', 200),
            ("POST", PATH, BODY, 200),
        ):
            connection.request(method, path, body)
            answer = connection.getresponse()
            answer.read()
            assert (answer.status, connection.sock) == (status, first), path
    finally:
        connection.close()


def test_as_many_texts_as_openai_takes_are_embedded_in_their_order(url: str) -> None:
    texts = [f"word {number}" for number in range(2048)]
    data = post(f"{url}/embeddings", {"input": texts}).json()["data"]
    assert [each["index"] for each in data] == list(range(2048))
    for number in (0, 1000, 2047):
        alone = post(f"{url}/embeddings", {"input": texts[number]}).json()["data"][0]
        assert data[number]["embedding"] == pytest.approx(alone["embedding"], abs=1e-3)
    refused = post(f"{url}/embeddings", {"input": [*texts, "x"]})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "input")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (PATH, {"input": ["word " * 80] * 400}),
        ("/v1/completions", {"prompt": "a", "max_tokens": 400}),
        ("/v1/completions", {"prompt": "a", "max_tokens": 400, "stream": True}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "a"}], "max_tokens": 400}),
    ],
)
def test_a_client_that_leaves_gives_its_engine_back(engine: Upstream, path: str, body: object) -> None:
    backend = FixedBackend(engine)
    with gateway_to(backend) as url:
        data = json.dumps(body).encode()
        with connected(url) as (client, _):
            client.sendall(request(body=data).replace(PATH.encode(), path.encode(), 1))
            backend.wait_for_leases(1)
        backend.wait_for_leases(0)
        assert post(f"{url}/embeddings", {"input": "x"}).status_code == 200


@pytest.mark.parametrize("data", [b"", b"POST", b"POST /v1/embeddings HTTP/1.1\r\nHost: loc", request()[:-4]])
def test_a_client_that_leaves_before_its_request_is_whole_harms_nobody(url: str, data: bytes) -> None:
    with connected(url) as (client, _):
        client.sendall(data)
    with connected(url) as (client, lines):
        client.sendall(request())
        check_vector(answer_from(lines))
