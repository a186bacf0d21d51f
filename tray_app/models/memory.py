"""Whether a model fits into the memory of a computer: its weights, cache and buffers. Pure.

The formulas follow what the engines allocate, according to their logs and the system; a test compares them
with llama.cpp. Buffers are float32, and the cache of both engines has two bytes for each number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from tray_app.models.header import ModelHeader, Projection

MIB = 1 << 20
GIB = 1 << 30
SMALLEST_CONTEXT = 256
"""In tokens: a smaller context is never suggested."""

_NATIVE_BYTES = 8 << 20  # a native engine without a model: its program, libraries and bookkeeping
_PYTHON_BYTES = 40 << 20  # the same for the built-in engine, a Python process
_CACHE_STEP = 256  # llama.cpp rounds the context up to a multiple of it
_CACHE_NUMBER_BYTES = 2
_NUMBER_BYTES = 4
_RESIDUALS = 5  # embeddings of a whole batch that exist at the same time
_RESIDUALS_OF_PATCHES = 3  # the same for all pieces of a picture
_GATED, _PLAIN, _GATED_UNFUSED = 3, 1, 2  # feed-forward results that exist at the same time
_MOST_KEPT_MIB = 512
_TIGHT_SHARE = 0.8
_SMALL_MAC_BYTES = 36 * GIB


class Fit(StrEnum):
    """How well a model fits into memory."""

    FITS = "fits"
    TIGHT = "tight"
    """It runs, but leaves little memory for other programs."""
    TOO_LARGE = "does not fit"


@dataclass(frozen=True, slots=True)
class ContextConfig:
    """The settings of an engine that determine its memory."""

    context_size: int
    """Tokens of one request and its answer."""
    batch_size: int
    """Tokens that are processed in one step."""
    fused_attention: bool = True
    """Whether the scores of a token against all others are never stored: True for llama.cpp, False for
    PowerInfer."""
    slots: int = 1
    """Requests that are processed at once, each with its own context."""
    workers: int = 1
    """Processes, which share only the weights."""

    @property
    def all_contexts_size(self) -> int:
        """Tokens of all requests together."""
        return self.context_size * self.slots

    def with_slots(self, slots: int) -> ContextConfig:
        """The same for this number of requests at once."""
        return replace(self, slots=slots)

    def with_workers(self, workers: int) -> ContextConfig:
        """The same for this number of processes."""
        return replace(self, workers=workers)


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """The memory of an engine, by purpose."""

    weights_bytes: int
    cache_bytes: int
    """Keys and values of the tokens in the context."""
    compute_bytes: int
    """Intermediate results of one batch."""
    output_bytes: int = 0
    """Results for every token of a batch; allocated for the first long text, not at the start."""
    process_bytes: int = 0
    """The engine without a model."""
    kept_bytes: int = 0
    """Keys and values of earlier prompts, in case they come again; allocated one by one."""

    @property
    def total_bytes(self) -> int:
        """The sum of all parts."""
        buffers = self.cache_bytes + self.compute_bytes + self.output_bytes + self.kept_bytes
        return self.weights_bytes + buffers + self.process_bytes


@dataclass(frozen=True, slots=True)
class MemoryBudget:
    """The memory that engines may use."""

    memory_bytes: int
    """The main memory of the computer."""
    graphics_bytes: int = 0
    """The memory of its graphics cards that the engine may use."""
    unified: bool = False
    """Whether processor and graphics share one memory, of which graphics may use a part (Apple Silicon)."""

    @property
    def usable_bytes(self) -> int:
        """The memory without what the system and a few programs need."""
        if self.unified:  # macOS limits the memory for graphics
            share = 2 / 3 if self.memory_bytes <= _SMALL_MAC_BYTES else 3 / 4
            return int(self.memory_bytes * share)
        reserve_bytes = reserve_of(self.memory_bytes)
        return max(0, self.memory_bytes - reserve_bytes) + self.graphics_bytes


class MemoryAmount(Struct, frozen=True):
    """An amount of main memory, and one of the memory of graphics cards that have their own."""

    main_bytes: int = 0
    graphics_bytes: int = 0

    def __add__(self, other: MemoryAmount) -> MemoryAmount:
        return MemoryAmount(self.main_bytes + other.main_bytes, self.graphics_bytes + other.graphics_bytes)

    def __sub__(self, other: MemoryAmount) -> MemoryAmount:
        return MemoryAmount(self.main_bytes - other.main_bytes, self.graphics_bytes - other.graphics_bytes)

    def holds(self, other: MemoryAmount) -> bool:
        """Whether this is at least as much as `other`, in both kinds of memory."""
        return self.main_bytes >= other.main_bytes and self.graphics_bytes >= other.graphics_bytes

    def lacking_in(self, room: MemoryAmount) -> MemoryAmount:
        """How much is missing in `room` for this amount; nothing for a kind of memory that is not needed,
        even if `room` is negative.
        """
        return MemoryAmount(
            max(0, self.main_bytes - room.main_bytes) if self.main_bytes else 0,
            max(0, self.graphics_bytes - room.graphics_bytes) if self.graphics_bytes else 0,
        )

    def larger(self, other: MemoryAmount) -> MemoryAmount:
        """The maximum for each kind of memory."""
        return MemoryAmount(
            max(self.main_bytes, other.main_bytes), max(self.graphics_bytes, other.graphics_bytes)
        )

    def with_graphics_within(self, graphics_bytes: int) -> MemoryAmount:
        """The same in total, with at most `graphics_bytes` on graphics cards and the rest in main memory."""
        more_bytes = max(0, self.graphics_bytes - max(0, graphics_bytes))
        return MemoryAmount(self.main_bytes + more_bytes, self.graphics_bytes - more_bytes)


def reserve_of(memory_bytes: int) -> int:
    """The part of a computer's memory that its system and a few programs need, in bytes."""
    return min(max(GIB, memory_bytes // 8), 4 * GIB)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a model fits into memory, and with which context it would."""

    fit: Fit
    estimate: MemoryEstimate
    budget: MemoryBudget
    context_size: int
    slots: int
    """Requests that are processed at once."""
    better_context: int | None = None
    """The largest context with which it would fit, if it does not and there is one."""


def estimate_memory(header: ModelHeader, weights_bytes: int, config: ContextConfig) -> MemoryEstimate:
    """The memory of an engine with a model of `weights_bytes` (all its files together).

    What the header does not say counts as zero; the weights, by far the largest part, are always known.
    """
    return MemoryEstimate(
        weights_bytes,
        config.workers * _cache_bytes(header, config),
        config.workers * _compute_bytes(header, config),
        config.workers * _output_bytes(header, config),
        config.workers * (_PYTHON_BYTES if config.fused_attention else _NATIVE_BYTES),
        prompt_cache_mib(header, config) * MIB if config.fused_attention else 0,
    )


def projector_bytes(projection: Projection | None, weights_bytes: int) -> int:
    """The memory in bytes that llama.cpp uses for a projector of `weights_bytes`, even without pictures.

    Projectors that cut large pictures into more pieces than their header says use more during a request.
    """
    if projection is None:
        return weights_bytes
    residuals = _RESIDUALS_OF_PATCHES * projection.width
    numbers = projection.patches * (residuals + projection.feed_forward)
    halves = projection.patches * projection.feed_forward  # converted to F16 for the product with the weights
    return weights_bytes + numbers * _NUMBER_BYTES + halves * _CACHE_NUMBER_BYTES


def prompt_cache_mib(header: ModelHeader, config: ContextConfig) -> int:
    """The MiB that llama.cpp may use to keep earlier prompts: as much as for the present ones, up to a limit.

    The engine gets this as an argument; its default is 8 GiB.
    """
    return min(_MOST_KEPT_MIB, -(-_cache_bytes(header, config) // MIB))


def judge(header: ModelHeader, weights_bytes: int, config: ContextConfig, budget: MemoryBudget) -> Verdict:
    """Whether the model fits, and if not, with which smaller context it would."""
    estimate = estimate_memory(header, weights_bytes, config)
    fit = _fit(estimate, budget)
    better = _better_context(header, weights_bytes, config, budget) if fit is Fit.TOO_LARGE else None
    return Verdict(fit, estimate, budget, config.context_size, config.slots, better)


def fit_of(header: ModelHeader, weights_bytes: int, config: ContextConfig, budget: MemoryBudget) -> Fit:
    """Whether the model fits with this configuration."""
    return _fit(estimate_memory(header, weights_bytes, config), budget)


def _fit(estimate: MemoryEstimate, budget: MemoryBudget) -> Fit:
    if estimate.total_bytes > budget.usable_bytes:
        return Fit.TOO_LARGE
    return Fit.TIGHT if estimate.total_bytes > _TIGHT_SHARE * budget.usable_bytes else Fit.FITS


def _better_context(
    header: ModelHeader, weights_bytes: int, config: ContextConfig, budget: MemoryBudget
) -> int | None:
    size = SMALLEST_CONTEXT
    best = None
    while size < config.context_size:
        smaller = replace(config, context_size=size, batch_size=min(config.batch_size, size))
        if fit_of(header, weights_bytes, smaller, budget) is not Fit.TOO_LARGE:
            best = size
        size *= 2
    return best


def _cache_bytes(header: ModelHeader, config: ContextConfig) -> int:
    """An upper bound: layers with a sliding window need less."""
    if header.encoder or header.heads is None:
        return 0
    tokens = -(-config.all_contexts_size // _CACHE_STEP) * _CACHE_STEP
    numbers = header.heads.kv_in_all_layers * (header.heads.key_length + header.heads.value_length)
    return tokens * numbers * _CACHE_NUMBER_BYTES


def _compute_bytes(header: ModelHeader, config: ContextConfig) -> int:
    """The memory of the largest step of a batch; the steps use the same memory one after the other."""
    gates = _PLAIN if header.architecture == "bert" else _GATED if config.fused_attention else _GATED_UNFUSED
    widest = (header.feed_forward_length or 0) * max(1, header.experts_used or 1) * gates
    if not header.encoder:
        widest = max(widest, header.vocabulary_size or 0)  # a score for each token that could follow
    mask_number_bytes = 2
    if not config.fused_attention:
        mask_number_bytes = _NUMBER_BYTES
        widest = max(widest, config.context_size * (header.heads.query if header.heads else 0))
    residuals = _RESIDUALS * (header.embedding_length or 0)
    mask_bytes = config.all_contexts_size * config.batch_size * mask_number_bytes
    return config.batch_size * (residuals + widest) * _NUMBER_BYTES + mask_bytes


def _output_bytes(header: ModelHeader, config: ContextConfig) -> int:
    """If they can make embeddings, both engines store the scores and the embedding of every token of a
    batch.
    """
    numbers = (header.vocabulary_size or 0) + (header.embedding_length or 0)
    return config.batch_size * numbers * _NUMBER_BYTES
