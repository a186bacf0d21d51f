"""What an engine may use while it loads. Pure.

A model's file is a stranger's, and its chat template is a program: it can make the engine compute for ever,
or take all memory. Loading may take any time as long as there are signs of it. The limits are far above what
engines have been seen to use, and below what a machine suffers from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.models.memory import GIB
from tray_app.phrases import phrase
from tray_app.system.process import ProcessUsage

if TYPE_CHECKING:
    from tray_app.phrases import Phrase

_MEMORY_FACTOR = 2
"""A file that is mapped into memory and copied besides is there twice; nothing is there three times."""
_MEMORY_BESIDES_BYTES = 4 * GIB
"""For what the estimate does not know: a graphics card's driver, a large batch, libraries."""
_SHARE_FOR_EXTRAS = 3 / 4
"""Of the machine: a person's extra arguments may name another model, or ask for larger buffers."""
_SILENT_S = 120.0
"""The slowest steps that print nothing, setting up the vocabulary and the template, take seconds."""
_SILENT_WITH_CARDS_S = 900.0
"""A card's driver may compile all kernels at the first start, which has been seen to take ten minutes."""
_SILENT_S_PER_GIB = 20.0
"""For each GiB of the model: weights are put into another order and used once, by a slow core at 50 MB/s."""

_SPIN_SHARE = 0.05
"""Of a core: an idle llama.cpp takes none, and on a busy machine one that computes gets little."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """The limits of one load."""

    memory_bytes: int = _MEMORY_BESIDES_BYTES
    silent_cpu_s: float = _SILENT_WITH_CARDS_S
    """Of computing without a line printed or a byte read; several cores at once count as one."""


def allowance_for(need_bytes: int, machine_bytes: int, *, may_use_cards: bool, has_extras: bool) -> Allowance:
    """The limits for an engine that is estimated to need so many bytes on a machine that has so many."""
    memory_bytes = _MEMORY_FACTOR * need_bytes + _MEMORY_BESIDES_BYTES
    if has_extras:
        memory_bytes = max(memory_bytes, int(_SHARE_FOR_EXTRAS * machine_bytes))
    silent_s = _SILENT_WITH_CARDS_S if may_use_cards else _SILENT_S
    return Allowance(memory_bytes, silent_s + _SILENT_S_PER_GIB * need_bytes / GIB)


@dataclass(slots=True)
class LoadWatch:
    """Notices that an engine which loads is beyond its limits."""

    allowance: Allowance
    seen_at_s: float
    usage: ProcessUsage = ProcessUsage(0, 0)  # noqa: RUF009  immutable
    lines: int = 0
    silent_cpu_s: float = 0

    def excess(self, usage: ProcessUsage, lines: int, now_s: float) -> Phrase | None:
        """Take a look at an engine, what it has used and printed so far: what is too much, if anything is."""
        computed_s = min(usage.cpu_s - self.usage.cpu_s, now_s - self.seen_at_s)
        active = usage.read_bytes > self.usage.read_bytes or lines > self.lines
        self.silent_cpu_s = 0 if active else self.silent_cpu_s + max(0.0, computed_s)
        self.seen_at_s, self.usage, self.lines = now_s, usage, lines
        if usage.memory_bytes > self.allowance.memory_bytes:
            return phrase(
                "It took {taken:.1f} GiB of memory while it loaded.", taken=usage.memory_bytes / GIB
            )
        if self.silent_cpu_s > self.allowance.silent_cpu_s:
            return phrase(
                "It computed for {seconds:.0f} seconds while it loaded, and printed and read nothing.",
                seconds=self.silent_cpu_s,
            )
        return None


@dataclass(slots=True)
class SpinWatch:
    """Notices that an engine computes for too long though it works on no request, or takes memory meanwhile.

    llama.cpp reads a request before it works on it, and the model's chat template has its say there.
    """

    limit_s: float
    seen_at_s: float
    usage: ProcessUsage
    began_bytes: int = 0
    spun_s: float = 0
    """Of computing; several cores at once count as one."""

    def __post_init__(self) -> None:
        self.began_bytes = self.usage.memory_bytes

    def look(self, usage: ProcessUsage, now_s: float) -> bool:
        """Take a look at an engine that works on nothing: whether it has computed meanwhile all the same."""
        elapsed_s = now_s - self.seen_at_s
        computed_s = usage.cpu_s - self.usage.cpu_s
        busy = computed_s > _SPIN_SHARE * elapsed_s
        self.spun_s += min(computed_s, elapsed_s)
        self.seen_at_s, self.usage = now_s, usage
        return busy

    @property
    def exceeded(self) -> bool:
        """Whether it is too much by now."""
        grown_bytes = self.usage.memory_bytes - self.began_bytes
        return self.spun_s >= self.limit_s or grown_bytes > _MEMORY_BESIDES_BYTES
