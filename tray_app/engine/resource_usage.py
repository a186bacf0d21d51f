"""How much processor and memory running engines use. Any thread but the GUI's: it takes milliseconds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.system.nvidia import graphics_memory_of
from tray_app.system.process import ProcessUsage, descendants, usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tray_app.system.host import Host


@dataclass(frozen=True, slots=True)
class ResourceUsage:
    """What processes of engines and their child processes have used, at one moment."""

    pids: tuple[int, ...]
    at_s: float
    """When, as `time.monotonic`."""
    cpu_s: float
    """Processor time since they were started, on all cores together."""
    memory_bytes: int
    """Main memory, including the mapped parts of the model files."""
    graphics_bytes: int | None
    """Memory on NVIDIA cards; None if there are none, or if their driver does not tell."""


def resource_usage(measured: Mapping[tuple[int, ...], ProcessUsage], host: Host) -> ResourceUsage:
    """The usage of engines that have processes here, all together, from that of the processes of each."""
    pids = tuple(pid for each in measured for pid in each)
    graphics_bytes = graphics_used_by(pids) if host.gpus else None
    return ResourceUsage(
        pids,
        time.monotonic(),
        sum(each.cpu_s for each in measured.values()),
        sum(each.memory_bytes for each in measured.values()),
        graphics_bytes,
    )


def graphics_used_by(pids: Sequence[int]) -> int | None:
    """The bytes that processes and their child processes have of NVIDIA cards; None if that is not known."""
    family = {process.pid for pid in pids for process in descendants(pid)}
    return graphics_memory_of({*pids, *family})


def usage_together(pids: Sequence[int], weights_bytes: int) -> ProcessUsage:
    """The usage of processes that map the same weights into memory, which count once."""
    usages = sorted(map(usage, pids), key=lambda each: each.memory_bytes, reverse=True)
    largest, others = usages[0], usages[1:]
    own_bytes = sum(_own_bytes(each, weights_bytes) for each in others)
    return ProcessUsage(
        sum(each.cpu_s for each in usages),
        sum(each.read_bytes for each in usages),
        largest.memory_bytes + own_bytes,
        largest.private_bytes + own_bytes,
    )


def _own_bytes(used: ProcessUsage, weights_bytes: int) -> int:
    """What a process has besides the weights. Only Linux tells; elsewhere their size is subtracted."""
    tells = used.private_bytes < used.memory_bytes
    return used.private_bytes if tells else max(0, used.memory_bytes - weights_bytes)
