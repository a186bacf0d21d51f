"""A desktop for tests: an X server with a window manager, a session bus, and if wanted a panel, all real.

Nothing sleeps: each program is waited for by the sign it gives when it is ready.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.sni_host import SniHost

PROGRAMS = ("Xvfb", "openbox", "dbus-daemon", "trayer", "xdotool")
_SCREEN = "1280x900x24"
_STOP_TIMEOUT_S = 5.0


def missing_programs() -> tuple[str, ...]:
    """What must be installed before there can be a desktop."""
    return tuple(name for name in PROGRAMS if shutil.which(name) is None)


@dataclass(frozen=True, slots=True)
class Desktop:
    """A running desktop."""

    environ: dict[str, str]
    """What a program needs to appear on it; the tester's own environment is not in it."""
    log: Path

    @contextmanager
    def tray_host(self) -> Iterator[SniHost]:
        """A panel of the modern kind (StatusNotifier), read and clicked by label."""
        from tests.fakes.sni_host import sni_host  # speaks D-Bus, which only Linux has

        with sni_host(self.environ["DBUS_SESSION_BUS_ADDRESS"]) as host:
            yield host

    @contextmanager
    def trayer(self) -> Iterator[None]:
        """A panel of the old kind (XEmbed), for the mouse."""
        with self.start("trayer", "--edge", "bottom", "--align", "right", "--widthtype", "request"):
            self.run("xdotool", "search", "--sync", "--onlyvisible", "--class", "trayer")
            yield

    def run(self, *command: str) -> str:
        """The output of a program that ends by itself."""
        done = subprocess.run(
            command, env=self._environ(), stdout=subprocess.PIPE, timeout=20, check=True, text=True
        )
        return done.stdout

    @contextmanager
    def start(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        """A program on this desktop, with pipes to its input and output; at an end after the block."""
        pipe = subprocess.PIPE
        with self.log.open("a") as log:
            process = subprocess.Popen(
                command, env=self._environ(), stdin=pipe, stdout=pipe, stderr=log, text=True
            )
        with _running(process):
            yield process

    def _environ(self) -> dict[str, str]:
        return os.environ | self.environ


@contextmanager
def desktop(folder: Path) -> Iterator[Desktop]:
    """A desktop of one's own; `folder` takes its home, its runtime folder and its log."""
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    environ = {
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(runtime),
        "XDG_CURRENT_DESKTOP": "test",
        "QT_QPA_PLATFORM": "xcb",
        "LANG": "C.UTF-8",
    }
    log = folder / "desktop.log"
    with ExitStack() as stack:
        environ["DISPLAY"] = stack.enter_context(_x_server(log))
        environ["DBUS_SESSION_BUS_ADDRESS"] = stack.enter_context(_session_bus(log))
        made = Desktop(environ, log)
        stack.enter_context(_window_manager(made))
        yield made


@contextmanager
def _x_server(log: Path) -> Iterator[str]:
    """Xvfb on a display number that it finds free itself, and writes down when it is ready."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", _SCREEN, "-nolisten", "tcp"]
    with os.fdopen(read) as ready, log.open("a") as errors:
        process = subprocess.Popen(command, pass_fds=(write,), stdout=errors, stderr=errors, text=True)
        os.close(write)
        with _running(process):
            number = ready.readline().strip()
            if not number:
                raise RuntimeError(f"The X server did not start: {log.read_text()}")
            yield f":{number}"


@contextmanager
def _session_bus(log: Path) -> Iterator[str]:
    with log.open("a") as errors:
        command = ["dbus-daemon", "--session", "--nofork", "--print-address=1"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        with _running(process) as bus:
            assert bus.stdout is not None
            yield bus.stdout.readline().strip()


@contextmanager
def _window_manager(made: Desktop) -> Iterator[None]:
    """openbox, which runs a command of ours when it is ready."""
    with made.start("openbox", "--sm-disable", "--startup", "echo ready") as manager:
        assert manager.stdout is not None
        if not manager.stdout.readline():
            raise RuntimeError(f"The window manager did not start: {made.log.read_text()}")
        yield


@contextmanager
def _running(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that is gone when the block ends."""
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_TIMEOUT_S)
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()


def photograph(made: Desktop, path: Path) -> None:
    """Save a picture of the whole screen."""
    path.parent.mkdir(exist_ok=True)
    made.run(sys.executable, "-m", "tests.fakes.photograph", str(path))
