"""How much memory and processor time an engine may use while it loads. Pure.

A model file is not trusted, and its chat template is a program: it can make the engine compute for ever, or
take all memory. Loading may take any time as long as the engine prints lines or reads the file. The limits
are far above what engines were measured to use, and low enough that the machine stays usable.
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
"""A file that is both mapped into memory and copied counts twice."""
_MEMORY_BESIDES_BYTES = 4 * GIB
"""What the estimate does not include: a graphics card's driver, a large batch, libraries."""
_SHARE_FOR_EXTRAS = 3 / 4
"""The share of the machine's memory that is allowed with extra arguments, which may name another model or
larger buffers."""
_SILENT_S = 120.0
"""Processor time without a sign of progress. The slowest silent steps (vocabulary, template) take seconds."""
_SILENT_WITH_CARDS_S = 900.0
"""The same with a graphics card: at the first start its driver may compile all kernels, which was seen to
take ten minutes."""
_SILENT_S_PER_GIB = 20.0
"""In addition, for each GiB of the model: a slow core repacks weights at 50 MB/s."""

_SPIN_SHARE = 0.05
"""The share of a core above which an engine counts as computing. An idle llama.cpp uses none; on a busy
machine one that computes gets little."""


@dataclass(frozen=True, slots=True)
class LoadLimits:
    """The limits of one load."""

    memory_bytes: int = _MEMORY_BESIDES_BYTES
    silent_cpu_s: float = _SILENT_WITH_CARDS_S
    """Processor time without a line printed or a byte read; several cores at once count as one."""


def load_limits_for(
    estimated_bytes: int, machine_bytes: int, *, may_use_cards: bool, has_extras: bool
) -> LoadLimits:
    """The limits for an engine.

    `estimated_bytes`: the memory it is estimated to need; `machine_bytes`: what the machine has.
    """
    memory_bytes = _MEMORY_FACTOR * estimated_bytes + _MEMORY_BESIDES_BYTES
    if has_extras:
        memory_bytes = max(memory_bytes, int(_SHARE_FOR_EXTRAS * machine_bytes))
    silent_s = _SILENT_WITH_CARDS_S if may_use_cards else _SILENT_S
    return LoadLimits(memory_bytes, silent_s + _SILENT_S_PER_GIB * estimated_bytes / GIB)


@dataclass(slots=True)
class LoadWatch:
    """Notices when an engine that loads exceeds its limits."""

    limits: LoadLimits
    seen_at_s: float
    usage: ProcessUsage = ProcessUsage(0, 0)  # noqa: RUF009  immutable
    lines: int = 0
    silent_cpu_s: float = 0

    def excess(self, usage: ProcessUsage, lines: int, now_s: float) -> Phrase | None:
        """Note what an engine has used and printed so far. Returns what is too much, if anything is."""
        computed_s = min(usage.cpu_s - self.usage.cpu_s, now_s - self.seen_at_s)
        active = usage.read_bytes > self.usage.read_bytes or lines > self.lines
        self.silent_cpu_s = 0 if active else self.silent_cpu_s + max(0.0, computed_s)
        self.seen_at_s, self.usage, self.lines = now_s, usage, lines
        if usage.memory_bytes > self.limits.memory_bytes:
            return phrase("It used {taken:.1f} GiB of memory while loading.", taken=usage.memory_bytes / GIB)
        if self.silent_cpu_s > self.limits.silent_cpu_s:
            return phrase(
                "While loading, it was busy for {seconds:.0f} seconds without reading or printing anything.",
                seconds=self.silent_cpu_s,
            )
        return None


@dataclass(slots=True)
class SpinWatch:
    """Notices when an engine computes for too long, or takes too much memory, although it works on no
    request.

    llama.cpp prepares a request with the model's chat template before it works on it, and that template may
    never end.
    """

    limit_s: float
    seen_at_s: float
    usage: ProcessUsage
    began_bytes: int = 0
    spun_s: float = 0
    """How long it may compute; several cores at once count as one."""

    def __post_init__(self) -> None:
        self.began_bytes = self.usage.memory_bytes

    def look(self, usage: ProcessUsage, now_s: float) -> bool:
        """Note what an engine that works on no request has used.

        Returns whether it has computed since the last look.
        """
        elapsed_s = now_s - self.seen_at_s
        computed_s = usage.cpu_s - self.usage.cpu_s
        busy = computed_s > _SPIN_SHARE * elapsed_s
        self.spun_s += min(computed_s, elapsed_s)
        self.seen_at_s, self.usage = now_s, usage
        return busy

    @property
    def exceeded(self) -> bool:
        """Whether the limit of time or memory is exceeded."""
        grown_bytes = self.usage.memory_bytes - self.began_bytes
        return self.spun_s >= self.limit_s or grown_bytes > _MEMORY_BESIDES_BYTES
