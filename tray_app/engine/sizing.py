"""How an engine is set up for a model: how it pools, how long a request may be, how many run at once. Pure.

All of it follows from settings, model, kind of engine and what the machine *has*. What is free at the moment
is not asked: equal settings must give equal plans, or a server would restart because a browser was opened.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tray_app.engine.devices import merge_devices
from tray_app.engine.kinds import EngineKind
from tray_app.models.header import Pooling, Purpose
from tray_app.models.memory import ContextConfig, Fit, MemoryBudget, fit_of
from tray_app.settings.schema import AUTO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray_app.engine.devices import EngineDevice
    from tray_app.models.library import Model
    from tray_app.settings.schema import Settings
    from tray_app.system.host import Host

MOST_SLOTS = 4
"""So many requests are worked on at once, each with a context of its own; more would make each slower."""
POWERINFER_MAX_BATCH = 512
"""Larger ones it would clamp silently."""
AUTOMATIC_CONTEXTS = (8192, 4096, 2048, 1024, 512)
"""What is tried for a context of `auto`. More than the first is for a person to ask for: few texts are so
long, every slot would pay for it in memory, and a processor reads so much for minutes."""
_LEAST_COMFORTABLE = 4096
"""Down to here a context is made smaller to leave room for other programs; below, only if it must be."""

_SLOTS = ("-np", "--parallel", "--n-parallel")
_POOLING = ("--pooling", "--pooling-type")
_ATTENTION = ("--attention", "--attention-type")
_RERANKING = ("--rerank", "--reranking")


def pooling_of(settings: Settings, model: Model) -> Pooling:
    """How vectors are made of tokens: as the extra arguments say, else the setting, else the file."""
    if any(_plain(word) in _RERANKING for word in settings.extra_arguments):
        return Pooling.RANK
    given = _given(settings, _POOLING)
    if given in set(Pooling):
        return Pooling(given)
    return model.header.usual_pooling if settings.pooling == AUTO else Pooling(settings.pooling)


def missing_pooling(settings: Settings, model: Model) -> Pooling | None:
    """The pooling that the engine must be told: none where the file or the extra arguments say it.

    Without any there would be no embeddings. That a model ranks, llama.cpp reads in its file, but does not
    offer it unless it is told.
    """
    vectors = (Pooling.MEAN, Pooling.CLS, Pooling.LAST)
    by_file = settings.pooling == AUTO and model.header.pooling in vectors
    return None if by_file or _given(settings, _POOLING) is not None else pooling_of(settings, model)


def purpose_of(settings: Settings, model: Model, kind: EngineKind) -> Purpose:
    """What programs can ask of the model on this engine. PowerInfer always pools by the last token."""
    if kind is not EngineKind.POWERINFER and pooling_of(settings, model) is Pooling.RANK:
        return Purpose.RERANK
    return model.header.purpose


def load_of(settings: Settings, model: Model, kind: EngineKind, room: MemoryBudget) -> ContextConfig:
    """What an engine of this kind is asked to hold: contexts, slots and batch, as memory allows.

    A context of `auto` is settled first, with one slot; then there are as many slots as fit comfortably.
    """
    load = _first_that_fits(tuple(_loads(settings, model, kind)), model, room)
    if kind is EngineKind.POWERINFER:
        return load
    load = _with_slots(settings, model, load, room)
    return _in_equal_shares(load) if pooling_of(settings, model) is Pooling.MEAN else load


def _with_slots(settings: Settings, model: Model, load: ContextConfig, room: MemoryBudget) -> ContextConfig:
    """The same with as many slots as a person asks for, or else as fit."""
    wanted = _given_slots(settings)
    if _is_cut_wrongly(settings, model):
        # All of what is worked on at once in one batch; by itself the app then works on one text at a time.
        return replace(load.with_slots(wanted or 1), batch_size=load.batch_size * (wanted or 1))
    if wanted:
        return load.with_slots(wanted)
    for slots in range(MOST_SLOTS, 1, -1):
        if fit_of(model.header, model.size_bytes, load.with_slots(slots), room) is Fit.FITS:
            return load.with_slots(slots)
    return load


def room_for(kind: EngineKind, host: Host, devices: tuple[EngineDevice, ...] | None = None) -> MemoryBudget:
    """The memory that an engine of this kind can use. `devices` are the cards that it says it can use.

    PowerInfer keeps every weight in main memory, whatever it puts on a graphics card besides; the embedded
    llama.cpp uses no card but Apple's.
    """
    # Not those that the engine alone can see: many a processor's graphics have no memory of their own.
    known = merge_devices(host.gpus, devices)[: len(host.gpus)]
    cards = known if kind is EngineKind.LLAMA_SERVER else ()
    return MemoryBudget(
        memory_bytes=host.memory_bytes,
        graphics_bytes=sum(card.memory_bytes or 0 for card in cards if card.used is not False),
        unified=host.apple_silicon and kind is not EngineKind.POWERINFER,
    )


def _loads(settings: Settings, model: Model, kind: EngineKind) -> Iterator[ContextConfig]:
    """With one slot: that of the settings, or those that `auto` may come to, the largest first."""
    wishes = AUTOMATIC_CONTEXTS if settings.ctx_size == AUTO else (settings.ctx_size,)
    trained = model.header.context_length
    for context in dict.fromkeys(min(wish, trained or wish) for wish in wishes):
        if kind is EngineKind.POWERINFER:
            batch = min(settings.batch_size, context, POWERINFER_MAX_BATCH)
            yield ContextConfig(context, batch, fused_attention=False)
        else:
            yield ContextConfig(
                context, context if _needs_whole_text(settings, model) else min(settings.batch_size, context)
            )


def _needs_whole_text(settings: Settings, model: Model) -> bool:
    """Whether all tokens of a text must be in one batch; else an engine takes them in pieces."""
    both_directions = (_given(settings, _ATTENTION) or "").replace("_", "-") == "non-causal"
    pooled_over_all = pooling_of(settings, model) is not Pooling.LAST
    return pooled_over_all or both_directions or model.header.needs_whole_text


def _is_cut_wrongly(settings: Settings, model: Model) -> bool:
    """Whether llama.cpp would begin a text in one batch and end it in the next, although its tokens see those
    after them. It does so where the last token is pooled, but never without a cache.
    """
    last = pooling_of(settings, model) is Pooling.LAST
    return last and _needs_whole_text(settings, model) and not model.header.encoder


def _in_equal_shares(load: ContextConfig) -> ContextConfig:
    """The same with a batch that all slots can share alike: llama.cpp tries that at its start, and where a
    mean is computed it dies of a batch that does not come out even.
    """
    return replace(load, batch_size=-(-load.batch_size // load.slots) * load.slots)


def _first_that_fits(loads: tuple[ContextConfig, ...], model: Model, room: MemoryBudget) -> ContextConfig:
    """The largest that fits comfortably, if it is no small one; else the largest that fits; else the last."""

    def fit(load: ContextConfig) -> Fit:
        return fit_of(model.header, model.size_bytes, load, room)

    least = min(_LEAST_COMFORTABLE, loads[0].context_size)
    comfortable = (load for load in loads if load.context_size >= least and fit(load) is Fit.FITS)
    possible = (load for load in loads if load.context_size <= least and fit(load) is not Fit.TOO_LARGE)
    return next(comfortable, None) or next(possible, loads[-1])


def _given_slots(settings: Settings) -> int | None:
    """How many slots a person asks for in the extra arguments; of -1, llama.cpp makes four."""
    try:
        wanted = int(_given(settings, _SLOTS) or "")
    except ValueError:
        return None
    return wanted if wanted > 0 else MOST_SLOTS


def _given(settings: Settings, names: tuple[str, ...]) -> str | None:
    """The value that a person gives an option in the extra arguments; the last one counts."""
    value = None
    words = settings.extra_arguments
    for word, following in zip(words, (*words, "")[1:], strict=True):
        flag, equals, rest = word.partition("=")
        if _plain(flag) in names:
            value = rest if equals else following
    return value


def _plain(flag: str) -> str:
    return flag.replace("_", "-")
