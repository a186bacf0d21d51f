import sys
from pathlib import Path

import pytest

from tests.fakes.builds import FakeBuilds, make_build
from tests.fakes.engine import HELP
from tests.fakes.errors import coded
from tests.fakes.launches import FAKE_ENGINE, PC
from tests.fakes.programs import elf, fat, pe
from tray_app.engine import inspection
from tray_app.engine.builds.build import BackEnd, InstalledBuild
from tray_app.engine.choosing import ModelNeeds, choose_engine
from tray_app.engine.devices import EngineDevice
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.engine_setting import BuildSetting, EngineSetting, engine_setting
from tray_app.engine.finding import EngineFinder, recognize
from tray_app.errors import EngineError, ErrorCode, Fix
from tray_app.models.header import ModelHeader
from tray_app.settings.schema import AUTO

posix = pytest.mark.skipif(sys.platform == "win32", reason="makes a shell script")


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("auto", AUTO),
        ("powerinfer", EngineKind.POWERINFER),
        ("llama.cpp", EngineKind.LLAMA_CPP),
        ("llama-server", EngineKind.LLAMA_SERVER),
        (" llama-server ", EngineKind.LLAMA_SERVER),
        ("remote", EngineKind.REMOTE),
        ("llama.cpp-cuda", BuildSetting(EngineKind.LLAMA_SERVER, BackEnd.CUDA)),
        ("powerinfer-cpu", BuildSetting(EngineKind.POWERINFER, BackEnd.CPU)),
        ("llama.cpp-other", Path("llama.cpp-other")),
        ("/opt/llama-server", Path("/opt/llama-server")),
        ("./llama-server", Path("llama-server")),
        ("~/llama-server", Path.home() / "llama-server"),
        ("llama-server.exe", Path("llama-server.exe")),
    ],
)
def test_the_setting_is_a_name_or_the_path_of_a_program(text: str, meaning: EngineSetting) -> None:
    assert engine_setting(text) == meaning


@pytest.mark.parametrize("kind", [EngineKind.POWERINFER, EngineKind.LLAMA_SERVER])
def test_an_engine_is_recognised_by_its_help(kind: EngineKind) -> None:
    engine = recognize(Path("/opt/x"), HELP[kind])
    assert engine.kind is kind
    assert {"--ctx-size", "-tb", "--port"} <= engine.flags


def test_a_program_with_another_help_is_no_engine() -> None:
    with pytest.raises(EngineError, check=coded(ErrorCode.NOT_AN_ENGINE)):
        recognize(Path("/bin/ls"), HELP["other"])


def test_the_embedded_engine_tells_its_version() -> None:
    engine = EngineFinder(PC).embedded()
    assert engine
    assert engine.kind is EngineKind.LLAMA_CPP
    assert engine.version


def shell(path: Path, code: str) -> Path:
    path.write_text(f"#!/bin/sh\n{code}\n")
    path.chmod(0o755)
    return path


def script(path: Path, like: str) -> Path:
    return shell(path, "exec '{}' {} '{}' --like {} \"$@\"".format(*_quoted(), like))


def _quoted() -> tuple[str, str, str]:
    return FAKE_ENGINE[0], " ".join(FAKE_ENGINE[1:-1]), FAKE_ENGINE[-1]


@posix
def test_a_program_is_asked_what_it_is(tmp_path: Path) -> None:
    program = script(tmp_path / "my server", "powerinfer")
    engine = EngineFinder(PC).probe(program)
    assert engine.kind is EngineKind.POWERINFER
    assert engine.command == (str(program),)


@posix
def test_a_program_is_asked_again_only_when_its_file_has_changed(tmp_path: Path) -> None:
    finder = EngineFinder(PC)
    program = script(tmp_path / "server", "powerinfer")
    assert finder.probe(program) is finder.probe(program)
    script(program, "llama-server")
    assert finder.probe(program).kind is EngineKind.LLAMA_SERVER


@posix
def test_a_server_on_path_counts_only_if_it_is_powerinfer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    script(tmp_path / "server", "powerinfer")  # a name that every program may have: it is not even asked
    assert EngineFinder(PC).powerinfer() is None
    script(tmp_path / "powerinfer-server", "other")
    assert EngineFinder(PC).powerinfer() is None
    found = script(tmp_path / "powerinfer-server", "powerinfer")
    engine = EngineFinder(PC).powerinfer()
    assert engine
    assert engine.command == (str(found),)


def test_a_path_with_nothing_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_NOT_FOUND)):
        EngineFinder(PC).probe(tmp_path / "gone")


@pytest.mark.parametrize("setting", ["~nobody-here/server", "a\0b"])
def test_what_can_be_no_path_is_no_engine(setting: str) -> None:
    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_NOT_FOUND)):
        choose_engine(engine_setting(setting), ModelNeeds.of(ModelHeader(sparse=False)), EngineFinder(PC))


@posix
def test_folders_and_plain_files_are_no_programs(tmp_path: Path) -> None:
    note = tmp_path / "notes.txt"
    note.write_text("hello")
    for path, code in ((tmp_path, ErrorCode.ENGINE_NOT_A_PROGRAM), (note, ErrorCode.ENGINE_NOT_EXECUTABLE)):
        with pytest.raises(EngineError, check=coded(code)):
            EngineFinder(PC).probe(path)


@posix
def test_a_text_file_that_is_marked_executable_is_no_program(tmp_path: Path) -> None:
    note = tmp_path / "notes.txt"
    note.write_text("hello")
    note.chmod(0o755)
    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_NOT_A_PROGRAM), match=r"notes\.txt"):
        EngineFinder(PC).probe(note)


def other_machines() -> list[tuple[str, bytes, str]]:
    return [
        ("server.exe", pe(0xAA64), "Windows (arm64)"),
        ("server", elf(183), "Linux (arm64)"),
        ("server", fat(0x0100_0007, 0x0100_000C), "macOS (x86_64, arm64)"),
    ]


@pytest.mark.parametrize(("name", "head", "described"), other_machines())
def test_a_program_for_another_machine_is_not_run_but_told(
    name: str, head: bytes, described: str, tmp_path: Path
) -> None:
    program = tmp_path / name
    program.write_bytes(head)
    program.chmod(0o755)
    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_FOR_OTHER_MACHINE)) as refused:
        EngineFinder(PC).probe(program)
    assert refused.value.message == f"It runs on {described}. This computer has Linux (x86_64)."
    assert refused.value.fix is Fix.CHOOSE_ENGINE


@posix
def test_a_file_without_execute_permission_is_told_with_the_command_that_gives_it(tmp_path: Path) -> None:
    program = tmp_path / "my server"
    program.write_bytes(elf(62))
    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_NOT_EXECUTABLE)) as refused:
        EngineFinder(PC).probe(program)
    assert f"chmod +x '{program}'" in refused.value.hint


@posix
def test_a_missing_library_is_named(tmp_path: Path) -> None:
    said = "./server: error while loading shared libraries: libcudart.so.12: cannot open shared object file"
    program = shell(tmp_path / "server", f"echo '{said}: No such file or directory' >&2; exit 127")
    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_LIBRARY_MISSING)) as refused:
        EngineFinder(PC).probe(program)
    assert "libcudart.so.12" in refused.value.message


@posix
def test_a_program_that_crashes_when_asked_is_told(tmp_path: Path) -> None:
    program = shell(tmp_path / "server", "kill -ILL $$")
    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_NEEDS_NEWER_PROCESSOR)):
        EngineFinder(PC).probe(program)


@posix
def test_a_program_that_macos_has_marked_is_told_with_the_command_that_clears_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "is_quarantined", lambda _: True)
    program = shell(tmp_path / "server", "kill -KILL $$")
    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_QUARANTINED)) as refused:
        EngineFinder(PC).probe(program)
    assert f"xattr -d com.apple.quarantine '{program}'" in refused.value.hint


@posix
def test_an_engine_that_lists_its_cards_is_asked_for_them(tmp_path: Path) -> None:
    answers = "case $1 in --help) echo '--port --pooling --list-devices';;"
    program = shell(
        tmp_path / "server", f"{answers} *) echo '  CUDA0: NVIDIA RTX (8192 MiB, 1 MiB free)';; esac"
    )
    assert EngineFinder(PC).probe(program).devices == (EngineDevice("NVIDIA RTX", 8192 << 20, "CUDA0"),)


# Installed builds ------------------------------------------------------------------------------------------

_CARD = "  CUDA0: NVIDIA RTX (8192 MiB, 1 MiB free)"


def built(folder: Path, back_end: BackEnd, devices: str = _CARD) -> InstalledBuild:
    """A build whose program answers as a llama-server, and lists these cards."""
    help_text = "case $1 in --help) echo '--port --pooling --list-devices';;"
    program = shell(folder / "llama-server", f"{help_text} *) echo '{devices}';; esac")
    return make_build(back_end, program=program)


@posix
def test_a_build_is_the_engine_that_its_program_is(tmp_path: Path) -> None:
    build = built(tmp_path, BackEnd.CUDA)
    engine = EngineFinder(PC, FakeBuilds((build,))).of_build(build)
    assert (engine.kind, engine.build, engine.version) == (EngineKind.LLAMA_SERVER, build, "b11194")
    assert engine.devices == (EngineDevice("NVIDIA RTX", 8192 << 20, "CUDA0"),)
    assert engine.name == "llama.cpp-cuda"


@posix
def test_a_build_for_the_processor_has_no_card_whatever_it_lists(tmp_path: Path) -> None:
    build = built(tmp_path, BackEnd.CPU)
    assert EngineFinder(PC, FakeBuilds((build,))).of_build(build).devices == ()


@posix
def test_a_build_for_cards_that_lists_none_cannot_be_used(tmp_path: Path) -> None:
    build = built(tmp_path, BackEnd.VULKAN, "Available devices:")
    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_WITHOUT_CARD)):
        EngineFinder(PC, FakeBuilds((build,))).of_build(build)


@posix
def test_a_build_whose_card_was_not_found_is_asked_again(tmp_path: Path) -> None:
    build = built(tmp_path, BackEnd.CUDA, f"'$(cat '{tmp_path}/driver' 2>/dev/null)'")
    finder = EngineFinder(PC, FakeBuilds((build,)))
    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_WITHOUT_CARD)):
        finder.of_build(build)
    (tmp_path / "driver").write_text(_CARD)
    assert finder.of_build(build).devices


def test_a_build_whose_files_have_changed_is_not_even_asked(tmp_path: Path) -> None:
    build = make_build(BackEnd.CUDA, program=tmp_path / "gone")
    changed = EngineError(ErrorCode.ENGINE_CHANGED, "It has changed")
    with pytest.raises(EngineError) as refused:
        EngineFinder(PC, FakeBuilds((build,), changed_ones={build.id: changed})).of_build(build)
    assert refused.value is changed


def test_without_a_store_nothing_is_installed() -> None:
    assert (EngineFinder(PC).builds(), EngineFinder(PC).set_asides()) == ((), ())
