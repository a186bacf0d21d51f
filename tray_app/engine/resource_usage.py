"""How much processor and memory a running engine uses. Any thread but the GUI's: it takes milliseconds."""

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
    """What an engine's process and its child processes have used, at one moment."""

    pid: int
    at_s: float
    """When, as `time.monotonic`."""
    cpu_s: float
    """Processor time since it was started, on all cores together."""
    memory_bytes: int
    """Main memory, including the mapped part of the model file."""
    graphics_bytes: int | None
    """Memory on NVIDIA cards; None if there are none, or if their driver does not tell."""


def resource_usage(pid: int, host: Host) -> ResourceUsage:
    """The usage of a process; zero if it has ended."""
    used = usage(pid)
    graphics_bytes = None
    if host.gpus:
        graphics_bytes = graphics_memory_of({pid, *(process.pid for process in descendants(pid))})
    return ResourceUsage(pid, time.monotonic(), used.cpu_s, used.memory_bytes, graphics_bytes)
