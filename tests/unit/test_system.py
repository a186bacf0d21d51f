"""Facts about the machine and the places of the app, for systems that are not here too."""

from pathlib import Path

import pytest

from tray_app.system.files import write_atomically
from tray_app.system.host import Host, System, detect_host, detect_system, normalise_machine
from tray_app.system.paths import AppPaths, resources


def host(system: System, machine: str, *, translated: bool = False) -> Host:
    return Host(system, machine, translated, 4, 8, 16 * 1024**3, ())


def test_everything_is_below_the_home_that_the_environment_names(tmp_path: Path) -> None:
    paths = AppPaths.from_environment({"POWERINFER_TRAY_HOME": str(tmp_path)})

    assert all(
        place.is_relative_to(tmp_path)
        for place in (paths.settings_file, paths.state, paths.logs, paths.models)
    )


def test_models_go_where_the_4d_component_puts_them() -> None:
    assert AppPaths.from_environment({}).models == Path.home() / ".PowerInfer"


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
