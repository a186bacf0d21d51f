"""What every test gets: nothing of the person's is touched, and no thread is left behind."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.expected_warnings import no_unexpected_warning
from tray_app.settings.keys import KEYS

__all__ = ["no_unexpected_warning"]

_GRACE_S = 2.0


@pytest.fixture(autouse=True)
def private_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, with a space and letters beyond ASCII, as people have them."""
    home = tmp_path_factory.mktemp("home") / "Zoë 太郎"
    home.mkdir()
    monkeypatch.setenv("POWERINFER_TRAY_HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    for name in (variable for key in KEYS for variable in key.variables):
        monkeypatch.delenv(name, raising=False)
    return home


@contextmanager
def ending_its_threads() -> Iterator[None]:
    """Fail if one of the app's threads goes on after the block."""
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before]
    for thread in left:
        thread.join(_GRACE_S)
    names = [thread.name for thread in left if thread.is_alive() and not thread.name.startswith("Dummy")]
    assert not names, f"threads left behind: {names}"


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Fail a test that leaves one of the app's threads running."""
    with ending_its_threads():
        yield
