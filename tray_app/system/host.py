"""What this machine is: system, processor, memory, graphics. Asked once, at start, on the main thread."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import platform
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pynvml

from tray_app.system.resource_limits import cores_among, group_limits

if TYPE_CHECKING:
    from collections.abc import Collection, Container

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
class Gpu:
    """An NVIDIA device, the only kind whose memory PowerInfer can be told to use."""

    name: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Host:
    """The facts about a machine that decisions are made from; tests make their own."""

    system: System
    machine: str
    """The hardware's architecture, `x86_64` or `arm64` where known; true also for a translated process."""
    translated: bool
    """An x86-64 process that Rosetta runs on Apple Silicon."""
    physical_cores: int
    """Those that this process may use, as the two below."""
    logical_cores: int
    memory_bytes: int
    gpus: tuple[Gpu, ...]

    @property
    def apple_silicon(self) -> bool:
        """Processor and graphics share one memory, so a VRAM budget has no meaning."""
        return self.system is System.MACOS and self.machine == "arm64"

    @property
    def machines(self) -> tuple[str, ...]:
        """The architectures whose programs run here, the machine's own first, then those it translates."""
        return (self.machine, *_TRANSLATED.get((self.system, self.machine), ()))

    @property
    def platforms(self) -> tuple[str, ...]:
        """The folders below `resources/bin/` whose programs run on this machine, the best first."""
        return tuple(f"{self.system}-{machine}" for machine in self.machines)


def detect_host() -> Host:
    """The machine that this process runs on."""
    system = detect_system(sys.platform)
    translated = system is System.MACOS and runs_translated()
    part = _detect_part()
    return Host(
        system=system,
        machine="arm64" if translated else _machine(system),
        translated=translated,
        physical_cores=part.physical_cores,
        logical_cores=part.logical_cores,
        memory_bytes=part.memory_bytes,
        gpus=() if system is System.MACOS else nvidia_gpus(),
    )


@dataclass(frozen=True, slots=True)
class Part:
    """What may be used of processor and memory."""

    physical_cores: int
    logical_cores: int
    memory_bytes: int


def usable_part(whole: Part, cpus: Collection[int], root: Path = Path("/")) -> Part:
    """What a process may use on Linux that is bound to these logical processors, and in control groups.

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
    """The system behind a value of `sys.platform`; anything unknown is treated like Linux."""
    return {"darwin": System.MACOS, "win32": System.WINDOWS}.get(name, System.LINUX)


def normalise_machine(name: str) -> str:
    """One name for each architecture, whatever the system calls it."""
    return {"amd64": "x86_64", "aarch64": "arm64"}.get(name.lower(), name.lower())


def _machine(system: System) -> str:
    own = normalise_machine(platform.machine())
    return windows_machine() or own if system is System.WINDOWS else own


def windows_machine(kernel32: Any = None) -> str | None:
    """The hardware's architecture, also for a process that Windows on ARM translates; None if not told.

    By `IsWow64Process2`, which Windows has since 10. `kernel32` stands in for the library in tests.
    """
    library = kernel32 or _kernel32()
    process, native = ctypes.c_ushort(0), ctypes.c_ushort(0)
    current = ctypes.c_void_p(-1)
    if library is None or not library.IsWow64Process2(current, ctypes.byref(process), ctypes.byref(native)):
        return None
    return _WINDOWS_MACHINES.get(native.value)


def _kernel32() -> Any:
    if sys.platform == "win32":
        return ctypes.WinDLL("kernel32")
    return None


def runs_translated() -> bool:
    """Whether Rosetta runs this process, by Apple's documented `sysctl.proc_translated`."""
    answer = ctypes.c_int(0)
    size = ctypes.c_size_t(ctypes.sizeof(answer))
    libc = ctypes.CDLL(None)
    failed = libc.sysctlbyname(b"sysctl.proc_translated", ctypes.byref(answer), ctypes.byref(size), None, 0)
    # An Intel Mac does not know the name: not translated.
    return failed == 0 and answer.value == 1


def nvidia_gpus(nvml: Any = pynvml) -> tuple[Gpu, ...]:
    """The NVIDIA devices of this machine, as its driver tells; none where there is no driver.

    A device that the driver cannot speak of, as one that has fallen off the bus, is left out. `nvml` stands
    in for the driver's library in tests.
    """
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return ()
    try:
        return tuple(filter(None, (_gpu(nvml, index) for index in range(nvml.nvmlDeviceGetCount()))))
    except nvml.NVMLError as exc:
        _log.warning("The NVIDIA driver does not tell its devices: %s", exc)
        return ()
    finally:
        _shut_down(nvml)


def _gpu(nvml: Any, index: int) -> Gpu | None:
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        name = nvml.nvmlDeviceGetName(handle)
        return Gpu(name, int(nvml.nvmlDeviceGetMemoryInfo(handle).total))
    except nvml.NVMLError as exc:
        _log.warning("The NVIDIA driver does not tell what device %d is: %s", index, exc)
        return None


def graphics_memory_of(pids: Container[int]) -> int | None:
    """The memory that these processes hold on NVIDIA devices, in bytes; None where the driver does not tell.

    Windows' own driver model does not tell for single processes.
    """
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(n) for n in range(pynvml.nvmlDeviceGetCount())]
        used = [
            process.usedGpuMemory
            for handle in handles
            for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
            if process.pid in pids
        ]
    except pynvml.NVMLError:
        return None
    finally:
        _shut_down(pynvml)
    return None if None in used else sum(used)


def _shut_down(nvml: Any) -> None:
    with contextlib.suppress(nvml.NVMLError):
        nvml.nvmlShutdown()
