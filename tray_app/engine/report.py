"""What would become of a model on this machine: which engine runs it, and whether it fits. Any thread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tray_app.engine.kinds import EngineKind, choose_engine, engine_setting
from tray_app.engine.sizing import load_of, room_for
from tray_app.errors import EngineError
from tray_app.models.header import ModelHeader
from tray_app.models.library import Model
from tray_app.models.memory import judge

if TYPE_CHECKING:
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


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The engine for a kind of models, or why there is none."""

    engine: Engine | None
    obstacle: EngineError | None


def look_for_engine(settings: Settings, finder: Finder, *, sparse: bool) -> EngineChoice:
    """What would run a model of this kind; asks programs, so it may take a second."""
    try:
        return EngineChoice(choose_engine(engine_setting(settings.engine), sparse, finder), None)
    except EngineError as exc:
        return EngineChoice(None, exc)


def report_on(model: Model, settings: Settings, choice: EngineChoice, host: Host) -> ModelReport:
    """Everything that can be said of a model before it is started or even downloaded."""
    usual = EngineKind.POWERINFER if model.header.sparse else EngineKind.LLAMA_CPP
    kind = choice.engine.kind if choice.engine else usual
    room = room_for(kind, host, choice.engine.devices if choice.engine else None)
    load = load_of(settings, model, kind, room)
    verdict = judge(model.header, model.size_bytes, load, room)
    return ModelReport(model, kind, choice.engine, choice.obstacle, verdict)


def foreseen(entry: CatalogEntry) -> Model:
    """What the catalogue says of a model: its size and its kind. The weights are by far the most of what an
    engine takes; the rest is known when the header has been read.
    """
    header = ModelHeader(sparse=entry.sparse)
    return Model(entry.id, entry.name, Path(entry.file_name), entry.size_bytes, header)
