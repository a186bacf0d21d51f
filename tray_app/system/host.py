"""What this machine is: system, processor, memory, graphics. Asked once, at start, on the main thread."""

from __future__ import annotations

import ctypes
import platform
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import psutil
import pynvml

if TYPE_CHECKING:
    from collections.abc import Container


class System(StrEnum):
    """The systems this app runs on."""

    LINUX = "linux"
    MACOS = "macos"
    WINDOWS = "windows"


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
    logical_cores: int
    memory_bytes: int
    gpus: tuple[Gpu, ...]

    @property
    def apple_silicon(self) -> bool:
        """Processor and graphics share one memory, so a VRAM budget has no meaning."""
        return self.system is System.MACOS and self.machine == "arm64"

    @property
    def platform(self) -> str:
        """The folder below `resources/bin/` that holds the programs of this machine."""
        return f"{self.system}-{self.machine}"


def detect_host() -> Host:
    """The machine that this process runs on."""
    system = detect_system(sys.platform)
    translated = system is System.MACOS and runs_translated()
    logical = psutil.cpu_count(logical=True) or 1
    return Host(
        system=system,
        machine="arm64" if translated else normalise_machine(platform.machine()),
        translated=translated,
        physical_cores=psutil.cpu_count(logical=False) or logical,
        logical_cores=logical,
        memory_bytes=psutil.virtual_memory().total,
        gpus=() if system is System.MACOS else nvidia_gpus(),
    )


def detect_system(name: str) -> System:
    """The system behind a value of `sys.platform`; anything unknown is treated like Linux."""
    return {"darwin": System.MACOS, "win32": System.WINDOWS}.get(name, System.LINUX)


def normalise_machine(name: str) -> str:
    """One name for each architecture, whatever the system calls it."""
    return {"amd64": "x86_64", "aarch64": "arm64"}.get(name.lower(), name.lower())


def runs_translated() -> bool:
    """Whether Rosetta runs this process, by Apple's documented `sysctl.proc_translated`."""
    answer = ctypes.c_int(0)
    size = ctypes.c_size_t(ctypes.sizeof(answer))
    libc = ctypes.CDLL(None)
    failed = libc.sysctlbyname(b"sysctl.proc_translated", ctypes.byref(answer), ctypes.byref(size), None, 0)
    # An Intel Mac does not know the name: not translated.
    return failed == 0 and answer.value == 1


def nvidia_gpus() -> tuple[Gpu, ...]:
    """The NVIDIA devices of this machine, as its driver tells; none where there is no driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(n) for n in range(pynvml.nvmlDeviceGetCount())]
        return tuple(
            Gpu(pynvml.nvmlDeviceGetName(handle), int(pynvml.nvmlDeviceGetMemoryInfo(handle).total))
            for handle in handles
        )
    finally:
        pynvml.nvmlShutdown()


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
        pynvml.nvmlShutdown()
    return None if None in used else sum(used)
