"""Clients for JavaScript, against both kinds of engine: `openai`, the Vercel AI SDK, `ollama`.

Each is a script in `tests/clients_npm/` that prints what it gets as JSON. Node runs it with the packages of
the lock there, which are installed once, into `.cache/`. Without Node, npm or the registry, all is skipped.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gguf
import pytest

from tests.fakes.chat_templates import write_caller
from tests.fakes.gateways import behind, gateway_to, post
from tests.fakes.llamacpp import llamacpp
from tests.fakes.powerinfer_server import powerinfer_server
from tests.fakes.random_embedders import Kind, write_embedder
from tray_app.models.header import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray_app.gateway.upstream import Upstream

SCRIPTS = Path(__file__).parents[1] / "clients_npm"
CACHE = Path(__file__).parents[2] / ".cache"
OLDEST_NODE = 20
PING_LIMIT_S, INSTALL_LIMIT_S, SCRIPT_LIMIT_S = 10, 40, 40
CUT = {"finish": "length", "tokens": 5}
REFUSED = "This engine does not support '{}'. Leave it out."


@pytest.fixture(scope="module")
def node() -> str:
    """Node's program."""
    found = shutil.which("node")
    if not found:
        pytest.skip("Node is not installed")
    version = subprocess.run([found, "--version"], capture_output=True, check=True, text=True).stdout
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"Node is {version.strip()}, which is older than {OLDEST_NODE}")
    return found


@pytest.fixture(scope="module")
def packages(node: str) -> Path:  # noqa: ARG001 - without Node there is nothing to install for
    """The folder that has the packages of the lock."""
    locked = b"".join((SCRIPTS / name).read_bytes() for name in ("package.json", "package-lock.json"))
    folder = CACHE / f"clients_npm-{hashlib.sha256(locked).hexdigest()[:16]}"
    if folder.exists():
        return folder
    npm = shutil.which("npm")
    if not npm:
        pytest.skip("npm is not installed")
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as place:
        coming = Path(place, "packages")
        coming.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SCRIPTS / name, coming)
        try:
            # What cannot be reached is no fault of ours; what can be reached must have what the lock names.
            subprocess.run([npm, "ping"], cwd=coming, capture_output=True, check=True, timeout=PING_LIMIT_S)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            pytest.skip("npm's registry does not answer")
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        try:
            done = subprocess.run(
                command, cwd=coming, capture_output=True, check=False, text=True, timeout=INSTALL_LIMIT_S
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"npm's registry is slow: nothing is installed after {INSTALL_LIMIT_S} s")
        assert done.returncode == 0, done.stderr
        try:
            coming.rename(folder)
        except OSError:
            assert folder.exists(), "nobody else has installed the same meanwhile"
    return folder


def run(node: str, packages: Path, script: str, url: str) -> dict[str, Any]:
    """What a script prints. It is read from a pipe, so that it finds the packages in the current folder."""
    done = subprocess.run(
        [node, "--input-type=module", "-", url],
        cwd=packages,
        env={**os.environ, "NO_PROXY": "*"},
        input=(SCRIPTS / script).read_bytes(),
        capture_output=True,
        check=False,
        timeout=SCRIPT_LIMIT_S,
    )
    assert done.returncode == 0, done.stderr.decode()
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.fixture(scope="module", params=["llama.cpp", "PowerInfer"])
def engine(
    request: pytest.FixtureRequest,
    packages: Path,  # noqa: ARG001 - what is skipped starts no engine
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Upstream]:
    if request.param == "llama.cpp":
        path = write_caller(tmp_path_factory.mktemp("caller") / "caller.gguf")
        with llamacpp(path, context_size=2048) as upstream:
            yield upstream
    else:
        with powerinfer_server() as server:
            yield behind(server)


@pytest.fixture(scope="module")
def url(engine: Upstream) -> Iterator[str]:
    with gateway_to(engine) as base_url:
        yield base_url


@pytest.fixture(scope="module")
def openai_says(node: str, packages: Path, url: str) -> dict[str, Any]:
    return run(node, packages, "openai.mjs", url)


@pytest.fixture(scope="module")
def ai_says(node: str, packages: Path, url: str) -> dict[str, Any]:
    return run(node, packages, "ai.mjs", url)


@pytest.fixture(scope="module")
def ollama_says(node: str, packages: Path, url: str) -> dict[str, Any]:
    return run(node, packages, "ollama.mjs", url)


def assert_embedded(vectors: list[list[float]]) -> None:
    """Three texts, the first and the last of which are the same."""
    first, second, third = vectors
    assert first == pytest.approx(third, abs=1e-3)
    assert first != pytest.approx(second, abs=1e-3)
    assert math.hypot(*second) == pytest.approx(1, abs=1e-5)


def assert_cut(*answers: dict[str, Any]) -> None:
    """All have written as many tokens as they were allowed to."""
    for answer in answers:
        assert answer["text"]
        assert answer == {"text": answer["text"], **CUT}


def assert_called_or_refused(engine: Upstream, *answers: Any) -> None:
    """The clock's hour is asked for where the engine can; elsewhere the field is refused."""
    for answer in answers:
        if engine.speaks_openai:
            [call] = answer
            assert call["name"] == "clock"
            assert set(json.loads(call["arguments"])) == {"hour"}
        else:
            assert answer["status"] == 400
            assert answer["message"].endswith(REFUSED.format("tools"))


def assert_parsed_or_refused(engine: Upstream, answer: Any) -> None:
    if engine.speaks_openai:
        assert set(json.loads(answer)) == {"hour"}
    else:
        assert answer["status"] == 400
        assert answer["message"].endswith(REFUSED.format("response_format"))


# openai


@pytest.mark.client("openai Node", "embeddings", powerinfer=True)
def test_openai_embeds(openai_says: dict[str, Any]) -> None:
    assert_embedded(openai_says["embeddings"])


@pytest.mark.client("openai Node", "chat", "chat, streamed", powerinfer=True)
def test_openai_chats(openai_says: dict[str, Any]) -> None:
    assert_cut(openai_says["chat"], openai_says["stream"])


@pytest.mark.client("openai Node", "tools", "tools, streamed", how="if the model's template supports them")
def test_openai_gets_calls_of_tools(openai_says: dict[str, Any], engine: Upstream) -> None:
    asked = openai_says["tools"], openai_says["toolsStreamed"]
    assert_called_or_refused(engine, *asked)
    if not engine.speaks_openai:
        assert {(each["param"], each["code"]) for each in asked} == {("tools", "unsupported_parameter")}


@pytest.mark.client("openai Node", "response_format with a schema")
def test_openai_gets_an_answer_by_a_schema(openai_says: dict[str, Any], engine: Upstream) -> None:
    assert_parsed_or_refused(engine, openai_says["parse"])


@pytest.mark.client("openai Node", "responses.create", "responses.stream", powerinfer=True)
def test_openai_gets_responses(openai_says: dict[str, Any]) -> None:
    whole, streamed = openai_says["responses"], openai_says["responsesStreamed"]
    assert whole["text"]
    assert (whole["status"], whole["tokens"]) == ("incomplete", 5)
    assert streamed["text"] == streamed["whole"]
    assert streamed["text"]
    kinds = streamed["kinds"]
    assert (kinds[0], kinds[-1]) == ("response.created", "response.incomplete")


@pytest.mark.client("openai Node", "models", powerinfer=True)
def test_openai_finds_the_models(openai_says: dict[str, Any], engine: Upstream) -> None:
    assert openai_says["models"] == {"ids": [engine.model_id], "first": engine.model_id}
    missing = openai_says["unknownModel"]
    assert (missing["status"], missing["code"]) == (404, "model_not_found")
    assert repr(engine.model_id) in missing["message"]


@pytest.mark.client("openai Node", "files", works=False, how="404")
def test_openai_is_told_that_no_files_are_kept(openai_says: dict[str, Any]) -> None:
    assert openai_says["files"]["status"] == 404
    assert "files are not stored" in openai_says["files"]["message"]


# The Vercel AI SDK


@pytest.mark.client("Vercel AI SDK", "embedMany", how="`@ai-sdk/openai-compatible`", powerinfer=True)
def test_the_ai_sdk_embeds(ai_says: dict[str, Any]) -> None:
    assert_embedded(ai_says["embeddings"])


@pytest.mark.client(
    "Vercel AI SDK", "generateText", "streamText", how="`@ai-sdk/openai-compatible`", powerinfer=True
)
def test_the_ai_sdk_chats(ai_says: dict[str, Any]) -> None:
    assert_cut(ai_says["chat"], ai_says["stream"])


@pytest.mark.client(
    "Vercel AI SDK",
    "generateText with tools",
    "streamText with tools",
    how="`@ai-sdk/openai-compatible`; if the model's template supports them",
)
def test_the_ai_sdk_gets_calls_of_tools(ai_says: dict[str, Any], engine: Upstream) -> None:
    assert_called_or_refused(engine, ai_says["tools"], ai_says["toolsStreamed"])


@pytest.mark.client(
    "Vercel AI SDK",
    "generateText with Output.object",
    how="`@ai-sdk/openai-compatible` with `supportsStructuredOutputs`",
)
def test_the_ai_sdk_gets_an_object(ai_says: dict[str, Any], engine: Upstream) -> None:
    assert_parsed_or_refused(engine, ai_says["parse"])


@pytest.mark.client("Vercel AI SDK", "rerank", how="`@ai-sdk/cohere`, with a reranker")
def test_the_ai_sdk_ranks_in_coheres_form(node: str, packages: Path, tmp_path: Path) -> None:
    path = write_embedder(tmp_path / "rank.gguf", Kind("bert", gguf.PoolingType.RANK, causal=False))
    with llamacpp(path, pooling="rank") as upstream:
        with gateway_to(replace(upstream, purpose=Purpose.RERANK)) as url:
            said = run(node, packages, "cohere.mjs", url)
        straight = post(f"{upstream.base_url}/v1/rerank", {key: said[key] for key in ("query", "documents")})
    best = sorted((each["relevance_score"] for each in straight.json()["results"]), reverse=True)[:3]
    for ranks in (said["v1"], said["v2"]):
        assert [each["score"] for each in ranks] == pytest.approx(best, abs=1e-4)
        assert [each["text"] for each in ranks] == [said["documents"][each["index"]] for each in ranks]


# ollama


@pytest.mark.client("ollama JavaScript", "embed", powerinfer=True)
def test_ollama_embeds(ollama_says: dict[str, Any]) -> None:
    assert_embedded(ollama_says["embeddings"])


@pytest.mark.client(
    "ollama JavaScript", "chat", "chat, stream", "generate", "generate, stream", powerinfer=True
)
def test_ollama_chats_and_generates(ollama_says: dict[str, Any]) -> None:
    assert_cut(*(ollama_says[name] for name in ("chat", "stream", "generate", "generateStreamed")))


@pytest.mark.client("ollama JavaScript", "chat, tools", how="if the model's template supports them")
def test_ollama_gets_calls_of_tools(ollama_says: dict[str, Any], engine: Upstream) -> None:
    tools = ollama_says["tools"]
    if engine.speaks_openai:
        assert {call["name"] for call in tools} == {"weather"}
    else:
        assert tools == {"status": 400, "message": REFUSED.format("tools")}


@pytest.mark.client("ollama JavaScript", "list", "ps", "show", "pull of an installed model", powerinfer=True)
def test_ollama_finds_the_models(ollama_says: dict[str, Any], engine: Upstream) -> None:
    assert ollama_says["model"] == f"{engine.model_id}:latest"
    assert ollama_says["running"] == [ollama_says["model"]]
    assert ollama_says["capabilities"] == ["completion"]
    assert ollama_says["pull"] == "success"


@pytest.mark.client(
    "ollama JavaScript",
    "show of a model that is not installed",
    works=False,
    how="404 with the available models",
)
@pytest.mark.client("ollama JavaScript", "delete", works=False, how="403: models are changed in the app")
def test_ollama_is_refused_what_programs_may_not(ollama_says: dict[str, Any], engine: Upstream) -> None:
    missing, deletion = ollama_says["unknownModel"], ollama_says["deletion"]
    assert missing["status"] == 404
    assert re.search(rf"'llama3' not found\. Installed models: {engine.model_id}\.", missing["message"])
    assert deletion["status"] == 403
    assert "PowerInfer Tray" in deletion["message"]
