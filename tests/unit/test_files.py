"""Small files whose place others may have taken: with links, pipes, devices, gigabytes or nesting."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.fakes.errors import coded
from tray_app.engine import lastfailure
from tray_app.errors import ErrorCode, ModelError, SettingsError
from tray_app.models.catalog import load_own_models
from tray_app.models.integrity import known_checksum, note_checksum
from tray_app.settings.schema import Settings
from tray_app.settings.store import SettingsStore
from tray_app.system.files import (
    SMALL_FILE_BYTES,
    NotOurFileError,
    is_own,
    make_own,
    open_own,
    read_regular,
    write_atomically,
)
from tray_app.system.runrecord import reap

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
DEEP = b"a=" + b"[" * 100_000


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _large(path: Path) -> None:
    path.write_bytes(b"#" * (2 << 20))


def _folder(path: Path) -> None:
    path.mkdir()


STRANGE = [_pipe, _device, _loop, _large, _folder]


def within_seconds(work: Callable[[], object]) -> object:
    """What `work` gives; a failure if it waits for a pipe or reads for ever."""
    result: list[object] = []
    thread = threading.Thread(target=lambda: result.append(work()), daemon=True)
    thread.start()
    thread.join(20)
    assert result, "it hangs or has raised"
    return result[0]


@posix
@pytest.mark.parametrize("put", STRANGE)
def test_settings_that_are_no_file_are_told_and_stay_as_they_are(
    put: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / "settings.toml"
    put(path)
    before = path.lstat()

    store = within_seconds(lambda: SettingsStore(path))

    assert isinstance(store, SettingsStore)
    assert store.problem
    assert str(path) in store.problem.message
    assert store.current == Settings()
    with pytest.raises(SettingsError, check=coded(ErrorCode.SETTINGS_NOT_SAVED)):
        store.replace(replace(store.current, port=9000))
    now = path.lstat()
    assert (now.st_ino, now.st_mode, now.st_size) == (before.st_ino, before.st_mode, before.st_size)


@pytest.mark.parametrize(
    "content",
    [DEEP, b"a=" + b"{b=" * 5000, b"port = " + b"9" * 5000, b"\xff\xfe", b"port = 1\0", b"a=9999-99-99"],
    ids=["deep", "tables", "digits", "bytes", "NUL", "date"],
)
def test_settings_that_no_reader_takes_are_told_and_kept(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(content)

    store = SettingsStore(path)
    assert store.problem
    store.replace(replace(store.current, port=9000))

    assert path.with_name("settings.toml.broken").read_bytes() == content
    assert SettingsStore(path).current.port == 9000


@posix
@pytest.mark.parametrize("put", STRANGE)
def test_a_list_of_models_that_is_no_file_is_told(put: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    put(path)

    def load() -> ModelError:
        with pytest.raises(ModelError, check=coded(ErrorCode.OWN_MODELS_INVALID)) as caught:
            load_own_models(path, ())
        return caught.value

    assert str(path) in str(within_seconds(load))


@pytest.mark.parametrize("content", [DEEP, b"a=" + b"{b=" * 5000, b"x = " + b"9" * 5000, b"\xff", b"a=\0"])
def test_a_list_of_models_that_no_reader_takes_is_told(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_bytes(content)

    with pytest.raises(ModelError, check=coded(ErrorCode.OWN_MODELS_INVALID)):
        load_own_models(path, ())


@posix
@pytest.mark.parametrize("put", STRANGE)
def test_what_the_app_keeps_counts_as_missing_if_it_is_no_file(
    put: Callable[[Path], None], tmp_path: Path
) -> None:
    for name in ("last-failure.json", "engine-1.json", "m.gguf.sha256"):
        put(tmp_path / name)

    assert within_seconds(lambda: (lastfailure.read(tmp_path), known_checksum(tmp_path / "m.gguf"))) == (
        {},
        None,
    )
    if put is not _folder:  # that is nobody's record
        assert within_seconds(lambda: reap(tmp_path)) == ()


def test_no_more_of_a_file_is_read_than_it_may_have(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(SMALL_FILE_BYTES))
    assert len(read_regular(path)) == SMALL_FILE_BYTES
    path.write_bytes(bytes(SMALL_FILE_BYTES + 1))
    with pytest.raises(OSError, match="more than 1,048,576 bytes"):
        read_regular(path)


@posix
def test_a_digest_is_not_written_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    (tmp_path / "m.gguf.sha256").symlink_to(victim)

    with pytest.raises(NotOurFileError, match="link"):
        note_checksum(tmp_path / "m.gguf", "0" * 64)

    assert victim.read_text() == "mine"


@posix
def test_nothing_is_written_in_the_place_of_a_device(tmp_path: Path) -> None:
    path = tmp_path / "x"
    os.mkfifo(path)
    with pytest.raises(NotOurFileError, match="not an ordinary file"):
        write_atomically(path, b"new")


@posix
def test_a_file_that_leads_elsewhere_is_not_our_own(tmp_path: Path) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    links = [tmp_path / name for name in ("link", "dangling", "hard", "pipe", "folder")]
    links[0].symlink_to(victim)
    links[1].symlink_to(tmp_path / "nothing")
    os.link(victim, links[2])
    os.mkfifo(links[3])
    links[4].mkdir()

    for path in links:
        for use in (is_own, open_own, make_own):
            with pytest.raises(NotOurFileError):
                use(path)

    assert victim.read_text() == "mine"
    assert not (tmp_path / "nothing").exists()


@posix
def test_the_file_of_another_user_is_not_our_own(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.touch()
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(path, 12345, -1)
    with pytest.raises(NotOurFileError, match="another user"):
        open_own(path)
    os.chown(tmp_path, 12345, -1)  # whose folder it is could exchange it anyway
    open_own(path).close()


def test_a_file_of_ours_is_opened_and_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "x"
    assert not is_own(path)
    make_own(path)
    with open_own(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    make_own(path)
    assert path.read_bytes() == b""
