"""What the HTTP library refuses by itself is told as JSON, too."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.fakes.gateways import gateway_to
from tray_app.gateway.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Iterator

READY = Upstream("http://127.0.0.1:9", True, "tiny", "Tiny", context_size=64)
POST = b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\n"
TLS_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with gateway_to(READY) as base_url:
        yield base_url


def answered(url: str, data: bytes) -> tuple[int, str, dict[str, Any]]:
    """Status, kind and error of the answer to these bytes."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port or 0), timeout=10) as client:
        client.sendall(data)
        answer = b""
        while not answer.endswith(b"}"):
            piece = client.recv(65536)
            assert piece, answer
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    kind = next(line for line in head.decode().splitlines() if line.lower().startswith("content-type"))
    return int(head.split()[1]), kind, json.loads(body)["error"]


def encoded(name: bytes, *, chunked: bool = False) -> bytes:
    size = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 5"
    body = b"5\r\nhello\r\n0\r\n\r\n" if chunked else b"hello"
    return POST + b"Content-Encoding: " + name + b"\r\n" + size + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (encoded(b"br"), 415, "gzip"),
        (encoded(b"br", chunked=True), 415, "gzip"),
        (encoded(b"BR"), 415, "gzip"),
        (encoded(b"zstd"), 415, "gzip"),
        (encoded(b"compress"), 415, "gzip"),
        (encoded(b"gzip, br"), 415, "gzip"),
        (encoded(b"gzip"), 400, "does not match the encoding"),
        (encoded(b"deflate", chunked=True), 400, "does not match the encoding"),
        (POST + b"X: " + b"x" * 20_000 + b"\r\n\r\n", 400, "too long"),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "too long"),
        (b"GET /v1/models HTTP/1.1\r\n\r\n", 400, "'Host'"),
        (POST + b"Host: localhost\r\n\r\n", 400, "'Host'"),
        (POST + b"Expect: 200-ok\r\nContent-Length: 2\r\n\r\n{}", 417, "100-continue"),
        (b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nExpect: x\r\n\r\n", 417, "100-continue"),
        (TLS_HELLO, 400, "http, not https"),
        (b"nonsense\r\n\r\n", 400, "not valid HTTP"),
        (b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", 400, "not valid HTTP"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "not valid HTTP"),
        (POST + b"Content-Length: x\r\n\r\n", 400, "not valid HTTP"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "not valid HTTP"),
        (POST + b"no colon\r\n\r\n", 400, "not valid HTTP"),
    ],
)
def test_every_refusal_is_json(url: str, data: bytes, status: int, words: str) -> None:
    told, kind, error = answered(url, data)
    assert (told, kind) == (status, "Content-Type: application/json")
    assert set(error) == {"message", "type", "param", "code"}
    assert words in error["message"]
