"""Facts about this machine: system, processor, memory, graphics. Read once, at start, on the main thread."""

from __future__ import annotations

import ctypes
import logging
import os
import platform
import sys
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from tray_app.system.graphics import (
    has_vulkan_on_linux,
    has_vulkan_on_windows,
    pci_adapters,
    windows_adapters,
)
from tray_app.system.kernel32 import kernel32
from tray_app.system.nvidia import nvidia_gpus
from tray_app.system.processor import (
    glibc_version,
    is_virtual_on_linux,
    is_virtual_on_windows,
    linux_extensions,
    windows_extensions,
)
from tray_app.system.resource_limits import cores_among, group_limits

if TYPE_CHECKING:
    from collections.abc import Collection

    from tray_app.system.graphics import Adapter
    from tray_app.system.nvidia import Gpu

_log = logging.getLogger(__name__)


class System(StrEnum):
    """The systems this app runs on."""

    LINUX = "linux"
    MACOS = "macos"
    WINDOWS = "windows"

    @property
    def label(self) -> str:
        """Its name as people write it."""
        return {"linux": "Linux", "macos": "macOS", "windows": "Windows"}[self]


_TRANSLATED = {
    (System.MACOS, "arm64"): ("x86_64",),  # by Rosetta
    (System.WINDOWS, "arm64"): ("x86_64", "x86"),
    (System.WINDOWS, "x86_64"): ("x86",),
    (System.LINUX, "x86_64"): ("x86",),
}
_WINDOWS_MACHINES = {0x8664: "x86_64", 0xAA64: "arm64", 0x014C: "x86"}


@dataclass(frozen=True, slots=True)
class Host:
    """Facts about a computer."""

    system: System
    machine: str
    """The architecture of the hardware, `x86_64` or `arm64` if known, also if this process is translated."""
    translated: bool
    """Whether Rosetta runs this process: x86-64 on Apple Silicon."""
    physical_cores: int
    """Only what this process may use; the same applies to the next two."""
    logical_cores: int
    memory_bytes: int
    gpus: tuple[Gpu, ...]
    """The NVIDIA cards that their driver knows, including those that a virtual machine was given."""
    adapters: tuple[Adapter, ...] = ()
    """All display adapters, including NVIDIA's. Unknown on macOS."""
    vulkan: bool = False
    """Whether Vulkan's loader is installed."""
    virtual: bool = False
    """Whether this is a virtual machine."""
    extensions: tuple[str, ...] = ()
    """The vector extensions of an x86-64 processor that are in `processor.EXTENSIONS`; empty if unknown."""
    glibc: tuple[int, ...] = ()
    """The version of GNU's C library, on Linux only: programs built for a newer one do not start."""

    @property
    def apple_silicon(self) -> bool:
        """Whether processor and graphics share one memory, so that a VRAM budget has no effect."""
        return self.system is System.MACOS and self.machine == "arm64"

    @property
    def machines(self) -> tuple[str, ...]:
        """The architectures whose programs run here: the machine's own first, then translated ones."""
        return (self.machine, *_TRANSLATED.get((self.system, self.machine), ()))

    @property
    def platforms(self) -> tuple[str, ...]:
        """The folders below `resources/bin/` with programs for this machine, the best first."""
        return tuple(f"{self.system}-{machine}" for machine in self.machines)


def detect_host() -> Host:
    """The facts about this machine."""
    system = detect_system(sys.platform)
    translated = system is System.MACOS and runs_translated()
    part = _detect_part()
    host = Host(
        system=system,
        machine="arm64" if translated else _machine(system),
        translated=translated,
        physical_cores=part.physical_cores,
        logical_cores=part.logical_cores,
        memory_bytes=part.memory_bytes,
        gpus=() if system is System.MACOS else nvidia_gpus(),
    )
    match system:
        case System.LINUX:
            return replace(
                host,
                adapters=pci_adapters(),
                vulkan=has_vulkan_on_linux(),
                virtual=is_virtual_on_linux(),
                extensions=linux_extensions(),
                glibc=glibc_version(),
            )
        case System.WINDOWS:
            return replace(
                host,
                adapters=windows_adapters(),
                vulkan=has_vulkan_on_windows(),
                virtual=is_virtual_on_windows(),
                extensions=windows_extensions(),
            )
        case System.MACOS:
            return host


def free_memory() -> int:
    """The bytes of main memory that are available to programs now."""
    return psutil.virtual_memory().available


@dataclass(frozen=True, slots=True)
class Part:
    """How much processor and memory a process may use."""

    physical_cores: int
    logical_cores: int
    memory_bytes: int


def usable_part(whole: Part, cpus: Collection[int], root: Path = Path("/")) -> Part:
    """What this process may use on Linux, within its control groups and on these logical processors.

    `root` stands in for the file system in tests.
    """
    limits = group_limits(root)
    logical = min(whole.logical_cores, len(cpus))
    cores = limits.cores or logical
    return Part(
        physical_cores=min(whole.physical_cores, cores_among(cpus, root), cores),
        logical_cores=min(logical, cores),
        memory_bytes=min(whole.memory_bytes, limits.memory_bytes or whole.memory_bytes),
    )


def _detect_part() -> Part:
    logical = psutil.cpu_count(logical=True) or 1
    whole = Part(psutil.cpu_count(logical=False) or logical, logical, psutil.virtual_memory().total)
    return usable_part(whole, os.sched_getaffinity(0)) if sys.platform == "linux" else whole


def detect_system(name: str) -> System:
    """The system for a value of `sys.platform`; unknown ones count as Linux."""
    return {"darwin": System.MACOS, "win32": System.WINDOWS}.get(name, System.LINUX)


def normalise_machine(name: str) -> str:
    """The common name of an architecture."""
    return {"amd64": "x86_64", "aarch64": "arm64"}.get(name.lower(), name.lower())


def _machine(system: System) -> str:
    own = normalise_machine(platform.machine())
    return windows_machine() or own if system is System.WINDOWS else own


def windows_machine(library: Any = None) -> str | None:
    """The architecture of the hardware, also for a process that Windows on ARM translates; None if unknown.

    By `IsWow64Process2`, which Windows has since 10. `library` is a fake of kernel32 in tests.
    """
    library = library or kernel32()
    process, native = ctypes.c_ushort(0), ctypes.c_ushort(0)
    current = ctypes.c_void_p(-1)
    if library is None or not library.IsWow64Process2(current, ctypes.byref(process), ctypes.byref(native)):
        return None
    return _WINDOWS_MACHINES.get(native.value)


def runs_translated() -> bool:
    """Whether Rosetta runs this process, by Apple's documented `sysctl.proc_translated`."""
    answer = ctypes.c_int(0)
    size = ctypes.c_size_t(ctypes.sizeof(answer))
    libc = ctypes.CDLL(None)
    failed = libc.sysctlbyname(b"sysctl.proc_translated", ctypes.byref(answer), ctypes.byref(size), None, 0)
    # An Intel Mac does not know the name: not translated.
    return failed == 0 and answer.value == 1
