"""No vector of NaN, infinities or zeros leaves the gateway: llama.cpp itself, and servers of others."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import pytest

from tests.fakes.gateways import gateway_to, post
from tests.fakes.llamacpp import llamacpp
from tests.fakes.random_models import Shape, write_llama
from tests.fakes.scripted_engine import engine_that_answers
from tray_app.gateway.openai import as_base64

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SMALL = Shape(width=64, layers=1, heads=2, kv_heads=2, feed_forward=64, vocabulary=400, context=512)


@pytest.fixture(scope="module")
def broken_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real engine with a model that makes NaN of every text with a z."""
    shape = dataclasses.replace(SMALL, broken_letter="z")
    model = write_llama(tmp_path_factory.mktemp("models") / "broken.gguf", shape)
    with llamacpp(model) as engine, gateway_to(engine, native_routes=True) as url:
        yield url


@pytest.mark.parametrize("form", ["float", "base64", None])
@pytest.mark.parametrize(("texts", "index"), [("zebra", 0), (["a dog", "zebra"], 1), (["a"] * 9 + ["z"], 9)])
def test_a_text_that_the_model_cannot_compute_is_named(
    broken_url: str, texts: object, index: int, form: str | None
) -> None:
    response = post(f"{broken_url}/embeddings", {"input": texts, "encoding_format": form})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (502, "embedding_not_finite", "input")
    assert f"index {index} of" in error["message"]
    assert response.headers["x-should-retry"] == "false"  # a client that asks again gets the same


def test_what_the_same_model_can_compute_is_answered(broken_url: str) -> None:
    answer = post(f"{broken_url}/embeddings", {"input": ["a dog", "a cat"]}).json()
    assert [math.hypot(*item["embedding"]) for item in answer["data"]] == [pytest.approx(1)] * 2


def test_the_engines_own_route_is_no_way_around(broken_url: str) -> None:
    native = broken_url.replace("/v1", "/embedding")
    assert post(native, {"content": "a dog"}).status_code == 200
    assert post(native, {"content": "zebra"}).json()["error"]["code"] == "embedding_not_finite"


@pytest.mark.parametrize("form", ["float", "base64"])
def test_a_model_that_is_silent_is_told_of(tmp_path: Path, form: str) -> None:
    model = write_llama(tmp_path / "silent.gguf", dataclasses.replace(SMALL, silent=True))
    with llamacpp(model) as engine, gateway_to(engine) as url:
        response = post(f"{url}/embeddings", {"input": ["a", "b"], "encoding_format": form})
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (502, "embedding_all_zeros")
    assert "index 0 of" in error["message"]


@pytest.mark.parametrize(
    ("vector", "code"),
    [
        ("[0.5, null]", "embedding_not_finite"),
        ("[0.5, NaN]", "embedding_not_finite"),
        ("[-Infinity, 0.5]", "embedding_not_finite"),
        ("[0.5, 1e999]", "embedding_not_finite"),
        ("[0.5, 1e39]", "embedding_not_finite"),  # infinite as float32
        ("[0, -0.0, 0.0e5]", "embedding_all_zeros"),
        ("[1e-60, 0]", "embedding_all_zeros"),  # 0 as float32
        ("[]", "engine_answer"),
        ("null", "engine_answer"),
        (f'"{as_base64([0.5, math.nan])}"', "embedding_not_finite"),
        (f'"{as_base64([math.inf, 0.5])}"', "embedding_not_finite"),
        (f'"{as_base64([0.0, -0.0])}"', "embedding_all_zeros"),
        ('"no base64!"', "engine_answer"),
    ],
)
@pytest.mark.parametrize("index", [0, 2])
def test_every_form_of_no_number_is_seen(vector: str, code: str, index: int) -> None:
    good = "[0.6, 0.8]" if vector[0] != '"' else f'"{as_base64([0.6, 0.8])}"'
    vectors = [vector if position == index else good for position in range(3)]
    items = ",".join(f'{{"index":{position},"embedding":{one}}}' for position, one in enumerate(vectors))
    with engine_that_answers(f'{{"data":[{items}]}}'.encode()) as engine, gateway_to(engine) as url:
        response = post(f"{url}/embeddings", {"input": ["a", "b", "c"]})
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (502, code)
    assert code == "engine_answer" or f"index {index} of" in error["message"]


@pytest.mark.parametrize("vector", ["[1e-38, 0]", "[1e38, -1e38]", "[1, 0]", f'"{as_base64([0.0, 1e-40])}"'])
def test_small_and_large_numbers_are_numbers(vector: str) -> None:
    body = f'{{"data":[{{"index":0,"embedding":{vector}}}]}}'.encode()
    with engine_that_answers(body) as engine, gateway_to(engine) as url:
        assert post(f"{url}/embeddings", {"input": "a"}).status_code == 200
