import os
import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.programs import elf, fat, pe, thin
from tray_app.system.executable import (
    Executable,
    find_on_path,
    is_quarantined,
    parse_executable,
    read_executable,
)
from tray_app.system.host import System, detect_host

X86_64, ARM64 = 0x0100_0007, 0x0100_000C


@pytest.mark.parametrize(
    ("head", "system", "machines"),
    [
        (elf(62), System.LINUX, ("x86_64",)),
        (elf(183), System.LINUX, ("arm64",)),
        (elf(22, ">"), System.LINUX, ("s390x",)),
        (elf(9999), System.LINUX, ("machine 0x270f",)),
        (pe(0x8664), System.WINDOWS, ("x86_64",)),
        (pe(0xAA64), System.WINDOWS, ("arm64",)),
        (thin(ARM64), System.MACOS, ("arm64",)),
        (thin(X86_64), System.MACOS, ("x86_64",)),
        (fat(X86_64, ARM64), System.MACOS, ("x86_64", "arm64")),
        (fat(X86_64, ARM64, wide=True), System.MACOS, ("x86_64", "arm64")),
    ],
)
def test_a_header_tells_system_and_machines(head: bytes, system: System, machines: tuple[str, ...]) -> None:
    assert parse_executable(head) == Executable(system, machines)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"#!/bin/sh\n",
        b"GGUF" + bytes(60),
        b"\x7fELF",
        b"MZ" + bytes(200),
        pe(0x8664, signature=b"LE\0\0"),
        pe(0x8664)[:0x84],
        struct.pack(">II", 0xCAFEBABE, 61) + bytes(4000),  # a class of Java
        fat(),
        fat(X86_64, ARM64)[:20],
    ],
)
def test_what_is_no_whole_program_has_no_machine(head: bytes) -> None:
    assert parse_executable(head) is None


@given(st.sampled_from([b"", b"\x7fELF", b"MZ", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe"]), st.binary())
def test_no_file_is_too_strange(magic: bytes, rest: bytes) -> None:
    found = parse_executable(magic + rest)
    assert found is None or found.machines


def test_the_program_that_runs_this_test_was_built_for_this_machine() -> None:
    host = detect_host()
    found = read_executable(Path(sys.executable).resolve())
    assert found
    assert found.system is host.system
    assert set(found.machines) & set(host.machines)


@pytest.mark.skipif(sys.platform == "win32", reason="makes a program of a shell script")
@pytest.mark.parametrize("entry", ["", ".", "programs", "..", "./programs"])
def test_only_folders_that_path_names_in_full_are_looked_into(
    entry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "programs"
    for place in (tmp_path, folder):
        place.mkdir(exist_ok=True)
        (place / "powerinfer-server").write_text("#!/bin/sh\n")
        (place / "powerinfer-server").chmod(0o755)
    monkeypatch.chdir(folder if entry == ".." else tmp_path)

    monkeypatch.setenv("PATH", entry)
    assert find_on_path("powerinfer-server") is None

    monkeypatch.setenv("PATH", os.pathsep.join([entry, str(folder)]))
    assert find_on_path("powerinfer-server") == folder / "powerinfer-server"


def test_what_may_not_be_run_is_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a-folder").mkdir()
    (tmp_path / "a-text").write_text("")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert (find_on_path("a-folder"), find_on_path("a-text"), find_on_path("nothing")) == (None, None, None)


class FakeLibc:
    def __init__(self, answer: int) -> None:
        self.answer = answer
        self.asked: tuple[object, ...] = ()

    def getxattr(self, *asked: object) -> int:
        self.asked = asked
        return self.answer


@pytest.mark.parametrize(("answer", "marked"), [(57, True), (0, True), (-1, False)])
def test_macos_is_asked_whether_a_file_was_downloaded(answer: int, *, marked: bool) -> None:
    libc = FakeLibc(answer)
    assert is_quarantined(Path("/Users/zoë/server"), libc) is marked
    assert libc.asked == ("/Users/zoë/server".encode(), b"com.apple.quarantine", None, 0, 0, 0)
