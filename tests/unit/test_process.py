import sys

import pytest

from tray_app.system.process import own_command


def test_another_process_of_this_app_is_started_by_its_script() -> None:
    assert own_command("exec-child", "/app/trampoline.py", "-I") == (
        sys.executable,
        "-I",
        "/app/trampoline.py",
    )


def test_a_frozen_app_starts_itself_in_a_role(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert own_command("exec-child", "/app/trampoline.py", "-I") == (sys.executable, "exec-child")
