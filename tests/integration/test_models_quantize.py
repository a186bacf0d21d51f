"""Quantizing with a program that behaves as the engines' own do, or fails as they do."""

from __future__ import annotations

import json
import os
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from tests.fakes import quantize as fake
from tests.fakes.errors import coded
from tests.fakes.models import header_bytes, model_bytes, write_model
from tests.fakes.program import powerinfer_tray
from tray_app.errors import ErrorCode, ModelError
from tray_app.models.gguf import parse_header, read_header
from tray_app.models.quantize import Quantizer, find_quantizer, needed_bytes, quantize
from tray_app.system.host import detect_system
from tray_app.system.launcher import launcher_for

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the fake program is a script with a #! line")

LAUNCHER = launcher_for(detect_system(sys.platform))


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with the fake program in it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "quantize"
    script = f"#!/bin/sh\nexec '{sys.executable}' -I -S '{fake.__file__}' \"$@\"\n"
    program.write_text(script)
    program.chmod(0o755)
    return folder


@pytest.fixture
def quantizer(programs: Path) -> Quantizer:
    found = find_quantizer(programs / "server")
    assert found
    return found


def run(quantizer: Quantizer, source: Path, target: Path, type_name: str = "Q4_0") -> list[tuple[int, int]]:
    """Quantize; the progress that was reported."""
    seen: list[tuple[int, int]] = []
    quantize(
        quantizer,
        source,
        target,
        type_name,
        launcher=LAUNCHER,
        on_tensor=lambda done, total: seen.append((done, total)),
    )
    return seen


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_program_beside_the_engine_tells_its_types(quantizer: Quantizer, programs: Path) -> None:
    assert quantizer == Quantizer(programs / "quantize", ("Q4_0", "Q3_K", "Q3_K_M", "F16"))


def test_the_program_may_be_on_the_path(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(programs))
    assert find_quantizer(None) is None  # the name of many programs: it is not even asked
    (programs / "quantize").rename(programs / "powerinfer-quantize")
    assert find_quantizer(None)


def test_another_program_of_that_name_is_not_taken_for_it(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (programs / "quantize").write_text("#!/bin/sh\necho reduces the colours of a picture\n")
    monkeypatch.setenv("PATH", str(programs))
    assert find_quantizer(programs / "server") is None


@pytest.mark.parametrize("sparse", [False, True])
def test_the_result_appears_whole_and_keeps_its_kind(
    quantizer: Quantizer, tmp_path: Path, *, sparse: bool
) -> None:
    models = tmp_path / "größe 7B"
    source = write_model(models / "f16.gguf", sparse=sparse)

    assert run(quantizer, source, models / "q4.gguf") == [(1, 2), (2, 2)]

    assert names(models) == {"f16.gguf", "q4.gguf"}
    assert read_header(models / "q4.gguf").sparse is sparse


def test_a_sparse_model_is_offered_only_types_that_powerinfer_computes_with(
    quantizer: Quantizer, tmp_path: Path
) -> None:
    header = parse_header(model_bytes(sparse=True), "x")
    assert quantizer.types_for(header) == ("Q4_0", "F16")

    with pytest.raises(ModelError, check=coded(ErrorCode.QUANTIZATION_TYPE_INVALID)) as caught:
        run(quantizer, write_model(tmp_path / "a.gguf", sparse=True), tmp_path / "b.gguf", "Q3_K_M")
    assert caught.value.hint == "Choose one of: Q4_0, F16"


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("fail", "failed to quantize: requantizing from type q4_0 is disabled"),
        ("half", "It starts with b'half'"),
        ("dense", "a different kind of model"),
    ],
)
def test_a_failure_is_explained_and_leaves_nothing(
    quantizer: Quantizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behaviour: str, message: str
) -> None:
    monkeypatch.setenv("GGML_FAKE_QUANTIZE", behaviour)
    source = write_model(tmp_path / "models" / "a.gguf", sparse=True)

    with pytest.raises(ModelError) as caught:
        run(quantizer, source, source.with_name("b.gguf"))

    assert message in caught.value.message
    assert names(source.parent) == {"a.gguf"}


class StoppedError(Exception):
    """The person has had enough."""


def test_it_can_be_stopped_and_leaves_nothing(quantizer: Quantizer, tmp_path: Path) -> None:
    source = write_model(tmp_path / "models" / "a.gguf")

    def stop(_done: int, _total: int) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        quantize(quantizer, source, source.with_name("b.gguf"), "Q4_0", launcher=LAUNCHER, on_tensor=stop)

    assert names(source.parent) == {"a.gguf"}


def test_a_file_that_is_there_is_not_replaced(quantizer: Quantizer, tmp_path: Path) -> None:
    source = write_model(tmp_path / "a.gguf")
    with pytest.raises(ModelError, check=coded(ErrorCode.FILE_EXISTS)):
        run(quantizer, source, write_model(tmp_path / "b.gguf"))
    with pytest.raises(ModelError, check=coded(ErrorCode.FOLDER_MISSING)):
        run(quantizer, source, tmp_path / "nowhere" / "b.gguf")


def test_a_disk_that_is_too_full_is_said_beforehand(
    quantizer: Quantizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=100, total=200))

    with pytest.raises(ModelError, check=coded(ErrorCode.NOT_ENOUGH_SPACE)) as caught:
        run(quantizer, write_model(tmp_path / "a.gguf"), tmp_path / "b.gguf")

    assert "another folder" in caught.value.hint


@pytest.mark.parametrize(
    ("type_name", "bits"),
    [
        ("F16", 16),
        ("Q4_0", 4.5),
        ("Q4_K_M", 4.5),
        ("Q6_K", 6.5625),
        ("IQ3_M", 3.4375),
        ("IQ2_XS", 2.3125),
        ("NEW", 32),
    ],
)
def test_the_space_needed_follows_from_the_type(type_name: str, bits: float) -> None:
    header = parse_header(model_bytes(weights=32_000), "x")

    assert needed_bytes(header, type_name) == int(32_000 * bits / 8 * 1.2)


def test_without_tensors_nothing_is_needed() -> None:
    assert needed_bytes(parse_header(header_bytes({"general.architecture": "llama"}), "x"), "Q4_0") == 0


def test_the_command_quantizes_a_model_of_the_folder(
    programs: Path, private_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (programs / "quantize").rename(programs / "llama-quantize")
    monkeypatch.setenv("PATH", str(programs))
    write_model(private_home / "models" / "a.gguf")
    target = private_home / "models" / "a.Q4_0.gguf"

    result = powerinfer_tray("quantize", "a", str(target), "q4_0", "--json")

    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["path"] == str(target)


def test_without_a_program_the_command_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    result = powerinfer_tray("quantize", "test", str(tmp_path / "b.gguf"), "Q4_0")

    assert result.returncode == 1
    assert "No program for quantizing" in result.stderr


@pytest.mark.parametrize("name", [".b.gguf.quantizing", "b.gguf"])
@pytest.mark.parametrize("hard", [False, True], ids=["link", "hard link"])
def test_nothing_is_written_through_what_others_have_put_there(
    quantizer: Quantizer, tmp_path: Path, name: str, *, hard: bool
) -> None:
    source = write_model(tmp_path / "models" / "a.gguf")
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    trap = source.with_name(name)
    trap.hardlink_to(victim) if hard else trap.symlink_to(victim)

    with pytest.raises(ModelError):
        run(quantizer, source, source.with_name("b.gguf"))

    assert victim.read_text() == "mine"
    assert trap.samefile(victim)


def test_what_a_killed_run_has_left_is_replaced(quantizer: Quantizer, tmp_path: Path) -> None:
    source = write_model(tmp_path / "models" / "a.gguf")
    source.with_name(".b.gguf.quantizing").write_bytes(b"half")
    run(quantizer, source, source.with_name("b.gguf"))
    assert names(source.parent) == {"a.gguf", "b.gguf"}


def test_a_program_that_fills_the_disk_is_ended(
    quantizer: Quantizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_model(tmp_path / "models" / "a.gguf")
    free = iter([10**9] + [10] * 100)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=next(free), total=10**6))
    with pytest.raises(ModelError, check=coded(ErrorCode.NOT_ENOUGH_SPACE)):
        run(quantizer, source, source.with_name("b.gguf"))
    assert names(source.parent) == {"a.gguf"}
