"""Which answers the clients of the soak call lost: those that end without a word, and no others."""

from __future__ import annotations

import pytest

from tests.benchmarks.soak_clients import ANSWERED, CALLED_OFF, LOST, Clients, Server, outcome
from tests.fakes.scripted_engine import engine_that_answers

STREAM = "text/event-stream"
DELTA = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
VECTOR = '{"index":%d,"embedding":[0.5]}'
VECTORS = ('{"data":[' + ",".join(VECTOR % index for index in range(3)) + "]}").encode()
ONE_VECTOR = ('{"data":[' + VECTOR % 0 + "]}").encode()


@pytest.mark.parametrize(
    ("path", "status", "body", "kind", "expected"),
    [
        ("/embeddings", 200, VECTORS, "application/json", ANSWERED),
        ("/embeddings", 200, ONE_VECTOR, "application/json", f"{LOST}: {ONE_VECTOR.decode()}"),
        ("/completions", 200, b'{"choices":[{"text":"a"}]}', "application/json", ANSWERED),
        ("/chat/completions", 200, DELTA + b"data: [DONE]\n\n", STREAM, ANSWERED),
        ("/chat/completions", 200, DELTA, STREAM, f"{LOST}: the stream ended after 1 events"),
        (
            "/chat/completions",
            200,
            DELTA + b'data: {"error":{"message":"gone"}}\n\n',
            STREAM,
            "broke off, which an event in the stream told",
        ),
        (
            "/completions",
            503,
            b'{"error":{"message":"Wait\\na bit."}}',
            "application/json",
            "refused with 503: Wait a bit.",
        ),
        ("/completions", 500, b"oops", "text/plain", f"{LOST}: status 500 without an error: oops"),
    ],
)
def test_an_answer_is_lost_if_nobody_tells_why_it_is_missing(
    path: str, status: int, body: bytes, kind: str, expected: str
) -> None:
    with engine_that_answers(body, status=status, content_type=kind) as server:
        assert outcome(server.base_url, path) == expected


def test_a_connection_that_ends_halfway_is_a_lost_answer() -> None:
    with engine_that_answers(VECTORS, missing_bytes=5) as server:
        assert outcome(server.base_url, "/embeddings").startswith(f"{LOST}: ")


@pytest.mark.parametrize(
    ("closings", "is_closing", "counted"), [(0, False, LOST), (1, False, CALLED_OFF), (0, True, CALLED_OFF)]
)
def test_what_ends_because_the_address_is_closed_is_not_lost(
    *, closings: int, is_closing: bool, counted: str
) -> None:
    with engine_that_answers(VECTORS, missing_bytes=5) as engine:
        servers = iter([Server(engine.base_url, 0, is_closing), Server(None, closings, is_closing)])
        clients = Clients(lambda: next(servers))
        clients._ask("/embeddings")

    assert clients.requests == {counted: 1}
    assert clients.lost.total() == (counted == LOST)
