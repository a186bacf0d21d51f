"""Finds a program, and reads for which machine it was built, without running it. Any thread.

Formats: System V ABI (ELF), Apple's <mach-o/loader.h> and <mach-o/fat.h>, Microsoft's “PE Format”.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tray_app.system.host import System

_HEAD_BYTES = 4096
"""Enough for all these headers; usual linkers put the PE header within the first 4096 bytes."""
_LONGEST_WINDOWS_PATH = 260
_MOST_SLICES = 32
"""The most architectures in a universal file. Java's class files begin with the same four bytes, followed by
a larger number."""
_EI_DATA = 5
"""The offset in an ELF header of the byte order."""
_FAT_ENTRY_BYTES = {0xCAFEBABE: 20, 0xCAFEBABF: 32}
_THIN_ORDERS = {0xFEEDFACE: ">", 0xFEEDFACF: ">", 0xCEFAEDFE: "<", 0xCFFAEDFE: "<"}
_QUARANTINE = b"com.apple.quarantine"

_ELF_MACHINES = {3: "x86", 8: "mips", 21: "ppc64", 22: "s390x", 40: "arm", 62: "x86_64", 183: "arm64"}
_ELF_MACHINES |= {243: "riscv", 258: "loongarch"}
_MACH_MACHINES = {7: "x86", 12: "arm", 18: "ppc", 0x0100_0007: "x86_64", 0x0100_000C: "arm64"}
_PE_MACHINES = {0x014C: "x86", 0x01C4: "arm", 0x8664: "x86_64", 0xAA64: "arm64"}


@dataclass(frozen=True, slots=True)
class Executable:
    """A program as its file describes itself."""

    system: System
    """The system that uses this format; ELF, which others use too, counts as Linux."""
    machines: tuple[str, ...]
    """Its architectures, named as in `Host.machine`; unknown ones as `machine 0x…`."""


def find_on_path(name: str) -> Path | None:
    """The program of that name in a folder of PATH that is an absolute path; None if there is none.

    `shutil.which` also searches empty and relative entries of PATH, and on Windows first the current folder:
    a file that was just downloaded could be run because of its name.
    """
    file_name = f"{name}.exe" if sys.platform == "win32" else name
    folders = (Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep))
    programs = (folder / file_name for folder in folders if folder.is_absolute())
    return next((each for each in programs if each.is_file() and os.access(each, os.X_OK)), None)


def windows_program(name: str) -> str:
    """The full path of a program that comes with Windows; `OSError` on another system.

    With its name alone, it would be searched in the current folder first.
    """
    if sys.platform == "win32":
        folder = ctypes.create_unicode_buffer(_LONGEST_WINDOWS_PATH)
        ctypes.WinDLL("kernel32").GetSystemDirectoryW(folder, _LONGEST_WINDOWS_PATH)
        return f"{folder.value}\\{name}.exe"
    raise OSError("only Windows has programs of its own in one folder")


def read_executable(path: Path) -> Executable | None:
    """The system and architectures of a program; None if it is not a native program. `OSError`."""
    with path.open("rb") as file:
        return parse_executable(file.read(_HEAD_BYTES))


def parse_executable(head: bytes) -> Executable | None:
    """As `read_executable`, from the first bytes of the file (up to 4096)."""
    try:
        if head.startswith(b"\x7fELF"):
            return Executable(System.LINUX, (_elf_machine(head),))
        if head.startswith(b"MZ"):
            return _pe(head)
        return _mach_o(head)
    except (struct.error, LookupError):  # the file is too short, or its header is inconsistent
        return None


def is_quarantined(path: Path, libc: Any = None) -> bool:
    """Whether macOS has marked a file as downloaded, and may refuse to run it. `libc`: a fake in tests."""
    if libc is None and sys.platform != "darwin":
        return False
    library = libc or ctypes.CDLL(None)
    # getxattr(path, name, value, size, position, options): the size of the value, or -1 if there is none
    return int(library.getxattr(os.fsencode(path), _QUARANTINE, None, 0, 0, 0)) >= 0


def _elf_machine(head: bytes) -> str:
    order = {1: "<", 2: ">"}[head[_EI_DATA]]
    (machine,) = struct.unpack_from(f"{order}H", head, 18)
    return _named(_ELF_MACHINES, machine)


def _pe(head: bytes) -> Executable | None:
    (offset,) = struct.unpack_from("<I", head, 0x3C)
    signature, machine = struct.unpack_from("<4sH", head, offset)
    if signature != b"PE\0\0":
        return None  # a DOS program
    return Executable(System.WINDOWS, (_named(_PE_MACHINES, machine),))


def _mach_o(head: bytes) -> Executable | None:
    (magic,) = struct.unpack_from(">I", head)
    if magic in _FAT_ENTRY_BYTES:
        types = _slices(head, _FAT_ENTRY_BYTES[magic])
    elif magic in _THIN_ORDERS:
        types = struct.unpack_from(f"{_THIN_ORDERS[magic]}I", head, 4)
    else:
        return None
    machines = tuple(dict.fromkeys(_named(_MACH_MACHINES, each) for each in types))
    return Executable(System.MACOS, machines) if machines else None


def _slices(head: bytes, entry_bytes: int) -> tuple[int, ...]:
    (count,) = struct.unpack_from(">I", head, 4)
    if count > _MOST_SLICES:
        return ()
    return tuple(struct.unpack_from(">I", head, 8 + n * entry_bytes)[0] for n in range(count))


def _named(names: dict[int, str], number: int) -> str:
    return names.get(number, f"machine {number:#x}")
