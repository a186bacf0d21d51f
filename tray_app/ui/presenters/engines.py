"""The loaded models: a row for each, and the memory of all. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from tray_app.app.server_status import ServerState
from tray_app.app.status import device_of
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.engine.lifecycle import State
from tray_app.gateway.counters import Traffic
from tray_app.models.fit_text import memory_text
from tray_app.models.memory import MemoryAmount
from tray_app.ui.presenters.engine_names import engine_text
from tray_app.ui.presenters.formatting import duration_text, error_lines, error_title
from tray_app.ui.presenters.memory import memory_bar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray_app.app.status import AppStatus
    from tray_app.engine.pooled_engine import EngineStatus
    from tray_app.models.header import Purpose
    from tray_app.phrases import Translate
    from tray_app.system.host import Host
    from tray_app.ui.presenters.memory import MemoryBarView


class Standing(StrEnum):
    """The state of one model."""

    READY = "ready"
    LOADING = "loading"
    QUEUED = "queued"
    """Its start is being prepared, or it waits for memory."""
    ENDING = "ending"
    FAILED = "failed"
    UNLOADED = "unloaded"


_SHAPES = {
    Standing.READY: "●",
    Standing.LOADING: "◐",
    Standing.QUEUED: "◐",
    Standing.ENDING: "○",
    Standing.FAILED: "⚠",
    Standing.UNLOADED: "○",
}
_PRESENT = (Standing.READY, Standing.LOADING, Standing.QUEUED)


@dataclass(frozen=True, slots=True)
class EngineView:
    """A model that is loaded or about to be, or the chosen one beside others."""

    model_id: str
    """Empty for a chosen model that has not been loaded yet."""
    name: str
    chosen: bool
    shape: str
    """A sign that distinguishes the states without color or language."""
    state: str
    details: tuple[str, ...] = ()
    """Engine, device, memory, and requests."""
    explanation: str = ""
    """Why it failed, in lines."""
    process: str = ""
    """Its process with the system's number."""
    kept: bool | None = None
    """Whether it is kept loaded; None where that does not apply."""
    can_load: bool = False
    can_unload: bool = False
    failed: bool = False


def standing(each: EngineStatus) -> Standing:
    """The state of the model of an engine."""
    state = each.engine.state
    if each.told is None:
        if each.queued:
            return Standing.QUEUED
        ended = state in (State.STOPPED, State.FAILED, State.WAITING)
        return Standing.UNLOADED if ended else Standing.ENDING
    if not each.heard:
        return Standing.LOADING
    if state in (State.FAILED, State.WAITING):
        return Standing.FAILED
    return Standing.READY if state is State.READY else Standing.LOADING


def ready_engines(status: AppStatus) -> tuple[EngineStatus, ...]:
    """The engines that answer now."""
    return tuple(each for each in status.pool.engines if standing(each) is Standing.READY)


def loading_engines(status: AppStatus) -> tuple[EngineStatus, ...]:
    """The engines that will answer soon, unless something goes wrong."""
    return tuple(
        each for each in status.pool.engines if standing(each) in (Standing.LOADING, Standing.QUEUED)
    )


def standing_of(status: AppStatus, model_id: str) -> Standing:
    """The state of a model; unloaded if there is no engine for it."""
    engine = status.pool.of(model_id)
    return standing(engine) if engine else Standing.UNLOADED


def is_loaded(status: AppStatus, model_id: str) -> bool:
    """Whether a model is loaded or being loaded."""
    return standing_of(status, model_id) in _PRESENT


def with_measures(status: AppStatus, look: AppStatus) -> AppStatus:
    """A status with the measured values of the same processes in another one, `look`; states stay."""
    seen = {(each.engine.engine, each.engine.pid): each for each in look.pool.engines}

    def measured(each: EngineStatus) -> EngineStatus:
        found = seen.get((each.engine.engine, each.engine.pid))
        if found is None:
            return each
        return replace(
            each,
            memory_bytes=found.memory_bytes,
            graphics_bytes=found.graphics_bytes,
            leases=found.leases,
        )

    pool = replace(
        look.pool, main=measured(status.pool.main), others=tuple(map(measured, status.pool.others))
    )
    return replace(status, pool=pool, traffic_of=look.traffic_of)


def loaded_purposes(status: AppStatus) -> frozenset[Purpose]:
    """The purposes of the models that answer now."""
    plans = (each.told or each.engine.plan for each in ready_engines(status))
    return frozenset(plan.purpose for plan in plans if isinstance(plan, LaunchPlan))


def server_facts(status: AppStatus, host: Host, now_s: float, tr: Translate) -> tuple[str, ...]:
    """Uptime, number of requests, and devices; empty while no model is ready.

    `now_s` is of the clock that `EngineSnapshot.since_s` uses.
    """
    ready = ready_engines(status)
    if not ready:
        return ()
    up_s = now_s - min(each.engine.since_s for each in ready)
    plans = (each.told or each.engine.plan for each in ready)
    devices = {device_of(p, apple_silicon=host.apple_silicon): 0 for p in plans if isinstance(p, LaunchPlan)}
    return (
        tr("Up for {duration}").format(duration=duration_text(up_s, tr)),
        tr.count("{count} request", "{count} requests", status.traffic.requests),
        *devices,
    )


def model_name(each: EngineStatus, status: AppStatus, tr: Translate) -> str:
    """The name of the model of an engine."""
    plan = each.told or each.engine.plan
    if isinstance(plan, LaunchPlan):
        return tr.said(plan.model.name)
    chosen = each is status.pool.main and status.model_name
    return tr.said(chosen or each.model_id or "") or tr("the model")


def engine_views(status: AppStatus, host: Host, now_s: float, tr: Translate) -> tuple[EngineView, ...]:
    """A row for each model; the chosen one is first, loaded or not.

    `now_s` is of the clock that `EngineSnapshot.since_s` uses.
    """
    others = [each for each in status.pool.engines if each is not status.pool.main]
    chosen = (status.pool.main,) if status.model_name else ()
    return tuple(_view(each, status, host, now_s, tr) for each in (*chosen, *others))


def models_memory(status: AppStatus, tr: Translate) -> tuple[MemoryBarView, ...]:
    """The memory of all models with its limit; the same of graphics cards, if a model uses one.

    Empty while no model is loaded.
    """
    engines, pool = status.pool.engines, status.pool
    if all(standing(each) not in _PRESENT for each in engines):
        return ()
    loading = {id(each) for each in loading_engines(status)}
    loaded, coming = MemoryAmount(), MemoryAmount()
    for each in engines:
        if id(each) in loading:
            coming += MemoryAmount(each.expected_bytes, each.expected_graphics_bytes)
        else:
            loaded += MemoryAmount(each.memory_bytes or 0, each.graphics_bytes or 0)
    main = _models_bar(
        tr("Memory of all models"), loaded.main_bytes, coming.main_bytes, pool.budget_bytes, tr
    )
    if not pool.graphics_budget_bytes:
        return (main,)
    on_cards = loaded.graphics_bytes, coming.graphics_bytes
    return (main, _models_bar(tr("Graphics memory"), *on_cards, pool.graphics_budget_bytes, tr))


def _models_bar(
    title: str, loaded_bytes: int, coming_bytes: int, usable_bytes: int, tr: Translate
) -> MemoryBarView:
    parts = ((tr("Loaded"), loaded_bytes), (tr("Being loaded"), coming_bytes))
    too_much = loaded_bytes + coming_bytes > usable_bytes
    warning = tr("This is more than they may take together.") if too_much else ""
    return memory_bar(title, parts if coming_bytes else (("", loaded_bytes),), usable_bytes, tr, warning)


def _view(each: EngineStatus, status: AppStatus, host: Host, now_s: float, tr: Translate) -> EngineView:
    now = standing(each)
    is_main = each is status.pool.main
    failure = each.engine.failure if now is Standing.FAILED else None
    # The last model of the main engine need not be the one that is chosen now.
    named = not is_main or now in (*_PRESENT, Standing.FAILED)
    return EngineView(
        model_id=each.model_id or "" if named else "",
        name=model_name(each, status, tr) if named else tr.said(status.model_name or ""),
        chosen=is_main,
        shape=_SHAPES[now],
        state=_state_text(each, status, now_s, tr),
        details=tuple(_details(each, status, host, tr)) if now in _PRESENT else (),
        explanation="\n".join(error_lines(failure, tr)) if failure else "",
        process=tr("process {pid}").format(pid=each.engine.pid) if each.engine.pid else "",
        kept=each.kept if now in _PRESENT and each.model_id else None,
        can_load=now is Standing.FAILED or (now is Standing.UNLOADED and not _is_prepared(each, status)),
        can_unload=named and each.model_id is not None and now is not Standing.ENDING,
        failed=now is Standing.FAILED,
    )


def _is_prepared(each: EngineStatus, status: AppStatus) -> bool:
    return each is status.pool.main and status.server.state is ServerState.PREPARING


def _state_text(each: EngineStatus, status: AppStatus, now_s: float, tr: Translate) -> str:  # noqa: PLR0911
    match standing(each):
        case Standing.READY:
            return tr("Ready")
        case Standing.LOADING if each.engine.state is State.BACKOFF:
            return tr("Restarting: {cause}").format(cause=error_title(each.engine.failure, tr))
        case Standing.LOADING:
            return tr("Loading … {seconds} s").format(seconds=max(0, int(now_s - each.engine.since_s)))
        case Standing.QUEUED:
            return tr("Waiting for memory …")
        case Standing.ENDING:
            return tr("Being unloaded …")
        case Standing.FAILED:
            return tr("Failed: {cause}").format(cause=error_title(each.engine.failure, tr))
        case Standing.UNLOADED if _is_prepared(each, status):
            return tr("Preparing the start …")
        case Standing.UNLOADED if status.server.base_url and status.wakes_on_request:
            return tr("Asleep: a request starts it")
        case Standing.UNLOADED:
            return tr("Not loaded")


def _details(each: EngineStatus, status: AppStatus, host: Host, tr: Translate) -> Iterator[str]:
    plan = each.told or each.engine.plan
    if plan is not None:
        yield engine_text(plan.engine, tr)
    if isinstance(plan, LaunchPlan):
        yield device_of(plan, apple_silicon=host.apple_silicon)
    if standing(each) is not Standing.READY:
        if each.expected_bytes:
            yield tr("≈ {size}").format(size=memory_text(each.expected_bytes, tr))
        return
    if each.memory_bytes:
        yield memory_text(each.memory_bytes, tr)
    if each.graphics_bytes:
        yield tr("{size} on the card").format(size=memory_text(each.graphics_bytes, tr))
    traffic = status.traffic_of.get(each.model_id or "", Traffic())
    if each.leases or traffic.requests_per_s or traffic.tokens_per_s:
        yield tr("{number} requests/s").format(number=tr.number(traffic.requests_per_s, 1))
        yield tr("{number} tokens/s").format(number=tr.number(traffic.tokens_per_s, 1))
    else:
        yield tr("idle")
