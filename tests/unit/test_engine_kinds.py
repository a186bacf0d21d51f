import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.engine import HELP
from tests.fakes.launches import FAKE_ENGINE, PC
from tray_app.engine.kinds import Engine, EngineFinder, EngineKind, choose_engine, recognise
from tray_app.errors import EngineError

EMBEDDED = Engine(EngineKind.LLAMA_CPP, ("python",))
POWERINFER = Engine(EngineKind.POWERINFER, ("/opt/server",))
OWN_LLAMA = Engine(EngineKind.LLAMA_SERVER, ("/opt/llama-server",))

posix = pytest.mark.skipif(sys.platform == "win32", reason="makes a shell script")


@dataclass
class FakeFinder:
    has_llama: Engine | None = EMBEDDED
    has_powerinfer: Engine | None = POWERINFER
    at_path: Engine = OWN_LLAMA

    def embedded(self) -> Engine | None:
        return self.has_llama

    def powerinfer(self) -> Engine | None:
        return self.has_powerinfer

    def probe(self, path: Path) -> Engine:
        assert path == Path("/opt/own")
        return self.at_path


@pytest.mark.parametrize(
    ("setting", "sparse", "chosen"),
    [
        ("auto", False, EMBEDDED),
        ("auto", True, POWERINFER),
        ("llama.cpp", False, EMBEDDED),
        ("powerinfer", True, POWERINFER),
        ("powerinfer", False, POWERINFER),
        ("/opt/own", False, OWN_LLAMA),
    ],
)
def test_the_setting_and_the_file_decide(setting: str, *, sparse: bool, chosen: Engine) -> None:
    assert choose_engine(setting, sparse, FakeFinder()) is chosen


@pytest.mark.parametrize("setting", ["auto", "powerinfer"])
def test_without_powerinfer_a_sparse_model_is_refused_with_a_remedy(setting: str) -> None:
    with pytest.raises(EngineError, match="no PowerInfer engine") as caught:
        choose_engine(setting, True, FakeFinder(has_powerinfer=None))
    assert "«Engine»" in caught.value.hint


@pytest.mark.parametrize("setting", ["llama.cpp", "/opt/own"])
def test_a_sparse_model_is_not_given_to_another_engine(setting: str) -> None:
    with pytest.raises(EngineError, match="needs the PowerInfer engine"):
        choose_engine(setting, True, FakeFinder())


def test_without_the_embedded_engine_a_person_is_told_to_bring_one() -> None:
    with pytest.raises(EngineError, match="llama-server"):
        choose_engine("auto", False, FakeFinder(has_llama=None))


@pytest.mark.parametrize("kind", [EngineKind.POWERINFER, EngineKind.LLAMA_SERVER])
def test_an_engine_is_recognised_by_its_help(kind: EngineKind) -> None:
    engine = recognise(Path("/opt/x"), HELP[kind])
    assert engine.kind is kind
    assert {"--ctx-size", "-tb", "--port"} <= engine.flags


def test_a_program_with_another_help_is_no_engine() -> None:
    with pytest.raises(EngineError, match="is not an engine"):
        recognise(Path("/bin/ls"), HELP["other"])


def test_the_embedded_engine_tells_its_version() -> None:
    engine = EngineFinder(PC).embedded()
    assert engine
    assert engine.kind is EngineKind.LLAMA_CPP
    assert engine.version


def script(path: Path, like: str) -> Path:
    path.write_text("#!/bin/sh\nexec '{}' {} '{}' --like {} \"$@\"\n".format(*_quoted(), like))
    path.chmod(0o755)
    return path


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
    script(tmp_path / "server", "other")
    assert EngineFinder(PC).powerinfer() is None
    found = script(tmp_path / "powerinfer-server", "powerinfer")
    engine = EngineFinder(PC).powerinfer()
    assert engine
    assert engine.command == (str(found),)


def test_a_path_with_nothing_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="There is no engine at"):
        EngineFinder(PC).probe(tmp_path / "gone")


@posix
def test_folders_and_plain_files_are_no_programs(tmp_path: Path) -> None:
    note = tmp_path / "notes.txt"
    note.write_text("hello")
    for path, why in ((tmp_path, "folder"), (note, "cannot be run")):
        with pytest.raises(EngineError, match=why):
            EngineFinder(PC).probe(path)


@posix
def test_a_text_file_that_is_marked_executable_is_no_program(tmp_path: Path) -> None:
    note = tmp_path / "notes.txt"
    note.write_text("hello")
    note.chmod(0o755)
    with pytest.raises(EngineError, match=r"notes\.txt is not a program"):
        EngineFinder(PC).probe(note)
