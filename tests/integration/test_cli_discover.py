"""`powerinfer-tray models search`, `models files`, and `download` of a repository: what is seen of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openai
import pytest

from tests.fakes.file_server import SparseContent
from tests.fakes.hub import FakeHub
from tests.fakes.models import model_bytes
from tests.fakes.program import command_here, running
from tests.fakes.tiny_models import BUILTIN_DIMENSIONS
from tray_app.errors import ErrorCode
from tray_app.models.library import builtin_model
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GIB = 1 << 30
LARGER_THAN_ANY_MEMORY = {"Q3_K_S": 5000 * GIB, "Q2_K": 4000 * GIB}


@pytest.fixture
def hub(private_home: Path) -> Iterator[FakeHub]:
    with FakeHub() as hub:
        (private_home / "settings.toml").write_text(f'hf_endpoint = "{hub.base_url}"\n')
        yield hub


def document(*arguments: str, code: int = 0) -> Any:
    """The JSON that a command prints."""
    result = command_here(*arguments, "--json")
    assert result.returncode == code, result.stdout + result.stderr
    return json.loads(result.stdout)


def printed(*arguments: str, code: int = 0) -> str:
    """What a person sees of it."""
    result = command_here(*arguments)
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout + result.stderr


def test_a_model_is_found_picked_downloaded_served_and_embeds(hub: FakeHub, private_home: Path) -> None:
    content = builtin_model().read_bytes()
    hub.add("someone/unrelated-GGUF", {"m.gguf": 1}, downloads=9)
    hub.add(
        "maker/Tiny-GGUF",
        {"Tiny-Q4_K_M.gguf": content, "Tiny-Q8_0.gguf": content, "Tiny-F16.gguf": content, "README.md": b"#"},
        downloads=5,
        cardData={"license": "mit", "language": ["fr"]},
        gguf={"total": 190_000},
    )
    hub.rename("maker/Tiny-old", "maker/Tiny-GGUF")

    [found] = document("models", "search", "maker", "tiny")["repositories"]
    [offered] = document("models", "files", found["repository"])["models"]
    downloaded = document("download", "hf:maker/Tiny-old")

    assert (found["license"], found["languages"], found["parameters"]) == ("mit", ["fr"], 190_000)
    assert {each["quantization"]: each["fit"] for each in offered["quantizations"]} == {
        "Q4_K_M": "fits",
        "Q8_0": "fits",
        "F16": "fits",
    }
    assert offered["best"] == "Tiny-Q8_0.gguf"
    assert downloaded["path"] == str(private_home / "models" / "Tiny-Q8_0.gguf")
    assert downloaded["sha256"] == offered["quantizations"][2]["files"][0]["sha256"]
    assert downloaded["picked"].startswith("Tiny-Q8_0.gguf (")

    port = free_port()
    with running("serve", "--model", "Tiny-Q8_0", "--port", str(port)) as program:
        program.line_with("Ready:")
        client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none")
        answer = client.embeddings.create(model="Tiny-Q8_0", input="Bonjour")
        program.interrupt()
    assert len(answer.data[0].embedding) == BUILTIN_DIMENSIONS


def test_people_read_what_there_is_and_which_is_the_best(hub: FakeHub) -> None:
    content = model_bytes()
    repository = hub.add(
        "maker/Tiny-GGUF",
        {
            "Tiny-Q4_K_M.gguf": content,
            "Tiny-Q8_0.gguf": content,
            "Tiny-F32.gguf": 900 * GIB,
            "mmproj-F16.gguf": 700,
        },
        downloads=12_345,
        likes=6,
        lastModified="2026-10-01T00:00:00.000Z",
        cardData={"license": "gemma", "language": ["en", "fr", "ja", "de", "it", "es"]},
        gguf={"total": 7_600_000_000},
    )
    repository.gated = True

    searched = printed("models", "search", "tiny")
    assert "maker/Tiny-GGUF" in searched
    assert "12,345" in searched
    assert "7.6 B" in searched
    assert "en fr ja de +2" in searched
    assert "gemma (requires accepting terms)" in searched

    repository.gated = False
    listed = printed("models", "files", "hf:maker/Tiny-GGUF")
    lines = listed.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["quantization", "Q4_K_M", "Q8_0", "F32"]
    assert "does not fit" in lines[3]
    assert ["best" in line for line in lines[1:4]] == [False, True, False]
    assert "best: Tiny-Q8_0.gguf. It fits" in listed
    assert "projector: mmproj-F16.gguf, 700 bytes" in listed


def test_a_download_says_what_it_picked(hub: FakeHub) -> None:
    content = model_bytes()
    hub.add("o/r", {"m-Q6_K.gguf": content, "m-Q2_K.gguf": content})
    told = printed("download", "hf:o/r")
    assert "is the best of 2 files" in told
    assert "Saved " in told


def test_a_repository_with_one_model_needs_no_choice(hub: FakeHub) -> None:
    hub.add("o/r", {"m-Q2_K.gguf": model_bytes()})
    assert document("download", "hf:o/r")["picked"] is None


@pytest.mark.parametrize("source", ["hf:o/r", "hf.co/o/r:Q6_K"])
def test_a_model_that_sees_comes_with_its_projector_called_as_it_is(
    hub: FakeHub, private_home: Path, source: str
) -> None:
    content, eyes = model_bytes(), model_bytes(architecture="clip", extra={"general.type": "mmproj"})
    files = {"m-Q6_K.gguf": content, "m-Q2_K.gguf": content}
    hub.add("o/r", files | {"mmproj-F32.gguf": eyes, "mmproj-F16.gguf": eyes, "mmproj-BF16.gguf": eyes})

    document("download", source)

    there = {each.name for each in (private_home / "models").glob("*.gguf")}
    assert there == {"m-Q6_K.gguf", "mmproj-m-F16.gguf"}


def test_of_a_file_that_is_named_nothing_else_comes(hub: FakeHub, private_home: Path) -> None:
    hub.add("o/r", {"m-Q6_K.gguf": model_bytes(), "mmproj-F16.gguf": 3})

    printed("download", "hf:o/r/m-Q6_K.gguf")

    assert [each.name for each in (private_home / "models").glob("*.gguf")] == ["m-Q6_K.gguf"]


def test_info_of_a_repository_is_that_of_its_best_file(hub: FakeHub) -> None:
    content = model_bytes()
    hub.add("o/r", {"m-Q6_K.gguf": content, "m-Q2_K.gguf": content})
    assert document("models", "info", "hf:o/r")["id"] == "m-Q6_K"


def test_where_nothing_fits_nothing_is_downloaded(hub: FakeHub, private_home: Path) -> None:
    huge = {label: SparseContent(size, model_bytes(), b"") for label, size in LARGER_THAN_ANY_MEMORY.items()}
    hub.add("o/r", {f"m-{label}.gguf": content for label, content in huge.items()})

    error = document("download", "hf:o/r", code=1)["error"]

    assert error["code"] == ErrorCode.MODEL_TOO_LARGE
    assert "The smallest, m-Q2_K.gguf, needs 4,0" in error["message"]
    assert "hf:o/r/m-Q2_K.gguf" in error["hint"]
    assert "None of them fits" in printed("models", "files", "o/r")
    assert not list((private_home / "models").glob("*"))


def test_different_models_in_one_repository_are_no_choice_for_a_program(hub: FakeHub) -> None:
    content = model_bytes()
    hub.add("o/r", {"a-Q8_0.gguf": content, "a-Q4_0.gguf": content, "b-Q8_0.gguf": content})

    error = document("download", "hf:o/r", code=1)["error"]
    listed = document("models", "files", "o/r")["models"]

    assert error["code"] == ErrorCode.REPOSITORY_TAG_AMBIGUOUS
    assert "a-Q8_0.gguf" in error["message"]
    assert [each["best"] for each in listed] == ["a-Q8_0.gguf", "b-Q8_0.gguf"]


def test_a_gated_repository_is_listed_and_its_terms_are_named(hub: FakeHub) -> None:
    content = model_bytes()
    hub.add("o/r", {"m-Q8_0.gguf": content, "m-Q4_0.gguf": content}).gated = True

    listed = document("models", "files", "o/r")["models"][0]
    error = document("download", "hf:o/r", code=1)["error"]

    assert [each["fit"] for each in listed["quantizations"]] == [None, None]
    assert (listed["problem"]["code"], listed["best"]) == (ErrorCode.TERMS_NOT_ACCEPTED, None)
    assert error["code"] == ErrorCode.TERMS_NOT_ACCEPTED
    assert "accept the terms" in printed("models", "files", "o/r")


def test_what_is_no_repository_is_refused_in_words(hub: FakeHub) -> None:
    hub.add("o/empty", {"model.safetensors": 5})
    codes = {
        document("models", "files", text, code=1)["error"]["code"]
        for text in ("hf:o/r/m.gguf", "https://example.org/m.gguf", "nothing", "a/b/c d")
    }
    assert codes == {ErrorCode.ADDRESS_INVALID}
    assert document("models", "files", "o/gone", code=1)["error"]["code"] == ErrorCode.REPOSITORY_NOT_FOUND
    assert "There is no GGUF model in o/empty" in printed("models", "files", "o/empty")
    error = document("download", "hf:o/empty", code=1)["error"]
    assert error["code"] == ErrorCode.REPOSITORY_WITHOUT_MODELS


def test_nothing_found_says_what_to_try(hub: FakeHub) -> None:
    assert "Try fewer words" in printed("models", "search", "there is none")
    assert len(hub.requests) == 1


def test_words_that_are_no_letters_are_searched_for_all_the_same(hub: FakeHub) -> None:
    assert "Try fewer words" in printed("models", "search", "caf\udce9")
    [asked] = hub.requests
    assert asked.query["search"] == "caf\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("models search bge", "The search for models is not possible because 127.0.0.1"),
        ("models files o/r", "Could not reach 127.0.0.1"),
        ("download hf:o/r", "Could not reach 127.0.0.1"),
    ],
)
def test_without_a_network_it_says_what_is_not_possible(private_home: Path, command: str, said: str) -> None:
    (private_home / "settings.toml").write_text(f'hf_endpoint = "http://127.0.0.1:{free_port()}"\n')

    result = command_here(*command.split())

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {said}")
    assert "internet connection" in result.stderr
