"""Vectors with fewer dimensions, and what stands before queries and documents, on both kinds of engine."""

from __future__ import annotations

import base64
import json
import math
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from openai import OpenAI

from tests.fakes.gateways import behind, gateway_to, post
from tests.fakes.llamacpp import llamacpp
from tests.fakes.powerinfer_server import powerinfer_server, vector_of
from tests.fuzz.gateway import played_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray_app.gateway.upstream import Upstream

NATIVE = 64
PREFIXES = {"prefix_query": "word one: ", "prefix_document": 'Titre\n"é"\t\U0001f600 '}


@pytest.fixture(scope="module")
def engine() -> Iterator[Upstream]:
    with llamacpp() as upstream:
        yield upstream


def straight(engine: Upstream, text: str) -> list[float]:
    """The vector by llama.cpp itself."""
    answer = post(f"{engine.base_url}/v1/embeddings", {"input": text}).json()
    vector: list[float] = answer["data"][0]["embedding"]
    return vector


def with_prefixes(upstream: Upstream) -> Upstream:
    query, document = PREFIXES["prefix_query"], PREFIXES["prefix_document"]
    return replace(upstream, prefix_query=query, prefix_document=document)


def unit(values: list[float]) -> list[float]:
    return [value / math.hypot(*values) for value in values]


@pytest.mark.parametrize("dimensions", [1, 32, 63])
@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_a_shorter_vector_is_the_beginning_of_the_whole_one_with_length_1(
    engine: Upstream, dimensions: int, encoding: Any
) -> None:
    texts = [f"word {number}" for number in range(20)]  # more than a portion
    with gateway_to(replace(engine, cuts_vectors=True)) as url, OpenAI(base_url=url, api_key="x") as client:
        answer = client.embeddings.create(
            model="tiny", input=texts, dimensions=dimensions, encoding_format=encoding
        )
        by_default = client.embeddings.create(model="tiny", input=texts[0], dimensions=dimensions)
    assert [each.index for each in answer.data] == list(range(20))
    assert len(by_default.data[0].embedding) == dimensions  # the client decodes base64 then
    for index in (0, 19):
        expected = unit(straight(engine, texts[index])[:dimensions])
        told: Any = answer.data[index].embedding
        vector = told if encoding == "float" else struct.unpack(f"<{dimensions}f", base64.b64decode(told))
        assert vector == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("dimensions", "cuts", "words"),
    [
        (32, False, "always have 64 dimensions"),
        (65, False, "always have 64 dimensions"),
        (65, True, "have at most 64 dimensions"),
        ("64", True, "whole number"),
        (0, True, "whole number"),
    ],
)
def test_other_numbers_of_dimensions_are_refused(
    engine: Upstream, dimensions: object, cuts: bool, words: str
) -> None:
    with gateway_to(replace(engine, cuts_vectors=cuts)) as url:
        answer = post(f"{url}/embeddings", {"input": "x", "dimensions": dimensions})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "dimensions")
    assert words in answer.json()["error"]["message"]


@pytest.mark.parametrize("cuts", [False, True])
@pytest.mark.parametrize("dimensions", [64, 64.0, None])
def test_the_models_own_number_is_given_as_it_is(engine: Upstream, dimensions: object, cuts: bool) -> None:
    with gateway_to(replace(engine, cuts_vectors=cuts)) as url:
        answer = post(f"{url}/embeddings", {"input": "x", "dimensions": dimensions}).json()
    assert answer["data"][0]["embedding"] == pytest.approx(straight(engine, "x"), abs=1e-3)


def test_what_is_left_of_a_vector_may_not_be_zeros() -> None:
    with played_engine() as (played, upstream):
        vectors = [{"index": 0, "embedding": [0.0, 1.0]}]
        played.answer = 200, "application/json", json.dumps({"data": vectors}).encode()
        with gateway_to(replace(upstream, cuts_vectors=True)) as url:
            answer = post(f"{url}/embeddings", {"input": "x", "dimensions": 1})
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "embedding_all_zeros")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("query", "prefix_query"),
        ("search_query", "prefix_query"),
        ("document", "prefix_document"),
        ("passage", "prefix_document"),
        ("search_document", "prefix_document"),
        ("clustering", None),
        (None, None),
        (5, None),
        (["query"], None),
    ],
)
@pytest.mark.parametrize("texts", ["one two", ["one two", 'th"ree\u00e9'], ["one"] * 20])
def test_queries_and_documents_get_what_the_model_was_trained_with(
    engine: Upstream, kind: object, name: str | None, texts: str | list[str]
) -> None:
    prefix = PREFIXES[name] if name else ""
    with gateway_to(with_prefixes(engine)) as url:
        answer = post(f"{url}/embeddings", {"input": texts, "input_type": kind})
    assert answer.status_code == 200, answer.text
    last = texts if isinstance(texts, str) else texts[-1]
    vector = answer.json()["data"][-1]["embedding"]
    assert vector == pytest.approx(straight(engine, prefix + last), abs=1e-3)


def test_without_prefixes_the_kind_of_a_text_changes_nothing_and_stays_here() -> None:
    with played_engine() as (played, upstream), gateway_to(upstream) as url:
        assert post(f"{url}/embeddings", {"input": "x", "input_type": "query"}).status_code == 200
    assert json.loads(played.last) == {"input": "x", "model": "tiny"}


def test_a_remote_server_is_told_what_a_client_says() -> None:
    body = {"input": "x", "input_type": "query", "dimensions": 2}
    with played_engine() as (played, upstream):
        remote = replace(with_prefixes(upstream), models=("theirs",))
        with gateway_to(remote) as url:
            assert post(f"{url}/embeddings", body).status_code == 200
    assert json.loads(played.last) == {**body, "model": "theirs"}


def test_powerinfer_gives_both_too() -> None:
    body = {"input": ["one two"], "input_type": "query", "dimensions": 3}
    with powerinfer_server() as server:
        upstream = replace(with_prefixes(behind(server)), cuts_vectors=True)
        with gateway_to(upstream) as url:
            vector = post(f"{url}/embeddings", body).json()["data"][0]["embedding"]
    assert vector == pytest.approx(unit(vector_of("word one: one two")[:3]))
