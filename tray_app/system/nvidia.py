"""The NVIDIA cards of this machine, and the memory that processes use on them, by NVIDIA's driver (NVML)."""

from __future__ import annotations

import ctypes
import logging
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Container

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Gpu:
    """An NVIDIA card, the only kind whose memory PowerInfer can use."""

    name: str
    memory_bytes: int
    driver: tuple[int, ...] = ()
    """The version of the driver, such as (580, 95, 5); empty if it does not tell."""
    cuda: tuple[int, int] | None = None
    """The newest CUDA version that this driver supports; it cannot run code for newer ones."""
    compute: tuple[int, int] | None = None
    """The card's “compute capability”, NVIDIA's number for its features."""


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
    """Whether there may be a driver. Checked before `pynvml` is imported, which takes megabytes of memory."""
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
    """The answer of the driver; None if it refuses, because old ones lack some functions."""
    try:
        return ask()
    except nvml.NVMLError as exc:
        _log.info("The NVIDIA driver does not tell something: %s", exc)
        return None


def graphics_memory_of(pids: Container[int]) -> int | None:
    """The memory that these processes use on NVIDIA cards, in bytes; None if the driver does not tell.

    With Windows' driver model WDDM, there are no numbers for single processes.
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
    with suppress(nvml.NVMLError):
        nvml.nvmlShutdown()
