import os
import subprocess
import sys
from pathlib import Path

import pytest

from tray_app.system.environment import (
    adopt_clean_environment,
    beside_others,
    bundle_folder,
    child_environment,
    clean_environment,
    for_engines,
    system_libraries,
    without_keys,
)
from tray_app.system.process import ask

BUNDLE = Path("/opt/powerinfer-tray/_internal")


def test_what_is_not_frozen_passes_its_environment_on() -> None:
    env = {"LD_LIBRARY_PATH": "/mine", "_PYI_SPLASH_IPC": "0", "PATH": "/bin"}
    assert clean_environment(env, None) == env
    assert bundle_folder() is None
    assert child_environment() == without_keys(os.environ)


@pytest.mark.parametrize("name", ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FRAMEWORK_PATH"])
def test_the_persons_library_path_is_restored(name: str) -> None:
    env = {name: f"{BUNDLE}:/cuda", f"{name}_ORIG": "/cuda"}
    assert clean_environment(env, BUNDLE) == {name: "/cuda"}


def test_a_library_path_that_was_not_there_is_gone() -> None:
    assert clean_environment({"LD_LIBRARY_PATH": str(BUNDLE)}, BUNDLE) == {}
    assert clean_environment({"LD_LIBRARY_PATH": str(BUNDLE), "LD_LIBRARY_PATH_ORIG": ""}, BUNDLE) == {}


def test_the_starters_own_variables_are_removed() -> None:
    env = {"_PYI_ARCHIVE_FILE": "x", "_PYI_PARENT_PROCESS_LEVEL": "1", "_MEIPASS2": "x", "HOME": "/home/zoë"}
    assert clean_environment(env, BUNDLE) == {"HOME": "/home/zoë"}


def test_entries_of_the_bundle_leave_every_list_of_paths() -> None:
    env = {
        "PATH": os.pathsep.join([str(BUNDLE), "/usr/bin", str(BUNDLE / "bin"), "/bin"]),
        "QT_PLUGIN_PATH": str(BUNDLE / "PySide6" / "plugins"),
        "EMPTY": "",
        "TEXT": "a sentence: with signs, and /opt/powerinfer-tray in it",
    }
    assert clean_environment(env, BUNDLE) == {
        "PATH": os.pathsep.join(["/usr/bin", "/bin"]),
        "EMPTY": "",
        "TEXT": env["TEXT"],
    }


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps its own")
def test_a_frozen_app_takes_the_clean_environment_for_what_its_libraries_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "_MEIPASS", str(BUNDLE), raising=False)
    monkeypatch.setattr(
        os, "environ", {"LD_LIBRARY_PATH": str(BUNDLE), "PATH": f"{BUNDLE}:/bin", "HOME": "/h"}
    )
    adopt_clean_environment()
    assert os.environ == {"PATH": "/bin", "HOME": "/h"}


def test_what_is_clean_stays_as_it_is() -> None:
    once = clean_environment({"LD_LIBRARY_PATH": f"{BUNDLE}:/cuda", "LD_LIBRARY_PATH_ORIG": "/cuda"}, BUNDLE)
    assert clean_environment(once, BUNDLE) == once == {"LD_LIBRARY_PATH": "/cuda"}


class FakeKernel32:
    def __init__(self) -> None:
        self.folders: list[str | None] = []

    def SetDllDirectoryW(self, folder: str | None) -> int:  # noqa: N802 - Windows' name
        self.folders.append(folder)
        return 1


def test_on_windows_the_folder_of_dlls_is_the_systems_while_a_child_starts() -> None:
    kernel32 = FakeKernel32()
    with system_libraries(BUNDLE, kernel32):
        assert kernel32.folders == [None]
    assert kernel32.folders == [None, str(BUNDLE)]


def test_nothing_is_asked_of_windows_by_an_app_that_is_not_frozen() -> None:
    kernel32 = FakeKernel32()
    with system_libraries(None, kernel32):
        pass
    assert kernel32.folders == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no trampoline")
def test_a_frozen_apps_trampoline_hands_its_own_libraries_to_nobody(tmp_path: Path) -> None:
    script = (
        f"import os, sys; sys._MEIPASS = {str(tmp_path)!r};"
        "from tray_app.system.trampoline import KEEP, exec_child;"
        "sys.exit(exec_child([KEEP, str(os.getppid()), '/usr/bin/env']))"
    )
    env = os.environ | {"LD_LIBRARY_PATH": str(tmp_path), "LD_LIBRARY_PATH_ORIG": "/cuda"}
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as keeper:
        assert keeper.stdout
        seen = keeper.stdout.read().splitlines()
    assert "LD_LIBRARY_PATH=/cuda" in seen
    assert not any(str(tmp_path) in line for line in seen)


def test_an_engine_gets_what_it_has_a_use_for_and_nobodys_keys() -> None:
    needed = {
        "PATH": "/bin",
        "HOME": "/home/a",
        "LANG": "C",
        "LC_ALL": "C",
        "TMPDIR": "/t",
        "SYSTEMROOT": "C:",
        "CUDA_VISIBLE_DEVICES": "1",
        "GGML_VK_VISIBLE_DEVICES": "0",
        "OMP_NUM_THREADS": "4",
        "LD_LIBRARY_PATH": "/cuda",
        "ROCR_VISIBLE_DEVICES": "0",
        "HIP_VISIBLE_DEVICES": "0",
    }
    others = {
        "HF_TOKEN": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "OPENAI_API_KEY": "x",
        "SSH_AUTH_SOCK": "x",
        "POWERINFER_TRAY_KEY_GATEWAY": "x",
        "LLAMA_API_KEY": "x",
        "LLAMA_ARG_CTX_SIZE": "x",
        "NVIDIA_API_KEY": "x",
        "LC_SECRET": "x",
        "GGML_TOKEN": "x",
        "HTTPS_PROXY": "http://a:pw@b",
        "PYTHONPATH": "x",
        "LD_PRELOAD": "x",
        "AIP_MODE": "PREDICTION",
        "DBUS_SESSION_BUS_ADDRESS": "x",
    }
    assert for_engines(needed | others) == needed


@pytest.mark.parametrize("name", ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"])
def test_how_threads_of_engines_wait_is_said_unless_the_person_does(name: str) -> None:
    added = beside_others({"PATH": "/bin"})
    assert added.keys() == {"PATH", "GOMP_SPINCOUNT"}
    assert 0 < int(added["GOMP_SPINCOUNT"]) < 300_000
    assert beside_others({name: "x"}) == {name: "x"}


def test_a_program_that_is_asked_what_it_is_gets_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    command = (sys.executable, "-I", "-c", "import os; print(sorted(os.environ.values()))")
    assert "secret" not in ask(command, 30).text
