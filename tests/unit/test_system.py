"""Facts about the machine and the places of the app, for systems that are not here too."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fakes.errors import coded
from tray_app.errors import AppError, ErrorCode
from tray_app.system.files import write_atomically
from tray_app.system.graphics import Adapter, Maker
from tray_app.system.host import Host, System, detect_host, detect_system, normalise_machine, windows_machine
from tray_app.system.nvidia import Gpu, nvidia_gpus
from tray_app.system.paths import AppPaths, ensure_home, expanded, resources


def host(system: System, machine: str, *, translated: bool = False) -> Host:
    return Host(system, machine, translated, 4, 8, 16 * 1024**3, ())


def test_a_home_folder_is_put_in_for_a_tilde_if_there_is_such_a_user() -> None:
    assert expanded("~/models") == Path.home() / "models"
    assert expanded("~nobody-here/models") == Path("~nobody-here/models")
    assert expanded(Path("~/models")) == Path.home() / "models"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('"/data/my models"', "/data/my models"),
        ("'/data/models'", "/data/models"),
        ("  /data/models \r\n", "/data/models"),
        (' " /data/models " ', "/data/models"),
        ("$POWERINFER_TEST/models", "/somewhere/models"),
        ("${POWERINFER_TEST}/models", "/somewhere/models"),
        ('"$POWERINFER_TEST/models"', "/somewhere/models"),
        ("$NOBODY_SET_THIS/models", "$NOBODY_SET_THIS/models"),
        ("file:///data/my%20models", "/data/my models"),
        ("FILE://localhost/data/%E6%A8%A1", "/data/模"),
        ('"file:///data/models"', "/data/models"),
        ("file:/data/models", "/data/models"),
        ("file://box/data", "file:/box/data"),
        ("a\0b", "a\0b"),
        ("", "."),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="whole paths begin with a drive there")
def test_a_path_is_understood_as_it_was_pasted(text: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERINFER_TEST", "/somewhere")
    assert expanded(text) == Path(path)


def test_what_is_there_is_meant_whatever_it_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERINFER_TEST", "/somewhere")
    for name in ("$POWERINFER_TEST", "blank ", "100%"):
        (tmp_path / name).touch()
        assert expanded(str(tmp_path / name)) == tmp_path / name


def test_everything_is_below_the_home_that_the_environment_names(tmp_path: Path) -> None:
    paths = AppPaths.from_environment({"POWERINFER_TRAY_HOME": str(tmp_path)})

    assert all(
        place.is_relative_to(tmp_path)
        for place in (paths.settings_file, paths.state, paths.logs, paths.models, paths.chats)
    )


def test_models_go_where_the_4d_component_puts_them() -> None:
    assert AppPaths.from_environment({}).models == Path.home() / ".PowerInfer"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows a home by another variable")
def test_a_user_without_a_home_is_told_so_or_has_the_apps_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(_: int) -> None:
        raise KeyError

    for name in ("HOME", "POWERINFER_TRAY_HOME", *(name for name in os.environ if name.startswith("XDG_"))):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    ensure_home(os.environ)
    with pytest.raises(AppError, check=coded(ErrorCode.NO_HOME_FOLDER)) as told:
        AppPaths.from_environment(os.environ)
    assert "set POWERINFER_TRAY_HOME to a folder" in str(told.value)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "")  # is put back at the end
    del os.environ["HOME"]
    monkeypatch.setenv("POWERINFER_TRAY_HOME", "my app")
    ensure_home(os.environ)
    assert Path.home() == tmp_path / "my app"
    assert AppPaths.from_environment(os.environ).models.parent == Path.home()


def test_a_home_is_left_as_it_is(tmp_path: Path) -> None:
    environ = {"POWERINFER_TRAY_HOME": str(tmp_path)}
    ensure_home(environ)
    assert "HOME" not in environ


def test_the_resources_are_found() -> None:
    assert (resources() / "test-model" / "test.gguf").is_file()


def test_this_machine_has_cores_and_memory() -> None:
    facts = detect_host()

    assert 1 <= facts.physical_cores <= facts.logical_cores
    assert facts.memory_bytes > 0


@pytest.mark.parametrize(
    ("name", "system"),
    [
        ("linux", System.LINUX),
        ("darwin", System.MACOS),
        ("win32", System.WINDOWS),
        ("freebsd14", System.LINUX),
    ],
)
def test_the_system_is_known_by_pythons_name_for_it(name: str, system: System) -> None:
    assert detect_system(name) is system


@pytest.mark.parametrize(
    ("name", "machine"), [("AMD64", "x86_64"), ("aarch64", "arm64"), ("riscv64", "riscv64")]
)
def test_an_architecture_has_one_name(name: str, machine: str) -> None:
    assert normalise_machine(name) == machine


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (host(System.MACOS, "arm64"), True),
        (host(System.MACOS, "arm64", translated=True), True),
        (host(System.MACOS, "x86_64"), False),
        (host(System.LINUX, "arm64"), False),
    ],
)
def test_apple_silicon_is_known_also_under_rosetta(facts: Host, expected: bool) -> None:
    assert facts.apple_silicon is expected


@pytest.mark.parametrize(
    ("facts", "machines"),
    [
        (host(System.MACOS, "arm64"), ("arm64", "x86_64")),
        (host(System.MACOS, "x86_64"), ("x86_64",)),
        (host(System.WINDOWS, "arm64"), ("arm64", "x86_64", "x86")),
        (host(System.LINUX, "arm64"), ("arm64",)),
    ],
)
def test_a_machine_says_whose_programs_it_runs(facts: Host, machines: tuple[str, ...]) -> None:
    assert facts.machines == machines
    assert facts.platforms[0] == f"{facts.system}-{facts.machine}"


class FakeWindows:
    """Tells the native machine as `IsWow64Process2` does."""

    def __init__(self, native: int, answer: int = 1) -> None:
        self.native, self.answer = native, answer

    def IsWow64Process2(self, _process: Any, _machine: Any, native: Any) -> int:  # noqa: N802 - Windows' name
        native._obj.value = self.native
        return self.answer


def test_windows_tells_the_hardware_also_to_a_translated_process() -> None:
    assert windows_machine(FakeWindows(0xAA64)) == "arm64"
    assert windows_machine(FakeWindows(0x8664)) == "x86_64"
    assert windows_machine(FakeWindows(0xAA64, answer=0)) is None


class FakeNvml:
    """The driver's library with these devices; an error in place of one, or of the whole driver."""

    class NVMLError(Exception):
        pass

    def __init__(
        self,
        *devices: Gpu | str,
        missing: bool = False,
        count_fails: bool = False,
        driver: str | None = "580.95.05",
    ) -> None:
        self.devices, self.missing, self.count_fails = devices, missing, count_fails
        self.driver = driver
        self.shut_down = False

    def nvmlInit(self) -> None:  # noqa: N802 - NVIDIA's names
        if self.missing:
            raise self.NVMLError("NVML Shared Library Not Found")

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.shut_down = True
        if self.count_fails:
            raise self.NVMLError("Uninitialized")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        if self.count_fails:
            raise self.NVMLError("Driver/library version mismatch")
        return len(self.devices)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Gpu:  # noqa: N802
        device = self.devices[index]
        if isinstance(device, str):
            raise self.NVMLError(device)
        return device

    def nvmlDeviceGetName(self, handle: Gpu) -> str:  # noqa: N802
        return handle.name

    def nvmlDeviceGetMemoryInfo(self, handle: Gpu) -> Any:  # noqa: N802
        return SimpleNamespace(total=handle.memory_bytes)

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        if self.driver is None:
            raise self.NVMLError("Unknown Error")
        return self.driver

    def nvmlSystemGetCudaDriverVersion_v2(self) -> int:  # noqa: N802
        if self.driver is None:
            raise self.NVMLError("Function Not Found")
        return 13_020

    def nvmlDeviceGetCudaComputeCapability(self, handle: Gpu) -> tuple[int, int]:  # noqa: N802
        if handle.compute is None:
            raise self.NVMLError("Function Not Found")
        return handle.compute


DRIVER, CUDA = (580, 95, 5), (13, 2)
RTX = Gpu("NVIDIA RTX 4090", 24 << 30, DRIVER, CUDA, (8, 9))
A100 = Gpu("NVIDIA A100", 80 << 30, DRIVER, CUDA)


@pytest.mark.warns("The NVIDIA driver does not tell")
@pytest.mark.parametrize(
    ("driver", "found"),
    [
        (FakeNvml(RTX, A100), (RTX, A100)),
        (FakeNvml(RTX, "GPU is lost", A100), (RTX, A100)),
        (FakeNvml(), ()),
        (FakeNvml(missing=True), ()),
        (FakeNvml(RTX, count_fails=True), ()),
    ],
)
def test_the_driver_tells_its_devices_and_its_faults_stop_nobody(
    driver: FakeNvml, found: tuple[Gpu, ...]
) -> None:
    assert nvidia_gpus(driver) == found
    assert driver.shut_down is not driver.missing


def test_an_old_driver_that_does_not_tell_its_version_still_tells_its_cards() -> None:
    (gpu,) = nvidia_gpus(FakeNvml(RTX, driver=None))

    assert gpu == Gpu(RTX.name, RTX.memory_bytes, (), None, (8, 9))


def test_each_system_is_asked_in_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    card = Adapter("AMD Radeon RX 7900 XTX", Maker.AMD, "1002:744c", integrated=False)
    for name, answer in (
        ("windows_adapters", (card,)),
        ("has_vulkan_on_windows", True),
        ("is_virtual_on_windows", True),
        ("windows_extensions", ("avx", "avx2")),
    ):
        monkeypatch.setattr(f"tray_app.system.host.{name}", lambda answer=answer: answer)
    monkeypatch.setattr("tray_app.system.host.runs_translated", lambda: False)
    found = {}
    for system in System:
        monkeypatch.setattr("tray_app.system.host.detect_system", lambda _, system=system: system)
        found[system] = detect_host()

    windows, mac, linux = (found[each] for each in (System.WINDOWS, System.MACOS, System.LINUX))
    assert (windows.adapters, windows.vulkan, windows.virtual) == ((card,), True, True)
    assert (windows.extensions, windows.glibc) == (("avx", "avx2"), ())
    assert (mac.gpus, mac.adapters, mac.vulkan, mac.extensions, mac.glibc) == ((), (), False, (), ())
    assert card not in linux.adapters
    if sys.platform == "linux":
        assert linux.glibc >= (2, 17)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
@pytest.mark.parametrize(
    ("asked", "umask", "mode"), [(0o644, 0o022, 0o644), (0o644, 0o077, 0o600), (0o600, 0o022, 0o600)]
)
def test_a_new_file_is_as_private_as_was_asked_and_as_the_person_wants_all_files(
    asked: int, umask: int, mode: int, tmp_path: Path
) -> None:
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "x", b"new", mode=asked)
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == mode


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
def test_what_the_app_keeps_for_itself_is_for_this_user_alone_whatever_the_umask(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir(mode=0o755)  # as an earlier version made it
    code = """
import logging, os, sys
from pathlib import Path
os.umask(0)
from tray_app.engine.output import EngineOutput
from tray_app.settings.store import SettingsStore
from tray_app.settings.schema import Settings
from tray_app.system.single_instance import SingleInstanceLock
from tray_app.system.logs import AppLog
from tray_app.system.runfolder import RunFolder
home = Path(sys.argv[1])
AppLog(home / "logs").close()
EngineOutput(home / "logs").add("line")
SingleInstanceLock(home / "state", "control").acquire()
RunFolder.make(home / "state" / "engine-runs")
SettingsStore(home / "config" / "settings.toml").replace(Settings(port=8081))
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=60)

    inside = [path for name in ("logs", "state") for path in (tmp_path / name, *(tmp_path / name).rglob("*"))]
    inside.append(tmp_path / "config" / "settings.toml")
    assert len(inside) >= 8
    assert [path for path in inside if path.stat().st_mode & 0o077] == []


def test_an_atomic_write_leaves_the_old_file_when_the_disk_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "x"
    file.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(file, b"new")

    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]
    assert file.read_text() == "old"
