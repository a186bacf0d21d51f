"""Documents are ranked as llama.cpp ranks them, in the forms of Jina, Cohere and others."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gguf
import pytest

from tests.fakes.gateways import FixedBackend, behind, gateway_to, post
from tests.fakes.llamacpp import llamacpp
from tests.fakes.powerinfer_server import powerinfer_server
from tests.fakes.random_embedders import Kind, write_embedder
from tests.fuzz.gateway import played_engine
from tray_app.gateway.upstream import OfferedModel, Upstream
from tray_app.models.header import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

DOCUMENTS = [f"word{index} word{index * 7 % 50}" for index in range(40)]
QUERY = "word7 word8"
PATHS = (
    "/v1/rerank",
    "/rerank",
    "/v2/rerank",
    "/v1/v2/rerank",
    "/v1/reranking",
    "/reranking/",
    "//v1/rerank/",
)


@pytest.fixture(scope="module", params=[("bert", False), ("qwen3", None)], ids=lambda param: param[0])
def reranker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    architecture, causal = request.param
    kind = Kind(architecture, gguf.PoolingType.RANK, causal)
    path = write_embedder(tmp_path_factory.mktemp("rank") / "rank.gguf", kind)
    with llamacpp(path, pooling="rank") as upstream:
        yield replace(upstream, purpose=Purpose.RERANK)


@pytest.fixture
def root(reranker: Upstream) -> Iterator[str]:
    with gateway_to(reranker) as url:
        yield url.removesuffix("/v1")


@pytest.fixture(scope="module")
def straight(reranker: Upstream) -> list[tuple[int, float]]:
    """What llama.cpp says to all documents at once."""
    answer = post(f"{reranker.base_url}/v1/rerank", {"query": QUERY, "documents": DOCUMENTS})
    return ranks_of(answer)


def ranks_of(answer: requests.Response) -> list[tuple[int, float]]:
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    return [(each["index"], each["relevance_score"]) for each in results]


def scores_of(ranks: list[tuple[int, float]]) -> list[float]:
    return [score for _, score in sorted(ranks)]


def assert_same(found: list[tuple[int, float]], expected: list[tuple[int, float]]) -> None:
    """Documents with nearly equal scores may change places: what is computed together differs a little."""
    assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-4)


def error_of(answer: requests.Response) -> dict[str, Any]:
    assert answer.status_code == 400, answer.text
    error: dict[str, Any] = answer.json()["error"]
    return error


@pytest.mark.parametrize("path", PATHS)
def test_all_documents_are_ranked_as_by_llama_cpp(
    root: str, straight: list[tuple[int, float]], path: str
) -> None:
    answer = post(root + path, {"model": "any", "query": QUERY, "documents": DOCUMENTS})
    ranks = ranks_of(answer)
    assert scores_of(ranks) == pytest.approx(scores_of(straight), abs=1e-4)
    assert [score for _, score in ranks] == sorted((score for _, score in ranks), reverse=True)
    whole = answer.json()
    assert (whole["object"], whole["model"]) == ("list", "any")
    assert whole["meta"]["api_version"]["version"] == ("2" if "v2" in path else "1")
    assert all(set(each) == {"index", "relevance_score"} for each in whole["results"])


def test_the_tokens_are_those_that_llama_cpp_counts(root: str, reranker: Upstream) -> None:
    body = {"query": QUERY, "documents": DOCUMENTS}
    usage = post(f"{reranker.base_url}/v1/rerank", body).json()["usage"]
    answer = post(f"{root}/v1/rerank", body).json()
    assert answer["usage"] == usage
    assert answer["meta"]["tokens"]["input_tokens"] == usage["total_tokens"]


def test_the_best_are_told_with_their_texts_where_that_is_asked_for(root: str) -> None:
    objects = [{"text": text, "title": "x"} if index % 2 else text for index, text in enumerate(DOCUMENTS)]
    whole = ranks_of(post(f"{root}/v1/rerank", {"query": {"text": QUERY}, "documents": objects}))
    body = {"query": QUERY, "documents": objects, "top_n": 3.0, "return_documents": True}
    answer = post(f"{root}/v1/rerank", body)
    assert_same(ranks_of(answer), whole[:3])
    results = answer.json()["results"]
    assert [each["document"]["text"] for each in results] == [DOCUMENTS[each["index"]] for each in results]


def test_text_embeddings_inferences_form_is_answered_in_its_own(root: str) -> None:
    body = {"query": QUERY, "texts": DOCUMENTS, "return_text": True, "top_n": None}
    results = post(f"{root}/rerank", body).json()
    ranks = ranks_of(post(f"{root}/rerank", {"query": QUERY, "documents": DOCUMENTS}))
    assert_same([(each["index"], each["score"]) for each in results], ranks)
    assert [each["text"] for each in results] == [DOCUMENTS[each["index"]] for each in results]


@pytest.mark.client("4D AI Kit", "Reranker.create")
def test_ai_kits_reranker_is_answered_as_its_result_class_reads_it(root: str) -> None:
    """The body that 4D AI Kit's `RerankerAPI` makes for a base URL that it does not know."""
    body = {
        "model": "bge-reranker",
        "top_n": 3,
        "query": "How do neural networks learn?",
        "documents": ["Neural networks learn by adjusting weights", "The sky is blue today", ""],
        "return_documents": True,
    }
    answer = post(f"{root}/v1/rerank", body)
    assert len(ranks_of(answer)) == 3
    assert all(isinstance(each["index"], int) for each in answer.json()["results"])


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({}, "query", "not empty"),
        ({"query": "", "documents": ["x"]}, "query", "not empty"),
        ({"query": 5, "documents": ["x"]}, "query", "not empty"),
        ({"query": "x"}, "documents", "list of 1 to 2048"),
        ({"query": "x", "documents": "x"}, "documents", "list of 1 to 2048"),
        ({"query": "x", "documents": []}, "documents", "not 0"),
        ({"query": "x", "documents": ["x"] * 2049}, "documents", "not 2049"),
        ({"query": "x", "texts": ["x", 5]}, "texts", "at index 1"),
        ({"query": "x", "documents": ["x", {"title": "y"}]}, "documents", "at index 1"),
        ({"query": "x", "documents": ["x"], "top_n": 0}, "top_n", "whole number"),
        ({"query": "x", "documents": ["x"], "top_n": "3"}, "top_n", "whole number"),
        ({"query": "x", "documents": ["x"], "top_n": True}, "top_n", "whole number"),
        ({"query": "x", "documents": ["x"], "return_documents": "no"}, "return_documents", "bool"),
        ({"query": "word " * 20_000, "documents": ["x"]}, "query", "far more"),
        ({"query": "x", "documents": ["x", "word " * 20_000]}, "documents", "at index 1"),
    ],
)
def test_what_cannot_be_ranked_is_the_clients_fault(
    root: str, body: dict[str, Any], param: str, words: str
) -> None:
    error = error_of(post(f"{root}/v1/rerank", body))
    assert error["param"] == param
    assert words in error["message"]


def test_a_document_that_is_too_long_is_named_by_its_place_in_the_list(root: str) -> None:
    documents = [*DOCUMENTS[:30], "word1 " * 1100]
    error = error_of(post(f"{root}/v1/rerank", {"query": QUERY, "documents": documents}))
    assert (error["param"], error["code"]) == ("documents", "context_length_exceeded")
    assert "at index 30" in error["message"]
    assert "query count" in error["message"]


@pytest.mark.parametrize("purpose", [Purpose.CHAT, Purpose.EMBEDDING])
def test_a_model_that_ranks_nothing_names_those_that_do(purpose: Purpose) -> None:
    class WithReranker(FixedBackend):
        def offered(self) -> tuple[OfferedModel, ...]:
            return (*super().offered(), OfferedModel("bge-reranker", 0, "not loaded", Purpose.RERANK))

    upstream = Upstream("http://127.0.0.1:9", True, "tiny", "Tiny", context_size=64, purpose=purpose)
    body = {"query": "x", "documents": ["y"]}
    for backend, words in ((FixedBackend(upstream), "Install"), (WithReranker(upstream), "bge-reranker.")):
        with gateway_to(backend) as url:
            error = error_of(post(f"{url}/rerank", body))
        assert (error["code"], error["param"]) == ("model_not_supported", "model")
        assert words in error["message"]
        assert "/v1/embeddings" in error["message"]
        assert backend.asked == [("", Purpose.RERANK)]


def test_powerinfer_says_that_it_ranks_nothing() -> None:
    with powerinfer_server() as server, gateway_to(behind(server)) as url:
        error = error_of(post(f"{url}/rerank", {"query": "x", "documents": ["y"]}))
    assert error["code"] == "model_not_supported"
    assert "PowerInfer" in error["message"]


@pytest.mark.parametrize(
    "answer",
    [
        {"results": [{"index": 0, "relevance_score": None}]},
        {"results": [{"index": 7, "relevance_score": 0.5}]},
        {"results": [{"index": -1, "relevance_score": 0.5}]},
        {"results": [{"index": 0}]},
        {"results": None},
        [],
    ],
)
def test_what_is_no_score_is_never_passed_on(answer: object) -> None:
    with played_engine() as (engine, upstream):
        engine.answer = 200, "application/json", json.dumps(answer).encode()
        with gateway_to(replace(upstream, purpose=Purpose.RERANK)) as url:
            refused = post(f"{url}/rerank", {"query": "x", "documents": ["y"]})
    assert (refused.status_code, refused.json()["error"]["code"]) == (502, "engine_answer")


def test_a_remote_server_is_asked_for_the_whole_list_at_once() -> None:
    with played_engine() as (engine, upstream):
        results = [{"index": index, "relevance_score": index / 100} for index in range(40)]
        answer = {"results": results, "usage": {"total_tokens": 9}}
        engine.answer = 200, "application/json", json.dumps(answer).encode()
        with gateway_to(replace(upstream, models=("theirs",))) as url:
            ranks = ranks_of(post(f"{url}/rerank", {"query": "x", "documents": DOCUMENTS, "top_n": 2}))
    assert ranks == [(39, 0.39), (38, 0.38)]
