"""What the system is short of passes: it is tried again, and nobody is told to choose another engine."""

import errno
from pathlib import Path

import pytest

from tests.fakes.launches import FAKE_ENGINE, PC
from tray_app.engine import finding as finding_module
from tray_app.engine import inspection
from tray_app.engine.diagnosis import ShortageError, failure_to_start
from tray_app.engine.finding import EngineFinder
from tray_app.errors import Fix
from tray_app.system.shortage import passes

SHORT = ("EMFILE", "ENFILE", "ENOMEM", "EAGAIN", "ETXTBSY")


@pytest.mark.parametrize("name", SHORT)
def test_a_shortage_passes(name: str) -> None:
    failure = failure_to_start(OSError(getattr(errno, name), "short"))
    assert not failure.permanent
    assert failure.error.fix is Fix.NONE
    assert "nother engine" not in str(failure.error)


@pytest.mark.parametrize("name", ["ENOENT", "EACCES", "ENOEXEC", "EISDIR", "ELOOP", "EPERM"])
def test_what_is_wrong_with_the_program_stays(name: str) -> None:
    assert failure_to_start(OSError(getattr(errno, name), "wrong")).permanent


def test_windows_has_numbers_of_its_own() -> None:
    exc = OSError(errno.EINVAL, "The paging file is too small")
    exc.winerror = 1455  # type: ignore[attr-defined]  # on Windows alone
    assert passes(exc)


@pytest.mark.parametrize("ask", ["ask", "read_executable"])
def test_an_engine_that_cannot_be_asked_now_is_not_called_unusable(
    monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    finder, path = EngineFinder(PC), Path(FAKE_ENGINE[0])

    def short(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(inspection, ask, short)
        patch.setattr(finding_module, "find_on_path", lambda _: path)
        for look in (lambda: finder.probe(path), finder.powerinfer):
            with pytest.raises(ShortageError) as told:
                look()
            assert told.value.fix is Fix.NONE
