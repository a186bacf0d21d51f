"""The folder of installed engines: what is kept of each, and what is noticed when something is another."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.errors import coded
from tray_app.engine.builds import installed_files
from tray_app.engine.builds import store as store_module
from tray_app.engine.builds.build import BackEnd, InstalledBuild, SetAside, Verdict, WeightKind
from tray_app.engine.builds.store import EngineStore
from tray_app.engine.devices import EngineDevice
from tray_app.engine.engine_kind import EngineKind
from tray_app.errors import EngineError, ErrorCode
from tray_app.system import files
from tray_app.system.file_lock import locked

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.phrases import Text

HERE = "https://example.org/b1"
VERDICTS = {WeightKind.F16: Verdict(works=True), WeightKind.Q4_K: Verdict(works=False, reason="SIGSEGV")}
NO_LINKS = pytest.mark.skipif(sys.platform == "win32", reason="only administrators may make links there")


@pytest.fixture
def store(tmp_path: Path) -> EngineStore:
    return EngineStore(tmp_path / "engines")


def install(
    store: EngineStore, build_id: str = "b1-cuda", *, text: str = "program", **others: object
) -> InstalledBuild:
    """A build with a program and a library, as an installation puts it there."""
    with store.new_folder() as folder:
        staging = folder / "unpacked"
        (staging / "bin").mkdir(parents=True)
        program = staging / "bin" / "llama-server"
        program.write_text(text)
        (staging / "bin" / "libggml.so").write_text("library")
        build = InstalledBuild(
            id=build_id,
            kind=EngineKind.LLAMA_SERVER,
            back_end=BackEnd.CUDA,
            release="b1",
            program=program,
            size_bytes=0,
            source=HERE,
            sha256="ab" * 32,
            devices=(EngineDevice("RTX 4070", 12 << 30),),
            verdicts=VERDICTS,
            speed=7.5,
        )
        return store.add(staging, replace(build, **others))  # type: ignore[arg-type]


def ids(store: EngineStore) -> list[str]:
    return [each.id for each in store.installed()]


def refused(store: EngineStore, build: InstalledBuild) -> str:
    """Why a changed build is not started."""
    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_CHANGED)) as refused:
        store.check_unchanged(build)
    return refused.value.message


# Installing


def test_a_store_without_a_folder_is_empty_and_looking_makes_none(store: EngineStore) -> None:
    assert store.installed() == ()
    assert store.broken() == ()
    assert not store.folder.exists()


def test_what_was_added_is_found_with_all_that_is_known_of_it(store: EngineStore) -> None:
    added = install(store)

    (found,) = EngineStore(store.folder).installed()
    assert found == added == store.find("b1-cuda")
    assert found.program == store.folder / "b1-cuda" / "bin" / "llama-server"
    assert found.program.read_text() == "program"
    assert found.size_bytes == len("program") + len("library")
    assert (found.devices, found.verdicts, found.speed) == (added.devices, VERDICTS, 7.5)
    assert (found.source, found.sha256, found.release) == (HERE, "ab" * 32, "b1")
    assert found.works_with(WeightKind.F16)
    assert not found.works_with(WeightKind.Q4_K)
    assert not found.works_with(WeightKind.Q8_0)
    store.check_unchanged(found)


def test_only_its_owner_looks_into_the_store(store: EngineStore) -> None:
    install(store)

    assert os.name != "posix" or store.folder.stat().st_mode & 0o077 == 0


def test_nothing_is_left_of_an_installation_that_failed(store: EngineStore) -> None:
    def unpack_half() -> None:
        with store.new_folder() as folder:
            (folder / "half").write_text("of it")
            raise ConnectionError

    with pytest.raises(ConnectionError):
        unpack_half()

    assert [path.name for path in store.folder.iterdir()] == []


def test_what_an_ended_program_has_left_is_deleted_by_the_next_installation(
    store: EngineStore,
) -> None:
    install(store, "b1-cpu")
    for name in (".new-1234", ".gone-1234"):
        (store.folder / name).mkdir()
        (store.folder / name / "file").write_text("left")

    install(store, "b2-cpu")

    assert not list(store.folder.glob(".*-1234"))
    assert ids(store) == ["b2-cpu", "b1-cpu"]


def test_what_an_ended_program_has_left_is_swept_unless_one_still_installs(store: EngineStore) -> None:
    store.sweep()
    assert not store.folder.exists()
    install(store, "b1-cpu")
    for name in (".new-1234", ".gone-1234"):
        (store.folder / name).mkdir()
    with store.new_folder() as mine:
        (mine / "file").write_text("arriving")
        (store.folder / ".gone-5678").mkdir()
        EngineStore(store.folder).sweep()
        assert (mine / "file").exists()
        assert not list(store.folder.glob(".gone-*"))
    (store.folder / ".new-5678").mkdir()
    (store.folder / ".b1-cpu.json.0a1b2c3d").write_text("{")

    store.sweep()

    assert not list(store.folder.glob(".*-*"))
    assert ids(store) == ["b1-cpu"]


def test_the_same_build_again_takes_the_place_of_the_one_before(store: EngineStore) -> None:
    before = install(store)
    store.set_aside("b1-cuda", "bge", "it crashed")

    now = install(store, text="mended")

    assert store.installed() == (now,)
    assert now.program.read_text() == "mended"
    assert now.installed_at_s > before.installed_at_s
    assert store.set_asides() == ()
    store.check_unchanged(now)


def test_the_one_before_comes_back_where_the_new_one_cannot_take_its_place(
    store: EngineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = install(store)
    rename = Path.rename

    def refuse_new(path: Path, target: Path) -> Path:
        if path.name == "unpacked":
            raise OSError(28, "No space left on device", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse_new)
    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_NOT_STORED)):
        install(store, text="mended")

    assert EngineStore(store.folder).installed() == (before,)
    store.check_unchanged(before)


def test_a_first_installation_that_cannot_be_put_in_place_leaves_nothing(
    store: EngineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path, _target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_NOT_STORED)):
        install(store)

    assert list(store.folder.iterdir()) == []


def test_a_name_that_is_none_of_a_build_is_not_put_there(store: EngineStore) -> None:
    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_NOT_STORED)):
        install(store, id="../elsewhere")

    assert list(store.folder.parent.iterdir()) == [store.folder]


def test_a_scanner_that_has_a_file_open_for_a_moment_is_waited_for(
    store: EngineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_RENAME_WAITS_S", (0.0, 0.0))
    rename, refusals = Path.rename, [PermissionError(13, "It is open"), PermissionError(13, "It is open")]

    def refuse_twice(path: Path, target: Path) -> Path:
        if refusals:
            raise refusals.pop()
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse_twice)
    install(store)

    assert ids(store) == ["b1-cuda"]


def test_two_installations_at_once_are_refused(store: EngineStore) -> None:
    with store.new_folder() as first:
        (first / "mine").write_text("here")
        with (
            pytest.raises(EngineError, check=coded(ErrorCode.ENGINES_LOCKED)),
            EngineStore(store.folder).new_folder(),
        ):
            pass
        assert (first / "mine").exists()


def test_a_program_that_holds_the_lock_too_long_is_named(
    store: EngineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_LOCK_S", 0.0)
    install(store)

    with (
        locked(store.folder / ".lock"),
        pytest.raises(EngineError, check=coded(ErrorCode.ENGINES_LOCKED)),
    ):
        store.set_aside("b1-cuda", "bge", "it crashed")


@pytest.mark.skipif(sys.platform == "win32", reason="rights are others there")
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_NOT_STORED)):
            install(EngineStore(tmp_path / "engines"))
    finally:
        tmp_path.chmod(0o700)


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "engines").write_text("not a folder")
    store = EngineStore(tmp_path / "engines")

    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_NOT_STORED)):
        install(store)
    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_NOT_STORED)):
        store.installed()


# Changed files


def library(build: InstalledBuild) -> Path:
    return build.program.with_name("libggml.so")


def in_place_of(path: Path) -> None:
    """Put a folder where a file was."""
    path.unlink()
    path.mkdir()


CHANGES: dict[str, tuple[Callable[[InstalledBuild], object], str]] = {
    "a file is gone": (lambda build: library(build).unlink(), "bin/libggml.so is missing"),
    "a file is longer": (lambda build: library(build).write_text("library!"), "bin/libggml.so was changed"),
    "a file has other bytes": (
        lambda build: library(build).write_text("LIBRARY"),
        "bin/libggml.so was changed",
    ),
    "a library was added": (
        lambda build: build.program.with_name("version.dll").write_text("loads first"),
        "bin/version.dll was added",
    ),
    "a library was added in a folder of its own": (
        lambda build: shutil.copytree(build.program.parent, build.program.parent / "more"),
        "bin/more/libggml.so was added",
    ),
    "a folder has a file's place": (
        lambda build: in_place_of(library(build)),
        "bin/libggml.so is missing",
    ),
}


@pytest.mark.parametrize(("change", "told"), CHANGES.values(), ids=CHANGES)
def test_a_build_whose_files_are_others_is_not_started(
    store: EngineStore, change: Callable[[InstalledBuild], object], told: str
) -> None:
    build = install(store)
    store.check_unchanged(build)

    change(build)

    assert told in refused(store, build)
    assert "antivirus" in refused(store, build)


@NO_LINKS
def test_a_link_in_a_files_place_or_beside_it_is_a_change(store: EngineStore, tmp_path: Path) -> None:
    build = install(store)
    (tmp_path / "elsewhere").write_text("library")

    library(build).unlink()
    library(build).symlink_to(tmp_path / "elsewhere")

    assert "bin/libggml.so is a different link" in refused(store, build)


@NO_LINKS
def test_links_of_the_build_are_kept_and_one_that_leads_elsewhere_is_a_change(store: EngineStore) -> None:
    other = install(store)
    with store.new_folder() as staging:
        (staging / "libllama.so.1").write_text("library")
        (staging / "libllama.so").symlink_to("libllama.so.1")
        (staging / "llama-server").symlink_to("libllama.so.1")
        build = store.add(staging, replace(other, id="b2", program=staging / "llama-server"))
    store.check_unchanged(build)

    (build.program.parent / "libllama.so").unlink()
    (build.program.parent / "libllama.so").symlink_to("llama-server")

    assert "libllama.so is a different link" in refused(store, build)


@pytest.mark.skipif(sys.platform == "win32", reason="made of another kind there")
def test_a_file_whose_name_is_no_text_cannot_be_kept(store: EngineStore) -> None:
    other = install(store)
    with store.new_folder() as staging:
        program = staging / "llama-server"
        program.write_text("program")
        Path(os.fsdecode(os.fsencode(staging) + b"/\xff.so")).write_text("library")
        with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_NOT_STORED)):
            store.add(staging, replace(other, id="b2", program=program))


def test_a_list_of_files_that_is_too_long_to_be_read_again_is_not_kept(
    store: EngineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = install(store)
    monkeypatch.setattr(store_module, "_MOST_MANIFEST_BYTES", 900)
    install(store)

    with store.new_folder() as staging:
        program = staging / "llama-server"
        program.write_text("program")
        for number in range(5):
            (staging / f"{number}-{'x' * 100}").touch()
        with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_NOT_STORED)):
            store.add(staging, replace(before, program=program))

    assert store.find(before.id).program.read_text() == "program"
    store.check_unchanged(store.find(before.id))


@NO_LINKS
def test_a_pipe_in_a_files_place_is_a_change_and_nobody_waits_for_its_writer(store: EngineStore) -> None:
    build = install(store)
    library(build).unlink()
    os.mkfifo(library(build))

    assert "bin/libggml.so was changed" in refused(store, build)


def test_a_file_that_only_has_another_time_is_the_same_and_read_once(
    store: EngineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = install(store)
    os.utime(library(build), ns=(1, 1))
    store.check_unchanged(build)

    def unreadable(*_: object) -> str:
        raise AssertionError("it was read again")

    monkeypatch.setattr("tray_app.engine.builds.installed_files._digest", unreadable)
    store.check_unchanged(build)


def test_a_build_that_is_installed_anew_while_it_is_looked_at_has_not_changed(
    store: EngineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, real = install(store), installed_files.differences

    def once(folder: Path, *rest: Any) -> list[Text]:
        monkeypatch.setattr(store_module, "differences", real)
        install(EngineStore(store.folder), text="newer")
        return real(folder, *rest)

    monkeypatch.setattr(store_module, "differences", once)

    store.check_unchanged(build)


def test_a_build_that_is_removed_while_it_is_looked_at_is_not_installed(
    store: EngineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, real = install(store), installed_files.differences

    def once(folder: Path, *rest: Any) -> list[Text]:
        EngineStore(store.folder).remove(build.id)
        return real(folder, *rest)

    monkeypatch.setattr(store_module, "differences", once)

    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_NOT_INSTALLED)):
        store.check_unchanged(build)


def test_a_build_that_is_replaced_while_its_notes_are_read_is_not_broken(
    store: EngineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, real = install(store), files.read_regular

    def once(*args: Any) -> bytes:
        content = real(*args)
        monkeypatch.setattr(store_module, "read_regular", real)
        install(EngineStore(store.folder), text="newer")
        return content

    monkeypatch.setattr(store_module, "read_regular", once)

    other = EngineStore(store.folder)
    assert (ids(other), other.broken()) == ([build.id], ())


def test_what_file_managers_leave_is_no_change(store: EngineStore) -> None:
    build = install(store)
    for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        build.program.with_name(name).write_text("view")

    store.check_unchanged(build)


@pytest.mark.parametrize(
    ("source", "again"),
    [(HERE, "powerinfer-tray engines install b1-cuda"), ("/home/me/my.zip", "from /home/me/my.zip")],
)
def test_a_changed_build_is_installed_again_from_where_it_came(
    store: EngineStore, source: str, again: str
) -> None:
    build = install(store, source=source)
    library(build).unlink()

    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_CHANGED)) as told:
        store.check_unchanged(build)

    assert again in told.value.hint


def test_many_changes_are_told_in_a_line(store: EngineStore) -> None:
    build = install(store)
    for number in range(10):
        build.program.with_name(f"{number}.dll").write_text("x")

    assert "2.dll was added and 7 more." in refused(store, build)


def test_a_replaced_manifest_is_a_change_also_where_it_says_what_is_there(store: EngineStore) -> None:
    build = install(store)
    manifest = build.program.parents[1] / "build.json"
    said = json.loads(manifest.read_bytes())
    said["program"] = "bin/libggml.so"
    manifest.write_text(json.dumps(said))

    assert "build.json was changed" in refused(store, build)
    (broken,) = store.broken()
    assert (broken.id, broken.error.code) == ("b1-cuda", ErrorCode.ENGINE_CHANGED)
    assert store.installed() == ()


def test_a_build_that_was_removed_is_not_installed_any_more(store: EngineStore) -> None:
    build = install(store)
    store.remove(build.id)

    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_NOT_INSTALLED)):
        store.check_unchanged(build)


# Broken notes


def spoil(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


SPOILED: dict[str, Callable[[Path], object]] = {
    "no manifest": lambda folder: (folder / "build.json").unlink(),
    "no notes": lambda folder: folder.with_name("b1-cuda.json").unlink(),
    "empty notes": lambda folder: folder.with_name("b1-cuda.json").write_bytes(b""),
    "notes that are no letters": lambda folder: folder.with_name("b1-cuda.json").write_bytes(b"\xff\xfe"),
    "notes that are a list": lambda folder: folder.with_name("b1-cuda.json").write_text("[]"),
    "a verdict on unknown weights": lambda folder: spoil(folder.with_name("b1-cuda.json"), '"F16"', '"F17"'),
    "a verdict that is none": lambda folder: spoil(folder.with_name("b1-cuda.json"), "true", '"yes"'),
    "an unknown field": lambda folder: spoil(folder.with_name("b1-cuda.json"), '"speed"', '"tempo"'),
    "notes in each other": lambda folder: folder.with_name("b1-cuda.json").write_text("[" * 100_000),
    "a folder in the notes' place": lambda folder: in_place_of(folder.with_name("b1-cuda.json")),
}


@pytest.mark.parametrize("spoiling", SPOILED.values(), ids=SPOILED)
def test_a_build_with_broken_notes_is_shown_as_broken_and_can_be_removed_or_installed_again(
    store: EngineStore, spoiling: Callable[[Path], object]
) -> None:
    good = install(store, "b1-cpu")
    build = install(store)
    spoiling(store.folder / "b1-cuda")

    (broken,) = store.broken()

    assert store.installed() == (good,)
    assert (broken.id, broken.error.code) == ("b1-cuda", ErrorCode.ENGINE_NOTES_UNREADABLE)
    assert broken.size_bytes == len("program") + len("library")
    assert "engines remove b1-cuda" in broken.error.hint
    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_NOTES_UNREADABLE)):
        store.check_unchanged(build)

    again = install(store)
    assert store.find("b1-cuda") == again
    spoiling(store.folder / "b1-cuda")
    store.remove("b1-cuda")
    assert (ids(store), store.broken()) == (["b1-cpu"], ())


def test_a_manifest_that_leads_out_of_its_folder_is_broken(store: EngineStore) -> None:
    install(store)
    manifest = store.folder / "b1-cuda" / "build.json"
    spoil(manifest, '"bin/llama-server"', '"../llama-server"')
    notes = json.loads((store.folder / "b1-cuda.json").read_bytes())
    notes["manifest_sha256"] = hashlib.sha256(manifest.read_bytes()).hexdigest()
    (store.folder / "b1-cuda.json").write_text(json.dumps(notes))

    (broken,) = store.broken()

    assert broken.error.code is ErrorCode.ENGINE_NOTES_UNREADABLE


def test_a_folder_under_another_builds_name_is_broken(store: EngineStore) -> None:
    install(store)
    shutil.copytree(store.folder / "b1-cuda", store.folder / "b2-cuda")
    shutil.copy(store.folder / "b1-cuda.json", store.folder / "b2-cuda.json")

    assert ids(store) == ["b1-cuda"]
    assert [each.id for each in store.broken()] == ["b2-cuda"]


@NO_LINKS
def test_a_link_in_a_builds_place_is_broken_and_only_the_link_is_removed(
    store: EngineStore, tmp_path: Path
) -> None:
    install(store)
    (store.folder / "b1-cuda").rename(tmp_path / "moved")
    (store.folder / "b1-cuda").symlink_to(tmp_path / "moved")

    (broken,) = store.broken()
    store.remove("b1-cuda")

    assert (broken.size_bytes, broken.error.code) == (0, ErrorCode.ENGINE_NOTES_UNREADABLE)
    assert (tmp_path / "moved" / "bin" / "llama-server").exists()
    assert store.broken() == ()


def test_what_is_no_build_is_left_alone(store: EngineStore) -> None:
    install(store)
    (store.folder / "My Folder").mkdir()
    (store.folder / "notes.txt").write_text("mine")

    assert (ids(store), store.broken()) == (["b1-cuda"], ())


# Removing and age


def test_a_removed_build_leaves_nothing(store: EngineStore) -> None:
    install(store, "b1-cpu")
    install(store)

    store.remove("b1-cuda")

    assert ids(store) == ["b1-cpu"]
    assert sorted(path.name for path in store.folder.iterdir()) == ["b1-cpu", "b1-cpu.json"]


@pytest.mark.parametrize("name", ["b9-cuda", "", "..", "../engines", "b1-cuda/bin", ".lock"])
def test_only_builds_are_removed(store: EngineStore, name: str) -> None:
    install(store)

    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_NOT_INSTALLED)):
        store.remove(name)

    assert ids(store) == ["b1-cuda"]


def test_a_build_whose_files_are_open_stays_whole(
    store: EngineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Windows does: a folder with an open file in it gets no other name."""
    build = install(store)

    def refuse(_path: Path, _target: Path) -> Path:
        raise PermissionError(13, "The process cannot access the file because it is being used")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", refuse)
        with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_IN_USE)):
            store.remove("b1-cuda")

    store.check_unchanged(build)


def test_the_build_before_is_outdated_when_the_new_one_has_served_and_no_sooner(store: EngineStore) -> None:
    old = install(store, "b1-cuda")
    install(store, "b1-vulkan", back_end=BackEnd.VULKAN)
    install(store, "mine", source="/home/me/llama.zip")
    new = install(store, "b2-cuda")
    assert store.outdated() == ()

    store.served("b1-cuda")
    assert store.outdated() == ()
    store.served(new.id)

    assert store.outdated() == (old,)


def test_a_build_of_the_persons_own_is_never_outdated_and_makes_none_so(store: EngineStore) -> None:
    install(store, "mine", source="/home/me/llama.zip")
    install(store, "b1-cuda")
    install(store, "mine-2", source="/home/me/llama2.zip")
    for build in store.installed():
        store.served(build.id)

    assert store.outdated() == ()


# Notes


def test_an_engine_is_set_aside_for_one_model_until_it_is_allowed_again(store: EngineStore) -> None:
    install(store, "b1-cpu")
    install(store)
    store.set_aside("b1-cuda", "bge", "it crashed twice")
    store.set_aside("b1-cuda", "gemma", "out of memory")
    assert EngineStore(store.folder).set_asides() == (
        SetAside("b1-cuda", "bge", "it crashed twice"),
        SetAside("b1-cuda", "gemma", "out of memory"),
    )

    store.allow_again("b1-cuda", "bge")
    assert store.set_asides() == (SetAside("b1-cuda", "gemma", "out of memory"),)
    store.allow_again("b1-cuda")
    assert store.set_asides() == ()
    store.allow_again("b1-cuda")


def test_another_proof_replaces_what_the_first_has_shown_and_nothing_else(store: EngineStore) -> None:
    before = install(store)
    store.set_aside("b1-cuda", "bge", "it crashed")

    now = store.note_proof("b1-cuda", devices=(), verdicts={WeightKind.Q4_K: Verdict(works=True)}, speed=None)

    assert now == replace(before, devices=(), speed=None)
    assert now.verdicts == {WeightKind.Q4_K: Verdict(works=True)}
    assert store.set_asides() != ()
    store.check_unchanged(now)


def test_every_change_is_told_and_what_changes_nothing_is_not(store: EngineStore) -> None:
    told: list[list[str]] = []
    store.changed.connect(lambda: told.append(ids(store)))

    install(store)
    store.set_aside("b1-cuda", "bge", "it crashed")
    store.served("b1-cuda")
    store.served("b1-cuda")
    store.allow_again("b1-cuda")
    store.allow_again("b1-cuda")
    store.remove("b1-cuda")

    assert told == [["b1-cuda"], ["b1-cuda"], ["b1-cuda"], ["b1-cuda"], []]


def test_what_is_not_installed_cannot_be_noted(store: EngineStore) -> None:
    for note in (
        lambda: store.served("b1-cuda"),
        lambda: store.set_aside("b1-cuda", "bge", "it crashed"),
        lambda: store.allow_again("b1-cuda"),
        lambda: store.find("b1-cuda"),
    ):
        with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_NOT_INSTALLED)):
            note()


def test_notes_of_several_threads_and_programs_are_all_kept(store: EngineStore) -> None:
    install(store)
    others = [EngineStore(store.folder) for _ in range(3)]

    def note(number: int) -> None:
        others[number % 3].set_aside("b1-cuda", f"model-{number}", "it crashed")

    threads = [threading.Thread(target=note, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {each.model_id for each in store.set_asides()} == {f"model-{number}" for number in range(12)}


def test_notes_are_read_again_only_when_they_are_others(
    store: EngineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(store)
    store.installed()
    monkeypatch.setattr(store_module, "read_regular", lambda *_: pytest.fail("it was read again"))

    assert ids(store) == ["b1-cuda"]
