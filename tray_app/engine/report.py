"""What would become of a model on this machine: which engine runs it, and whether it fits. Any thread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tray_app.engine.devices import merge_devices
from tray_app.engine.kinds import EngineKind, choose_engine
from tray_app.engine.plan import load_of
from tray_app.errors import EngineError
from tray_app.models.header import ModelHeader
from tray_app.models.library import Model
from tray_app.models.memory import Room, judge

if TYPE_CHECKING:
    from tray_app.engine.devices import EngineDevice
    from tray_app.engine.kinds import Engine, Finder
    from tray_app.models.catalog import CatalogEntry
    from tray_app.models.memory import Verdict
    from tray_app.settings.schema import Settings
    from tray_app.system.host import Host


@dataclass(frozen=True, slots=True)
class ModelReport:
    """A model, here or elsewhere, and what can be done with it."""

    model: Model
    kind: EngineKind
    """What the model needs, or the person has chosen, whether it is on this machine or not."""
    engine: Engine | None
    obstacle: EngineError | None
    """Why no engine can run it."""
    verdict: Verdict


def report_on(model: Model, settings: Settings, finder: Finder, host: Host) -> ModelReport:
    """Everything that can be said of a model before it is started or even downloaded."""
    engine, obstacle = None, None
    try:
        engine = choose_engine(settings.engine, model.header.sparse, finder)
    except EngineError as exc:
        obstacle = exc
    usual = EngineKind.POWERINFER if model.header.sparse else EngineKind.LLAMA_CPP
    kind = engine.kind if engine else usual
    load = load_of(settings, model, kind)
    room = room_for(kind, host, engine.devices if engine else None)
    verdict = judge(model.header, model.size_bytes, load, room)
    return ModelReport(model, kind, engine, obstacle, verdict)


def report_on_offer(
    entry: CatalogEntry, settings: Settings, finder: Finder, host: Host
) -> ModelReport | None:
    """The same of a model that the catalogue offers, by its size alone; None where it does not tell that.

    The weights are by far the most of what an engine takes; the rest is known when the header has been read.
    """
    if not entry.size_bytes:
        return None
    header = ModelHeader(sparse=entry.sparse)
    model = Model(entry.id, entry.name, Path(entry.file_name), entry.size_bytes, header)
    return report_on(model, settings, finder, host)


def room_for(kind: EngineKind, host: Host, devices: tuple[EngineDevice, ...] | None = None) -> Room:
    """The memory that an engine of this kind can use. `devices` are the cards that it says it can use.

    PowerInfer keeps every weight in main memory, whatever it puts on a graphics card besides; the embedded
    llama.cpp uses no card but Apple's.
    """
    cards = merge_devices(host.gpus, devices) if kind is EngineKind.LLAMA_SERVER else ()
    return Room(
        memory_bytes=host.memory_bytes,
        graphics_bytes=sum(card.memory_bytes or 0 for card in cards if card.used is not False),
        unified=host.apple_silicon and kind is not EngineKind.POWERINFER,
    )
