"""Facts about this machine: system, processor, memory, graphics. Read once, at start, on the main thread."""

from __future__ import annotations

import contextlib
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
from tray_app.system.processor import (
    glibc_version,
    is_virtual_on_linux,
    is_virtual_on_windows,
    linux_extensions,
    windows_extensions,
)
from tray_app.system.resource_limits import cores_among, group_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container

    from tray_app.system.graphics import Adapter

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
    """An NVIDIA card, the only kind whose memory PowerInfer can use."""

    name: str
    memory_bytes: int
    driver: tuple[int, ...] = ()
    """The version of the driver, such as (580, 95, 5); empty if it does not tell."""
    cuda: tuple[int, int] | None = None
    """The newest CUDA that this driver knows: code for newer ones it cannot translate for the card."""
    compute: tuple[int, int] | None = None
    """NVIDIA's number for what the card can do, its «compute capability»."""


@dataclass(frozen=True, slots=True)
class Host:
    """Facts about a machine. Tests make their own."""

    system: System
    machine: str
    """The architecture of the hardware, `x86_64` or `arm64` if known, also if this process is translated."""
    translated: bool
    """Whether Rosetta runs this process: x86-64 on Apple Silicon."""
    physical_cores: int
    """Only those that this process may use; so are the next two."""
    logical_cores: int
    memory_bytes: int
    gpus: tuple[Gpu, ...]
    """The NVIDIA cards that their driver knows, also in a virtual machine that has got one."""
    adapters: tuple[Adapter, ...] = ()
    """All display adapters, those of NVIDIA too. Unknown on macOS."""
    vulkan: bool = False
    """Whether Vulkan's loader is installed."""
    virtual: bool = False
    """Whether this is a virtual machine."""
    extensions: tuple[str, ...] = ()
    """What an x86-64 processor can do with vectors, of `processor.EXTENSIONS`; empty if unknown."""
    glibc: tuple[int, ...] = ()
    """The version of GNU's C library, on Linux alone: programs made with a newer one do not start."""

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
    """The bytes of main memory that programs could have now."""
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


def windows_machine(kernel32: Any = None) -> str | None:
    """The architecture of the hardware, also for a process that Windows on ARM translates; None if unknown.

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


def nvidia_gpus(nvml: Any = None) -> tuple[Gpu, ...]:
    """The NVIDIA cards of this machine, by their driver; none if there is no driver.

    A card that the driver cannot read (it may have failed) is left out. `nvml`: a fake of the driver's
    library in tests.
    """
    if nvml is None:
        if not _has_nvidia_driver():
            return ()
        import pynvml

        nvml = pynvml
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return ()
    try:
        driver, cuda = _driver(nvml), _known_cuda(nvml)
        found = (_gpu(nvml, index, driver, cuda) for index in range(nvml.nvmlDeviceGetCount()))
        return tuple(filter(None, found))
    except nvml.NVMLError as exc:
        _log.warning("The NVIDIA driver does not tell its devices: %s", exc)
        return ()
    finally:
        _shut_down(nvml)


def _has_nvidia_driver() -> bool:
    """Whether there may be a driver: the module that asks it takes megabytes, and few have such a card."""
    if not sys.platform.startswith("linux"):
        return True
    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return False
    return True


def _gpu(nvml: Any, index: int, driver: tuple[int, ...], cuda: tuple[int, int] | None) -> Gpu | None:
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        name = nvml.nvmlDeviceGetName(handle)
        memory_bytes = int(nvml.nvmlDeviceGetMemoryInfo(handle).total)
    except nvml.NVMLError as exc:
        _log.warning("The NVIDIA driver does not tell what device %d is: %s", index, exc)
        return None
    compute = _told(nvml, lambda: nvml.nvmlDeviceGetCudaComputeCapability(handle))
    return Gpu(name, memory_bytes, driver, cuda, compute)


def _driver(nvml: Any) -> tuple[int, ...]:
    version = _told(nvml, nvml.nvmlSystemGetDriverVersion) or ""
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def _known_cuda(nvml: Any) -> tuple[int, int] | None:
    number = _told(nvml, nvml.nvmlSystemGetCudaDriverVersion_v2)  # 12040 for 12.4
    return (number // 1000, number % 1000 // 10) if number else None


def _told(nvml: Any, ask: Callable[[], Any]) -> Any:
    """What the driver answers; None if it does not: old ones lack some of the questions."""
    try:
        return ask()
    except nvml.NVMLError as exc:
        _log.info("The NVIDIA driver does not tell something: %s", exc)
        return None


def graphics_memory_of(pids: Container[int]) -> int | None:
    """The memory that these processes use on NVIDIA cards, in bytes; None if the driver does not tell.

    With Windows' own driver model, there is no number for single processes.
    """
    import pynvml

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
