"""Texts that are too long: which, by how much, what helps; and how they are cut for who asks for that."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.gateways import behind, gateway_to, post
from tests.fakes.llamacpp import llamacpp
from tests.fakes.powerinfer_server import CONTEXT_SIZE, powerinfer_server
from tests.fakes.tiny_models import write_bert

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray_app.gateway.upstream import Upstream

ENCODER_CONTEXT = 256
AROUND = 2  # what stands before and behind a text of an encoder
SHORT, LONG, LONGER = "a b", "a " * 300, "b " * 400


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    model = write_bert(tmp_path_factory.mktemp("models") / "encoder.gguf", context=ENCODER_CONTEXT)
    size = {"context_size": ENCODER_CONTEXT, "batch_size": ENCODER_CONTEXT}
    with llamacpp(model, pooling="mean", **size) as engine:
        yield engine


@pytest.fixture(scope="module")
def decoder() -> Iterator[Upstream]:
    with llamacpp() as engine:
        yield engine


def refusal(url: str, body: dict[str, Any], path: str = "embeddings") -> dict[str, Any]:
    response = post(f"{url}/{path}", body)
    error: dict[str, Any] = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, "context_length_exceeded"), response.text
    return error


@pytest.mark.parametrize("form", ["float", "base64"])
def test_an_encoder_names_the_texts_that_do_not_fit(encoder: Upstream, form: str) -> None:
    with gateway_to(encoder) as url:
        error = refusal(url, {"input": [SHORT, LONG, SHORT, LONGER], "encoding_format": form})
    assert error["param"] == "input"
    assert "index 1 of 'input' has 302 tokens, but at most 256 fit" in error["message"]
    assert "3 (402)" in error["message"]


def test_a_single_text_is_refused_alike_and_the_limit_is_exact(encoder: Upstream) -> None:
    with gateway_to(encoder) as url:
        assert post(f"{url}/embeddings", {"input": "a " * (ENCODER_CONTEXT - AROUND)}).status_code == 200
        error = refusal(url, {"input": "a " * (ENCODER_CONTEXT - AROUND + 1)})
    assert "has 257 tokens, but at most 256 fit" in error["message"]


@pytest.mark.parametrize(
    ("trained", "words"),
    [
        (0, "“Context size” (ctx_size)."),
        (2048, "(ctx_size), up to the model's 2048."),
        (256, "no setting helps"),
    ],
)
def test_the_setting_that_helps_is_named_where_one_does(encoder: Upstream, trained: int, words: str) -> None:
    with gateway_to(dataclasses.replace(encoder, trained_context=trained)) as url:
        assert words in refusal(url, {"input": LONG})["message"]


def test_a_decoder_names_them_too(decoder: Upstream) -> None:
    with gateway_to(decoder) as url:
        error = refusal(url, {"input": ["x", "fox " * 600]})
    assert (
        "index 1 of 'input' has 1802 tokens, but at most 511 fit in the context size of 512"
        in error["message"]
    )


def test_a_model_that_takes_the_mean_by_hand_is_no_failure_of_the_engine() -> None:
    with llamacpp(pooling="mean", batch_size=64) as engine, gateway_to(engine) as url:
        error = refusal(url, {"input": ["x", "fox " * 40]})
    assert "index 1 of 'input' has 122 tokens, but at most 64 fit" in error["message"]
    assert "(batch_size)" in error["message"]


@pytest.mark.parametrize(
    ("prompt", "index"),
    [("fox " * 600, 0), (["x", "fox " * 600], 1), ([[5, 6], [5] * 600], 1), ([5] * 600, 0)],
)
def test_prompts_are_named_too(decoder: Upstream, prompt: object, index: int) -> None:
    with gateway_to(decoder) as url:
        error = refusal(url, {"prompt": prompt, "max_tokens": 2}, "completions")
    assert f"index {index} of 'prompt' has " in error["message"]
    assert "(ctx_size)" in error["message"]
    assert "truncate" not in error["message"]


def test_a_conversation_has_no_index(decoder: Upstream) -> None:
    body = {"messages": [{"role": "user", "content": "fox " * 600}]}
    with gateway_to(decoder) as url:
        error = refusal(url, body, "chat/completions")
    assert error["message"].startswith("The conversation has 1")
    assert error["param"] == "messages"


@pytest.mark.parametrize("form", ["float", "base64"])
def test_an_encoders_texts_are_cut_for_who_asks(encoder: Upstream, form: str) -> None:
    most = ENCODER_CONTEXT - AROUND
    with gateway_to(encoder) as url:
        body = {"input": [SHORT, LONG, SHORT, LONGER], "truncate": True, "encoding_format": form}
        cut = post(f"{url}/embeddings", body).json()
        short = {"input": [SHORT, "a " * most, SHORT, "b " * most], "encoding_format": form}
        direct = post(f"{url}/embeddings", short).json()
    assert cut["data"] == direct["data"]
    assert cut["usage"] == {**direct["usage"], "truncated": [1, 3]}


def test_a_decoders_text_is_cut_for_who_asks(decoder: Upstream) -> None:
    with gateway_to(decoder) as url:
        cut = post(f"{url}/embeddings", {"input": "fox " * 600, "truncate": True}).json()
        direct = post(f"{url}/embeddings", {"input": ("fox " * 170).strip()}).json()
    assert (cut["usage"]["prompt_tokens"], cut["usage"]["truncated"]) == (511, [0])
    assert direct["usage"]["prompt_tokens"] == 511
    assert cut["data"][0]["embedding"] == pytest.approx(direct["data"][0]["embedding"], abs=1e-5)


@pytest.mark.parametrize("truncate", [False, None])
def test_nothing_is_cut_for_who_does_not_ask(encoder: Upstream, truncate: object) -> None:
    with gateway_to(encoder) as url:
        refusal(url, {"input": LONG, "truncate": truncate})
        fitting = post(f"{url}/embeddings", {"input": SHORT, "truncate": truncate}).json()
    assert "truncated" not in fitting["usage"]


def test_who_asks_is_told_that_nothing_was_cut(encoder: Upstream) -> None:
    with gateway_to(encoder) as url:
        assert (
            post(f"{url}/embeddings", {"input": SHORT, "truncate": True}).json()["usage"]["truncated"] == []
        )


@pytest.mark.parametrize("truncate", ["true", 1, [], {}])
def test_truncate_is_true_or_false(encoder: Upstream, truncate: object) -> None:
    with gateway_to(encoder) as url, powerinfer_server() as server, gateway_to(behind(server)) as other:
        for base_url in (url, other):
            response = post(f"{base_url}/embeddings", {"input": SHORT, "truncate": truncate})
            assert (response.status_code, response.json()["error"]["param"]) == (400, "truncate")


def test_powerinfer_names_and_cuts_texts_as_well() -> None:
    words = [f"w{number}" for number in range(CONTEXT_SIZE + 20)]
    fitting = " ".join(words[: CONTEXT_SIZE - 2])  # a token begins each text, and one place stays free
    with powerinfer_server() as server, gateway_to(behind(server)) as url:
        error = refusal(url, {"input": ["x", " ".join(words)]})
        cut = post(f"{url}/embeddings", {"input": ["x", " ".join(words)], "truncate": True}).json()
        direct = post(f"{url}/embeddings", {"input": ["x", fitting]}).json()
        asked = server.bodies("/embedding")
    assert (
        "index 1 of 'input' has 85 tokens, but at most 63 fit in the context size of 64" in error["message"]
    )
    assert "(ctx_size)" in error["message"]
    assert cut["data"] == direct["data"]
    assert cut["usage"] == {**direct["usage"], "truncated": [1]}
    assert {body["content"] for body in asked} == {"x", fitting}
