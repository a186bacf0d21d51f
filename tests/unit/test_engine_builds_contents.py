from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tests.fakes.errors import coded
from tray_app.engine.builds import contents
from tray_app.engine.builds.contents import copy_given, find_program, is_archive, lay_beside
from tray_app.errors import EngineError, ErrorCode
from tray_app.system.host import System

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


@pytest.mark.parametrize(
    ("names", "system", "program"),
    [
        (("llama-b1/llama-server", "llama-b1/llama-cli"), System.LINUX, "llama-b1/llama-server"),
        (("build/bin/server", "quantize"), System.LINUX, "build/bin/server"),
        (("server", "deep/er/llama-server"), System.MACOS, "deep/er/llama-server"),
        (("a/b/llama-server", "z/llama-server"), System.LINUX, "z/llama-server"),
        (("llama-server.exe", "llama-server"), System.WINDOWS, "llama-server.exe"),
        (("bin/server.exe", "server"), System.WINDOWS, "bin/server.exe"),
    ],
)
def test_the_program_is_found_wherever_it_stands(
    tmp_path: Path, names: tuple[str, ...], system: System, program: str
) -> None:
    put(tmp_path, *names)
    assert find_program(tmp_path, tmp_path, system) == tmp_path / program


@pytest.mark.skipif(sys.platform == "win32", reason="there everything can be run")
def test_the_program_and_the_quantizer_beside_it_can_be_run_afterwards(tmp_path: Path) -> None:
    put(tmp_path, "bin/server", "bin/quantize", "bin/letter.txt")
    program = find_program(tmp_path, tmp_path, System.LINUX)

    can_be_run = [path.name for path in sorted(program.parent.iterdir()) if os.access(path, os.X_OK)]
    assert can_be_run == ["quantize", "server"]


def test_where_no_program_is_the_wanted_names_and_the_system_are_told(tmp_path: Path) -> None:
    put(tmp_path, "llama-server")
    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_NOT_IN_ARCHIVE)) as refused:
        find_program(tmp_path, tmp_path / "llama.zip", System.WINDOWS)

    assert "llama.zip" in refused.value.title
    assert "llama-server.exe or server.exe" in refused.value.message
    assert "Windows" in refused.value.hint


def test_what_is_laid_beside_a_program_replaces_nothing(tmp_path: Path) -> None:
    put(tmp_path, "bin/llama-server", "bin/ggml.dll", "runtime/ggml.dll", "runtime/sub/cudart.dll")
    lay_beside(tmp_path / "bin" / "llama-server", tmp_path / "runtime")

    there = {path.name: path.read_text() for path in (tmp_path / "bin").iterdir()}
    assert there["ggml.dll"] == "bin/ggml.dll"
    assert there["cudart.dll"] == "runtime/sub/cudart.dll"


def test_a_folder_that_was_chosen_by_mistake_is_not_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "home/llama-server", "home/letter.txt", "home/photo.jpg")
    monkeypatch.setattr(contents, "_MOST_FILES", 2)
    with pytest.raises(EngineError, check=coded(ErrorCode.ARCHIVE_TOO_LARGE)):
        copy_given(tmp_path / "home", tmp_path / "new", threading.Event())
    assert not (tmp_path / "new").exists()


def test_the_search_through_a_folder_that_was_chosen_by_mistake_ends_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, *(f"home/{letter}/letter.txt" for letter in "abcdefgh"))
    monkeypatch.setattr(contents, "_MOST_FILES", 2)
    listed: list[Path] = []
    listing = type(tmp_path).iterdir

    def note(folder: Path) -> Iterator[Path]:
        listed.append(folder)
        return listing(folder)

    monkeypatch.setattr(type(tmp_path), "iterdir", note)
    with pytest.raises(EngineError, check=coded(ErrorCode.ARCHIVE_TOO_LARGE)):
        copy_given(tmp_path / "home", tmp_path / "new", threading.Event())
    assert [folder.name for folder in listed] == ["home", "a", "b", "c"]


def test_a_copy_that_is_called_off_goes_no_further(tmp_path: Path) -> None:
    put(tmp_path, "home/llama-server")
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(EngineError, check=coded(ErrorCode.CALLED_OFF)):
        copy_given(tmp_path / "home", tmp_path / "new", cancelled)
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="makes links")
def test_a_folder_that_leads_into_itself_is_copied_once(tmp_path: Path) -> None:
    put(tmp_path, "home/llama-server")
    (tmp_path / "home" / "again").symlink_to(tmp_path / "home")
    copy_given(tmp_path / "home", tmp_path / "new", threading.Event())
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["llama-server"]


@pytest.mark.parametrize(
    ("name", "archive"),
    [("a.zip", True), ("a.TAR.GZ", True), ("a.tgz", True), ("a.tar", False), ("llama-server", False)],
)
def test_archives_are_known_by_their_names(tmp_path: Path, name: str, *, archive: bool) -> None:
    assert is_archive(tmp_path / name) is archive
