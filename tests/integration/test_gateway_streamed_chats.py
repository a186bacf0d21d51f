"""What the app's own client makes of streamed chats: of a listener that does what a test wants."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.errors import coded
from tray_app.errors import ErrorCode, GatewayError
from tray_app.gateway.public_client import ChatPiece, complete, stream_chat

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = {"model": "", "messages": [{"role": "user", "content": "Hi"}]}
END = b"0\r\n\r\n"
DEADLINE_S = 20.0


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


def event(**fields: Any) -> bytes:
    return chunk(b"data: " + json.dumps({"model": "bamboo", **fields}).encode() + b"\n\n")


def delta(finish_reason: str | None = None, **words: Any) -> bytes:
    return event(choices=[{"index": 0, "delta": words, "finish_reason": finish_reason}])


class Listener:
    """Takes one request, says what it is told to, and keeps the connection until the other side hangs up."""

    def __init__(self, says: bytes) -> None:
        self._says = says
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        self.request = b""
        self.said = threading.Event()
        self.left = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with self._socket.accept()[0] as client:
            while b'"stream"' not in self.request:
                self.request += client.recv(65_536)
            client.sendall(self._says)
            self.said.set()
            with suppress(ConnectionError):  # it need not have read all that was said
                while client.recv(65_536):
                    pass
            self.left.set()

    def body(self) -> dict[str, Any]:
        return dict(json.loads(self.request.partition(b"\r\n\r\n")[2]))

    def close(self) -> None:
        self._thread.join(DEADLINE_S)
        self._socket.close()
        assert not self._thread.is_alive(), "nobody has hung up"


@contextmanager
def listening(*says: bytes) -> Iterator[Listener]:
    """A listener that says this."""
    listener = Listener(b"".join(says))
    try:
        yield listener
    finally:
        listener.close()


def pieces_of(*says: bytes) -> list[ChatPiece]:
    with listening(*says) as listener:
        return list(stream_chat(listener.url, BODY, threading.Event()))


def refusal(*says: bytes, code: ErrorCode) -> GatewayError:
    with pytest.raises(GatewayError, check=coded(code)) as caught:
        pieces_of(*says)
    return caught.value


def refusing(status: int, **error: Any) -> bytes:
    body = json.dumps({"error": error}).encode()
    return b"HTTP/1.1 %d No\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def test_words_thoughts_and_numbers_come_as_pieces() -> None:
    pieces = pieces_of(
        HEAD,
        chunk(b": keep-alive\n\n"),
        delta(role="assistant", content=None),
        delta(reasoning_content="They greet."),
        delta(content="Hello"),
        delta(content=" 世界"),
        delta("stop"),
        event(choices=[], usage={"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}),
        chunk(b"data: [DONE]\n\n"),
        END,
    )

    *words, end, numbers = pieces
    assert words == [
        ChatPiece(reasoning="They greet.", model_id="bamboo"),
        ChatPiece("Hello", model_id="bamboo"),
        ChatPiece(" 世界", model_id="bamboo"),
    ]
    assert end == ChatPiece(finish_reason="stop", model_id="bamboo")
    assert numbers.tokens_per_s
    assert replace(numbers, tokens_per_s=None) == ChatPiece(tokens=5, model_id="bamboo")


def test_the_request_is_what_was_asked_as_a_stream_with_its_usage() -> None:
    with listening(HEAD, END) as listener:
        asked = {**BODY, "temperature": 0.25}
        assert list(stream_chat(listener.url, asked, threading.Event(), key="secret")) == []

        assert listener.body() == {**asked, "stream": True, "stream_options": {"include_usage": True}}
        assert b"Authorization: Bearer secret\r\n" in listener.request
        assert listener.request.startswith(b"POST /v1/chat/completions ")


def test_servers_elsewhere_say_the_same_in_other_words() -> None:
    pieces = pieces_of(
        HEAD,
        event(model=None, choices=[{"delta": {"reasoning": "Hm."}}], usage={"completion_tokens": 1}),
        event(choices=[{"delta": {"content": "a"}}], usage={"completion_tokens": 2}),
        event(choices=[{"delta": None, "finish_reason": "stop"}], usage=None),
        END,
    )

    assert [(each.text, each.reasoning, each.finish_reason, each.tokens) for each in pieces] == [
        ("", "Hm.", "", None),
        ("a", "", "", None),
        ("", "", "stop", None),
        ("", "", "", 2),
    ]


def test_one_token_has_no_speed() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
    *_, numbers = pieces_of(HEAD, delta(content="a"), event(choices=[], usage=usage), END)

    assert numbers == ChatPiece(tokens=1, tokens_per_s=None, model_id="bamboo")


@pytest.mark.parametrize(
    ("server_code", "code"),
    [
        ("context_length_exceeded", ErrorCode.CONVERSATION_TOO_LONG),
        ("unsupported_content", ErrorCode.MODEL_CANNOT_SEE),
        ("unsupported_model", ErrorCode.MODEL_CANNOT_CHAT),
        ("engine_unavailable", ErrorCode.REQUEST_REFUSED),
        (400, ErrorCode.REQUEST_REFUSED),
        (None, ErrorCode.REQUEST_REFUSED),
    ],
)
def test_a_refusal_has_the_words_of_the_server(server_code: str | int | None, code: ErrorCode) -> None:
    error = refusal(refusing(400, message="Because\x1b of 512 tokens.", code=server_code), code=code)

    assert str(error.message) == "Because� of 512 tokens."


def test_an_answer_that_goes_wrong_says_so_after_what_came() -> None:
    with listening(HEAD, delta(content="Hel"), event(error={"message": "The engine ended."})) as listener:
        pieces = stream_chat(listener.url, BODY, threading.Event())
        assert next(pieces).text == "Hel"
        with pytest.raises(
            GatewayError, match=r"The engine ended\.", check=coded(ErrorCode.ANSWER_BROKE_OFF)
        ):
            next(pieces)


@pytest.mark.parametrize("line", [b"data: {\n\n", b"data: []\n\n", b'data: {"choices": [{"delta": 1}]}\n\n'])
def test_what_is_no_stream_of_a_chat_is_not_understood(line: bytes) -> None:
    refusal(HEAD, chunk(line), END, code=ErrorCode.ANSWER_NOT_UNDERSTOOD)


# Stopping


def cancel_when(happened: threading.Event, cancelled: threading.Event) -> threading.Thread:
    """Set an event on another thread once another one is set."""

    def wait() -> None:
        happened.wait(DEADLINE_S)
        cancelled.set()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.parametrize(
    "says",
    [
        b"",
        HEAD[:20],
        HEAD,
        HEAD + delta(content="a"),
        HEAD + delta(content="a")[:-8],
        b"HTTP/1.1 400 No\r\nContent-Length: 100\r\n\r\n{",
    ],
    ids=["no answer", "half a head", "a head", "a piece", "half a piece", "half a refusal"],
)
def test_a_chat_is_stopped_at_once_while_nothing_comes(says: bytes) -> None:
    """Without the stop the client would wait for ten minutes, and the test for its own limit."""
    cancelled = threading.Event()
    with listening(says) as listener:
        thread = cancel_when(listener.said, cancelled)
        pieces = list(stream_chat(listener.url, BODY, cancelled))
        thread.join()
        assert listener.left.wait(DEADLINE_S)  # by which the engine hears that nobody waits

    assert "".join(piece.text for piece in pieces) in ("", "a")  # nothing is made up


def test_a_completion_is_stopped_at_once_as_well() -> None:
    cancelled = threading.Event()
    with listening(HEAD) as listener:
        thread = cancel_when(listener.said, cancelled)
        assert list(complete(listener.url, "Once", 8, cancelled)) == []
        thread.join()


def test_what_came_before_the_stop_is_no_more_told_after_it() -> None:
    cancelled = threading.Event()
    with listening(HEAD, delta(content="a"), delta(content="b"), END) as listener:
        pieces = stream_chat(listener.url, BODY, cancelled)
        assert next(pieces).text == "a"
        cancelled.set()
        assert list(pieces) == []


def test_who_takes_no_more_pieces_hangs_up() -> None:
    with listening(HEAD, delta(content="a")) as listener:
        pieces = stream_chat(listener.url, BODY, threading.Event())
        next(pieces)
        pieces.close()  # type: ignore[attr-defined]
        assert listener.left.wait(DEADLINE_S)


def test_who_says_nothing_is_not_waited_for_longer_than_the_limit() -> None:
    """Also though the wait looks all the time whether it was called off."""
    began_s = time.monotonic()
    with (
        listening() as listener,
        pytest.raises(GatewayError, check=coded(ErrorCode.SERVER_NOT_RESPONDING)),
    ):
        list(stream_chat(listener.url, BODY, threading.Event(), timeout_s=0.3))
    assert time.monotonic() - began_s >= 0.3
