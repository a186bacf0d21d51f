"""Removing takes a model with what belongs to it, and no folder, no text, nothing behind a link."""

from __future__ import annotations

import os
import shutil
import socket
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.fakes.errors import coded
from tests.fakes.models import HTML_PAGE, write_model, write_split_model, write_truncated_model
from tray_app.app.model_manager import ModelManager
from tray_app.errors import ErrorCode, ModelError
from tray_app.models import removal
from tray_app.models import removal as removal_module
from tray_app.models.catalog import CatalogEntry
from tray_app.models.integrity import note_checksum
from tray_app.models.library import Library
from tray_app.models.model_files import companions_of
from tray_app.models.removal import NotDiscardedError, Removal, remove_model
from tray_app.settings.schema import Settings

if TYPE_CHECKING:
    from pathlib import Path

POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has no such files, or links need rights there")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "models"
    made.mkdir()
    return made


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with what a person has there."""
    made = tmp_path / "Documents"
    (made / "thesis").mkdir(parents=True)
    (made / "thesis" / "chapter.txt").write_text("years of work")
    (made / "notes").write_text("mine")
    monkeypatch.chdir(made)
    return made


@pytest.fixture
def care(folder: Path, tmp_path: Path) -> ModelManager:
    own = CatalogEntry(id="test", name="Built-in", file_name="test.gguf", note="Checks.")
    library = Library(folder, (own,), write_model(tmp_path / "app" / "test.gguf"))
    unused = cast("Any", None)
    return ModelManager(
        library=lambda: library,
        settings=Settings,
        fetch=unused,
        served=lambda: None,
        engines=unused,
        host=unused,
        forget=unused,
    )


def everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def write_sparse_with_statistics(folder: Path, name: str = "a.powerinfer.gguf") -> Path:
    model = write_model(folder / name, sparse=True)
    model.with_name(f"{name}.generated.gpuidx").write_text("split")
    (folder / "activation").mkdir(exist_ok=True)
    (folder / "activation" / "activation_0.pt").write_text("0")
    return model


def remove(model: Path) -> Removal:
    return remove_model(model, listed=True, trash=False)


@pytest.mark.parametrize(
    "reference",
    [
        *("", " ", ".", "..", "./", "../", "~", "~/", "/", "thesis", "thesis/", "./thesis", "../Documents"),
        *("notes", "./notes", "notes/", "../Documents/notes", "{desk}", "{desk}/thesis", "{desk}/notes"),
        *(
            "{folder}",
            "{folder}/",
            "{folder}/.",
            "{folder}/..",
            "nowhere",
            "{desk}/nowhere",
            "a\0b",
            "./a\0b",
            "a\0b/c",
            "a\0b/c",
        ),
        *("link-to-thesis", "./link-to-thesis", "./link-to-notes", "./dead-link", "/dev/null", "./pipe"),
        *("./socket", "*", "hf:o/r/x.gguf", "{folder}/mine.gguf/", "{folder}/readme.txt", "{folder}/owner"),
        *("{folder}/activation", "{folder}/page.txt", "{folder}/x.gguf.part.json", "x.gguf.part.json"),
    ],
)
@pytest.mark.parametrize("anywhere", [False, True])
@POSIX
def test_what_is_no_model_stays(
    care: ModelManager, folder: Path, desk: Path, tmp_path: Path, reference: str, *, anywhere: bool
) -> None:
    for name in ("mine.gguf", "owner/other.gguf"):
        write_model(folder / name)
    (folder / "activation").mkdir()
    for name in ("readme.txt", "x.gguf.part.json"):
        (folder / name).write_text("text")
    (folder / "page.txt").write_bytes(HTML_PAGE)
    for link, target in (("thesis", "thesis"), ("notes", "notes")):
        (desk / f"link-to-{link}").symlink_to(target)
    (desk / "dead-link").symlink_to("nowhere")
    os.mkfifo(desk / "pipe")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket")
    before = everything(tmp_path)

    with pytest.raises(ModelError) as refused:
        care.remove_model(reference.format(desk=desk, folder=folder), for_good=True, anywhere=anywhere)

    assert everything(tmp_path) == before
    assert refused.value.title


def test_a_model_elsewhere_goes_only_where_that_was_said(
    care: ModelManager, desk: Path, folder: Path
) -> None:
    model = write_model(desk / "mine.gguf")

    for reference in (str(model), "./mine.gguf", "./mine"):
        with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_NOT_IN_FOLDER)) as refused:
            care.remove_model(reference, for_good=True)
        assert str(folder) in refused.value.message
        assert "--yes" in refused.value.hint
    assert care.remove_model("./mine.gguf", for_good=True, anywhere=True).paths == (model,)


@POSIX
def test_what_a_link_of_the_models_folder_leads_into_is_elsewhere(
    care: ModelManager, folder: Path, tmp_path: Path
) -> None:
    model = write_model(tmp_path / "lmstudio" / "owner" / "mine.gguf")
    (folder / "linked").symlink_to(tmp_path / "lmstudio")

    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_NOT_IN_FOLDER)):
        care.remove_model("mine", for_good=True)
    assert model.exists()


@POSIX
def test_a_models_folder_that_is_a_link_itself_is_the_models_folder(
    care: ModelManager, folder: Path, tmp_path: Path
) -> None:
    folder.rmdir()
    (tmp_path / "disk").mkdir()
    folder.symlink_to(tmp_path / "disk")
    write_model(tmp_path / "disk" / "o" / "mine.gguf")

    care.remove_model("mine", for_good=True)

    assert everything(tmp_path / "disk") == {"o"}


@pytest.mark.parametrize("name", ["mine", "mine.gguf", "{folder}/mine.gguf", "MINE"])
def test_a_model_is_removed_by_what_it_is_called(
    care: ModelManager, folder: Path, desk: Path, name: str
) -> None:
    model = write_model(folder / "mine.gguf")
    same_name = write_model(desk / "mine.gguf")

    assert care.remove_model(name.format(folder=folder), for_good=True).paths == (model,)
    assert same_name.exists()


def test_of_two_that_are_called_so_neither_is_removed(care: ModelManager, folder: Path) -> None:
    for name in ("my model.gguf", "my@model.gguf", "a/same.gguf", "b/same.gguf"):
        write_model(folder / name)
    before = everything(folder)

    for reference in ("my-model", "same.gguf"):
        with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_AMBIGUOUS)):
            care.remove_model(reference, for_good=True)
    assert everything(folder) == before


def test_of_downloads_that_are_called_so_none_is_removed(care: ModelManager, folder: Path) -> None:
    for name in ("a/same.gguf", "b/same.gguf"):
        write_model(folder / name)
    for name in ("same.gguf.part", "a/new.gguf.part", "b/new.gguf.part"):
        (folder / name).write_bytes(bytes(64))
    before = everything(folder)

    for reference in ("same.gguf", "new.gguf", "new.gguf.part"):
        with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_AMBIGUOUS)):
            care.remove_model(reference, for_good=True)
    assert everything(folder) == before

    for reference in ("a/new.gguf", str(folder / "b" / "new.gguf.part"), "same.gguf.part"):
        care.remove_model(reference)
    assert everything(folder) == {"a", "b", "a/same.gguf", "b/same.gguf"}


def test_in_a_sub_folder_the_model_goes_and_the_folder_stays(care: ModelManager, folder: Path) -> None:
    write_model(folder / "owner" / "repo" / "x.gguf")

    care.remove_model("owner/repo/x.gguf", for_good=True)

    assert everything(folder) == {"owner", "owner/repo"}


def test_files_of_no_use_can_be_removed(care: ModelManager, folder: Path) -> None:
    write_truncated_model(folder / "half.gguf")
    (folder / "page.gguf").write_bytes(HTML_PAGE)
    write_model(folder / "mmproj-x.gguf", extra={"general.type": "mmproj"})

    for reference in ("half", "page.gguf", "mmproj-x"):
        care.remove_model(reference, for_good=True)

    assert everything(folder) == set()


@pytest.mark.parametrize("reference", ["new.gguf", "new.gguf.part", "{folder}/o/new.gguf.part", "o/new.gguf"])
def test_what_a_download_has_left_is_removed_with_its_journal(
    care: ModelManager, folder: Path, reference: str
) -> None:
    part = folder / "o" / "new.gguf.part"
    part.parent.mkdir()
    part.write_bytes(bytes(64))
    part.with_name("new.gguf.part.json").write_text("{}")

    gone = care.remove_model(reference.format(folder=folder))

    assert gone == Removal((part,), trashed=False)
    assert everything(folder) == {"o"}


def test_the_model_of_the_app_stays(care: ModelManager, tmp_path: Path) -> None:
    for reference in (
        "test",
        str(tmp_path / "app" / "test.gguf"),
        str(tmp_path / "models" / ".." / "app" / "test"),
    ):
        with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_BUILT_IN)):
            care.remove_model(reference, for_good=True, anywhere=True)
    assert (tmp_path / "app" / "test.gguf").exists()


def test_removing_a_model_takes_what_belongs_to_it_alone(folder: Path) -> None:
    model = write_sparse_with_statistics(folder)
    note_checksum(model, "0" * 64)
    write_model(folder / "dense.gguf")
    (folder / "notes.txt").write_text("mine")

    gone = remove(model)

    assert everything(folder) == {"dense.gguf", "notes.txt"}
    assert len(gone.paths) == 4


def test_all_files_of_a_split_model_go(folder: Path) -> None:
    parts = write_split_model(folder, "big", 3)
    note_checksum(parts[1], "0" * 64)
    write_model(folder / "big.gguf")

    remove(parts[2])

    assert everything(folder) == {"big.gguf"}


def test_statistics_stay_while_another_sparse_model_is_beside_them(folder: Path) -> None:
    model = write_sparse_with_statistics(folder)
    write_model(folder / "other.gguf", sparse=True)

    remove(model)

    assert everything(folder) == {"other.gguf", "activation", "activation/activation_0.pt"}


@pytest.mark.parametrize("name", ["thesis.txt", "activation_0.pt/thesis.txt"])
def test_a_folder_with_anything_but_statistics_stays(folder: Path, name: str) -> None:
    model = write_sparse_with_statistics(folder)
    (folder / "activation" / "activation_0.pt").unlink()
    thesis = folder / "activation" / name
    thesis.parent.mkdir(exist_ok=True)
    thesis.write_text("years of work")

    remove(model)

    assert thesis.exists()


@POSIX
def test_statistics_that_are_a_link_are_only_unlinked(folder: Path, tmp_path: Path) -> None:
    model = write_sparse_with_statistics(folder)
    shutil.move(folder / "activation", tmp_path / "elsewhere")
    (folder / "activation").symlink_to(tmp_path / "elsewhere")

    remove(model)

    assert everything(folder) == set()
    assert (tmp_path / "elsewhere" / "activation_0.pt").exists()


@POSIX
@pytest.mark.parametrize("trash", [False, True])
def test_of_a_link_only_the_link_goes_and_what_stays_is_told(
    folder: Path, tmp_path: Path, *, trash: bool
) -> None:
    original = write_model(tmp_path / "blobs" / "abc")
    link = folder / "a.gguf"
    link.symlink_to(original)

    gone = remove_model(link, listed=True, trash=trash)

    assert (gone.paths, gone.kept) == ((link,), (original,))
    assert original.exists()
    assert not link.is_symlink()


@POSIX
def test_a_link_that_leads_nowhere_can_be_removed(care: ModelManager, folder: Path) -> None:
    (folder / "dead.gguf").symlink_to("nowhere.gguf")

    care.remove_model("dead", for_good=True)

    assert everything(folder) == set()


@POSIX
def test_what_takes_a_models_place_after_the_look_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_model(folder / "a.gguf")

    def swap_then_list(path: Path) -> tuple[Path, ...]:
        model.unlink()
        (folder / "a.gguf").mkdir()
        (folder / "a.gguf" / "thesis.txt").write_text("years of work")
        return companions_of(path)

    monkeypatch.setattr(removal_module, "companions_of", swap_then_list)
    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_REPLACED)):
        remove(model)

    assert (folder / "a.gguf" / "thesis.txt").exists()


def test_what_cannot_be_removed_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(removal, "to_trash", refuse)
    with pytest.raises(
        NotDiscardedError, check=coded(ErrorCode.MODEL_NOT_REMOVED), match=r"a\.gguf"
    ) as caught:
        remove_model(write_model(folder / "a.gguf"), listed=True, trash=True)
    assert "Permission denied" in caught.value.message
