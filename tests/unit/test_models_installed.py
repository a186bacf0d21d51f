"""Which models can be served: always what the disk has now, and read only where something has changed."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.fakes.models import write_model, write_split_model, write_truncated_model
from tray_app.models.catalog import CatalogEntry
from tray_app.models.file_errors import unreadable
from tray_app.models.gguf import read_header
from tray_app.models.library import Library

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.models.header import ModelHeader
    from tray_app.models.model import Installed

TEST = CatalogEntry(id="test", name="Built-in", file_name="test.gguf", size_bytes=1, note="Checks.")
BAMBOO = CatalogEntry(
    id="bamboo-7b-q4",
    name="Bamboo 7B",
    source="hf:PowerInfer/Bamboo/bamboo.Q4_0.gguf",
    file_name="bamboo.Q4_0.gguf",
    size_bytes=4_680_000_000,
    note="Sparse.",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def aliases() -> dict[str, str]:
    return {}


@pytest.fixture
def library(folder: Path, tmp_path: Path, aliases: dict[str, str]) -> Library:
    builtin = write_model(tmp_path / "app" / "test.gguf")
    return Library(folder, (TEST, BAMBOO), builtin, aliases=lambda: dict(aliases))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files whose headers were read, in order."""
    names: list[str] = []

    def noted(path: Path) -> ModelHeader:
        names.append(path.name)
        return read_header(path)

    monkeypatch.setattr("tray_app.models.headers.read_header", noted)
    return names


def ids(installed: Installed) -> list[str]:
    return [model.id for model in installed.models]


def test_nothing_is_known_before_the_first_look_and_the_builtin_model_after_it(library: Library) -> None:
    assert library.known().models == ()
    assert library.known().names.resolve("test") is None

    assert ids(library.installed()) == ["test"]
    assert library.known() is library.installed()
    assert library.known().names.resolve("test.gguf") == "test"


def test_the_models_are_those_of_the_contents_and_have_the_time_of_their_newest_file(
    library: Library, folder: Path
) -> None:
    write_model(folder / "b.gguf")
    write_model(folder / BAMBOO.file_name, sparse=True)
    write_truncated_model(folder / "half.gguf")
    *_, last = write_split_model(folder / "sub", "big", 3)
    os.utime(last, (2_000_000_000, 2_000_000_000.9))
    os.utime(folder / "b.gguf", (0, 1_000.5))

    found = library.installed()

    assert found.models == library.contents().models
    assert (found.created["b"], found.created["big-00001-of-00003"]) == (1_000, 2_000_000_000)
    assert found.created.keys() == {*ids(found)}
    assert found.names.resolve("sub/big") == "big-00001-of-00003"
    assert found.names.resolve("bamboo.q4_0.gguf") == found.names.resolve(BAMBOO.id) == BAMBOO.id
    assert found.names.resolve("half") is None


def test_a_look_reads_only_what_has_changed_and_gives_the_same_value_if_nothing_has(
    library: Library, folder: Path, read: list[str]
) -> None:
    write_model(folder / "a.gguf")
    write_truncated_model(folder / "half.gguf")
    first = library.installed()
    assert sorted(read) == ["a.gguf", "half.gguf", "test.gguf"]

    read.clear()
    assert library.installed() is first
    assert read == []

    write_model(folder / "b.gguf")
    assert ids(library.installed()) == ["a", "b", "test"]
    assert "a.gguf" not in read


def test_every_change_of_the_folder_is_seen_at_once(library: Library, folder: Path) -> None:
    assert ids(library.installed()) == ["test"]
    write_model(folder / "a.gguf")
    assert ids(library.installed()) == ["a", "test"]
    write_truncated_model(folder / "b.gguf")
    assert ids(library.installed()) == ["a", "test"]
    write_model(folder / "b.gguf")
    assert ids(library.installed()) == ["a", "b", "test"]
    (folder / "a.gguf").rename(folder / "c.gguf")
    assert ids(library.installed()) == ["b", "c", "test"]
    assert library.known().names.resolve("a") is None
    (folder / "b.gguf").unlink()
    assert ids(library.installed()) == ["c", "test"]
    assert library.known().names.resolve("b.gguf") is None
    shutil.rmtree(folder)
    assert ids(library.installed()) == ["test"]


def test_another_file_of_the_same_size_and_time_in_its_place_is_seen(library: Library, folder: Path) -> None:
    path, other = write_model(folder / "a.gguf"), folder / "other"
    before = library.installed()
    write_model(other, sparse=True)
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    assert other.stat().st_size == path.stat().st_size

    other.replace(path)

    if sys.platform != "win32":  # which has no time for a change of name
        assert library.installed() is not before
        assert library.installed().models[0].header.sparse


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="all may be read here")
def test_a_file_that_its_folder_gives_out_again_is_there_again(library: Library, folder: Path) -> None:
    write_model(folder / "sub" / "a.gguf")
    assert ids(library.installed()) == ["a", "test"]
    (folder / "sub").chmod(0o400)
    assert ids(library.installed()) == ["test"]
    (folder / "sub").chmod(0o700)
    assert ids(library.installed()) == ["a", "test"]


def test_a_file_that_could_not_be_read_is_tried_again(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(folder / "a.gguf")

    def fail(path: Path) -> ModelHeader:
        if path.name == "a.gguf":
            raise unreadable(path, path.name, "Input/output error")
        return read_header(path)

    with monkeypatch.context() as broken:
        broken.setattr("tray_app.models.headers.read_header", fail)
        assert ids(library.installed()) == ["test"]
    assert ids(library.installed()) == ["a", "test"]


def test_other_aliases_hold_at_once_and_without_a_look(
    library: Library, folder: Path, aliases: dict[str, str], read: list[str]
) -> None:
    write_model(folder / "a.gguf")
    library.installed()
    read.clear()
    shutil.rmtree(folder)

    aliases["gpt-4o"] = "a"

    assert library.known().names.resolve("GPT-4o") == "a"
    assert library.known() is library.known()
    assert read == []
    assert library.installed().names.resolve("gpt-4o") is None


def test_who_asks_after_a_file_has_arrived_gets_it_whatever_others_are_looking_at(
    library: Library, folder: Path
) -> None:
    folder.mkdir()
    rounds = 25

    def arrive(name: str) -> str:
        for number in range(rounds):
            write_model(folder / f"{name}{number}.gguf")
            assert library.installed().names.resolve(f"{name}{number}.gguf") == f"{name}{number}"
            (folder / f"{name}{number}.gguf").unlink()
            assert library.installed().names.resolve(f"{name}{number}") is None
        return name

    done = threading.Event()
    with ThreadPoolExecutor(8) as pool:
        reader = pool.submit(lambda: [library.known().names.resolve("test") for _ in iter(done.is_set, True)])
        assert list(pool.map(arrive, "uvwxyz")) == list("uvwxyz")
        done.set()
        assert {*reader.result()} <= {None, "test"}
    assert ids(library.known()) == ["test"]
