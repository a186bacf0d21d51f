"""Graphics cards as their driver and an engine see them. Pure.

NVIDIA's driver knows every NVIDIA card and its memory. An engine uses the cards that it was built for, which
may be of another maker.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.models.memory import GIB
from tray_app.settings.schema import AUTO
from tray_app.system.graphics import Maker

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tray_app.settings.schema import Auto
    from tray_app.system.graphics import Adapter
    from tray_app.system.host import Host
    from tray_app.system.nvidia import Gpu

_NAMES = {Maker.NVIDIA: ("nvidia",), Maker.AMD: ("amd", "radeon"), Maker.INTEL: ("intel",)}
"""Words of which the name of a maker's card contains one, in lower case."""
_LEFT_FREE_BYTES = GIB
"""What llama.cpp leaves free on each card by default (`--fit-target`)."""
_SHARE_LEFT_FREE = 1 / 10

_LISTED = re.compile(r"^\s+(?P<id>\w+): (?P<name>.+) \((?P<mib>\d+) MiB, \d+ MiB free\)\s*$", re.MULTILINE)
"""A line of `llama-server --list-devices`. Processor libraries are listed too, without memory."""
_FOUND = re.compile(r"^\s*Device \d+: (?P<name>.+?), compute capability ", re.MULTILINE)
"""A line that PowerInfer prints when it starts. It does not say how much memory the card has."""


@dataclass(frozen=True, slots=True)
class EngineDevice:
    """A card that an engine says it can use. `memory_bytes` is None where it does not say how much it has."""

    name: str
    memory_bytes: int | None
    id: str = ""
    """What the engine calls it, such as `CUDA0`; empty where it does not say."""


@dataclass(frozen=True, slots=True)
class Device:
    """A card in this machine."""

    name: str
    memory_bytes: int | None
    used: bool | None
    """Whether the engine can use it; None if the engine does not tell."""


@dataclass(frozen=True, slots=True)
class Card:
    """A card that an engine would compute with."""

    id: str
    """As in `EngineDevice`."""
    memory_bytes: int
    has_own_memory: bool
    """False if it is a part of the processor: it then takes main memory."""

    def usable_bytes(self, vram_budget: float | Auto) -> int:
        """What an engine may take of its memory; the budget of a person is in GiB."""
        if vram_budget != AUTO:
            return min(self.memory_bytes, int(vram_budget * GIB))
        left_free = max(_LEFT_FREE_BYTES, int(self.memory_bytes * _SHARE_LEFT_FREE))
        return max(0, self.memory_bytes - left_free)

    def left_free_mib(self, vram_budget: float) -> int:
        """What is to stay free of it so that all programs together keep to a budget."""
        return (self.memory_bytes - self.usable_bytes(vram_budget)) >> 20


def cards_of(devices: Iterable[EngineDevice] | None, host: Host) -> tuple[Card, ...]:
    """The cards that a llama-server computes with, of those that it lists: as llama.cpp chooses them, those
    that are a part of the processor only where there are no others.

    `devices` is None if the engine does not list its cards.
    """
    if devices is None:
        return tuple(Card("", gpu.memory_bytes, has_own_memory=True) for gpu in host.gpus)
    known = list(host.gpus)
    cards = []
    for device in devices:
        gpu = next((gpu for gpu in known if gpu.name == device.name), None)
        if gpu:
            known.remove(gpu)
        memory_bytes = device.memory_bytes or (gpu.memory_bytes if gpu else 0)
        has_own_memory = gpu is not None or _is_no_part_of_processor(device.name, host.adapters)
        cards.append(Card(device.id, memory_bytes, has_own_memory))
    return tuple(card for card in cards if card.has_own_memory) or tuple(cards)


def _is_no_part_of_processor(name: str, adapters: Iterable[Adapter]) -> bool:
    """Whether a card is not a part of the processor, by what the system knows of its maker's cards."""
    words = name.lower()
    of_maker = [each for each in adapters if any(word in words for word in _NAMES.get(each.maker, ()))]
    return bool(of_maker) and all(each.integrated is False for each in of_maker)


def parse_devices(output: str) -> tuple[EngineDevice, ...]:
    """The cards in what an engine prints."""
    found = (
        EngineDevice(each["name"], int(each["mib"]) << 20, each["id"]) for each in _LISTED.finditer(output)
    )
    listed = tuple(each for each in found if each.memory_bytes)
    return listed or tuple(EngineDevice(each["name"], None) for each in _FOUND.finditer(output))


def merge_devices(driver: Iterable[Gpu], engine: Iterable[EngineDevice] | None = None) -> tuple[Device, ...]:
    """All cards, each once: first those that the driver knows, then those that only the engine knows.

    `engine` is None if the engine does not list its cards. Cards are matched by name; of several cards with
    one name, as many count as used as both list.
    """
    left = list(engine or ())
    merged = []
    for gpu in driver:
        seen = next((device for device in left if device.name == gpu.name), None)
        if seen:
            left.remove(seen)
        merged.append(Device(gpu.name, gpu.memory_bytes, None if engine is None else seen is not None))
    return (*merged, *(Device(device.name, device.memory_bytes, used=True) for device in left))
