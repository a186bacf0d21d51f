"""How much processor and memory running engines use. Any thread but the GUI's: it takes milliseconds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.system.host import graphics_memory_of
from tray_app.system.process import descendants, usage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tray_app.system.host import Host


@dataclass(frozen=True, slots=True)
class ResourceUsage:
    """What processes of engines and their child processes have used, at one moment."""

    pids: frozenset[int]
    """Those of the engines."""
    at_s: float
    """When, as `time.monotonic`."""
    cpu_s: float
    """Processor time since they were started, on all cores together."""
    memory_bytes: int
    """Main memory, including the mapped parts of the model files."""
    graphics_bytes: int | None
    """Memory on NVIDIA cards; None if there are none, or if their driver does not tell."""


def resource_usage(pids: Iterable[int], host: Host) -> ResourceUsage:
    """The usage of processes, all together; zero for those that have ended."""
    pids = frozenset(pids)
    used = [usage(pid) for pid in pids]
    graphics_bytes = None
    if host.gpus:
        below = {process.pid for pid in pids for process in descendants(pid)}
        graphics_bytes = graphics_memory_of(pids | below)
    return ResourceUsage(
        pids,
        time.monotonic(),
        sum(each.cpu_s for each in used),
        sum(each.memory_bytes for each in used),
        graphics_bytes,
    )
