"""What a running engine takes of this machine. Any thread but the GUI's: it takes milliseconds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.system.host import graphics_memory_of
from tray_app.system.process import descendants, usage

if TYPE_CHECKING:
    from tray_app.system.host import Host


@dataclass(frozen=True, slots=True)
class ResourceUsage:
    """An engine's process, with those it started, at one moment."""

    pid: int
    at_s: float
    """As `time.monotonic`."""
    cpu_s: float
    """Processor time since it was started, on all cores together."""
    memory_bytes: int
    """Main memory, the part of the model file that is mapped into it included."""
    graphics_bytes: int | None
    """Memory on NVIDIA devices; None where there are none, or their driver does not tell."""


def resource_usage(pid: int, host: Host) -> ResourceUsage:
    """Look at a process; one that has ended takes nothing."""
    used = usage(pid)
    graphics_bytes = None
    if host.gpus:
        graphics_bytes = graphics_memory_of({pid, *(process.pid for process in descendants(pid))})
    return ResourceUsage(pid, time.monotonic(), used.cpu_s, used.memory_bytes, graphics_bytes)
