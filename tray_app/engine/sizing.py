"""How an engine is set up for a model: pooling, context size, the number of slots, and of processes. Pure.

It depends on settings, model, kind of engine and the memory that the machine *has*, not on the memory that is
free: equal settings must give equal plans, or opening a browser would restart the server.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tray_app.engine.arguments import argument_named
from tray_app.engine.devices import cards_of
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.ineffective_settings import may_use_card
from tray_app.models.header import Pooling, Purpose
from tray_app.models.memory import GIB, ContextConfig, Fit, MemoryAmount, MemoryBudget, fit_of, reserve_of
from tray_app.settings.schema import AUTO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray_app.engine.devices import Card, EngineDevice
    from tray_app.engine.program import Engine
    from tray_app.models.memory import MemoryEstimate
    from tray_app.models.model import Model
    from tray_app.settings.schema import Auto, Settings
    from tray_app.system.host import Host

MOST_SLOTS = 4
"""How many requests are worked on at once, each with its own context; more would make each one slower."""
POWERINFER_MAX_BATCH = 512
"""PowerInfer silently reduces larger batches to this."""
LEAST_FOR_PICTURES = 2048
"""The least batch size of a model with a projector: with some of them, llama.cpp aborts if a picture is not
in one batch. A picture has some hundred tokens."""
AUTOMATIC_CONTEXTS = (8192, 4096, 2048, 1024, 512)
"""The context sizes that are tried for `auto`. Larger ones must be chosen by the person: few texts are so
long, every slot needs memory for them, and a processor reads such a text for minutes."""
_LEAST_COMFORTABLE = 4096
"""`auto` goes down to this size to leave memory to other programs, and below it only if the model does not
fit otherwise."""

_SLOTS = ("-np", "--parallel", "--n-parallel")
_POOLING = ("--pooling", "--pooling-type")
_ATTENTION = ("--attention", "--attention-type")
_RERANKING = ("--rerank", "--reranking")
_NO_MAPPING = "--no-mmap"
PROJECTOR = "mmproj.path"
"""The parameter of llama.cpp that names the projector."""
PROJECTOR_FLAG = "--mmproj"
_PROJECTORS = (PROJECTOR_FLAG, "-mm", "--mmproj.path")
_WITHOUT_LAYERS = 1.25
"""How many times its compute buffer llama.cpp takes of a card without layers, see `least_on_card`."""
_CORES_FOR_A_WORKER = 2
"""So that other engines and programs have some."""


def pooling_of(settings: Settings, model: Model) -> Pooling:
    """The pooling: that of the extra arguments, else that of the setting, else that of the file."""
    if any(_plain(word) in _RERANKING for word in settings.extra_arguments):
        return Pooling.RANK
    given = _given(settings, _POOLING)
    if given in set(Pooling):
        return Pooling(given)
    return model.header.usual_pooling if settings.pooling == AUTO else Pooling(settings.pooling)


def missing_pooling(settings: Settings, model: Model) -> Pooling | None:
    """The pooling that must be passed to the engine; None if the file or the extra arguments set it.

    Without any, the engine would make no embeddings. llama.cpp reads in the file that a model ranks, but
    offers ranking only if it is told to.
    """
    vectors = (Pooling.MEAN, Pooling.CLS, Pooling.LAST)
    by_file = settings.pooling == AUTO and model.header.pooling in vectors
    return None if by_file or _given(settings, _POOLING) is not None else pooling_of(settings, model)


def purpose_of(settings: Settings, model: Model, kind: EngineKind) -> Purpose:
    """What the model is for on this engine. PowerInfer always pools by the last token, so it never ranks."""
    if kind is not EngineKind.POWERINFER and pooling_of(settings, model) is Pooling.RANK:
        return Purpose.RERANK
    return model.header.purpose


def as_loaded(settings: Settings, model: Model, kind: EngineKind, flags: frozenset[str]) -> Model:
    """The model as an engine of this kind loads it: without its projector where the engine takes none, or the
    extra arguments name another or want none. `flags`: the arguments that it lists, if it lists any.
    """
    given = (argument_named(word.partition("=")[0]) for word in settings.extra_arguments)
    decided = any(
        each and (each.parameter == PROJECTOR or (each.parameter == "no_mmproj" and each.switch))
        for each in given
    )
    takes_one = kind is not EngineKind.POWERINFER and (not flags or PROJECTOR_FLAG in flags)
    return model if takes_one and not decided else replace(model, projector=None)


def usual_workers(engine: Engine | None, host: Host) -> int:
    """How many processes may compute a sparse model if memory allows; `engine` as in `without_effect`.

    One with a graphics card: each would copy weights there.
    """
    return 1 if may_use_card(engine, host) else max(1, host.physical_cores // _CORES_FOR_A_WORKER)


def context_config(
    settings: Settings, model: Model, kind: EngineKind, budget: MemoryBudget, workers: int = 1
) -> ContextConfig:
    """Context size, slots, batch and processes for an engine of this kind, as memory allows.

    A context of `auto` is chosen first, with one slot; then as many slots or, for a sparse model, processes
    as fit comfortably, of these at most `workers`.
    """
    config = _first_that_fits(tuple(_context_configs(settings, model, kind)), model, budget)
    if kind is EngineKind.POWERINFER:
        return _with_workers(settings, model, config, budget, workers)
    config = _with_slots(settings, model, config, budget)
    return _in_equal_shares(config) if pooling_of(settings, model) is Pooling.MEAN else config


def _with_workers(
    settings: Settings, model: Model, config: ContextConfig, budget: MemoryBudget, most: int
) -> ContextConfig:
    """The same with as many processes as the settings ask for, else as many as fit. Only sparse models need
    several: others are computed by several threads.
    """
    if not model.header.sparse:
        return config
    if settings.workers != AUTO:
        return config.with_workers(settings.workers)
    if _NO_MAPPING in settings.extra_arguments:
        return config  # nothing would be shared
    for workers in range(most, 1, -1):
        if fit_of(model.header, model.weights_bytes, config.with_workers(workers), budget) is Fit.FITS:
            return config.with_workers(workers)
    return config


def _with_slots(
    settings: Settings, model: Model, config: ContextConfig, budget: MemoryBudget
) -> ContextConfig:
    """The same with as many slots as the extra arguments ask for, else as many as fit."""
    wanted = _given_slots(settings)
    if _is_cut_wrongly(settings, model):
        # All texts that are worked on at once must be in one batch. Unless the person asks for more, it is
        # one slot.
        return replace(config.with_slots(wanted or 1), batch_size=config.batch_size * (wanted or 1))
    if wanted:
        return config.with_slots(wanted)
    for slots in range(MOST_SLOTS, 1, -1):
        if fit_of(model.header, model.weights_bytes, config.with_slots(slots), budget) is Fit.FITS:
            return config.with_slots(slots)
    return config


def memory_budget(
    kind: EngineKind,
    host: Host,
    devices: tuple[EngineDevice, ...] | None = None,
    vram_budget: float | Auto = AUTO,
) -> MemoryBudget:
    """The memory that an engine of this kind can use.

    `devices` are the cards that it lists, `vram_budget` is the setting.

    PowerInfer keeps every weight in main memory and only copies some to a graphics card. The embedded
    llama.cpp uses no card but Apple's.
    """
    unified = host.apple_silicon and kind is not EngineKind.POWERINFER
    cards = cards_of(devices, host) if kind is EngineKind.LLAMA_SERVER and not unified else ()
    return MemoryBudget(
        memory_bytes=host.memory_bytes,
        graphics_bytes=sum(card.usable_bytes(vram_budget) for card in cards if card.has_own_memory),
        unified=unified,
    )


def graphics_room(engine: Engine, host: Host, vram_budget: float | Auto) -> int:
    """The bytes that engines may take of the memory of the cards that this one computes with.

    llama.cpp looks itself how much other programs have of it, and puts the rest into main memory.
    """
    if engine.kind is not EngineKind.POWERINFER:
        return memory_budget(engine.kind, host, engine.devices, vram_budget).graphics_bytes
    if not may_use_card(engine, host):
        return 0
    whole_bytes = sum(gpu.memory_bytes for gpu in host.gpus)
    return whole_bytes if vram_budget == AUTO else min(whole_bytes, int(vram_budget * GIB))


def needed_memory(estimate: MemoryEstimate, kind: EngineKind, room_bytes: int) -> MemoryAmount:
    """What an engine is expected to take of main memory and of graphics cards.

    `room_bytes` as `graphics_room`. llama.cpp moves weights, cache and what it works out to the cards, as far
    as they fit; PowerInfer copies weights there.
    """
    if kind is EngineKind.POWERINFER:
        return MemoryAmount(estimate.total_bytes, min(room_bytes, estimate.weights_bytes))
    movable_bytes = estimate.weights_bytes + estimate.cache_bytes + estimate.compute_bytes
    on_cards_bytes = min(room_bytes, movable_bytes)
    return MemoryAmount(estimate.total_bytes - on_cards_bytes, on_cards_bytes)


def layers_on_cards(
    model: Model, estimate: MemoryEstimate, cards: tuple[Card, ...], vram_budget: float | Auto
) -> int | None:
    """How many of a model's layers to put on the cards, for an engine that does not find out by itself.

    The layer that gives the result counts as one. None if the header does not tell how many there are.
    """
    if not model.header.block_count:
        return None
    room = sum(card.usable_bytes(vram_budget) for card in cards) - len(cards) * estimate.compute_bytes
    return max(0, min(model.header.block_count + 1, int(room / _layer_bytes(model, estimate))))


def least_on_card(model: Model, estimate: MemoryEstimate) -> int:
    """The bytes without which a card is of no use. Even without any layer, llama.cpp takes what it computes
    with there, and a little more: with SmolLM2-135M 129 MiB, where with layers it takes 102.
    """
    return int(_WITHOUT_LAYERS * estimate.compute_bytes + _layer_bytes(model, estimate))


def _layer_bytes(model: Model, estimate: MemoryEstimate) -> float:
    """What a layer takes with its cache; 0 if the header does not tell how many there are."""
    blocks = model.header.block_count
    return (estimate.weights_bytes + estimate.cache_bytes) / (blocks + 1) if blocks else 0


def engine_budget(settings: Settings, host: Host, free_bytes: int) -> int:
    """The main memory in bytes that all engines together may take; `free_bytes` are what they have for
    themselves and what is free now. Automatic: that, less a reserve for other programs.
    """
    if settings.memory_budget != AUTO:
        return int(settings.memory_budget * GIB)
    most_bytes = MemoryBudget(host.memory_bytes).usable_bytes
    return max(0, min(free_bytes - reserve_of(host.memory_bytes), most_bytes))


def _context_configs(settings: Settings, model: Model, kind: EngineKind) -> Iterator[ContextConfig]:
    """The possible configurations with one slot: that of the settings, or for `auto` all sizes, the largest
    first.
    """
    wishes = AUTOMATIC_CONTEXTS if settings.ctx_size == AUTO else (settings.ctx_size,)
    trained = model.header.context_length
    for context in dict.fromkeys(min(wish, trained or wish) for wish in wishes):
        if kind is EngineKind.POWERINFER:
            batch = min(settings.batch_size, context, POWERINFER_MAX_BATCH)
            yield ContextConfig(context, batch, fused_attention=False)
        else:
            whole = _needs_whole_text(settings, model)
            yield ContextConfig(context, context if whole else min(_batch_size(settings, model), context))


def _batch_size(settings: Settings, model: Model) -> int:
    """How many tokens of a text are read in one step, if it may be cut."""
    sees = model.projector is not None or _given(settings, _PROJECTORS) is not None
    return max(settings.batch_size, LEAST_FOR_PICTURES) if sees else settings.batch_size


def _needs_whole_text(settings: Settings, model: Model) -> bool:
    """Whether all tokens of a text must be in one batch; other texts may be cut into several batches."""
    both_directions = (_given(settings, _ATTENTION) or "").replace("_", "-") == "non-causal"
    pooled_over_all = pooling_of(settings, model) is not Pooling.LAST
    return pooled_over_all or both_directions or model.header.needs_whole_text


def _is_cut_wrongly(settings: Settings, model: Model) -> bool:
    """Whether llama.cpp would cut a text into two batches although each token must see the tokens after it.
    It does so with pooling by the last token, except for models without a cache.
    """
    last = pooling_of(settings, model) is Pooling.LAST
    return last and _needs_whole_text(settings, model) and not model.header.encoder


def _in_equal_shares(config: ContextConfig) -> ContextConfig:
    """The same with a batch size that is a multiple of the slots: with pooling by mean, llama.cpp aborts at
    its start if it cannot share the batch equally.
    """
    return replace(config, batch_size=-(-config.batch_size // config.slots) * config.slots)


def _first_that_fits(configs: tuple[ContextConfig, ...], model: Model, budget: MemoryBudget) -> ContextConfig:
    """The largest configuration that fits comfortably and is not small; else the largest that fits; else the
    smallest.
    """

    def fit(config: ContextConfig) -> Fit:
        return fit_of(model.header, model.weights_bytes, config, budget)

    least = min(_LEAST_COMFORTABLE, configs[0].context_size)
    comfortable = (config for config in configs if config.context_size >= least and fit(config) is Fit.FITS)
    possible = (
        config for config in configs if config.context_size <= least and fit(config) is not Fit.TOO_LARGE
    )
    return next(comfortable, None) or next(possible, configs[-1])


def _given_slots(settings: Settings) -> int | None:
    """The number of slots in the extra arguments; None if there is none. llama.cpp takes -1 as four."""
    try:
        wanted = int(_given(settings, _SLOTS) or "")
    except ValueError:
        return None
    return wanted if wanted > 0 else MOST_SLOTS


def _given(settings: Settings, names: tuple[str, ...]) -> str | None:
    """The value of an option in the extra arguments; the last one counts. None if it is not there."""
    value = None
    words = settings.extra_arguments
    for word, following in zip(words, (*words, "")[1:], strict=True):
        flag, equals, rest = word.partition("=")
        if _plain(flag) in names:
            value = rest if equals else following
    return value


def _plain(flag: str) -> str:
    return flag.replace("_", "-")
