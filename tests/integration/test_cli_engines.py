"""`powerinfer-tray engines`: what it prints, and what it comes to."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes.builds import PROVEN, install
from tests.fakes.commands import FakeCommands
from tests.fakes.fake_llama_server import Mode, llama_server
from tray_app.cli import main
from tray_app.engine.builds.build import BackEnd, Verdict, WeightKind
from tray_app.engine.builds.proof import Proof, Prover
from tray_app.engine.builds.store import EngineStore
from tray_app.engine.engine_kind import EngineKind
from tray_app.gateway.control.documents import StatusDocument
from tray_app.gateway.control.routes import Control

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

scripts = pytest.mark.skipif(sys.platform == "win32", reason="the fake engine is a script")
CHANGED = "Its files have changed since it was installed, so it is not started. Reinstall it:"
VERDICTS = PROVEN | {WeightKind.Q4_K: Verdict(works=False, reason="It crashed (SIGSEGV)")}


@pytest.fixture
def store(private_home: Path) -> EngineStore:
    return EngineStore(private_home / "engines")


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """What a command prints; it ends with this code."""
    assert main.run(["engines", *arguments]) == code, capsys.readouterr()
    said = capsys.readouterr()
    return said.err if code else said.out


def document(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    assert main.run(["engines", *arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_the_list_has_what_is_installed_what_is_broken_what_is_on_offer_and_an_advice(
    store: EngineStore, capsys: pytest.CaptureFixture[str]
) -> None:
    build = install(store, "b1-vulkan", BackEnd.VULKAN, verdicts=VERDICTS, speed=2.5)
    store.set_aside("b1-vulkan", "bge", "out of memory")
    install(store, "b1-cpu", BackEnd.CPU)
    (store.folder / "b1-cpu.json").unlink()
    build.program.with_name("version.dll").write_text("loads first")

    told = document(capsys, "list")
    lines = printed(capsys, "list").splitlines()

    (installed,) = told["installed"]
    assert (installed["id"], installed["program"]) == ("b1-vulkan", str(build.program))
    assert installed["works_with"] == ["F16", "Q8_0", "Q4_0"]
    assert installed["fails_with"] == {"Q4_K": "It crashed (SIGSEGV)"}
    assert (installed["changed"], installed["set_aside"]) == (True, {"bge": "out of memory"})
    assert [each["id"] for each in told["broken"]] == ["b1-cpu"]
    assert lines[: len(lines) - 1 - len(told["offers"])] == [
        "b1-vulkan: llama.cpp b11194 for graphics cards (Vulkan), 14 bytes",
        f"  {CHANGED} powerinfer-tray engines install b1-vulkan",
        "  tested with F16, Q8_0, Q4_0",
        "  gives wrong results with Q4_K: It crashed (SIGSEGV)",
        "  2.50 times as fast as the built-in engine when tested",
        "  not used for bge: out of memory",
        "  To try again, run: powerinfer-tray engines allow b1-vulkan",
        f"cannot be used: b1-cpu, 14 bytes: {told['broken'][0]['problem']}",
    ]
    assert lines[-1] == told["advice"]
    assert all(
        f"{each['cost']}." in lines[-1 - len(told["offers"]) + at] for at, each in enumerate(told["offers"])
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("remove", "b9-cuda"), "engine_not_installed"),
        (("prove", "b9-cuda"), "engine_not_installed"),
        (("allow", "b9-cuda"), "engine_not_installed"),
        (("install", "b9-cuda"), "engine_not_on_offer"),
    ],
)
def test_an_engine_that_is_not_there_is_exit_code_1(
    arguments: tuple[str, ...], code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "engines list" in printed(capsys, *arguments, code=1)
    assert document(capsys, *arguments, code=1)["error"]["code"] == code


@pytest.mark.parametrize("arguments", [(), ("remove",), ("install", "--maybe"), ("dance",)])
def test_what_is_no_command_is_exit_code_2(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    printed(capsys, *arguments, code=2)


def test_terms_are_accepted_by_yes_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cuda = [each["id"] for each in document(capsys, "list")["offers"] if "NVIDIA" in each["terms"]]
    if not cuda:
        pytest.skip("none is on offer with foreign terms for this machine")
    monkeypatch.setattr("tray_app.engine.builds.installing.BuildInstaller.install", pytest.fail)

    said = printed(capsys, "install", cuda[0], code=1)

    assert "NVIDIA" in said
    assert f"powerinfer-tray engines install {cuda[0]} --yes" in said


def test_an_engine_is_removed_with_its_size(store: EngineStore, capsys: pytest.CaptureFixture[str]) -> None:
    for build_id in ("b1-cuda", "b2-cuda"):
        install(store, build_id)

    assert printed(capsys, "remove", "b1-cuda").startswith("Removed b1-cuda (")
    assert document(capsys, "remove", "b2-cuda")["removed"] == "b2-cuda"
    assert store.installed() == ()


def test_an_engine_is_allowed_again(store: EngineStore, capsys: pytest.CaptureFixture[str]) -> None:
    install(store)
    for model in ("bge", "gemma", "qwen"):
        store.set_aside("b1-cuda", model, "it crashed")

    assert document(capsys, "allow", "b1-cuda", "--model", "bge") == {"engine": "b1-cuda", "models": ["bge"]}
    assert printed(capsys, "allow", "b1-cuda") == "b1-cuda will be used again for gemma, qwen\n"
    assert printed(capsys, "allow", "b1-cuda") == "b1-cuda was not disabled for any such model\n"


@scripts
def test_a_folder_is_installed_by_its_relative_path_and_proven_again(
    tmp_path: Path,
    store: EngineStore,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proof = Proof(EngineKind.LLAMA_SERVER, BackEnd.CPU, "11434", (), VERDICTS, speed=1.5)
    monkeypatch.setattr(Prover, "prove", lambda *_: proof)
    (tmp_path / "my engine").mkdir()
    (tmp_path / "my engine" / "llama-server").write_text(llama_server(Mode.RIGHT))
    (tmp_path / "my engine" / "llama-server").chmod(0o700)
    monkeypatch.chdir(tmp_path)

    said = printed(capsys, "install", "my engine")
    (build,) = store.installed()

    assert said.startswith(f"Installed:\n{build.id}: ")
    assert build.source == str(tmp_path / "my engine")
    told = document(capsys, "prove", build.id)
    assert (told["id"], told["speed"], told["back_end"]) == (build.id, 1.5, "cpu")


@scripts
def test_what_is_no_engine_is_not_installed(
    tmp_path: Path, store: EngineStore, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "photos.zip"
    archive.write_bytes(b"PK\x03\x04 and no more")

    assert document(capsys, "install", str(archive), code=1)["error"]["code"] == "archive_unreadable"
    assert store.installed() == ()


@contextmanager
def app_that_notes() -> Iterator[FakeCommands]:
    """An app in this process that does nothing but note what commands ask of it."""
    home, commands = Path(os.environ["POWERINFER_TRAY_HOME"]), FakeCommands()
    commands.goes_on.set()
    told = StatusDocument(running=True, state="ready")
    control = Control(home / "state", lambda: told, {}, print, commands)
    assert control.open()
    try:
        yield commands
    finally:
        control.end_jobs(5)
        control.close()


def test_where_an_app_runs_it_does_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "b1.zip").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    with app_that_notes() as app:
        listed = printed(capsys, "list")
        printed(capsys, "install", "b1.zip", "--yes")
        printed(capsys, "install")
        printed(capsys, "prove", "b1-cpu")
        printed(capsys, "allow", "b1-cpu", "--model", "bge")
        printed(capsys, "remove", "b1-cpu")

    assert "  is running Zoë\n" in listed
    assert "unfinished: b2-cuda, downloading, 50 bytes downloaded: no network\n" in listed
    assert app.names == [
        "engines",
        f"install b1.zip {tmp_path / 'b1.zip'} True",
        "install  None False",
        "prove b1-cpu",
        "allow b1-cpu bge",
        "remove engine b1-cpu",
    ]
