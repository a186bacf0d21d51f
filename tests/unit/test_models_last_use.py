"""When a model was last used is kept to the day, and a damaged note costs no more than itself."""

from __future__ import annotations

import errno
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tray_app.models.last_use import DAY_S, LastUse
from tray_app.models.sources import FileSource, FileSources

if TYPE_CHECKING:
    from pathlib import Path


def test_a_use_is_there_for_another_program(tmp_path: Path) -> None:
    LastUse(tmp_path / "state", lambda: 5 * DAY_S).note("a")
    LastUse(tmp_path / "state", lambda: 6 * DAY_S).note("b")

    assert LastUse(tmp_path / "state").all() == {"a": 5 * DAY_S, "b": 6 * DAY_S}


def test_a_use_is_written_once_a_day(tmp_path: Path) -> None:
    now_s = 5 * DAY_S
    use = LastUse(tmp_path, lambda: now_s)
    use.note("a")
    (file,) = tmp_path.iterdir()
    file.unlink()

    use.note("a")
    assert use.all() == {}
    now_s += DAY_S
    use.note("a")
    assert use.all() == {"a": now_s}


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": "x"}', b"\xff"])
def test_a_damaged_note_is_written_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "last-use.json").write_bytes(content)
    use = LastUse(tmp_path, lambda: DAY_S)
    assert use.all() == {}

    use.note("a")

    assert use.all() == {"a": DAY_S}


def test_a_time_that_no_calendar_has_is_one_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "last-use.json").write_bytes(b'{"a": 1e300, "b": -1e300}')

    used = LastUse(tmp_path).all()

    assert [datetime.fromtimestamp(used[each], tz=UTC).year for each in ("a", "b")] == [2984, 1970]


@pytest.mark.warns("cannot be noted")
def test_what_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "state").touch()

    LastUse(tmp_path / "state").note("a")
    FileSources(tmp_path / "state").note(tmp_path / "a.gguf", FileSource("https://example.org/a.gguf"))


def test_sources_of_files_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    sources = FileSources(tmp_path / "state")
    files = [tmp_path / name for name in ("a.gguf", "ü 太.gguf")]
    for file in files:
        file.touch()
        sources.note(file, FileSource(f"https://example.org/{file.name}", "0" * 64))
    assert list(sources.all()) == files

    files[0].unlink()
    sources.note(files[1], FileSource("https://example.org/new.gguf"))

    assert sources.all() == {files[1]: FileSource("https://example.org/new.gguf")}


@pytest.mark.warns("cannot be noted")
def test_notes_that_cannot_be_read_for_a_moment_are_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.gguf"
    file.touch()
    use, sources = LastUse(tmp_path, lambda: DAY_S), FileSources(tmp_path)
    use.note("a")
    sources.note(file, FileSource("https://example.org/a.gguf"))
    with monkeypatch.context() as fault:
        for module in ("last_use", "sources"):
            fault.setattr(f"tray_app.models.{module}.read_regular", denied)
        use.note("b")
        sources.note(tmp_path / "b.gguf", FileSource("https://example.org/b.gguf"))
        assert (use.all(), sources.all()) == ({}, {})

    assert use.all() == {"a": DAY_S}
    assert list(sources.all()) == [file]


def denied(path: Path) -> bytes:
    raise PermissionError(errno.EACCES, "Another program has it open", str(path))
