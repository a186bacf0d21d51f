"""The clients that people use, against both kinds of engine: openai, LangChain, curl. For 4D AI Kit see
`test_client_aikit.py`.

LlamaIndex is not among them, because it pulls in some forty packages; it sends what openai's client sends.
"""

from __future__ import annotations

import base64
import json
import math
import shutil
import struct
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import openai
import pytest
from pydantic import SecretStr

from tests.fakes.gateways import behind, gateway_to
from tests.fakes.llamacpp import llamacpp
from tests.fakes.powerinfer_server import powerinfer_server
from tray_app.gateway.upstream import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_openai import OpenAIEmbeddings
    from openai.types.chat import ChatCompletionMessageParam

MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hi"}]


@contextmanager
def client_of(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module", params=["llama.cpp", "PowerInfer"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "llama.cpp":
        with llamacpp() as engine, gateway_to(engine) as base_url:
            yield base_url
    else:
        with powerinfer_server() as server, gateway_to(behind(server)) as base_url:
            yield base_url


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with client_of(url) as client:
        yield client


@pytest.mark.client("openai Python", "embeddings", powerinfer=True)
def test_openai_embeds_a_list_in_its_order(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(model="text-embedding-3-small", input=["one", "two", "one"])
    first, second, third = (item.embedding for item in answer.data)
    assert first == pytest.approx(third, abs=1e-3)
    assert first != pytest.approx(second, abs=1e-3)
    assert math.hypot(*first) == pytest.approx(1, abs=1e-5)
    assert [item.index for item in answer.data] == [0, 1, 2]


@pytest.mark.client("openai Python", "embeddings, base64 and float", powerinfer=True)
def test_openais_two_encodings_give_the_same_vector(client: openai.OpenAI) -> None:
    packed, plain = (
        client.embeddings.create(model="", input="one", encoding_format=encoding).data[0].embedding
        for encoding in ("base64", "float")
    )
    raw = base64.b64decode(str(packed))
    assert struct.unpack(f"<{len(raw) // 4}f", raw) == pytest.approx(plain, abs=1e-3)


@pytest.mark.client("openai Python", "chat", powerinfer=True)
def test_openai_chats(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, max_completion_tokens=5)
    assert answer.choices[0].finish_reason == "length"
    assert answer.choices[0].message.content
    assert answer.usage
    assert answer.usage.completion_tokens == 5


@pytest.mark.client("openai Python", "chat, streamed", powerinfer=True)
def test_openai_streams_a_chat(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=MESSAGES,
        max_tokens=5,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert choices[0].delta.role == "assistant"
    assert "".join(choice.delta.content or "" for choice in choices)
    assert choices[-1].finish_reason == "length"
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens == 5


@pytest.mark.client("openai Python", "completions", powerinfer=True)
def test_openai_completes(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="", prompt="Hi", max_tokens=5)
    assert answer.choices[0].text
    assert answer.choices[0].finish_reason == "length"


@pytest.mark.client("openai Python", "models", powerinfer=True)
def test_openai_finds_the_model_it_is_offered(client: openai.OpenAI) -> None:
    offered = client.models.list().data[0].id
    assert ":" not in offered
    assert client.models.retrieve(offered).id == offered


@pytest.mark.client("openai Python", "any form of the base URL", powerinfer=True)
@pytest.mark.parametrize("base", ["", "/", "/v1/", "/v1/v1", "//v1"])
def test_openai_is_answered_whatever_base_url_it_was_given(url: str, base: str) -> None:
    with client_of(url.removesuffix("/v1") + base) as client, client_of(url) as right:
        asked = client.embeddings.create(model="", input="one").data[0].embedding
        assert asked == pytest.approx(
            right.embeddings.create(model="", input="one").data[0].embedding, abs=1e-3
        )
        chat = client.chat.completions.create(model="", messages=MESSAGES, max_tokens=3, stream=True)
        assert list(chat)[-1].choices[0].finish_reason == "length"
        assert client.completions.create(model="", prompt="Hi", max_tokens=3).choices[0].text
        offered = client.models.list().data[0].id
        assert client.models.retrieve(offered).id == offered


@pytest.mark.client("openai Python", "errors", powerinfer=True)
def test_openai_reads_our_errors(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False") as refused:
        client.embeddings.create(model="", input=[[1, 2]])
    assert refused.value.param == "input"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4o-mini")


@pytest.mark.client(
    "openai Python",
    "an engine that is not available",
    works=False,
    how="503 with `Retry-After` if `max_retries=0`",
)
def test_openai_reads_that_the_model_is_loading() -> None:
    with gateway_to(Unavailable("The model is being loaded.", 2)) as url, client_of(url) as client:
        with pytest.raises(openai.InternalServerError, match="being loaded") as refused:
            client.embeddings.create(model="", input="x")
        assert refused.value.response.headers["Retry-After"] == "2"


def langchain_embeddings(url: str, **options: Any) -> OpenAIEmbeddings:
    from langchain_openai import OpenAIEmbeddings  # takes seconds

    return OpenAIEmbeddings(base_url=url, api_key=SecretStr("none"), model="any", max_retries=0, **options)


@pytest.mark.client(
    "LangChain Python", "embeddings", how="`check_embedding_ctx_length=False`", powerinfer=True
)
def test_langchain_embeds_documents_when_told_to_send_texts(url: str) -> None:
    embeddings = langchain_embeddings(url, check_embedding_ctx_length=False)
    vectors = embeddings.embed_documents(["one", "two", "one"])
    assert vectors[0] == pytest.approx(vectors[2], abs=1e-3)
    assert math.hypot(*vectors[1]) == pytest.approx(1, abs=1e-5)
    assert embeddings.embed_query("two") == pytest.approx(vectors[1], abs=1e-3)


@pytest.mark.client(
    "LangChain Python",
    "embeddings as token numbers",
    works=False,
    how="the error names `check_embedding_ctx_length=False`",
)
def test_langchain_is_told_the_option_when_it_sends_tokens(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Encoding:
        """In place of the vocabulary that LangChain would fetch from the network."""

        def encode(self, *_: object, **__: object) -> list[int]:
            return [9906, 1917]

        encode_ordinary = encode

    monkeypatch.setattr("tiktoken.encoding_for_model", lambda _: Encoding())
    with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False"):
        langchain_embeddings(url).embed_query("Hello world")


@pytest.mark.client("LangChain Python", "chat", "chat, streamed", powerinfer=True)
def test_langchain_chats_and_streams(url: str) -> None:
    from langchain_openai import ChatOpenAI  # takes seconds

    chat = ChatOpenAI(
        base_url=url, api_key=SecretStr("none"), model="gpt-4o-mini", max_retries=0, stream_usage=True
    ).bind(max_tokens=5)
    whole = chat.invoke("Hi")
    assert whole.content
    assert whole.response_metadata["finish_reason"] == "length"
    chunks = list(chat.stream("Hi"))
    assert "".join(str(chunk.content) for chunk in chunks)
    usage = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]
    assert [one["output_tokens"] for one in usage] == [5]


@pytest.mark.client("curl", "embeddings", powerinfer=True)
def test_curl_embeds_as_in_the_instructions(url: str) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    command = ["curl", "--silent", "--show-error", "--fail", "--noproxy", "*", f"{url}/embeddings"]
    command += ["-H", "Content-Type: application/json", "-d", '{"input":"The quick brown fox"}']
    answer = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert math.hypot(*answer["data"][0]["embedding"]) == pytest.approx(1, abs=1e-5)


@pytest.mark.client("curl", "completions, streamed", powerinfer=True)
def test_curl_streams_events_as_they_come(url: str) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    body = json.dumps({"prompt": "Hi", "max_tokens": 5, "stream": True})
    command = [
        "curl",
        "--silent",
        "--no-buffer",
        "--fail",
        "--noproxy",
        "*",
        f"{url}/completions",
        "-d",
        body,
    ]
    lines = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    assert all(line.startswith("data: {") for line in lines[:-2])
