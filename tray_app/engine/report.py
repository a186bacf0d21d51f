"""Which engine would run a model on this machine, and whether it fits into memory. Any thread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tray_app.engine.choosing import ModelNeeds, choose_engine
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.engine_setting import engine_setting
from tray_app.engine.sizing import as_loaded, context_config, memory_budget, usual_workers
from tray_app.errors import EngineError
from tray_app.models.header import ModelHeader
from tray_app.models.memory import judge
from tray_app.models.model import Model

if TYPE_CHECKING:
    from tray_app.engine.choosing import Finder
    from tray_app.engine.program import Engine
    from tray_app.models.catalog import CatalogEntry
    from tray_app.models.memory import Verdict
    from tray_app.settings.schema import Settings
    from tray_app.system.host import Host


@dataclass(frozen=True, slots=True)
class ModelReport:
    """A model, on this machine or at an address, with the engine that would run it and whether it fits."""

    model: Model
    kind: EngineKind
    """The kind of engine that the model needs or the person has chosen, whether it is installed or not."""
    engine: Engine | None
    obstacle: EngineError | None
    """Why no engine can run it."""
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The engine for a kind of models, or why there is none."""

    engine: Engine | None
    obstacle: EngineError | None


def look_for_engine(settings: Settings, finder: Finder, needs: ModelNeeds) -> EngineChoice:
    """The engine that would run such a model. Runs programs, so it may take a second."""
    try:
        return EngineChoice(choose_engine(engine_setting(settings.engine), needs, finder), None)
    except EngineError as exc:
        return EngineChoice(None, exc)


def report_on(model: Model, settings: Settings, choice: EngineChoice, host: Host) -> ModelReport:
    """The report on a model, before it is started or even downloaded."""
    usual = EngineKind.POWERINFER if model.header.sparse else EngineKind.LLAMA_CPP
    kind = choice.engine.kind if choice.engine else usual
    model = as_loaded(settings, model, kind, choice.engine.flags if choice.engine else frozenset())
    devices = choice.engine.devices if choice.engine else None
    budget = memory_budget(kind, host, devices, settings.vram_budget)
    config = context_config(settings, model, kind, budget, usual_workers(choice.engine, host))
    verdict = judge(model.header, model.weights_bytes, config, budget)
    return ModelReport(model, kind, choice.engine, choice.obstacle, verdict)


class Reporter:
    """Reports on models of this machine; for each kind of models, the engine is looked for once."""

    def __init__(self, finder: Finder, host: Host) -> None:
        self._finder = finder
        self._host = host
        self._choices: dict[tuple[str, ModelNeeds], EngineChoice] = {}

    def report(self, model: Model, settings: Settings) -> ModelReport:
        """The report on a model, with the settings in force for it; may run programs as `look_for_engine`."""
        needs = ModelNeeds.of(model.header, model.id)
        kind = settings.engine, needs
        if kind not in self._choices:
            self._choices[kind] = look_for_engine(settings, self._finder, needs)
        return report_on(model, settings, self._choices[kind], self._host)


def foreseen(entry: CatalogEntry) -> Model:
    """A model as the catalog describes it: size and kind. Weights are by far the largest part of the memory
    that an engine needs; the other parts are known once the header has been read.
    """
    header = ModelHeader(sparse=entry.sparse)
    path = Path(entry.file_name)
    return Model(entry.id, entry.name, path, entry.download_bytes, header, entry=entry)
