"""The library: what a person may call a model, and which files count as models."""

from __future__ import annotations

import cProfile
import os
import sys
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.errors import coded
from tests.fakes.models import HTML_PAGE, write_model, write_split_model, write_truncated_model
from tray_app.errors import ErrorCode, ModelError
from tray_app.models.catalog import CatalogEntry
from tray_app.models.gguf import read_header
from tray_app.models.integrity import note_checksum
from tray_app.models.library import Library, models_folder
from tray_app.models.naming import AmbiguousError
from tray_app.models.references import NotInstalledError
from tray_app.settings.model_settings import with_own
from tray_app.settings.schema import Settings
from tray_app.system.paths import AppPaths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.models import Value
    from tray_app.models.header import ModelHeader

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
def library(folder: Path, tmp_path: Path) -> Library:
    return Library(folder, (TEST, BAMBOO), write_model(tmp_path / "app" / "test.gguf"))


def test_the_builtin_model_is_there_without_a_models_folder(library: Library) -> None:
    model = library.find("test")

    assert (model.id, model.name) == ("test", "Built-in")
    assert library.contents().models == (model,)


@pytest.mark.parametrize("reference", ["bamboo-7b-q4", "bamboo.Q4_0.gguf", BAMBOO.source])
def test_a_model_of_the_catalogue_that_is_not_here_can_be_downloaded(
    library: Library, reference: str
) -> None:
    with pytest.raises(NotInstalledError) as caught:
        library.find(reference)

    assert caught.value.entry == BAMBOO
    assert caught.value.hint == f"Download it: powerinfer-tray download {BAMBOO.source}"


@pytest.mark.parametrize("reference", ["bamboo-7b-q4", "bamboo.Q4_0.gguf", "bamboo.Q4_0", BAMBOO.source])
def test_a_model_of_the_catalogue_answers_to_its_id_and_its_file_name(
    library: Library, folder: Path, reference: str
) -> None:
    path = write_model(folder / BAMBOO.file_name, sparse=True)

    model = library.find(reference)

    assert (model.id, model.name, model.path) == ("bamboo-7b-q4", "Bamboo 7B", path)
    assert model.size_bytes == path.stat().st_size
    assert model.header.sparse


@pytest.mark.parametrize("reference", ["my model v0.1.gguf", "my model v0.1", "my-model-v0.1"])
def test_another_file_of_the_folder_answers_to_its_name_and_its_id(
    library: Library, folder: Path, reference: str
) -> None:
    path = write_model(folder / "my model v0.1.gguf")

    model = library.find(reference)

    assert (model.id, model.name, model.path) == ("my-model-v0.1", "my model v0.1", path)


@pytest.mark.parametrize(
    ("file_name", "expected"),
    [
        ("a:b.gguf", "a-b"),
        ("größe 7B.GGUF", "größe-7B"),
        ("模型.gguf", "模型"),
        ("test.gguf", "test.gguf"),
        ("bamboo-7b-q4.gguf", "bamboo-7b-q4.gguf"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="Windows allows no colon in a file name")
def test_ids_need_no_quoting_and_are_never_those_of_other_models(
    library: Library, folder: Path, file_name: str, expected: str
) -> None:
    path = write_model(folder / file_name)

    assert library.contents().models[0].id == expected
    assert library.find(expected).path == path


def test_a_path_may_be_absolute_relative_or_below_home(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_model(tmp_path / "elsewhere" / "mine.gguf")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))

    for reference in (
        str(path),
        str(path)[:-5],
        "elsewhere/mine.gguf",
        "./elsewhere/mine",
        "~/elsewhere/mine",
    ):
        assert library.find(reference).path == path


def test_a_single_word_never_means_a_file_of_the_current_folder(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_model(tmp_path / "elsewhere" / "mine.gguf")
    monkeypatch.chdir(path.parent)

    for word in ("mine", "mine.gguf"):
        with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_NOT_FOUND), match="mine") as caught:
            library.find(word)
        assert caught.value.hint == f"For the file in the current folder, type ./{word}"
    assert library.find("./mine").path == path


@pytest.mark.parametrize(
    ("reference", "code", "name"),
    [
        ("nowhere/x.gguf", ErrorCode.MODEL_FILE_MISSING, "x.gguf"),
        ("./test", ErrorCode.MODEL_FILE_MISSING, "test"),
        ("/x\0y/z.gguf", ErrorCode.MODEL_FILE_MISSING, "z.gguf"),
        ("~no-such-user/x", ErrorCode.MODEL_FILE_MISSING, "x"),
        ("x" * 999, ErrorCode.MODEL_NOT_FOUND, "x" * 999),
    ],
)
def test_a_path_where_nothing_is_gives_a_clear_error(
    library: Library, reference: str, code: ErrorCode, name: str
) -> None:
    with pytest.raises(ModelError) as caught:
        library.find(reference)

    assert caught.value.code is code
    assert f" {name}" in caught.value.title
    assert caught.value.hint


def test_a_folder_is_called_a_folder(library: Library, tmp_path: Path) -> None:
    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_IS_FOLDER)):
        library.find(f"{tmp_path}{os.sep}")


def test_a_models_folder_that_cannot_be_entered_is_not_taken_for_an_empty_one(
    library: Library, folder: Path
) -> None:
    folder.write_text("a file in the folder's place")

    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_FILE_UNREADABLE)):
        library.find("bamboo-7b-q4")
    assert [model.id for model in library.contents().models] == ["test"]


def test_a_missing_builtin_model_is_not_offered_for_download(library: Library, tmp_path: Path) -> None:
    (tmp_path / "app" / "test.gguf").unlink()

    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_FILE_MISSING), match=r"test\.gguf"):
        library.find("test")


def test_an_unknown_name_tells_where_was_looked(library: Library, folder: Path) -> None:
    with pytest.raises(ModelError) as caught:
        library.find("bambu")

    assert caught.value.code is ErrorCode.MODEL_NOT_FOUND
    assert "bambu" in caught.value.title
    assert str(folder) in caught.value.message


def test_no_name_at_all_asks_to_choose(library: Library) -> None:
    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_NOT_CHOSEN)):
        library.find("")


@pytest.mark.parametrize("address", ["hf:owner/repo/x.gguf", "https://example.org/x.gguf"])
def test_an_address_is_answered_with_the_command_that_downloads_it(library: Library, address: str) -> None:
    with pytest.raises(ModelError) as caught:
        library.find(address)

    assert caught.value.hint.endswith(f"powerinfer-tray download {address}")


def test_a_download_that_was_cut_off_is_not_taken_for_the_model(library: Library, folder: Path) -> None:
    write_truncated_model(folder / BAMBOO.file_name, sparse=True)

    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_FILE_INCOMPLETE)):
        library.find("bamboo-7b-q4")


def test_only_whole_models_are_listed(library: Library, folder: Path) -> None:
    write_model(folder / "b.gguf")
    write_model(folder / "a.GGUF", sparse=True)
    write_model(folder / "c.gguf.part")
    write_truncated_model(folder / "half.gguf")
    (folder / "page.gguf").write_bytes(HTML_PAGE)
    (folder / "folder.gguf").mkdir()

    assert [model.id for model in library.contents().models] == ["a", "b", "test"]


def test_a_look_at_four_times_as_many_models_is_four_times_the_work(tmp_path: Path) -> None:
    calls = []
    for number in (50, 200):
        folder = tmp_path / str(number)
        for each in range(number):
            write_model(folder / f"model-{each}.gguf")
        library = Library(folder, (TEST, BAMBOO), write_model(tmp_path / "app" / "test.gguf"))
        library.contents()  # reads the headers
        profile = cProfile.Profile()
        assert len(profile.runcall(library.contents).models) == number + 1
        calls.append(sum(each.callcount for each in profile.getstats()))

    assert calls[1] <= 4 * calls[0]


def test_hidden_files_are_no_models(library: Library, folder: Path) -> None:
    folder.mkdir()
    write_model(folder / "._mine.gguf")

    assert [model.id for model in library.contents().models] == ["test"]


def test_a_header_is_read_again_only_when_the_file_has_changed(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = write_model(folder / "a.gguf"), list[str]()

    def noted(path: Path) -> ModelHeader:
        read.append(path.name)
        return read_header(path)

    monkeypatch.setattr("tray_app.models.headers.read_header", noted)
    os.utime(path, ns=(1, 1))
    assert not library.find("a").header.sparse
    assert not library.find("a").header.sparse
    assert read == ["a.gguf"]

    write_model(path, sparse=True)
    os.utime(path, ns=(10**9, 10**9))
    assert library.find("a").header.sparse


@pytest.mark.parametrize(
    ("reference", "expected"),
    [("test", "Built-in"), ("bamboo.Q4_0.gguf", "Bamboo 7B"), ("~/x/my model.gguf", "my model"), ("", "")],
)
def test_a_name_for_people_is_had_without_looking_at_the_disk(
    library: Library, reference: str, expected: str
) -> None:
    assert library.name_of(reference) == expected


def test_two_files_of_one_name_are_told_apart_by_whatever_they_are_called(
    library: Library, folder: Path
) -> None:
    for owner in ("first", "second"):
        write_model(folder / owner / "same.gguf")

    models = {model.path.parent.name: model for model in library.contents().models}

    for owner in ("first", "second"):
        model = models[owner]
        assert library.name_of(model.id) == library.name_of(f"{owner}/same.gguf") == model.name
    assert library.name_of("same.gguf") == "same"  # which of them, nobody knows


def test_a_split_model_is_listed_once_with_the_size_of_all_its_files(library: Library, folder: Path) -> None:
    parts = write_split_model(folder, "large", 3)

    model = library.contents().models[0]

    assert (model.id, model.path) == ("large-00001-of-00003", parts[0])
    assert model.size_bytes == sum(part.stat().st_size for part in parts)
    assert model.header.parameters == 3 * 4096


def test_any_file_of_a_split_model_stands_for_all(library: Library, folder: Path) -> None:
    parts = write_split_model(folder, "large", 2)

    assert library.find(str(parts[1])).path == parts[0]


def test_a_split_model_without_one_of_its_files_is_named_with_it(library: Library, folder: Path) -> None:
    parts = write_split_model(folder, "large", 3)
    parts[1].unlink()

    with pytest.raises(
        ModelError, check=coded(ErrorCode.MODEL_FILE_MISSING), match=r"large-00002-of-00003\.gguf"
    ):
        library.find(parts[0].name)
    assert [model.id for model in library.contents().models] == ["test"]


@pytest.mark.parametrize(
    ("extra", "what"),
    [
        ({"general.type": "adapter"}, "an adapter file"),
        ({"general.type": "mmproj"}, "a projector file"),
        ({"general.type": "imatrix"}, "a supplementary file"),
    ],
)
def test_files_that_go_with_a_model_are_not_offered_as_one(
    library: Library, folder: Path, extra: dict[str, Value], what: str
) -> None:
    write_model(folder / "extra.gguf", extra=extra)

    assert [model.id for model in library.contents().models] == ["test"]
    with pytest.raises(ModelError, check=coded(ErrorCode.NOT_A_WHOLE_MODEL)) as caught:
        library.find("extra.gguf")
    assert what in caught.value.message


def test_what_unfinished_downloads_hold_is_told(library: Library, folder: Path) -> None:
    assert library.partials() == ()
    write_model(folder / "a.gguf.part")
    (folder / "a.gguf.part.json").write_text("{}")

    (partial,) = library.partials()

    assert (partial.path.name, partial.final.name) == ("a.gguf.part", "a.gguf")
    assert 0 < partial.held_bytes < 1 << 20


def test_a_download_that_ends_meanwhile_does_not_hide_the_others(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        write_model(folder / f"{name}.gguf.part")
    scan = os.scandir

    @contextmanager
    def scan_and_end_the_first(path: Path) -> Iterator[list[os.DirEntry[str]]]:
        with scan(path) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
        (folder / listed[0].name).unlink()
        yield listed

    monkeypatch.setattr(os, "scandir", scan_and_end_the_first)

    assert {"b.gguf", "c.gguf"} <= {partial.final.name for partial in library.partials()}


def test_a_models_folder_that_cannot_be_listed_still_leaves_the_model_of_the_app(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    write_model(folder / "a.gguf")
    for listing in ("scandir", "listdir"):
        monkeypatch.setattr(os, listing, refuse)

    contents = library.contents()

    assert [model.id for model in contents.models] == ["test"]
    assert contents.partials == ()


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [("", "usual"), ("/else/where", "/else/where"), ("~no-such-user/x", "~no-such-user/x")],
)
def test_the_models_folder_is_the_chosen_or_the_usual_one(chosen: str, expected: str, tmp_path: Path) -> None:
    paths = replace(AppPaths.below(tmp_path), models=Path("usual"))

    assert models_folder(Settings(models_folder=chosen), paths) == Path(expected)


def test_files_that_are_no_whole_models_are_listed_with_what_is_wrong(folder: Path, library: Library) -> None:
    write_model(folder / "good.gguf")
    write_truncated_model(folder / "half.gguf")
    (folder / "page.gguf").write_bytes(HTML_PAGE)
    write_model(folder / "old.gguf.part")

    contents = library.contents()

    assert [model.id for model in contents.models] == ["good", "test"]
    assert {each.path.name: each.error.code for each in contents.unusable} == {
        "half.gguf": ErrorCode.MODEL_FILE_INCOMPLETE,
        "page.gguf": ErrorCode.NOT_A_MODEL,
    }
    assert [partial.final.name for partial in contents.partials] == ["old.gguf"]


def test_an_incomplete_file_is_taken_for_one_that_is_being_copied_until_it_rests(
    folder: Path, tmp_path: Path
) -> None:
    path = write_truncated_model(folder / "half.gguf")
    for age_s, arriving in ((1.0, True), (60.0, False)):
        now_s = path.stat().st_mtime + age_s
        (half,) = library_at(now_s, folder, tmp_path).contents().unusable

        assert half.arriving is arriving


def library_at(now_s: float, folder: Path, tmp_path: Path) -> Library:
    return Library(folder, (), write_model(tmp_path / "test.gguf"), clock=lambda: now_s)


def test_a_model_becomes_usable_when_all_of_it_is_here(folder: Path, library: Library) -> None:
    path = write_truncated_model(folder / "m.gguf")
    assert [each.path for each in library.contents().unusable] == [path]

    write_model(path)

    assert "m" in [model.id for model in library.contents().models]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root and Windows read every file")
def test_a_file_that_may_not_be_read_is_listed_as_such(folder: Path, library: Library) -> None:
    write_model(folder / "secret.gguf").chmod(0)

    (secret,) = library.contents().unusable

    assert secret.error.code is ErrorCode.MODEL_FILE_UNREADABLE


def test_a_split_model_of_which_a_file_is_missing_is_of_no_use(folder: Path, library: Library) -> None:
    write_split_model(folder, "big", 3)[1].unlink()

    (big,) = library.contents().unusable

    assert big.path.name == "big-00001-of-00003.gguf"
    assert big.error.code is ErrorCode.MODEL_FILE_MISSING
    assert "big-00002-of-00003.gguf" in big.error.title


def test_two_files_that_would_have_one_id_have_two_and_are_found_by_each(
    folder: Path, library: Library
) -> None:
    files = [write_model(folder / name) for name in ("my model.gguf", "my-model.gguf", "my@model.gguf")]

    models = {model.path: model for model in library.contents().models}

    assert models[files[1]].id == "my-model"
    assert len({model.id for model in models.values()}) == len(models)
    for path in files:
        for reference in (models[path].id, path.name, str(path), models[path].name):
            assert library.find(reference).path == path


def test_a_name_that_fits_two_is_refused_with_both(folder: Path, library: Library) -> None:
    for name in ("my model.gguf", "my@model.gguf"):
        write_model(folder / name)

    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_AMBIGUOUS), match="my-model") as caught:
        library.find("my-model")

    for model in library.contents().models[:2]:
        assert f"{model.id} ({model.path})" in caught.value.message


def test_an_id_of_an_earlier_version_still_means_its_model(folder: Path, library: Library) -> None:
    path = write_model(folder / "größe 7B.gguf")
    write_model(folder / "模型.gguf")

    assert library.find("gr-e-7B").path == path
    assert library.find("model").name == "模型"


def test_a_file_called_like_a_catalogue_model_elsewhere_does_not_get_its_id(
    folder: Path, library: Library, tmp_path: Path
) -> None:
    below = write_model(folder / "owner" / "repo" / BAMBOO.file_name)
    outside = write_model(tmp_path / "other" / "bamboo-7b-q4.gguf")

    assert library.find(BAMBOO.file_name).path == below
    assert library.find(str(below)).id == "bamboo.Q4_0"
    assert library.find(str(outside)).id == "bamboo-7b-q4.gguf"
    with pytest.raises(NotInstalledError):
        library.find(BAMBOO.id)


def test_a_file_elsewhere_has_no_id_of_one_in_the_folder(
    folder: Path, library: Library, tmp_path: Path
) -> None:
    write_model(folder / "mine.gguf")

    assert library.find("mine").id == "mine"
    assert library.find(str(write_model(tmp_path / "mine.gguf"))).id.startswith("mine-")


def test_models_in_sub_folders_are_listed_and_found_by_name_path_and_id(
    folder: Path, library: Library
) -> None:
    one = write_model(folder / "lmstudio-community" / "Tiny-GGUF" / "Tiny-Q4_0.gguf")
    two = write_model(folder / "bartowski" / "Tiny-GGUF" / "Tiny-Q4_0.gguf")
    alone = write_model(folder / "models--o--r" / "snapshots" / "abc" / "alone.gguf")

    models = {model.path: model for model in library.contents().models}

    assert models.keys() == {one, two, alone, library.builtin}
    assert models[one].name == "lmstudio-community/Tiny-GGUF/Tiny-Q4_0"
    assert (models[alone].name, models[alone].id) == ("alone", "alone")
    for path in (one, two, alone):
        below = path.relative_to(folder).as_posix()
        for reference in (models[path].id, below, below.removesuffix(".gguf"), str(path)):
            assert library.find(reference).path == path
    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_AMBIGUOUS)):
        library.find("Tiny-Q4_0.gguf")


def test_below_the_models_folder_goes_before_the_current_one(
    folder: Path, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = (write_model(base / "owner" / "x.gguf") for base in (tmp_path, folder))
    monkeypatch.chdir(tmp_path)

    assert library.find("owner/x.gguf").path == there
    assert library.find("./owner/x.gguf").path == here


def test_what_is_too_deep_hidden_or_statistics_is_not_listed(folder: Path, library: Library) -> None:
    for place in ("a/b/c/d/e/f", ".hidden", "activation", "a/.cache"):
        write_model(folder / place / "x.gguf")
    deepest = write_model(folder / "a" / "b" / "c" / "d" / "e" / "y.gguf")

    assert [model.path for model in library.contents().models] == [deepest, library.builtin]


@pytest.mark.skipif(os.name == "nt", reason="a link needs rights there")
def test_links_are_followed_once_and_never_in_a_circle(
    folder: Path, library: Library, tmp_path: Path
) -> None:
    real = write_model(folder / "zoo" / "a.gguf")
    (folder / "alias").symlink_to(folder / "zoo")
    (folder / "zoo" / "up").symlink_to(folder)
    (folder / "self").symlink_to("self")
    linked = write_model(tmp_path / "blobs" / "b.gguf")
    (folder / "elsewhere").symlink_to(linked.parent)
    (folder / "file.gguf").symlink_to(linked)

    assert {model.path for model in library.contents().models} == {
        real,
        folder / "elsewhere" / "b.gguf",
        folder / "file.gguf",
        library.builtin,
    }


def test_split_models_and_downloads_in_sub_folders_are_seen(folder: Path, library: Library) -> None:
    parts = write_split_model(folder / "o" / "r", "big", 2)
    write_model(folder / "o" / "r" / "new.gguf.part")

    contents = library.contents()

    assert contents.models[0].path == parts[0]
    assert library.find("big").path == parts[0]
    assert [partial.final for partial in contents.partials] == [folder / "o" / "r" / "new.gguf"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_no_text_is_shown_and_found_by_its_id(folder: Path, library: Library) -> None:
    names = [b"\x93\xfa\x96{\x8c\xea.gguf", b"gr\xf6\xdfe.gguf", b"\xff/x.gguf", b"good.gguf"]
    files = [write_model(folder / os.fsdecode(name)) for name in names]
    bad = write_truncated_model(folder / os.fsdecode(b"half\xff.gguf"))
    write_model(folder / os.fsdecode(b"new\xff.gguf.part"))

    contents = library.contents()

    models = {model.path: model for model in contents.models}
    assert models.keys() == {*files, library.builtin}
    assert models[files[1]].name == "gr\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}e"
    told = [(model.id, model.name, model.path) for model in contents.models]
    told += [(model.id, model.name, model.path) for model in contents.unusable]
    for model_id, name, path in told:
        assert library.locate(model_id) == path
        f"{model_id}{name}".encode()
    str(contents.unusable[0].error).encode()
    assert contents.unusable[0].path == bad
    assert library.partial_named("new\N{REPLACEMENT CHARACTER}.gguf") == contents.partials[0]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_cannot_write_lines_colours_or_backwards(folder: Path, library: Library) -> None:
    write_model(folder / "a\n\x1b[31mb\u202efgg.gguf")

    model = library.contents().models[0]

    assert model.name == "a��[31mb�fgg"
    assert model.id == "a-31mbfgg"


def test_finding_one_of_four_times_as_many_models_is_four_times_the_work(tmp_path: Path) -> None:
    calls = []
    for number in (10, 40):
        folder = tmp_path / str(number)
        for owner in range(10):
            (folder / f"owner{owner}").mkdir(parents=True)
            for file in range(number):
                (folder / f"owner{owner}" / f"{file}.gguf").touch()
        library = Library(folder, (), write_model(tmp_path / "test.gguf"))
        profile = cProfile.Profile()
        for reference in ("owner7/7.gguf", "owner7/8", "9"):
            with suppress(AmbiguousError):
                profile.runcall(library.locate, reference)
        calls.append(sum(each.callcount for each in profile.getstats()))

    assert calls[1] <= 4 * calls[0]


def test_an_alias_means_its_model_where_no_model_here_has_the_name(folder: Path, tmp_path: Path) -> None:
    aliases = {"GPT-4o": "mine", "other": "mine", "BAAI/bge": "mine", "away": BAMBOO.id, "lost": "gone"}
    aliases |= {BAMBOO.id: "mine", "é": "mine"}
    library = Library(
        folder, (TEST, BAMBOO), write_model(tmp_path / "app" / "test.gguf"), aliases=lambda: aliases
    )
    write_model(folder / "mine.gguf")
    write_model(folder / "Other.gguf")

    for name in ("GPT-4o", "gpt-4O", "BAAI/bge", "baai/BGE", "e\N{COMBINING ACUTE ACCENT}"):
        assert library.find(name).id == library.id_of(name) == "mine"
    assert library.find("other").id == "Other"
    for name in ("away", BAMBOO.id):
        with pytest.raises(NotInstalledError, match="Bamboo 7B"):
            library.find(name)
        assert library.id_of(name) == BAMBOO.id
    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_NOT_FOUND), match="gone"):
        library.find("lost")
    assert (library.name_of("gpt-4o"), library.name_of("away")) == ("mine", "Bamboo 7B")
    assert library.hidden_aliases(aliases).keys() == {"other", BAMBOO.id}


def test_the_name_of_a_model_follows_its_aliases_also_where_one_is_its_own_id(folder: Path) -> None:
    aliases: dict[str, str] = {}
    library = Library(folder, (TEST, BAMBOO), folder / "test.gguf", aliases=lambda: dict(aliases))

    assert library.name_of("mine") == "mine"
    aliases["mine"] = BAMBOO.id
    assert library.name_of("mine") == "Bamboo 7B"
    aliases |= {"mine": "mine", "GONE": "gone"}
    assert (library.name_of("mine"), library.name_of("gone")) == ("mine", "gone")


def known(path: Path, **facts: Any) -> CatalogEntry:
    """An entry of the catalogue that describes this file."""
    size_bytes = path.stat().st_size
    return CatalogEntry(
        id="known",
        name="Known",
        source="hf:o/r/known.gguf",
        file_name="known.gguf",
        size_bytes=size_bytes,
        prefix_query="query: ",
        pooling="cls",
        note="Known.",
        **facts,
    )


def test_what_the_catalogue_knows_of_a_file_holds_until_a_person_chooses(
    folder: Path, library: Library
) -> None:
    path = write_model(folder / "known.gguf")
    library.catalog = (known(path),)

    model = library.find("known.gguf")

    assert model.defaults == {"prefix_query": "query: ", "pooling": "cls"}
    assert library.known_defaults(str(path)) == model.defaults
    assert model.settings_in(Settings()).prefix_query == "query: "
    chosen = with_own(Settings(), model.id, {"prefix_query": ""})
    assert model.settings_in(chosen).prefix_query == ""
    assert model.settings_in(chosen).pooling == "cls"


def test_a_file_of_the_same_name_and_another_size_is_another_one(folder: Path, library: Library) -> None:
    path = write_model(folder / "known.gguf")
    library.catalog = (known(path),)
    with path.open("ab") as file:
        file.write(b"more")

    assert library.find("known.gguf").defaults == {}


def test_a_file_that_was_given_another_name_is_known_by_the_digest_that_was_kept(
    folder: Path, library: Library
) -> None:
    path = write_model(folder / "mine.gguf")
    library.catalog = (known(path, sha256="a" * 64),)
    assert library.find("mine.gguf").entry is None

    note_checksum(path, "a" * 64)

    assert library.find("mine.gguf").entry == library.catalog[0]


def test_what_a_file_says_of_its_pooling_goes_before_the_catalogue(folder: Path, library: Library) -> None:
    path = write_model(folder / "known.gguf", extra={"llama.pooling_type": 1})
    library.catalog = (known(path),)

    model = library.find("known.gguf")

    assert model.header.pooling == "mean"
    assert model.defaults == {"prefix_query": "query: "}


def test_of_a_model_that_is_not_here_the_catalogue_knows_the_same(library: Library, tmp_path: Path) -> None:
    entry = known(write_model(tmp_path / "known.gguf"))
    library = Library(library.folder, (entry,), library.builtin)

    assert library.known_defaults("known") == entry.defaults
    assert library.known_defaults("nobody") == {}
