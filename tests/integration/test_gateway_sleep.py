"""Requests that wake an engine, and an engine that nobody asks for anything."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.fakes.gateways import PATIENCE_S, FixedBackend, behind, gateway_to, get, post
from tests.fakes.powerinfer_server import powerinfer_server
from tray_app.errors import ErrorCode, ModelError
from tray_app.gateway.upstream import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.powerinfer_server import PowerInferServer

ASLEEP = Unavailable("The server sleeps.", held=True)


@pytest.fixture
def engine() -> Iterator[PowerInferServer]:
    with powerinfer_server() as server:
        yield server


def test_a_request_wakes_the_engine_and_is_answered(engine: PowerInferServer) -> None:
    backend = FixedBackend(ASLEEP)
    backend.after_waking = behind(engine)
    with gateway_to(backend) as url:
        assert post(f"{url}/embeddings", {"input": "x"}).status_code == 200
        assert post(f"{url}/embeddings", {"input": "x"}).status_code == 200
    assert backend.wakes == 1


def test_looking_at_a_sleeping_engine_does_not_wake_it() -> None:
    backend = FixedBackend(ASLEEP, models=("bamboo",))
    with gateway_to(backend, metrics=True) as url:
        assert get(f"{url}/models").json()["data"][0]["id"] == "bamboo"
        assert get(f"{url}/models/bamboo").status_code == 200
        assert get(url.replace("/v1", "/health")).status_code == 200
        for path in ("/props", "/slots"):  # any web page can ask for these without a word of where it is from
            assert get(url.replace("/v1", path)).status_code == 503
        assert "engine_ready 0" in get(url.replace("/v1", "/metrics")).text
    assert backend.wakes == 0


PERSON = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/index.js", {}),
        (
            "/index.js",
            {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
        ),
        ("/completion.js", {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "script"}),
        ("/", {}),
        ("/", {**PERSON, "Sec-Fetch-Site": "cross-site"}),
        ("/", {**PERSON, "Sec-Fetch-Dest": "iframe"}),
        ("/", {"Origin": "https://evil.example"}),
    ],
)
def test_a_page_does_not_wake_the_engine_whatever_it_shows(path: str, sent: dict[str, str]) -> None:
    backend = FixedBackend(ASLEEP)
    with gateway_to(backend, native_routes=True) as url:
        assert get(url.replace("/v1", path), **sent).status_code in (403, 503)
    assert backend.wakes == 0


def test_a_person_who_opens_the_engines_page_wakes_it(engine: PowerInferServer) -> None:
    backend = FixedBackend(ASLEEP)
    backend.after_waking = behind(engine)
    with gateway_to(backend, native_routes=True) as url:
        get(url.replace("/v1", "/"), **PERSON)
    assert backend.wakes == 1


def test_who_wakes_an_engine_that_cannot_start_learns_why() -> None:
    backend = FixedBackend(ASLEEP)
    backend.after_waking = ModelError(
        ErrorCode.MODEL_FILE_MISSING, "The model file is missing", "x.gguf does not exist."
    )
    with gateway_to(backend) as url:
        refused = post(f"{url}/embeddings", {"input": "x"})
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (503, ErrorCode.MODEL_FILE_MISSING)
    assert "The model file is missing" in error["message"]


def test_it_is_seen_to_idle_engines_as_soon_as_one_may_be_due(engine: PowerInferServer) -> None:
    backend = FixedBackend(behind(engine))
    backend.idle_s = 0.01
    with gateway_to(backend):
        for _ in range(3):
            backend.looks_for_idle.get(timeout=PATIENCE_S)


def test_an_engine_at_work_is_known_to_be_at_work(engine: PowerInferServer) -> None:
    engine.hold_at = 0
    backend = FixedBackend(behind(engine))
    backend.idle_s = 0.01
    with gateway_to(backend) as url, ThreadPoolExecutor(1) as clients:
        asked = clients.submit(post, f"{url}/completions", {"prompt": "x", "max_tokens": 5})
        assert engine.holding.wait(PATIENCE_S)
        assert backend.leases == 1
        engine.release()
        assert asked.result(PATIENCE_S).status_code == 200
        backend.wait_for_leases(0)
