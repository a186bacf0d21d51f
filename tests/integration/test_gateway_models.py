"""Several models behind one address: the one that a request names answers, and is given back."""

from __future__ import annotations

import json
import socket
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from openai import OpenAI

from tests.fakes.gateways import (
    PATIENCE_S,
    FixedBackend,
    FixedLease,
    NamedBackend,
    behind,
    gateway_to,
    get,
    post,
    serving,
)
from tests.fakes.llamacpp import llamacpp
from tests.fakes.powerinfer_server import powerinfer_server
from tests.fakes.scripted_engine import engine_that_answers
from tray_app.errors import ErrorCode, ModelError
from tray_app.gateway.rules import Rules
from tray_app.gateway.server import Gateway
from tray_app.gateway.upstream import Unavailable, Upstream
from tray_app.models.header import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.powerinfer_server import PowerInferServer
    from tray_app.gateway.upstream import Lease

CHAT = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5}
SLEEPING = Unavailable("The server sleeps.", held=True)


@pytest.fixture(scope="module")
def engine() -> Iterator[Upstream]:
    with llamacpp() as upstream:
        yield upstream


@pytest.fixture
def sparse() -> Iterator[PowerInferServer]:
    with powerinfer_server() as server:
        yield server


def told(server: PowerInferServer, model_id: str) -> Upstream:
    return replace(behind(server), model_id=model_id)


@contextmanager
def asking(url: str, path: str, body: object) -> Iterator[socket.socket]:
    """A client that has sent a request, and leaves at the end of the block."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    address = urlsplit(url)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n".encode()
    with socket.create_connection((address.hostname, address.port), PATIENCE_S) as client:
        client.sendall(head + data)
        yield client


def test_each_request_is_answered_by_the_model_it_names(engine: Upstream, sparse: PowerInferServer) -> None:
    backend = NamedBackend({"tiny": engine, "bamboo": told(sparse, "bamboo")}, default="tiny")
    backend.aliases["gpt-4o-mini"] = "bamboo"
    with gateway_to(backend) as url, OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        for name, dimensions in (("tiny", 64), ("bamboo", 8), ("gpt-4o-mini", 8), ("unknown", 64)):
            vectors = client.embeddings.create(model=name, input="Hello")
            assert (vectors.model, len(vectors.data[0].embedding)) == (name, dimensions)
        pieces = client.completions.create(model="bamboo", prompt="Hi", max_tokens=4, stream=True)
        assert "".join(each.choices[0].text for each in pieces) == " w0 w1 w2 w3"
        assert client.chat.completions.create(model="tiny", **CHAT).model == "tiny"  # type: ignore[call-overload]
    assert backend.asked[0] == ("tiny", Purpose.EMBEDDING)
    assert backend.asked[-1] == ("tiny", Purpose.CHAT)
    backend.wait_for_leases(0)


@pytest.mark.parametrize(
    ("path", "task"),
    [
        ("/embedding", Purpose.EMBEDDING),
        ("/embeddings", Purpose.EMBEDDING),
        ("/completion", Purpose.CHAT),
        ("/tokenize", Purpose.CHAT),
    ],
)
def test_an_engines_own_routes_ask_for_a_model_too(path: str, task: Purpose) -> None:
    with engine_that_answers(b"[]") as upstream:
        backend = FixedBackend(upstream)
        with gateway_to(backend, native_routes=True) as url:
            for body, name in (({"model": "named", "content": "x", "prompt": "x"}, "named"), ({}, "")):
                post(url.replace("/v1", path), body)
                assert backend.asked.pop() == (name, task)
        backend.wait_for_leases(0)


@pytest.mark.parametrize("model", ["", None, 7, ["tiny"], {"id": "tiny"}])
def test_what_names_no_model_means_the_default(engine: Upstream, model: object) -> None:
    backend = NamedBackend({"tiny": engine}, default="tiny")
    with gateway_to(backend) as url:
        answer = post(f"{url}/embeddings", {"model": model, "input": "x"})
    assert (answer.status_code, answer.json()["model"]) == (200, "tiny")
    assert backend.asked == [("", Purpose.EMBEDDING)]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The body is not JSON"),
        (b'{"model": "tiny", "input": ', "The body is not JSON"),
        (b'["tiny"]', "The body is not valid: Expected `object`, got `array`"),
        (b'{"input": "\xff"}', "The body is not encoded in UTF-8."),
        ('{"input": "x"}'.encode("utf-16"), "The body is encoded in UTF-16 or UTF-32. Send it in UTF-8."),
        (b'{"model": "%s"}' % (b"x" * 1001), "'model' is longer than 1000 characters."),
        (b'{"input": "' + b"x" * 100_000, "The body is not JSON"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/chat/completions", "/completion"])
def test_a_body_that_cannot_be_read_loads_nothing(body: bytes, message: str, path: str) -> None:
    backend = FixedBackend(SLEEPING)
    with gateway_to(backend, native_routes=True) as url, asking(url, path, body) as client:
        answer = client.recv(100_000)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"].startswith(message)
    assert backend.asked == []


def test_a_model_that_is_not_here_is_404_where_names_are_strict(engine: Upstream) -> None:
    backend = NamedBackend({"tiny": engine}, default="tiny", strict=True)
    with gateway_to(backend) as url:
        refused = post(f"{url}/embeddings", {"model": "other", "input": "x"})
        assert post(f"{url}/embeddings", {"input": "x"}).status_code == 200
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert error["type"] == "invalid_request_error"
    assert "tiny" in error["message"]
    backend.wait_for_leases(0)


def test_a_request_waits_for_its_model_and_others_do_not(engine: Upstream, sparse: PowerInferServer) -> None:
    backend = NamedBackend({"tiny": engine}, default="tiny")
    coming: Future[Lease | Unavailable] = Future()
    backend.loading["bamboo"] = coming
    with gateway_to(backend) as url, ThreadPoolExecutor(1) as clients:
        waiting = clients.submit(post, f"{url}/embeddings", {"model": "bamboo", "input": "x"})
        wait_until_asked(backend, "bamboo")
        assert post(f"{url}/embeddings", {"model": "tiny", "input": "x"}).status_code == 200
        assert not waiting.done()
        coming.set_result(FixedLease(backend, told(sparse, "bamboo")))
        assert len(waiting.result(PATIENCE_S).json()["data"][0]["embedding"]) == 8
    backend.wait_for_leases(0)


@pytest.mark.parametrize(
    ("name", "words"), [("", "The server did not start: "), ("bamboo", "The model 'bamboo' did not load: ")]
)
def test_a_model_that_cannot_be_loaded_is_503_with_the_cause(engine: Upstream, name: str, words: str) -> None:
    backend = NamedBackend({"tiny": engine}, default="tiny")
    backend.loading[name] = Future()
    backend.loading[name].set_exception(
        ModelError(ErrorCode.MODEL_FILE_MISSING, "The model file is missing", "x.gguf does not exist.")
    )
    with gateway_to(backend) as url:
        refused = post(f"{url}/embeddings", {"model": name, "input": "x"})
        assert post(f"{url}/embeddings", {"model": "tiny", "input": "x"}).status_code == 200
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (503, "model_file_missing")
    assert error["message"].startswith(words)
    assert "The model file is missing" in error["message"]


def test_an_engine_is_given_back_after_every_kind_of_end(engine: Upstream) -> None:
    with engine_that_answers(b"nonsense") as broken, engine_that_answers(b"{}", status=500) as failing:
        names = {"tiny": engine, "broken": broken, "failing": failing}
        names["gone"] = replace(engine, base_url="http://127.0.0.1:9")
        backend = NamedBackend(names, default="tiny")
        with gateway_to(backend) as url:
            found = {
                name: post(f"{url}/completions", {"model": name, "prompt": "x", "max_tokens": 3}).status_code
                for name in names
            }
            assert found == {"tiny": 200, "broken": 502, "failing": 502, "gone": 503}
            assert post(f"{url}/embeddings", {"model": "tiny", "input": 7}).status_code == 400
            streamed = post(f"{url}/completions", {"prompt": "x", "max_tokens": 3, "stream": True})
            assert streamed.text.endswith("data: [DONE]\n\n")
            backend.wait_for_leases(0)


def test_who_leaves_in_the_middle_of_a_stream_gives_the_engine_back(sparse: PowerInferServer) -> None:
    sparse.hold_at = 3
    backend = NamedBackend({"bamboo": told(sparse, "bamboo")}, default="bamboo")
    body = {"prompt": "x", "max_tokens": 20, "stream": True}
    with gateway_to(backend) as url:
        with asking(url, "/v1/completions", body):
            assert sparse.holding.wait(PATIENCE_S)
            assert backend.leases == 1
        backend.wait_for_leases(0)
        assert sparse.client_left.wait(PATIENCE_S)


def test_who_leaves_while_a_model_is_loaded_gives_the_place_up(engine: Upstream) -> None:
    backend = NamedBackend({"tiny": engine}, default="tiny")
    coming = backend.loading["bamboo"] = Future()
    given_up = threading.Event()
    coming.add_done_callback(lambda _: given_up.set())
    with gateway_to(backend) as url:
        with asking(url, "/v1/embeddings", {"model": "bamboo", "input": "x"}):
            wait_until_asked(backend, "bamboo")
        assert given_up.wait(PATIENCE_S)
    assert coming.cancelled()


def test_an_engine_that_comes_as_its_client_leaves_is_given_back(engine: Upstream) -> None:
    backend = NamedBackend({"tiny": engine}, default="tiny")
    coming = backend.loading["bamboo"] = _Undeterred()
    with gateway_to(backend) as url:
        with asking(url, "/v1/embeddings", {"model": "bamboo", "input": "x"}):
            wait_until_asked(backend, "bamboo")
        assert coming.cancel_came.wait(PATIENCE_S)
        lease = FixedLease(backend, engine)
        coming.set_result(lease)
        backend.wait_for_leases(0)


class _Undeterred(Future["Lease | Unavailable"]):
    """One whose result is on its way already when somebody does not want it any more."""

    def __init__(self) -> None:
        super().__init__()
        self.set_running_or_notify_cancel()
        self.cancel_came = threading.Event()

    def cancel(self) -> bool:
        self.cancel_came.set()
        return super().cancel()


def test_two_powerinfer_engines_answer_at_the_same_time(sparse: PowerInferServer) -> None:
    sparse.hold_at = 0
    with powerinfer_server() as other:
        names = {"held": told(sparse, "held"), "free": told(other, "free")}
        backend = NamedBackend(names, default="free")
        with gateway_to(backend) as url, ThreadPoolExecutor(1) as clients:
            held = clients.submit(
                post, f"{url}/completions", {"model": "held", "prompt": "x", "max_tokens": 5}
            )
            assert sparse.holding.wait(PATIENCE_S)
            assert post(f"{url}/embeddings", {"model": "free", "input": "x"}).status_code == 200
            assert not held.done()
            sparse.release()
            assert held.result(PATIENCE_S).status_code == 200
    backend.wait_for_leases(0)


@pytest.mark.warns("The chat template of .* cannot be used")
def test_a_bad_chat_template_is_told_of_once_for_each_model(
    sparse: PowerInferServer, caplog: pytest.LogCaptureFixture
) -> None:
    names = {
        name: replace(told(sparse, name), model_name=name, chat_template=f"{{% if %}}{name}")
        for name in ("one", "two")
    }
    with gateway_to(NamedBackend(names, default="one")) as url:
        for name in ("one", "two") * 3:
            assert post(f"{url}/chat/completions", {"model": name, **CHAT}).status_code == 200
    told_of = [each.message for each in caplog.records if "cannot be used" in each.message]
    assert [message.split()[4] for message in told_of] == ["one", "two"]


def test_the_list_tells_what_is_known_of_each_model_and_openais_client_reads_it(engine: Upstream) -> None:
    backend = NamedBackend({"tiny": engine}, default="tiny")
    backend.loading["bge-m3"] = Future()
    backend.aliases["text-embedding-3-small"] = "bge-m3"
    with gateway_to(backend) as url, OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        tiny, bge = client.models.list().data
        assert (tiny.id, tiny.created, tiny.owned_by) == ("tiny", 1700000000, "powerinfer-tray")
        assert tiny.to_dict()["meta"] == {
            "state": "loaded",
            "kind": "chat",
            "context": 64,
            "size": 5,
            "pictures": False,
            "engine": "llama.cpp",
        }
        assert bge.to_dict()["meta"] == {
            "state": "loading",
            "kind": "embedding",
            "dimensions": 8,
            "pictures": False,
        }
        alias = client.models.retrieve("text-embedding-3-small")
        assert (alias.id, alias.to_dict()["meta"]) == ("text-embedding-3-small", bge.to_dict()["meta"])
        unknown = get(f"{url}/models/nothing")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
    assert "'tiny', 'bge-m3'" in unknown.json()["error"]["message"]
    assert backend.asked == []


def test_what_an_engine_says_of_itself_is_that_of_the_model_named(engine: Upstream) -> None:
    with engine_that_answers(b"{}", status=404) as silent:
        backend = NamedBackend({"silent": silent, "tiny": engine}, default="silent")
        with gateway_to(backend) as url:
            props = url.replace("/v1", "/props")
            assert get(f"{props}?model=tiny").json()["default_generation_settings"]
            assert get(props).status_code != 200
    assert backend.asked == []


def test_one_loaded_engine_is_enough_to_be_well() -> None:
    class Failed(NamedBackend):
        """The default model has failed, another is loaded."""

        def look(self, asked: str = "", task: Purpose = Purpose.CHAT) -> Upstream | Unavailable:
            return super().look(asked, task) if asked else Unavailable("It has failed.")

    nowhere = Upstream("http://127.0.0.1:9", speaks_openai=True, model_id="tiny", model_name="Tiny")
    with gateway_to(Failed({"tiny": nowhere}, default="tiny"), metrics=True) as url:
        assert get(url.replace("/v1", "/health")).status_code == 200
        assert "engine_ready 1" in get(url.replace("/v1", "/metrics")).text
    with gateway_to(Unavailable("It has failed.")) as url:
        assert get(url.replace("/v1", "/health")).status_code == 503


def test_each_model_has_its_own_traffic(engine: Upstream, sparse: PowerInferServer) -> None:
    backend = NamedBackend({"tiny": engine, "bamboo": told(sparse, "bamboo")}, default="tiny")
    gateway = Gateway(backend, lambda: Rules(metrics=True))
    with serving(gateway) as url:
        for name in ("tiny", "bamboo", "any name of a client"):
            assert post(f"{url}/completions", {"model": name, "prompt": "x", "max_tokens": 3}).ok
        assert post(f"{url}/completions", {"model": "bamboo", "prompt": 7}).status_code == 400
        counted = gateway.traffic_of()
        assert set(counted) == {"tiny", "bamboo"}
        tiny, bamboo = counted["tiny"], counted["bamboo"]
        assert (tiny.requests, tiny.errors, tiny.active) == (2, 0, 0)
        assert (bamboo.requests, bamboo.errors, bamboo.active) == (2, 1, 0)
        assert bamboo.completion_tokens == 3
        whole = gateway.traffic()
        assert whole.completion_tokens == sum(each.completion_tokens for each in counted.values())
        metrics = get(url.replace("/v1", "/metrics")).text
    assert "powerinfer_tray_requests_total 4\n" in metrics
    assert 'powerinfer_tray_model_requests_total{model="bamboo"} 2\n' in metrics


def wait_until_asked(backend: NamedBackend, name: str) -> None:
    """Until a request for this model has come."""
    with backend.changed:
        assert backend.changed.wait_for(lambda: name in [asked for asked, _ in backend.asked], PATIENCE_S)
