"""What keeps the machine awake: started and ended with the block, and no trouble if missing."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from tray_app.system import awake
from tray_app.system.host import System

HOLDER = [sys.executable, "-c", "import sys; sys.stdin.read()"]


def test_the_command_runs_as_long_as_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Popen(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Popen)
    with awake.while_running(HOLDER):
        assert started[0].poll() is None
    assert started[0].poll() is not None


def test_a_system_without_the_command_goes_on_and_its_errors_are_its_own() -> None:
    with pytest.raises(ZeroDivisionError) as caught, awake.while_running(["this-program-does-not-exist"]):
        raise ZeroDivisionError
    assert caught.value.__context__ is None


def test_on_linux_logind_is_asked_and_lets_go_when_we_are_gone() -> None:
    command = awake.linux_command()
    assert command[0] == "/usr/bin/systemd-inhibit"
    assert "--what=sleep:idle" in command
    assert command[-1] == "/bin/cat"  # ends when our end of its input does


def test_on_a_mac_caffeinate_watches_our_process() -> None:
    assert awake.macos_command() == ["/usr/bin/caffeinate", "-i", "-w", str(os.getpid())]


def test_on_windows_the_thread_says_it_is_needed_and_takes_it_back() -> None:
    states: list[int] = []

    def set_state(flags: int) -> int:
        states.append(flags)
        return 1

    with awake.execution_required(set_state):
        assert states == [0x80000001]
    assert states == [0x80000001, 0x80000000]


@pytest.mark.parametrize("system", list(System))
def test_every_system_has_a_way(system: System) -> None:
    assert callable(awake.keep_awake_on(system))
