"""`models adopt`, `outdated`, `space` and `remove` of several: with made folders of six other apps, a real
server of files, and the real engine.
"""

from __future__ import annotations

import json
import os
import queue
import time
from typing import TYPE_CHECKING, Any

import openai
import pytest

from tests.fakes.crowds import eventually
from tests.fakes.file_server import FileServer, Headers
from tests.fakes.models import model_bytes, write_model
from tests.fakes.other_apps import (
    application_data,
    in_gpt4all,
    in_hugging_face,
    in_jan,
    in_llama_cpp,
    in_lm_studio,
    in_ollama,
)
from tests.fakes.program import command_here, running
from tray_app.app.root import App
from tray_app.errors import ErrorCode
from tray_app.models.library import builtin_model
from tray_app.system.host import detect_host
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.app.status import AppStatus

WAIT_S = 30


def document(*arguments: str, code: int = 0) -> Any:
    """The JSON that a command prints."""
    result = command_here(*arguments, "--json")
    assert result.returncode == code, result.stdout + result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's, in which other apps are."""
    made = tmp_path / "person"
    made.mkdir()
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(made))
    others = "OLLAMA_MODELS OLLAMA_HOME LLAMA_CACHE HF_HOME HF_HUB_CACHE HUGGINGFACE_HUB_CACHE XDG_CACHE_HOME"
    for variable in (*others.split(), "XDG_DATA_HOME", "APPDATA", "LOCALAPPDATA"):
        monkeypatch.delenv(variable, raising=False)
    return made


@pytest.fixture
def folder(private_home: Path) -> Path:
    return private_home / "models"


def as_each_app_has_it(home: Path, tmp_path: Path) -> dict[str, Path]:
    """The built-in model, a little different for each, as each of the six apps keeps it; by their names."""
    system = detect_host().system
    cache = {"macos": "Library/Caches", "windows": "AppData/Local"}.get(system, ".cache")

    def made(name: str) -> Path:
        path = tmp_path / name
        path.write_bytes(builtin_model().read_bytes() + name.encode())
        return path

    hub = home / ".cache" / "huggingface" / "hub"
    return {
        "lm": in_lm_studio(home, made("lm.gguf"))[0],
        "oll:1b": in_ollama(home / ".ollama" / "models", "library/oll/1b", made("oll")),
        "jan-hq/j": in_jan(application_data(home, system) / "Jan" / "data", "jan-hq/j", made("j.gguf")),
        "g4": in_gpt4all(home, system, made("g4.gguf")),
        "lc": in_llama_cpp(home / cache / "llama.cpp", "owner/name", made("lc.gguf")),
        "hf": in_hugging_face(hub, "owner/name", [made("hf.gguf")], links=os.name == "posix")[0],
    }


def pictured(folder: Path) -> dict[str, tuple[int, int]]:
    """All that is in a folder, and when it was changed."""
    return {str(each): (each.lstat().st_mtime_ns, each.lstat().st_size) for each in folder.rglob("*")}


def offered(client: openai.OpenAI) -> set[str]:
    """The ids of the models that the server lists."""
    return {each.id for each in client.models.list()}


def test_models_of_six_apps_are_used_where_they_are(home: Path, tmp_path: Path) -> None:
    there = as_each_app_has_it(home, tmp_path)
    before = pictured(home)
    assert {each["name"]: each["path"] for each in document("models", "adopt")["found"]} == {
        name: str(path) for name, path in there.items()
    }

    adopted = {each["name"]: each["id"] for each in document("models", "adopt", *there)["adopted"]}

    assert document("models", "adopt") == {"adopted": [], "found": []}
    whole = document("models", "verify", "oll:1b", "hf")["models"]
    assert [each["checked"] for each in whole] == ["digest", "digest" if os.name == "posix" else "header"]
    assert (adopted["oll:1b"], adopted["jan-hq/j"]) == ("oll-1b", "jan-hq-j")
    port = free_port()
    with running("serve", "--model", "oll:1b", "--port", str(port)) as program:
        program.line_with("Ready")
        with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none") as client:
            assert offered(client) == set(adopted.values())
            for name, model_id in adopted.items():
                assert client.embeddings.create(model=name, input="x").model in (name, model_id)
            listed = {each["id"]: each for each in document("models", "space")["models"]}
            assert all(listed[model_id]["last_used"] for model_id in adopted.values())

            removed = document("models", "remove", "lm", "g4", "--for-good")
            assert removed["removed"] == []
            assert removed["forgotten"] == [str(there["lm"]), str(there["g4"])]
            there["hf"].unlink()
            eventually(lambda: offered(client) == set(adopted.values()) - {"lm", "g4", "hf"})
            for gone in ("lm", "hf"):
                with pytest.raises(openai.NotFoundError):
                    client.embeddings.create(model=gone, input="x")
    changed = {str(there["hf"]), str(there["hf"].parent)}
    assert {path for path, _ in pictured(home).items() ^ before.items()} == changed


@pytest.mark.usefixtures("home")
def test_a_model_that_no_app_has_is_one_sentence() -> None:
    assert document("models", "adopt", "nobody", code=1)["error"]["code"] == ErrorCode.MODEL_NOT_FOUND
    assert "No other app on this computer has a model" in command_here("models", "adopt").stdout


def test_another_apps_model_is_not_told_to_be_removed_for_its_space(
    home: Path, private_home: Path, tmp_path: Path
) -> None:
    (private_home / "models").mkdir()
    (path,) = in_lm_studio(home, write_model(tmp_path / "old.gguf"))
    os.utime(path, (time.time() - 100 * 86400,) * 2)
    document("models", "adopt", "old")

    told = command_here("models", "space").stdout

    assert "in LM Studio's folder, never used, here since" in told
    assert "(unused for months)" in told
    assert "To remove the unused models" not in told
    path.write_bytes(b"no model any more")
    space = document("models", "space")
    assert (space["models"], space["unusable_bytes"], space["total_bytes"]) == ([], 0, 0)


def test_outdated_tells_by_digest_that_a_file_has_changed_at_its_source(folder: Path) -> None:
    with FileServer() as server:
        for name in ("same", "changed"):
            server.put_like_hugging_face(f"/{name}.gguf", model_bytes(name=name))
            assert command_here("download", f"{server.base_url}/{name}.gguf").returncode == 0
        write_model(folder / "mine.gguf")
        found = {each["id"]: each["freshness"] for each in document("models", "outdated")["models"]}
        assert found == {"same": "current", "changed": "current", "mine": "unknown"}
        server.put_like_hugging_face("/changed.gguf", model_bytes(name="another"))
        arrived = [len(file.requests) for file in server.files.values()]

        told = command_here("models", "outdated").stdout

        assert f"changed: the file has changed at {server.base_url}/changed.gguf" in told
        assert "same: up to date" in told
        assert "mine: not checked." in told
        assert len(arrived) == len(server.files)
    assert model_bytes(name="changed") == (folder / "changed.gguf").read_bytes()


@pytest.mark.parametrize(
    ("headers", "freshness"),
    [
        ({"ETag": '"two"'}, "newer"),
        ({"ETag": 'W/"one"'}, "current"),
        ({"ETag": "", "Last-Modified": ""}, "unknown"),
    ],
)
def test_outdated_compares_versions_where_the_source_has_no_digests(
    folder: Path, headers: dict[str, str], freshness: str
) -> None:
    with FileServer() as server:
        file = server.put("/a.gguf", model_bytes())
        file.always = Headers({"ETag": '"one"'})
        assert command_here("download", file.url).returncode == 0
        file.always = Headers(headers)

        assert document("models", "outdated")["models"][0]["freshness"] == freshness
    assert (folder / "a.gguf").exists()


def test_outdated_without_a_network_is_one_sentence(folder: Path) -> None:
    with FileServer() as server:
        assert command_here("download", server.put("/a.gguf", model_bytes()).url).returncode == 0
    assert (folder / "a.gguf").exists()

    result = command_here("models", "outdated")

    assert (result.returncode, result.stdout) == (1, "")
    assert "Could not reach 127.0.0.1" in result.stderr


def test_an_app_that_may_looks_by_itself_and_downloads_nothing(folder: Path) -> None:
    with FileServer() as server:
        address = f"{server.base_url}/a.gguf"
        server.put_like_hugging_face("/a.gguf", model_bytes())
        assert command_here("download", address).returncode == 0
        server.put_like_hugging_face("/a.gguf", model_bytes(name="another"))
        app = App.on_this_machine({"check_for_newer": True, "port": free_port()})
        seen: queue.SimpleQueue[AppStatus] = queue.SimpleQueue()
        app.changed.connect(seen.put)
        try:
            app.begin()
            while not (newer := seen.get(timeout=WAIT_S).newer_models):
                pass
            assert newer == {"a": address}
            assert (folder / "a.gguf").read_bytes() == model_bytes()

            (folder / "a.gguf").write_bytes(model_bytes(name="another"))
            while seen.get(timeout=WAIT_S).newer_models:
                pass
        finally:
            app.close()


def test_a_source_that_refuses_is_told_of_its_model_alone(folder: Path) -> None:
    with FileServer() as server:
        for name in ("a", "b"):
            url = server.put_like_hugging_face(f"/{name}.gguf", model_bytes(name=name)).url
            assert url
            assert command_here("download", f"{server.base_url}/{name}.gguf").returncode == 0
        del server.files["/a.gguf"]

        found = {each["id"]: each for each in document("models", "outdated")["models"]}

    assert (found["a"]["freshness"], found["b"]["freshness"]) == ("unknown", "current")
    assert found["a"]["why"]
    assert (folder / "a.gguf").exists()


def test_space_says_what_is_unused_and_several_are_removed_at_once(folder: Path) -> None:
    for name in ("old-1", "old-2", "new"):
        path = write_model(folder / f"{name}.gguf")
        (folder / f"{name}.gguf.sha256").write_text("x" * 5000)
        if name != "new":
            os.utime(path, (time.time() - 100 * 86400,) * 2)
    (folder / "half.gguf.part").write_bytes(bytes(4096))

    space = document("models", "space")
    held = {each["id"]: each["held_bytes"] for each in space["models"]}
    assert {each["id"] for each in space["models"] if each["unused"]} == {"old-1", "old-2"}
    assert min(held.values()) >= (folder / "new.gguf").stat().st_size + 5000
    assert space["total_bytes"] == sum(held.values()) + space["partials"][0]["held_bytes"]
    told = command_here("models", "space").stdout
    assert "To remove the unused models, run: powerinfer-tray models remove old-1 old-2" in told

    assert (
        document("models", "remove", "old-1", "nobody", code=1)["error"]["code"] == ErrorCode.MODEL_NOT_FOUND
    )
    assert (folder / "old-1.gguf").exists()
    removed = document("models", "remove", "old-1", "old-2", "old-1.gguf", "--for-good")["removed"]

    assert len(removed) == 4
    assert {each["id"] for each in document("models", "space")["models"]} == {"new"}
