"""Whether a window can be shown is known before Qt ends the process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tray_app.system.display import display_answers

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only there may be no display")
NOBODY = ":4095"
"""An X display that no test starts."""


@pytest.mark.parametrize(
    ("environ", "answers"),
    [
        ({"DISPLAY": NOBODY}, False),
        ({"DISPLAY": "127.0.0.1:4095"}, False),
        ({"WAYLAND_DISPLAY": "wayland-0", "XDG_RUNTIME_DIR": "/nowhere"}, False),
        ({"DISPLAY": NOBODY, "QT_QPA_PLATFORM": "offscreen"}, True),
    ],
    ids=["x", "forwarded", "wayland", "chosen"],
)
def test_a_display_without_a_server_does_not_answer(environ: dict[str, str], *, answers: bool) -> None:
    assert display_answers(environ) is answers


@pytest.mark.parametrize("absolute", [True, False], ids=["path", "name"])
def test_a_wayland_compositor_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, absolute: bool
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as compositor:
        compositor.bind("wayland-0")
        compositor.listen()
        name = str(tmp_path / "wayland-0") if absolute else "wayland-0"

        assert display_answers(
            {"WAYLAND_DISPLAY": name, "XDG_RUNTIME_DIR": "" if absolute else str(tmp_path)}
        )


def test_without_the_library_for_x_qt_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr("ctypes.CDLL", missing)

    assert display_answers({"DISPLAY": NOBODY})


def test_the_app_says_that_its_display_does_not_answer(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("QT_", "WAYLAND_"))}
    environ = {**kept, "HOME": str(tmp_path), "DISPLAY": NOBODY}
    command = [sys.executable, "-P", "-m", "tray_app"]

    run = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)

    assert (run.returncode, run.stdout) == (1, "")
    assert f"The display {NOBODY} does not answer" in run.stderr
    assert "powerinfer-tray serve" in run.stderr
