"""`powerinfer-tray models …`: what a person and a program are told, and how the commands end."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import openai
import pytest
from gguf import PoolingType

from tests.fakes.file_server import FileServer
from tests.fakes.models import HTML_PAGE, model_bytes, write_model, write_split_model, write_truncated_model
from tests.fakes.program import command_here, powerinfer_tray, running
from tests.fakes.random_embedders import Kind, write_embedder
from tray_app.errors import ErrorCode
from tray_app.models.library import builtin_model
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.models import Value


def document(*arguments: str, code: int = 0) -> Any:
    """The JSON that a command prints."""
    result = command_here(*arguments, "--json")
    assert result.returncode == code, result.stdout + result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def folder(private_home: Path) -> Path:
    return private_home / "models"


def test_info_says_what_a_model_is_and_whether_it_fits() -> None:
    info = document("models", "info", "test")

    assert (info["architecture"], info["kind"], info["engine"]) == ("llama", "dense", "llama.cpp")
    assert (info["context_length"], info["quantization"], info["verdict"]["fit"]) == (512, "F16", "fits")
    told = command_here("models", "info", "test").stdout
    assert "memory: fits. It needs " in told
    assert {"kind: regular", "pictures: no", "chat template: yes"} <= set(told.splitlines())
    assert "\ntest: Built-in test model, chat, F16, " in f"\n{command_here('models', 'list').stdout}"


def test_info_of_a_sparse_model_names_its_engine_also_where_there_is_none(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    info = document("models", "info", str(write_model(folder / "a.gguf", sparse=True)))

    assert (info["kind"], info["engine"]) == ("sparse", "powerinfer")
    assert info["engine_problem"]["code"] == ErrorCode.POWERINFER_NOT_FOUND


def test_info_reads_an_address_and_what_a_person_has_listed(private_home: Path) -> None:
    with FileServer() as server:
        url = server.put("/some.gguf", model_bytes()).url
        (private_home / "models.toml").write_text(f'[[models]]\nid = "mine"\nsource = "{url}"\n')
        by_address, by_id = (document("models", "info", reference) for reference in (url, "mine"))

    assert by_address == by_id
    assert by_id["id"] == "mine"
    assert by_address["size_bytes"] == len(model_bytes())


@pytest.mark.parametrize("kind", ["page", "half"])
def test_info_of_what_is_no_whole_model_fails_with_the_reason(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"{kind}.gguf"
    if kind == "page":
        path.write_bytes(HTML_PAGE)
    else:
        write_truncated_model(path)

    result = command_here("models", "info", str(path))

    assert (result.returncode, result.stdout) == (1, "")
    assert {"page": "HTML page", "half": "are missing"}[kind] in result.stderr


def test_a_wrong_list_of_own_models_is_named(private_home: Path) -> None:
    (private_home / "models.toml").write_text("models = 1")

    error = document("models", "list", code=1)["error"]
    assert (error["code"], error["kind"]) == (ErrorCode.OWN_MODELS_INVALID, "model")
    assert "models.toml" in error["message"]


def test_a_model_is_imported_listed_verified_and_removed(folder: Path, tmp_path: Path) -> None:
    imported = document("models", "import", str(write_model(tmp_path / "my model.gguf")))
    listed = document("models", "list")
    verified = document("models", "verify", "my-model")
    removed = document("models", "remove", "my-model", "--for-good")

    assert imported["path"] == str(folder / "my model.gguf")
    assert [model["id"] for model in listed["models"]] == ["my-model", "test"]
    assert {"bge-small-en", "bamboo-7b-q4"} <= {entry["id"] for entry in listed["catalog"]}
    assert verified == {"ok": True, "models": [{"model": "my-model", "ok": True, "checked": "header"}]}
    assert removed == {
        "removed": [str(folder / "my model.gguf")],
        "trashed": False,
        "kept": [],
        "forgotten": [],
        "stopped_server": False,
    }
    assert list(folder.iterdir()) == []


def test_what_is_downloaded_is_verified_by_every_byte_later(folder: Path) -> None:
    with FileServer() as server:
        document("download", server.put("/some.gguf", model_bytes()).url)

    assert document("models", "verify", "some")["models"][0]["checked"] == "digest"
    with (folder / "some.gguf").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x01")
    result = command_here("models", "verify", "some")
    assert result.returncode == 1
    assert "damaged" in result.stdout


def test_without_a_name_all_files_are_verified_also_those_of_no_use(folder: Path) -> None:
    write_model(folder / "good.gguf")
    os.utime(write_truncated_model(folder / "half.gguf"), (1, 1))

    verified = document("models", "verify", code=1)

    assert {each["model"]: each["ok"] for each in verified["models"]} == {
        "good": True,
        "test": True,
        "half.gguf": False,
    }


def test_where_nothing_is_nothing_is_removed_and_that_is_said(folder: Path) -> None:
    error = document("models", "remove", str(folder / "none.gguf"), code=1)["error"]

    assert error["code"] == ErrorCode.MODEL_FILE_MISSING
    assert "none.gguf" in error["title"]


@pytest.mark.skipif(os.name == "nt", reason="the recycle bin is the person's own")
def test_a_removed_model_is_in_the_trash(
    folder: Path, private_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(private_home / "data"))
    monkeypatch.setenv("HOME", str(private_home))
    write_model(folder / "a.gguf")

    result = powerinfer_tray("models", "remove", "a")

    assert "trash" in result.stdout
    assert [path.name for path in private_home.rglob("a.gguf")] == ["a.gguf"]
    assert not (folder / "a.gguf").exists()


def test_the_builtin_model_is_not_removed() -> None:
    assert document("models", "remove", "test", code=1)["error"]["code"] == ErrorCode.MODEL_BUILT_IN


def test_files_of_no_use_are_listed_with_the_reason(folder: Path) -> None:
    folder.mkdir()
    os.utime(write_truncated_model(folder / "half.gguf"), (1, 1))

    (half,) = document("models", "list")["unusable"]

    assert (half["arriving"], half["path"]) == (False, str(folder / "half.gguf"))
    assert half["problem"]["code"] == ErrorCode.MODEL_FILE_INCOMPLETE
    printed = command_here("models", "list").stdout
    assert "cannot be used: half.gguf: The model file" in printed
    assert "available: bamboo-7b-q4: Bamboo 7B (Q4_0), 4.7 GB. " in printed


def test_the_download_of_a_split_model_brings_all_its_files(folder: Path, tmp_path: Path) -> None:
    parts = write_split_model(tmp_path, "big", 2)
    with FileServer() as server:
        urls = [server.put(f"/{part.name}", part.read_bytes()).url for part in parts]
        result = document("download", urls[0])

    assert result["path"] == str(folder / parts[0].name)
    assert [file["path"] for file in result["files"]] == [str(folder / part.name) for part in parts]
    assert result["bytes"] == sum(part.stat().st_size for part in parts)
    assert document("models", "info", "big-00001-of-00002")["kind"] == "dense"


def test_unfinished_downloads_are_listed_with_the_space_they_hold(folder: Path) -> None:
    write_model(folder / "a.gguf.part")

    (partial,) = document("models", "list")["partials"]

    assert partial["path"] == str(folder / "a.gguf.part")
    assert partial["held_bytes"] > 0


def test_a_folder_is_never_removed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    thesis = tmp_path / "Documents" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    monkeypatch.chdir(tmp_path)

    for reference in (".", "Documents", "./Documents", "Documents/", str(thesis), "./Documents/thesis.txt"):
        for more in ((), ("--yes",)):
            result = command_here("models", "remove", reference, "--for-good", *more)
            assert (result.returncode, result.stdout) == (1, "")
            assert "Traceback" not in result.stderr
    assert thesis.read_text() == "years of work"
    assert not folder.exists()


def test_a_model_outside_of_the_models_folder_is_removed_with_yes_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_model(tmp_path / "mine.gguf")
    monkeypatch.chdir(tmp_path)

    refused = command_here("models", "remove", "./mine.gguf", "--for-good")
    assert (refused.returncode, model.exists()) == (1, True)
    assert "--yes" in refused.stderr
    assert document("models", "remove", "./mine.gguf", "--for-good", "--yes")["removed"] == [str(model)]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_no_text_is_listed_looked_at_served_and_removed_by_its_id(folder: Path) -> None:
    folder.mkdir()
    model = folder / os.fsdecode(b"\x93\xfa\x96{\x8c\xea.gguf")
    shutil.copy(builtin_model(), model)
    write_model(folder / "good.gguf")
    os.utime(write_truncated_model(folder / os.fsdecode(b"half\xff.gguf")), (1, 1))
    write_model(folder / os.fsdecode(b"new\xff.gguf.part"))

    listed = document("models", "list")
    assert powerinfer_tray("models", "list").returncode == 0  # a pipe takes it
    bad = next(each["id"] for each in listed["models"] if each["id"] not in ("good", "test"))
    assert len(listed["unusable"]) == len(listed["partials"]) == 1
    assert document("models", "info", bad)["path"] == str(folder / "\ufffd\ufffd\ufffd{\ufffd\ufffd.gguf")
    assert document("models", "verify", bad)["ok"]
    with running("serve", "--model", bad, "--port", str(free_port())) as program:
        program.line_with("Ready")
        assert document("status")["chosen"]["model"] == bad
        removed = command_here("models", "remove", bad, "--for-good")
        assert document("status")["state"] == "stopped"
    assert "The server was stopped because it was using this model." in removed.stdout
    assert not model.exists()


def test_what_a_running_app_serves_is_removed_by_that_app(folder: Path) -> None:
    folder.mkdir()
    shutil.copy(builtin_model(), folder / "mine.gguf")
    with running("serve", "--model", "mine", "--port", str(free_port())) as program:
        program.line_with("Ready")
        removed = document("models", "remove", "mine", "--for-good")
        status = document("status")

    assert removed["stopped_server"]
    assert (status["serving"], status["engine"]["pid"]) == (False, None)
    assert not (folder / "mine.gguf").exists()


def test_models_in_sub_folders_are_listed_with_ids_of_their_own(folder: Path) -> None:
    for owner in ("a", "b"):
        write_model(folder / owner / "repo" / "same.gguf")

    listed = {model["name"]: model["id"] for model in document("models", "list")["models"]}

    assert listed.keys() == {"a/repo/same", "b/repo/same", "Built-in test model"}
    assert document("models", "info", listed["a/repo/same"])["path"] == str(folder / "a/repo/same.gguf")
    error = document("models", "remove", "same", code=1)["error"]
    assert error["code"] == ErrorCode.MODEL_AMBIGUOUS
    assert all(model_id in error["message"] for name, model_id in listed.items() if "same" in name)


def test_an_id_of_another_alphabet_travels_to_openais_client_and_back(folder: Path) -> None:
    folder.mkdir()
    for name in ("日本語 7B.gguf", "中文.gguf"):
        shutil.copy(builtin_model(), folder / name)
    assert [model["id"] for model in document("models", "list")["models"]] == ["中文", "日本語-7B", "test"]
    port = free_port()
    with running("serve", "--model", "日本語-7B", "--port", str(port)) as program:
        program.line_with("Ready")
        client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none")
        assert [offered.id for offered in client.models.list()] == ["中文", "日本語-7B"]
        for model_id in ("中文", "日本語-7B"):
            assert client.models.retrieve(model_id).id == model_id
            assert client.embeddings.create(model=model_id, input="x").model == model_id
            assert client.completions.create(model=model_id, prompt="x", max_tokens=1).model == model_id


@pytest.mark.parametrize(
    ("pooling", "purpose"), [(None, "chat"), (PoolingType.LAST, "embedding"), (PoolingType.RANK, "rerank")]
)
def test_list_and_info_say_what_a_model_is_for(
    folder: Path, pooling: PoolingType | None, purpose: str
) -> None:
    folder.mkdir(exist_ok=True)
    path = write_embedder(folder / "mine.gguf", Kind("llama", pooling))

    listed = json.loads(command_here("models", "list", "--json").stdout)["models"]
    assert next(each for each in listed if each["path"] == str(path))["purpose"] == purpose
    told = command_here("models", "info", str(path)).stdout
    assert f"purpose: {purpose}\n" in told
    assert "context size: 1024 tokens for each of " in told


def test_list_and_info_say_whether_a_model_sees_and_with_what(folder: Path) -> None:
    write_model(folder / "a.gguf")
    before = document("models", "info", "a")["verdict"]["weights_bytes"]
    projector = write_model(
        folder / "mmproj-a.gguf",
        extra={
            "general.architecture": "clip",
            "clip.has_vision_encoder": True,
            "clip.vision.projection_dim": 32,
        },
    )

    info = document("models", "info", "a")
    assert (info["projector"], info["pictures"]) == (str(projector), True)
    assert info["verdict"]["weights_bytes"] == before + projector.stat().st_size
    assert "sees pictures" in command_here("models", "list").stdout
    assert command_here("settings", "set", "projector", "none", "--model", "a").returncode == 0
    info = document("models", "info", "a")
    assert (info["projector"], info["pictures"]) == (None, False)


def test_the_download_of_a_model_brings_the_projector_that_is_listed_with_it(
    folder: Path, private_home: Path
) -> None:
    clip: dict[str, Value] = {"clip.has_vision_encoder": True, "clip.vision.projection_dim": 32}
    with FileServer() as server:
        model = server.put("/some.gguf", model_bytes()).url
        eyes = server.put("/eyes-mmproj.gguf", model_bytes(architecture="clip", extra=clip)).url
        (private_home / "models.toml").write_text(
            f'[[models]]\nid = "mine"\nsource = "{model}"\nprojector = "{eyes}"\n'
        )
        assert command_here("download", "mine").returncode == 0

    assert {each.name for each in folder.glob("*.gguf")} == {"some.gguf", "eyes-mmproj.gguf"}
    assert document("models", "info", "mine")["pictures"] is True


def test_recommended_is_what_runs_here_and_knows_the_persons_language(
    private_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("LC_ALL", "LC_MESSAGES", "LANGUAGE"):  # which go before it
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")
    (private_home / "models").mkdir()

    told = document("models", "recommend")
    assert told["language"] == "ja"
    assert [each["purpose"] for each in told["recommended"]] == ["embedding", "chat"]
    assert document("models", "recommend", "--language", "FR_ca")["language"] == "fr"
    wrong = document("models", "recommend", "--language", "French", code=1)["error"]
    assert (wrong["code"], wrong["title"]) == (ErrorCode.SETTING_VALUE_INVALID, "This is not a language code")

    shown = command_here("models", "recommend").stdout
    assert all(f"{each['id']}: {each['name']}, " in shown for each in told["recommended"])
    assert shown.endswith("To download one, run: powerinfer-tray download ID\n")


def test_info_says_what_the_catalogue_knows_of_a_file(folder: Path) -> None:
    path = write_model(folder / "nomic-embed-text-v1.5.Q8_0.gguf")
    os.truncate(path, 146_146_432)

    info = document("models", "info", "nomic-embed-text")

    assert info["from_catalog"]["prefix_query"] == "search_query: "
    assert (info["license"], info["languages"], info["vector_sizes"][0]) == ("Apache-2.0", ["en"], 512)
    shown = command_here("models", "info", str(path)).stdout
    assert 'prefix_document from the catalog: "search_document: "\n' in shown
    assert "vector sizes: 512, 256, 128, 64\n" in shown
