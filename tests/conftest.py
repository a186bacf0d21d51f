"""What every test gets: nothing of the person's is touched, and no thread is left behind."""

import gc
import itertools
import os
import re
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.expected_warnings import no_unexpected_warning
from tests.turns import turn
from tray_app.settings.keys import KEYS

__all__ = ["no_unexpected_warning"]

_GRACE_S = 2.0
_NEW_OBJECTS_TO_COLLECT = 10_000
"""So many, in place of Python's 700: looking for garbage took a tenth of the time."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """In how many processes tests run: one more than there are processors, for many a test waits.

    A single file is run in the process that was started, as are all where somebody calls pytest himself.
    """
    paths = [Path(argument.partition("::")[0]) for argument in config.args]
    return 0 if len(paths) == 1 and paths[0].is_file() else (os.cpu_count() or 1) + 1


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is there before the first test stays: no garbage is looked for in it, neither now nor later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(_NEW_OBJECTS_TO_COLLECT, 10, 10)
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let what is marked `alone` have the machine for itself, as far as tests of this run are concerned."""
    with turn(alone=item.get_closest_marker("alone") is not None):
        return (yield)


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_report_to_serializable() -> Generator[None, object, object]:
    """What tests log goes to the process that tells of it in UTF-8, which has no halves of characters."""
    return _in_utf8((yield))


def _in_utf8(value: object) -> object:
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {_in_utf8(key): _in_utf8(each) for key, each in value.items()}
        case list() | tuple():
            return type(value)(map(_in_utf8, value))
        case _:
            return value


@pytest.fixture(scope="session")
def new_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes a folder with a number of its own and this name.

    pytest looks through all earlier folders to number the next one, which takes longer with each test.
    """
    numbers = itertools.count()

    def make(name: str) -> Path:
        path = tmp_path_factory.getbasetemp() / f"{next(numbers)}-{name}"
        path.mkdir()
        return path

    return make


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, new_folder: Callable[[str], Path]) -> Path:
    """As pytest's own, but made by `new_folder`."""
    return new_folder(re.sub(r"\W", "_", request.node.name)[:30])


@pytest.fixture(autouse=True)
def private_home(new_folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, with a space and letters beyond ASCII, as people have them."""
    home = new_folder("home") / "Zoë 太郎"
    home.mkdir()
    monkeypatch.setenv("POWERINFER_TRAY_HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    for name in (variable for key in KEYS for variable in key.variables):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def compared_with_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proofs of engines that do not measure how fast these are beside the built-in one, which takes most of
    their time.
    """
    from tray_app.engine.finding import EngineFinder

    monkeypatch.setattr(EngineFinder, "embedded", lambda _: None)


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
