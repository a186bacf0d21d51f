import sys
from pathlib import Path

import pytest

from tray_app.system.autostart import app_command
from tray_app.system.process import own_command


def test_another_process_of_this_app_is_started_by_its_script() -> None:
    assert own_command("exec-child", "/app/trampoline.py", "-I") == (
        sys.executable,
        "-I",
        "/app/trampoline.py",
    )


def test_a_frozen_app_starts_itself_in_a_role(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert own_command("exec-child", "/app/trampoline.py", "-I") == (sys.executable, "exec-child")


@pytest.mark.parametrize("running", ["powerinfer-tray.exe", "powerinfer-tray-app.exe"])
def test_on_windows_children_can_be_read_and_nothing_pops_up_at_login(
    running: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sys, "executable", str(tmp_path / running))

    assert own_command("llamacpp-child", "child.py") == (
        str(tmp_path / "powerinfer-tray.exe"),
        "llamacpp-child",
    )
    assert app_command() == (str(tmp_path / "powerinfer-tray-app.exe"), "--background")
