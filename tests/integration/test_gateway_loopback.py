"""What clients in this app make of listeners that hang up, say nothing or speak no HTTP."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.fakes.errors import coded
from tray_app.errors import ErrorCode, GatewayError
from tray_app.gateway.control.client import ControlClient
from tray_app.gateway.control.controlfile import ControlFile
from tray_app.gateway.public_client import complete, request_embeddings

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNK = b'26\r\ndata: {"choices": [{"text": "one"}]}\n\n\r\n'


@contextmanager
def saying(answer: bytes) -> Iterator[int]:
    """The port of a listener that answers each request with these bytes and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_answer, args=(listener, answer))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            socket.create_connection(listener.getsockname()).close()
            thread.join()


def _answer(listener: socket.socket, answer: bytes) -> None:
    while True:
        with listener.accept()[0] as client:
            if not client.recv(65_536):
                return
            client.sendall(answer)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        HEAD + b'Content-Length: 100\r\n\r\n{"data": [',
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n20\r\n{",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000,
    ],
)
def test_who_hangs_up_in_the_middle_of_an_answer_has_not_answered(answer: bytes) -> None:
    with saying(answer) as port:
        with pytest.raises(GatewayError, check=coded(ErrorCode.SERVER_UNREACHABLE)):
            request_embeddings(f"http://127.0.0.1:{port}/v1", ["x"])
        with pytest.raises(GatewayError, check=coded(ErrorCode.APP_ENDED)):
            ControlClient(ControlFile(port, "secret", 1)).status()


def test_an_answer_that_is_none_of_ours_is_not_understood() -> None:
    with (
        saying(HEAD + b"Content-Length: 2\r\n\r\n[]") as port,
        pytest.raises(GatewayError, check=coded(ErrorCode.ANSWER_NOT_UNDERSTOOD)),
    ):
        request_embeddings(f"http://127.0.0.1:{port}/v1", ["x"])


def test_a_redirect_is_not_followed() -> None:
    with saying(HEAD + b"Content-Length: 2\r\n\r\n[]") as elsewhere:
        moved = f"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:{elsewhere}/\r\nContent-Length: 0\r\n\r\n"
        with (
            saying(moved.encode()) as port,
            pytest.raises(GatewayError, match="status 307"),
        ):
            request_embeddings(f"http://127.0.0.1:{port}/v1", ["x"])


def test_a_stream_that_is_cut_has_broken_off_after_what_came() -> None:
    with saying(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK) as port:
        pieces = complete(f"http://127.0.0.1:{port}/v1", "x", 8, threading.Event())
        assert next(pieces) == "one"
        with pytest.raises(GatewayError, check=coded(ErrorCode.ANSWER_BROKE_OFF)):
            next(pieces)


def test_a_stream_in_which_nothing_more_comes_is_not_called_a_closed_connection() -> None:
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def begin() -> None:
            with listener.accept()[0] as client:
                client.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK)
                over.wait(10)

        thread = threading.Thread(target=begin)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        pieces = complete(url, "x", 8, threading.Event(), timeout_s=0.3)
        assert next(pieces) == "one"
        with pytest.raises(GatewayError, match="has not answered", check=coded(ErrorCode.ANSWER_BROKE_OFF)):
            next(pieces)
        over.set()
        thread.join(10)


@pytest.mark.parametrize("answer", [b"", HEAD + b"Content-Length: 100\r\n\r\n{"])
def test_who_says_nothing_more_is_not_waited_for_longer_than_the_limit(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def begin() -> None:
            with listener.accept()[0] as client:
                client.sendall(answer)
                while client.recv(65_536):
                    pass

        thread = threading.Thread(target=begin)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        with pytest.raises(GatewayError, check=coded(ErrorCode.SERVER_NOT_RESPONDING)):
            request_embeddings(url, ["x"], timeout_s=0.3)
        thread.join(10)
        assert not thread.is_alive()  # for the client has hung up
