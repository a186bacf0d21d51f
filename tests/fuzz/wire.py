"""What targets that are HTTP have in common: how an input becomes a request, and what every answer is like.

An input is the first line of a request, headers, an empty line and a body: as HTTP has it, with "\\n" alone.
"""

from __future__ import annotations

import http.client
import json
import re
from dataclasses import dataclass

TIMEOUT_S = 15.0
LONGEST_ANSWER = 1 << 20
METHODS = frozenset(("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"))


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    content_type: str
    body: bytes


def request_line(data: bytes) -> tuple[str, str]:
    """The method and the path of a request, put right just so far that they are HTTP."""
    method, _, path = data.partition(b"\n")[0].decode("latin-1").partition(" ")
    return (
        method if method in METHODS else "POST",
        "/" + re.sub(r"[^\x21-\x7e]", "_", path.removeprefix("/")),
    )


def headers_of(data: bytes) -> list[tuple[str, str]]:
    """The headers of a request that can be sent, without those that say where it ends."""
    lines = data.partition(b"\n\n")[0].decode("latin-1").split("\n")[1:]
    named = [line.split(":", 1) for line in lines if re.match(r"[A-Za-z][A-Za-z-]*:", line)]
    sendable = [(name, re.sub(r"[\x00-\x08\x0a-\x1f\x7f]", "", value).strip(" \t")) for name, value in named]
    return [(name, value) for name, value in sendable if name.lower() not in FRAMING]


def send(port: int, data: bytes, headers: dict[str, str] | None = None) -> Answer:
    """The answer to a request, with these headers besides its own."""
    body = data.partition(b"\n\n")[2]
    own = headers_of(data)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.putrequest(*request_line(data), skip_host=any(name.lower() == "host" for name, _ in own))
        for name, value in own:
            connection.putheader(name, value.encode("latin-1"))
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers.get_content_type(), answer.read(LONGEST_ANSWER))
    finally:
        connection.close()


FRAMING = ("content-length", "transfer-encoding", "connection", "expect", "upgrade")
"""Headers that say where a request ends: those are the HTTP library's."""
REFUSALS = frozenset((400, 401, 403, 404, 405, 408, 411, 413, 415, 422, 429, 431))
"""What a request may be refused with that could have been another."""


def check_shape(answer: Answer, successes: frozenset[int] = frozenset((200,))) -> None:
    """A success, or an error as OpenAI's clients read it; never a failure of ours."""
    assert answer.status in REFUSALS | successes, answer
    if answer.status in REFUSALS:
        check_error(answer)


def check_error(answer: Answer) -> None:
    """An error in OpenAI's shape."""
    assert answer.content_type == "application/json", answer
    if not answer.body:  # to HEAD
        return
    error = json.loads(answer.body)["error"]
    assert set(error) >= {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)
    assert error["message"]
    assert isinstance(error["type"], str)


def check_success(answer: Answer) -> None:
    """JSON, or a stream of events each of which is JSON, or what the few pages of texts are."""
    if answer.content_type == "application/json" and answer.body:
        json.loads(answer.body)
    elif answer.content_type == "text/event-stream":
        for event in filter(None, answer.body.split(b"\n\n")):
            assert event == b": ping" or event.startswith((b"data: ", b":")), event
            if event.startswith(b"data: ") and event != b"data: [DONE]":
                assert isinstance(json.loads(event.removeprefix(b"data: ")), dict)
