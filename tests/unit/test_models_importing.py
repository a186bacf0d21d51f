"""Import, remove, verify again: what belongs to a model goes with it, and nothing is left half done."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.fakes.errors import coded
from tests.fakes.models import write_model, write_split_model, write_truncated_model
from tray_app.errors import ErrorCode, ModelError
from tray_app.models.import_modes import How
from tray_app.models.importing import import_model
from tray_app.models.integrity import Check, note_checksum, verify_model
from tray_app.models.library import Library, builtin_model
from tray_app.models.space import free_bytes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    return tmp_path / "my downloads"


def ignore(_done: int, _total: int) -> None:
    """Nobody watches."""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def write_sparse_with_statistics(folder: Path, name: str = "a.powerinfer.gguf") -> Path:
    model = write_model(folder / name, sparse=True)
    model.with_name(f"{name}.generated.gpuidx").write_text("split")
    (folder / "activation").mkdir(exist_ok=True)
    (folder / "activation" / "activation_0.pt").write_text("0")
    return model


@pytest.mark.parametrize("how", How)
def test_an_imported_model_is_the_same_file(outside: Path, folder: Path, how: How) -> None:
    source = write_model(outside / "größe 7B.gguf")
    content = source.read_bytes()

    (target,) = import_model(source, folder, how, ignore)

    assert target == folder / "größe 7B.gguf"
    assert target.read_bytes() == content
    assert source.exists() is (how is not How.MOVE)
    assert names(folder) == {target.name}


def test_a_copy_tells_its_progress_to_the_last_byte(outside: Path, folder: Path) -> None:
    source = write_model(outside / "a.gguf")
    seen: list[tuple[int, int]] = []

    import_model(source, folder, How.COPY, lambda done, total: seen.append((done, total)))

    size = source.stat().st_size
    assert seen[-1] == (size, size)


@pytest.mark.parametrize("how", [How.COPY, How.MOVE])
def test_a_sparse_model_brings_its_statistics(outside: Path, folder: Path, how: How) -> None:
    source = write_sparse_with_statistics(outside)

    import_model(source, folder, how, ignore)

    assert names(folder) == {"a.powerinfer.gguf", "a.powerinfer.gguf.generated.gpuidx", "activation"}
    assert (folder / "activation" / "activation_0.pt").read_text() == "0"


def test_the_statistics_of_another_model_are_left_alone(outside: Path, folder: Path) -> None:
    write_sparse_with_statistics(folder, "first.gguf")
    source = write_sparse_with_statistics(outside, "second.gguf")

    imported = import_model(source, folder, How.COPY, ignore)

    assert folder / "activation" not in imported


def test_a_move_takes_no_statistics_that_may_be_of_another_model(outside: Path, folder: Path) -> None:
    source = write_sparse_with_statistics(outside)
    write_model(outside / "other.gguf", sparse=True)

    import_model(source, folder, How.MOVE, ignore)

    assert names(outside) == {"other.gguf", "activation"}


def test_all_files_of_a_split_model_are_imported(outside: Path, folder: Path) -> None:
    parts = write_split_model(outside, "large", 2)

    imported = import_model(parts[1], folder, How.COPY, ignore)

    assert [path.name for path in imported] == [part.name for part in parts]


@pytest.mark.parametrize("number", [1, 3])
def test_a_file_that_another_program_makes_meanwhile_is_neither_replaced_nor_deleted(
    outside: Path, folder: Path, number: int
) -> None:
    parts = write_split_model(outside, "big", 3)
    theirs = folder / parts[number - 1].name

    def download(_done: int, _total: int) -> None:
        theirs.write_bytes(b"another program's")

    with pytest.raises(ModelError, check=coded(ErrorCode.FILE_EXISTS)):
        import_model(parts[0], folder, How.COPY, download)

    assert theirs.read_bytes() == b"another program's"
    assert names(folder) == {theirs.name}


def test_the_progress_of_an_import_ends_with_its_total(outside: Path, folder: Path) -> None:
    source = write_sparse_with_statistics(outside)
    (outside / "activation" / "notes").mkdir()
    (outside / "activation" / "notes" / "not-copied.txt").write_text("long")
    told: list[tuple[int, int]] = []

    import_model(source, folder, How.COPY, lambda done, total: told.append((done, total)))

    assert told[-1][0] == told[-1][1]


def test_what_is_no_model_is_not_imported(outside: Path, folder: Path) -> None:
    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_FILE_INCOMPLETE)):
        import_model(write_truncated_model(outside / "half.gguf"), folder, How.COPY, ignore)
    with pytest.raises(ModelError, check=coded(ErrorCode.NOT_A_WHOLE_MODEL)):
        import_model(
            write_model(outside / "l.gguf", extra={"general.type": "adapter"}), folder, How.COPY, ignore
        )
    assert not folder.exists()


def test_a_model_of_that_name_is_not_replaced(outside: Path, folder: Path) -> None:
    there = write_model(folder / "a.gguf", name="Mine")
    before = there.read_bytes()

    with pytest.raises(ModelError, check=coded(ErrorCode.FILE_EXISTS)):
        import_model(write_model(outside / "a.gguf"), folder, How.MOVE, ignore)

    assert there.read_bytes() == before
    assert (outside / "a.gguf").exists()


class StoppedError(Exception):
    """The person has had enough."""


@pytest.mark.parametrize("how", [How.COPY, How.MOVE])
def test_an_import_that_is_stopped_leaves_everything_as_it_was(
    outside: Path, folder: Path, how: How, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_split_model(outside, "large", 3)[0]
    before = names(outside)
    third = folder / "large-00003-of-00003.gguf"

    def stop(done: int, total: int) -> None:
        if done == total:
            raise StoppedError

    rename = type(source).rename

    def refuse_third(path: Path, target: Path) -> Path:
        if target == third:
            raise StoppedError
        return rename(path, target)

    monkeypatch.setattr(type(source), "rename", refuse_third)
    with pytest.raises(StoppedError):
        import_model(source, folder, how, stop)

    assert names(outside) == before
    assert names(folder) == set()


@pytest.fixture
def other_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The models folder is on another disk than all else."""

    def refuse(path: Path, target: Path) -> Path:
        raise OSError(errno.EXDEV, "Invalid cross-device link", str(path), None, str(target))

    monkeypatch.setattr(Path, "rename", refuse)


@pytest.mark.usefixtures("other_disk")
def test_a_model_moves_to_another_disk(outside: Path, folder: Path) -> None:
    parts = write_split_model(outside, "large", 2)
    contents = [part.read_bytes() for part in parts]

    imported = import_model(parts[0], folder, How.MOVE, ignore)

    assert [path.read_bytes() for path in imported] == contents
    assert names(outside) == set()


@pytest.mark.usefixtures("other_disk")
def test_a_move_to_another_disk_that_is_stopped_leaves_everything_as_it_was(
    outside: Path, folder: Path
) -> None:
    source = write_split_model(outside, "large", 3)[0]
    before = names(outside)

    def stop_at_the_second(done: int, _total: int) -> None:
        if done > source.stat().st_size:
            raise StoppedError

    with pytest.raises(StoppedError):
        import_model(source, folder, How.MOVE, stop_at_the_second)

    assert names(outside) == before
    assert names(folder) == set()


@pytest.mark.usefixtures("other_disk")
def test_a_move_from_a_disk_that_keeps_its_files_leaves_everything_as_it_was(
    outside: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_model(outside / "a.gguf")

    def refuse(path: Path) -> None:
        if path == source:
            raise PermissionError(13, "Permission denied", str(path))
        os.unlink(path)  # noqa: PTH108  what Path has is replaced

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_NOT_IMPORTED)):
        import_model(source, folder, How.MOVE, ignore)

    assert source.exists()
    assert names(folder) == set()


@pytest.mark.skipif(os.name == "nt", reason="a link needs rights there")
@pytest.mark.parametrize("how", How)
def test_a_link_of_a_cache_is_imported_as_what_it_leads_to(outside: Path, folder: Path, how: How) -> None:
    blob = write_model(outside / "blobs" / "abc")
    link = outside / "snapshots" / "main" / "a.gguf"
    link.parent.mkdir(parents=True)
    link.symlink_to(Path("..", "..", "blobs", "abc"))

    (target,) = import_model(link, folder, how, ignore)

    assert target.read_bytes() == blob.read_bytes()
    assert link.is_symlink() is (how is not How.MOVE)


def test_where_links_cannot_be_made_copying_is_proposed(
    outside: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "A required privilege is not held by the client", str(path))

    for name in ("hardlink_to", "symlink_to"):
        monkeypatch.setattr(Path, name, refuse)
    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_NOT_IMPORTED)) as caught:
        import_model(write_model(outside / "a.gguf"), folder, How.LINK, ignore)

    assert "copy or move the model" in caught.value.hint
    assert names(folder) == set()


def test_what_a_killed_import_has_left_is_not_in_the_way(outside: Path, folder: Path) -> None:
    source = write_model(outside / "a.gguf")
    left = write_model(folder / ".a.gguf.importing")
    os.utime(left, (1, 1))

    import_model(source, folder, How.COPY, ignore)

    assert names(folder) == {"a.gguf"}


def test_another_import_of_the_same_file_that_is_under_way_is_left_alone(outside: Path, folder: Path) -> None:
    source = write_model(outside / "a.gguf")
    other = write_model(folder / ".a.gguf.importing")

    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_NOT_IMPORTED)):
        import_model(source, folder, How.COPY, ignore)

    assert other.exists()


def test_a_folder_that_cannot_be_made_is_named(outside: Path, folder: Path) -> None:
    folder.write_text("a file in its place")

    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_NOT_IMPORTED)) as caught:
        import_model(write_model(outside / "a.gguf"), folder, How.COPY, ignore)
    assert str(folder) in caught.value.message


@pytest.mark.parametrize("how", [How.COPY, How.MOVE])
@pytest.mark.usefixtures("other_disk")
def test_a_disk_that_is_too_full_is_said_before_anything_is_copied(
    outside: Path, folder: Path, how: How, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_model(outside / "a.gguf")
    monkeypatch.setattr(
        "shutil.disk_usage", lambda _: SimpleNamespace(free=source.stat().st_size - 1, total=1)
    )

    with pytest.raises(ModelError, check=coded(ErrorCode.NOT_ENOUGH_SPACE)) as caught:
        import_model(source, folder, how, ignore)

    assert "link the model" in caught.value.hint
    assert names(folder) == set()


def test_the_space_of_a_folder_is_known_before_it_is_made(folder: Path) -> None:
    assert free_bytes(folder / "below" / "it") > 0


def test_a_disk_that_does_not_answer_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", refuse)

    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_FILE_UNREADABLE)) as caught:
        free_bytes(folder)
    assert str(folder) in caught.value.message


def test_without_a_known_digest_header_and_size_are_checked(folder: Path) -> None:
    assert verify_model(write_model(folder / "a.gguf"), ignore) is Check.HEADER
    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_FILE_INCOMPLETE)):
        verify_model(write_truncated_model(folder / "b.gguf"), ignore)


def test_a_known_digest_is_compared_with_progress(folder: Path) -> None:
    model = write_model(folder / "a.gguf")
    note_checksum(model, hashlib.sha256(model.read_bytes()).hexdigest())
    seen: list[tuple[int, int]] = []

    assert verify_model(model, lambda done, total: seen.append((done, total))) is Check.DIGEST
    assert seen[-1] == (model.stat().st_size, model.stat().st_size)


def test_one_changed_byte_is_found(folder: Path) -> None:
    model = write_model(folder / "a.gguf")
    note_checksum(model, hashlib.sha256(model.read_bytes()).hexdigest())
    with model.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x01")

    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_FILE_DAMAGED)):
        verify_model(model, ignore)


def test_every_file_of_a_split_model_needs_a_digest_to_be_sure(folder: Path) -> None:
    parts = write_split_model(folder, "large", 2)
    note_checksum(parts[0], hashlib.sha256(parts[0].read_bytes()).hexdigest())
    assert verify_model(parts[0], ignore) is Check.HEADER

    note_checksum(parts[1], hashlib.sha256(parts[1].read_bytes()).hexdigest())
    assert verify_model(parts[0], ignore) is Check.DIGEST


@pytest.mark.parametrize("text", ["", "abc", "g" * 64, "0" * 65, "\udcff"])
def test_a_checksum_that_makes_no_sense_counts_as_none(folder: Path, text: str) -> None:
    model = write_model(folder / "a.gguf")
    model.with_name("a.gguf.sha256").write_text(text, errors="surrogateescape")

    assert verify_model(model, ignore) is Check.HEADER


BLOB = "sha256-" + "0123abcd" * 8


@pytest.mark.parametrize(
    ("name", "called", "imported"),
    [
        (BLOB, "Meta Llama 3.1 8B Instruct", "Meta-Llama-3.1-8B-Instruct-F16.gguf"),
        (BLOB, "Tiny f16", "Tiny-f16.gguf"),
        (BLOB, "日本語 モデル", "日本語-モデル-F16.gguf"),
        (BLOB, "/home/me/models/tiny", "tiny-F16.gguf"),
        (BLOB, "../../evil", "evil-F16.gguf"),
        (BLOB, "con", "con-F16.gguf"),
        (BLOB, "a\u202efugg\x1b[31m", "afugg[31m-F16.gguf"),
        (BLOB, "tiny.gguf", "tiny-F16.gguf"),
        (BLOB, "model", f"{BLOB}.gguf"),
        (BLOB, "", f"{BLOB}.gguf"),
        (BLOB, "...", f"{BLOB}.gguf"),
        (BLOB, "x" * 500, f"{BLOB}.gguf"),
        ("tiny.bin", "model", "tiny.bin.gguf"),
        ("tiny.GGUF", "Other", "tiny.GGUF"),
        (".hidden.gguf", "Other", "hidden.gguf"),
    ],
)
@pytest.mark.parametrize("how", How)
def test_a_file_without_a_models_name_gets_one_and_is_then_listed(
    outside: Path, folder: Path, name: str, called: str, imported: str, how: How
) -> None:
    (target,) = import_model(write_model(outside / name, name=called), folder, how, ignore)

    assert target.name == imported
    listed = Library(folder, (), builtin_model()).contents()
    assert [model.path for model in listed.models][:-1] == [target]
    assert not listed.unusable


def test_what_goes_with_a_file_gets_its_new_name_too(outside: Path, folder: Path) -> None:
    model = write_model(outside / BLOB, name="Tiny", sparse=True)
    note_checksum(model, hashlib.sha256(model.read_bytes()).hexdigest())
    model.with_name(f"{BLOB}.generated.gpuidx").write_text("split")

    (first, *_) = import_model(model, folder, How.COPY, ignore)

    assert names(folder) == {f"Tiny-F16.gguf{ending}" for ending in ("", ".sha256", ".generated.gpuidx")}
    assert verify_model(first, ignore) is Check.DIGEST


def test_a_link_to_a_blob_keeps_the_name_of_the_link(outside: Path, folder: Path) -> None:
    blob = write_model(outside / "blobs" / BLOB, name="Other")
    link = outside / "m.gguf"
    link.symlink_to(blob)

    assert import_model(link, folder, How.COPY, ignore) == (folder / "m.gguf",)


def test_the_same_blob_twice_is_refused_and_another_quantization_is_not(outside: Path, folder: Path) -> None:
    import_model(write_model(outside / BLOB), folder, How.COPY, ignore)
    with pytest.raises(ModelError, check=coded(ErrorCode.FILE_EXISTS)):
        import_model(outside / BLOB, folder, How.COPY, ignore)

    other = write_model(outside / "sha256-9", extra={"general.file_type": 7})
    assert import_model(other, folder, How.COPY, ignore) == (folder / "Tiny-Q8_0.gguf",)


def test_a_disk_that_takes_no_file_so_large_is_named(
    outside: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_descriptor: int) -> None:
        raise OSError(errno.EFBIG, "File too large")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_NOT_IMPORTED), match="FAT32"):
        import_model(write_model(outside / "a.gguf"), folder, How.COPY, ignore)
    assert names(folder) == set()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
@pytest.mark.parametrize("how", [How.COPY, How.MOVE])
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o400])
@pytest.mark.usefixtures("other_disk")
def test_a_copy_is_for_nobody_whom_the_original_shut_out(
    outside: Path, folder: Path, how: How, mode: int
) -> None:
    source = write_model(outside / "a.gguf")
    source.chmod(mode)
    before = os.umask(0o022)
    try:
        import_model(source, folder, how, ignore)
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "a.gguf").stat().st_mode) == mode | 0o200


def test_a_disk_that_others_fill_ends_the_copy_and_leaves_nothing(
    outside: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_model(outside / "a.gguf")
    free = iter([10**9, 10])
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=next(free), total=10**6))
    with pytest.raises(ModelError, check=coded(ErrorCode.NOT_ENOUGH_SPACE)):
        import_model(source, folder, How.COPY, ignore)
    assert names(folder) == set()


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_in_the_place_of_a_copy_is_not_followed(outside: Path, folder: Path) -> None:
    source = write_model(outside / "a.gguf")
    victim = outside / "victim.txt"
    victim.write_text("mine")
    folder.mkdir(exist_ok=True)
    for name in (".a.gguf.importing", "a.gguf"):
        (folder / name).symlink_to(victim)
        with pytest.raises(ModelError):
            import_model(source, folder, How.COPY, ignore)
        assert victim.read_text() == "mine"
        (folder / name).unlink()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
def test_of_the_statistics_only_files_are_copied(outside: Path, folder: Path) -> None:
    source = write_model(outside / "a.gguf", sparse=True)
    statistics = outside / "activation"
    statistics.mkdir()
    (statistics / "activation_0.pt").write_bytes(b"x")
    os.mkfifo(statistics / "pipe")
    for name in ("one", "two"):
        (statistics / name).symlink_to(statistics)  # 2^40 folders within one another
    import_model(source, folder, How.COPY, ignore)
    assert names(folder / "activation") == {"activation_0.pt"}
