"""Pictures for a real model with a real projector: what requests may have, and what memory that takes."""

from __future__ import annotations

import base64
import os
import re
import struct
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING, Any

import ollama
import pytest
from openai import BadRequestError, OpenAI

from tests.fakes import aikit
from tests.fakes.errors import coded
from tests.fakes.gateways import gateway_to, post
from tests.fakes.llamacpp import llamacpp
from tests.fakes.other_apps import in_ollama
from tests.fakes.random_models import Shape, write_llama
from tests.fakes.random_projectors import Sight, write_projector

pytest.importorskip("xllamacpp", reason="there is no wheel of xllamacpp for this platform")

from tray_app.app.root import App
from tray_app.engine import llamacpp_child
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.errors import EngineError, ErrorCode, ModelError
from tray_app.models.found import ollama as ollama_store
from tray_app.models.found.found_model import Surroundings
from tray_app.models.gguf import read_header
from tray_app.models.memory import MIB, projector_bytes
from tray_app.settings.model_settings import with_own
from tray_app.system.host import System, detect_host
from tray_app.system.paths import AppPaths
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEADLINE_S = 60.0
SMALL = Shape(width=64, layers=1, heads=2, kv_heads=2, feed_forward=64, vocabulary=400)
_WORST = re.compile(r"worst-case memory usage of mmproj is ([\d.]+) MiB")


def picture(side: int = 8) -> str:
    """A gray square as the base64 of a PNG."""
    rows = b"".join(b"\0" + b"\x80" * (3 * side) for _ in range(side))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunks).decode()


def with_part(part: dict[str, Any]) -> dict[str, Any]:
    content = [{"type": "text", "text": "What is it?"}, part]
    return {"max_tokens": 2, "messages": [{"role": "user", "content": content}]}


def seen_at(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


@pytest.fixture
def app() -> Iterator[App]:
    """An app whose chosen model has a projector beside it, on a port of its own."""
    app = App(AppPaths.from_environment(os.environ), detect_host(), {"port": free_port(), "model": "seeing"})
    app.models_folder.mkdir(parents=True)
    write_llama(app.models_folder / "seeing.gguf", SMALL)
    write_llama(app.models_folder / "blind.gguf", SMALL)
    write_projector(app.models_folder / "mmproj-seeing.gguf", name="Other")
    yield app
    app.close()


def started(app: App) -> LaunchPlan:
    app.start_server()
    plan = app.wait_until_ready(DEADLINE_S)
    assert isinstance(plan, LaunchPlan)
    return plan


def test_a_model_of_ollama_sees_with_the_projector_in_its_store(app: App, tmp_path: Path) -> None:
    store = tmp_path / "ollama"
    blob = in_ollama(
        store, "library/sees/1b", write_llama(tmp_path / "m", SMALL), write_projector(tmp_path / "p")
    )
    (found,) = ollama_store.find(Surroundings(tmp_path, {"OLLAMA_MODELS": str(store)}, System.LINUX))
    app.upkeep.adopted.add(found, "sees-1b")
    app.change(model="sees:1b")

    plan = started(app)

    assert (plan.model.path, plan.sees) == (blob, True)
    with OpenAI(base_url=app.status().server.base_url, api_key="none") as client:
        content: Any = with_part(seen_at(f"data:image/png;base64,{picture()}"))["messages"]
        answer = client.chat.completions.create(model="sees:1b", messages=content, max_tokens=2)
    assert answer.usage
    assert answer.usage.completion_tokens == 2


@pytest.mark.client("openai Python", "chat with an image")
def test_a_model_sees_with_the_projector_beside_it_until_its_setting_says_otherwise(app: App) -> None:
    seeing = started(app)
    with OpenAI(base_url=app.status().server.base_url, api_key="none") as client:
        models = {each.id: each.model_dump()["meta"]["pictures"] for each in client.models.list()}
        assert models == {"seeing": True, "blind": False}
        content: Any = with_part(seen_at(f"data:image/png;base64,{picture()}"))["messages"]
        answer = client.chat.completions.create(model="seeing", messages=content, max_tokens=2)
        assert answer.usage
        assert answer.usage.completion_tokens == 2

        app.apply(with_own(app.store.current, "seeing", {"projector": "none"}))
        app.wait_until_ready(DEADLINE_S)

        models = {each.id: each.model_dump()["meta"]["pictures"] for each in client.models.list()}
        assert models == {"seeing": False, "blind": False}
        with pytest.raises(BadRequestError, match="reads only text") as refusal:
            client.chat.completions.create(model="seeing", messages=content, max_tokens=2)
        assert refusal.value.code == "unsupported_content"
        blind = app.status().engine.plan
        assert isinstance(blind, LaunchPlan)
        assert seeing.memory_bytes > blind.memory_bytes


def test_a_projector_of_another_model_fails_the_start_and_is_named(app: App) -> None:
    other = write_projector(app.models_folder / "other.gguf", Sight(makes=32))
    app.apply(with_own(app.store.current, "seeing", {"projector": "other.gguf"}))
    app.start_server()
    with pytest.raises(EngineError, check=coded(ErrorCode.PROJECTOR_UNUSABLE)) as error:
        app.wait_until_ready(DEADLINE_S)
    assert str(other) in error.value.title


def test_what_is_no_projector_is_said_before_the_engine_starts(app: App) -> None:
    app.apply(with_own(app.store.current, "seeing", {"projector": "blind.gguf"}))
    with pytest.raises(ModelError, check=coded(ErrorCode.PROJECTOR_UNUSABLE)):
        app.preview(app.store.current)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_llama(folder / "seeing.gguf", SMALL)
    write_projector(folder / "mmproj-seeing.gguf")
    return folder


@pytest.fixture(scope="module")
def url(files: Path) -> Iterator[str]:
    with (
        llamacpp(files / "seeing.gguf", mmproj=files / "mmproj-seeing.gguf") as engine,
        gateway_to(engine, native_routes=True) as base_url,
    ):
        yield base_url


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("prefix", ["data:image/png;base64,", ""])
def test_a_picture_in_the_request_is_seen(url: str, prefix: str, stream: bool) -> None:
    body = with_part(seen_at(prefix + picture())) | {"stream": stream}
    answer = post(f"{url}/chat/completions", body)
    assert answer.status_code == 200, answer.text
    assert "choices" in answer.text

    blind = post(f"{url}/chat/completions", with_part({"type": "text", "text": "?"}))
    if not stream:
        more = answer.json()["usage"]["prompt_tokens"] - blind.json()["usage"]["prompt_tokens"]
        assert more > 3  # its pieces are tokens


@pytest.mark.client(
    "ollama Python",
    "chat, generate with images, with a vision model",
    how="with a projector next to the model",
)
def test_ollamas_client_sends_pictures(url: str) -> None:
    with ollama.Client(host=url.removesuffix("/v1")) as client:
        message = {"role": "user", "content": "What?", "images": [picture()]}
        chat = client.chat(model="tiny", messages=[message], options={"num_predict": 2})
        generated = client.generate("tiny", "What?", images=[picture()], options={"num_predict": 2})
    assert (chat.eval_count, generated.eval_count) == (2, 2)


@pytest.mark.client(
    "anthropic Python", "messages.create with an image", how="with a projector next to the model"
)
def test_anthropics_client_sends_pictures(url: str) -> None:
    import anthropic  # takes seconds

    source: Any = {"type": "base64", "media_type": "image/png", "data": picture()}
    content: Any = [{"type": "image", "source": source}, {"type": "text", "text": "What?"}]
    ask: Any = {"model": "tiny", "max_tokens": 2, "messages": [{"role": "user", "content": content}]}
    with anthropic.Anthropic(base_url=url.removesuffix("/v1"), api_key="none", max_retries=0) as client:
        assert client.messages.create(**ask).usage.output_tokens == 2
        content[0]["source"] = {"type": "url", "url": "http://127.0.0.1:9/x.png"}
        with pytest.raises(anthropic.BadRequestError, match="not downloaded"):
            client.messages.create(**ask)


@pytest.mark.client(
    "openai Python", "responses.create with a picture", how="with a projector next to the model"
)
def test_openais_client_sends_pictures_in_responses(url: str) -> None:
    part = {"type": "input_image", "image_url": f"data:image/png;base64,{picture()}"}
    asked: Any = [{"role": "user", "content": [{"type": "input_text", "text": "What?"}, part]}]
    with OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        answer = client.responses.create(model="tiny", input=asked, max_output_tokens=2)
        assert answer.usage
        assert answer.usage.output_tokens == 2
        part["image_url"] = "http://127.0.0.1:9/x.png"
        with pytest.raises(BadRequestError, match="not downloaded"):
            client.responses.create(model="tiny", input=asked, max_output_tokens=2)


@pytest.mark.client("4D AI Kit", "chat.vision, with a vision model", how="with a projector next to the model")
def test_ai_kit_sends_pictures(url: str) -> None:
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture()}", "detail": "low"}}
    sent = aikit.message("user", [{"type": "text", "text": "What is it?"}, part])
    result = aikit.chat(sent, max_completion_tokens=2).send(url)
    assert result.success


@pytest.mark.parametrize(
    "part",
    [
        seen_at("http://127.0.0.1:9/x.png"),
        seen_at("https://example.org/x.png"),
        seen_at("file:///etc/passwd"),
        {"type": "video_url", "video_url": {"url": "http://127.0.0.1:9/x"}},
        {"type": "video_url", "video_url": {"data": "http://127.0.0.1:9/x"}},
        {"type": "input_video", "input_video": {"data": "http://127.0.0.1:9/x"}},
    ],
)
@pytest.mark.parametrize("route", ["/v1/chat/completions", "/apply-template"])
def test_nothing_is_fetched_from_an_address(url: str, part: dict[str, Any], route: str) -> None:
    answer = post(url.removesuffix("/v1") + route, with_part(part))
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, "messages", "unsupported_content")
    assert "messages[0].content[1]: images are not downloaded" in error["message"]


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (seen_at("data:image/png;base64,AAAA"), "could not be read"),
        (seen_at("data:image/png;base64,!!!!"), "could not be read"),
        (seen_at("data:application/pdf;base64,JVBERi0="), "could not be read"),
        ({"type": "image_url", "image_url": picture()}, "could not be read"),
        ({"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0="}}, "no files"),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}, "does not support sound"),
    ],
)
def test_what_is_no_picture_is_the_clients_fault(url: str, part: dict[str, Any], words: str) -> None:
    answer = post(f"{url}/chat/completions", with_part(part))
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, "messages"), error
    assert words in error["message"]


@pytest.mark.parametrize(
    "sight",
    [
        Sight(width=256, heads=4, feed_forward=1024, picture=448, patch=14, layers=2),
        Sight(width=1152, heads=16, feed_forward=4304, picture=896, patch=14),
    ],
    ids=["small", "as Gemma 3"],
)
def test_the_memory_is_at_least_what_llama_cpp_expects(tmp_path: Path, sight: Sight) -> None:
    model = write_llama(tmp_path / "m.gguf", SMALL)
    projector = write_projector(tmp_path / "mmproj.gguf", sight)
    options = (
        "--model",
        model,
        "--mmproj",
        projector,
        "--port",
        "0",
        "--ctx-size",
        "512",
        "--verbosity",
        "4",
    )
    command = [sys.executable, "-P", llamacpp_child.__file__, *map(str, options)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as engine:
        try:
            expected = next(float(found[1]) for line in engine.stderr or () if (found := _WORST.search(line)))
        finally:
            engine.kill()

    counted = projector_bytes(read_header(projector).projection, projector.stat().st_size) / MIB
    assert expected <= counted <= 1.5 * expected
