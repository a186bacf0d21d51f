from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.fakes.errors import coded
from tests.fakes.models import write_split_model
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.launch_dir import LaunchDir, launch_dir_for, prepare
from tray_app.errors import EngineError, ErrorCode
from tray_app.system.host import System
from tray_app.system.runfolder import RunFolder


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.make(tmp_path / "runs")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "モデル"
    folder.mkdir()
    path = folder / "竹 7b.gguf"
    path.write_bytes(b"PWRI")
    return path


@pytest.mark.parametrize("system", [System.LINUX, System.MACOS])
def test_where_every_path_can_be_opened_the_full_path_is_given(system: System) -> None:
    path = Path("/home/太郎/my models/竹.gguf")
    assert launch_dir_for(path, EngineKind.POWERINFER, system) == LaunchDir(str(path))


@pytest.mark.parametrize("kind", [EngineKind.LLAMA_CPP, EngineKind.LLAMA_SERVER])
def test_llama_cpp_opens_every_path_on_windows_too(kind: EngineKind) -> None:
    assert launch_dir_for(Path("/太郎/竹.gguf"), kind, System.WINDOWS) == LaunchDir("/太郎/竹.gguf")


def test_powerinfer_on_windows_runs_apart_as_long_as_the_path_is_plain() -> None:
    path = Path("/Users/taro/models/bamboo.gguf")
    assert launch_dir_for(path, EngineKind.POWERINFER, System.WINDOWS) == LaunchDir(str(path))


@pytest.mark.parametrize("folder", ["/Users/太郎", "/Users/taro y", "/" + "long/" * 60])
def test_powerinfer_on_windows_runs_beside_a_model_whose_folder_it_could_not_name(folder: str) -> None:
    path = Path(folder, "bamboo.gguf")
    assert launch_dir_for(path, EngineKind.POWERINFER, System.WINDOWS) == LaunchDir(
        "bamboo.gguf", Path(folder)
    )


@pytest.mark.parametrize("name", ["竹.gguf", "my model.gguf"])
def test_a_file_that_it_could_not_name_gets_another_name(name: str) -> None:
    launch_dir = launch_dir_for(Path("/models", name), EngineKind.POWERINFER, System.WINDOWS)
    assert launch_dir.link == Path("/models", launch_dir.model)
    assert launch_dir.model.isascii()
    assert launch_dir.model.startswith(".powerinfer-")
    assert launch_dir == launch_dir_for(Path("/models", name), EngineKind.POWERINFER, System.WINDOWS)


BROKEN = Path("/models", "gr\udcf6n.gguf")


@pytest.mark.parametrize("kind", [EngineKind.LLAMA_CPP, EngineKind.LLAMA_SERVER, EngineKind.POWERINFER])
@pytest.mark.parametrize("path", [BROKEN, Path("/mod\udcffels", "a.gguf")])
def test_a_path_that_is_no_text_gets_plain_names(kind: EngineKind, path: Path) -> None:
    assert launch_dir_for(path, kind, System.LINUX) == LaunchDir("model.gguf", linked=True)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_all_that_an_engine_opens_has_a_plain_name_for_the_run(run: RunFolder, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"\xff")
    parts = write_split_model(folder, os.fsdecode(b"gr\xf6n"), 2)
    (folder / "activation").mkdir()
    index = parts[0].with_name(f"{parts[0].name}.generated.gpuidx")
    index.touch()

    launch_dir = launch_dir_for(parts[0], EngineKind.POWERINFER, System.LINUX)
    assert prepare(launch_dir, parts[0], run) == run.path

    assert launch_dir.model == "model-00001-of-00002.gguf"
    for link, target in {
        launch_dir.model: parts[0],
        "model-00002-of-00002.gguf": parts[1],
        f"{launch_dir.model}.generated.gpuidx": index,
        "activation": folder / "activation",
    }.items():
        assert (run.path / link).samefile(target)
    run.remove()
    assert (folder / "activation").is_dir()
    assert all(part.exists() for part in parts)


def test_usually_an_engine_runs_in_the_folder_of_its_run(run: RunFolder, model: Path) -> None:
    assert prepare(LaunchDir(str(model)), model, run) == run.path


def test_the_other_name_is_the_same_file_and_goes_with_the_run(run: RunFolder, model: Path) -> None:
    launch_dir = launch_dir_for(model, EngineKind.POWERINFER, System.WINDOWS)
    folder = prepare(launch_dir, model, run)
    assert (folder / launch_dir.model).samefile(model)
    (folder / "llama.log").write_text("all that was generated")

    run.remove()

    assert [path.name for path in folder.iterdir()] == [model.name]
    assert not run.path.exists()


def test_a_name_left_by_an_earlier_run_is_made_anew(run: RunFolder, model: Path) -> None:
    launch_dir = launch_dir_for(model, EngineKind.POWERINFER, System.WINDOWS)
    assert launch_dir.link
    launch_dir.link.write_bytes(b"of a model that has been replaced")
    prepare(launch_dir, model, run)
    assert launch_dir.link.samefile(model)


def test_a_name_that_another_process_of_the_model_has_open_is_used(
    run: RunFolder, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch_dir = launch_dir_for(model, EngineKind.POWERINFER, System.WINDOWS)
    prepare(launch_dir, model, run)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "The process cannot access the file")

    with monkeypatch.context() as windows:
        windows.setattr(type(model), "unlink", refuse)
        assert prepare(launch_dir, model, RunFolder.make(tmp_path / "runs")) == model.parent
    assert launch_dir.link
    assert launch_dir.link.samefile(model)


def test_a_log_that_was_there_before_is_not_ours_to_remove(run: RunFolder, model: Path) -> None:
    log = model.parent / "llama.log"
    log.write_text("of somebody else")
    prepare(launch_dir_for(model, EngineKind.POWERINFER, System.WINDOWS), model, run)
    run.remove()
    assert log.exists()


def test_a_drive_without_hard_links_is_told(
    run: RunFolder, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1, "Incorrect function")

    monkeypatch.setattr("os.link", refuse)
    with pytest.raises(EngineError, check=coded(ErrorCode.MODEL_FILE_NAME_UNUSABLE)) as refused:
        prepare(launch_dir_for(model, EngineKind.POWERINFER, System.WINDOWS), model, run)
    assert "Incorrect function" in refused.value.message
    assert "NTFS" in refused.value.hint
    assert [path.name for path in model.parent.iterdir()] == [model.name]
