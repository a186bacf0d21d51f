"""Whether a model fits into a machine: weights, cache and buffers against its memory. Pure.

The sizes follow what the engines allocate, as their logs and the system tell; a test compares them with
those of llama.cpp. What they count in `float32` has four bytes a number, the cache of both has two.
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
"""Less is of no use to anybody, so it is not proposed."""

_NATIVE_BYTES = 8 << 20  # the engine itself: its program, libraries and bookkeeping
_PYTHON_BYTES = 40 << 20  # the same of the embedded one, which runs in a Python of its own
_CACHE_STEP = 256  # llama.cpp rounds the context up to it
_CACHE_NUMBER_BYTES = 2
_NUMBER_BYTES = 4
_RESIDUALS = 5  # embeddings of a whole batch that are alive at the same time
_RESIDUALS_OF_PATCHES = 3  # the same for all pieces of a picture
_GATED, _PLAIN, _GATED_UNFUSED = 3, 1, 2  # feed-forward results that are alive at the same time
_MOST_KEPT_MIB = 512
_TIGHT_SHARE = 0.8
_SMALL_MAC_BYTES = 36 * GIB


class Fit(StrEnum):
    """How a model fits."""

    FITS = "fits"
    TIGHT = "tight"
    """It runs, but next to it little else does."""
    TOO_LARGE = "does not fit"


@dataclass(frozen=True, slots=True)
class ContextConfig:
    """What an engine is asked to hold."""

    context_size: int
    """Tokens of one request and its answer."""
    batch_size: int
    """Tokens that are worked on in one step."""
    fused_attention: bool = True
    """llama.cpp never writes down the scores of a token against all others; PowerInfer does."""
    slots: int = 1
    """Requests that are worked on at once, each with a context of its own."""
    workers: int = 1
    """Processes that each have all of this for themselves, but for the weights, which they share."""

    @property
    def all_contexts_size(self) -> int:
        """Tokens of all requests together."""
        return self.context_size * self.slots

    def with_slots(self, slots: int) -> ContextConfig:
        """The same for so many requests at once."""
        return replace(self, slots=slots)

    def with_workers(self, workers: int) -> ContextConfig:
        """The same in so many processes."""
        return replace(self, workers=workers)


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes that an engine takes, by what they are for."""

    weights_bytes: int
    cache_bytes: int
    """Keys and values of the tokens in the context."""
    compute_bytes: int
    """What is worked out for one batch."""
    output_bytes: int = 0
    """What is kept of every token of a batch; taken at the first long text, not at the start."""
    process_bytes: int = 0
    kept_bytes: int = 0
    """Keys and values of prompts that were answered, in case they come again; taken as they come."""

    @property
    def total_bytes(self) -> int:
        """All of them."""
        buffers = self.cache_bytes + self.compute_bytes + self.output_bytes + self.kept_bytes
        return self.weights_bytes + buffers + self.process_bytes


@dataclass(frozen=True, slots=True)
class MemoryBudget:
    """The memory that an engine may use."""

    memory_bytes: int
    """What the machine has."""
    graphics_bytes: int = 0
    """What it may take of its graphics cards' memory besides, where the engine uses them."""
    unified: bool = False
    """Apple Silicon: processor and graphics share one memory, of which graphics may have a part."""

    @property
    def usable_bytes(self) -> int:
        """What is left to the engine by the system and a few programs."""
        if self.unified:  # the limit that macOS sets
            share = 2 / 3 if self.memory_bytes <= _SMALL_MAC_BYTES else 3 / 4
            return int(self.memory_bytes * share)
        reserve_bytes = reserve_of(self.memory_bytes)
        return max(0, self.memory_bytes - reserve_bytes) + self.graphics_bytes


class MemoryAmount(Struct, frozen=True):
    """So much main memory, and so much of graphics cards that have memory of their own."""

    main_bytes: int = 0
    graphics_bytes: int = 0

    def __add__(self, other: MemoryAmount) -> MemoryAmount:
        return MemoryAmount(self.main_bytes + other.main_bytes, self.graphics_bytes + other.graphics_bytes)

    def __sub__(self, other: MemoryAmount) -> MemoryAmount:
        return MemoryAmount(self.main_bytes - other.main_bytes, self.graphics_bytes - other.graphics_bytes)

    def holds(self, other: MemoryAmount) -> bool:
        """Whether there is at least as much of both."""
        return self.main_bytes >= other.main_bytes and self.graphics_bytes >= other.graphics_bytes

    def lacking_in(self, room: MemoryAmount) -> MemoryAmount:
        """How much more room this needs. Of what it takes nothing, it needs none, however little there is."""
        return MemoryAmount(
            max(0, self.main_bytes - room.main_bytes) if self.main_bytes else 0,
            max(0, self.graphics_bytes - room.graphics_bytes) if self.graphics_bytes else 0,
        )

    def larger(self, other: MemoryAmount) -> MemoryAmount:
        """Of each, the larger one."""
        return MemoryAmount(
            max(self.main_bytes, other.main_bytes), max(self.graphics_bytes, other.graphics_bytes)
        )

    def smaller(self, other: MemoryAmount) -> MemoryAmount:
        """Of each, the smaller one."""
        return MemoryAmount(
            min(self.main_bytes, other.main_bytes), min(self.graphics_bytes, other.graphics_bytes)
        )

    def with_graphics_within(self, graphics_bytes: int) -> MemoryAmount:
        """The same, with what is more than that on the cards in main memory instead."""
        more_bytes = max(0, self.graphics_bytes - max(0, graphics_bytes))
        return MemoryAmount(self.main_bytes + more_bytes, self.graphics_bytes - more_bytes)


def reserve_of(memory_bytes: int) -> int:
    """What a machine with so much memory needs for its system and a few programs."""
    return min(max(GIB, memory_bytes // 8), 4 * GIB)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a model fits, and what would."""

    fit: Fit
    estimate: MemoryEstimate
    budget: MemoryBudget
    context_size: int
    slots: int
    """Requests that are worked on at once."""
    better_context: int | None = None
    """The largest smaller context with which it would fit; only where it does not, and there is one."""


def estimate_memory(header: ModelHeader, weights_bytes: int, config: ContextConfig) -> MemoryEstimate:
    """What an engine takes for a model of `weights_bytes` (all its files together).

    What the header does not tell counts as nothing: the weights, by far the most, are always known.
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
    """What llama.cpp takes for a projector of `weights_bytes`, which it does not map: also without pictures.

    One that cuts large pictures into more pieces than its header tells takes more while it looks at one.
    """
    if projection is None:
        return weights_bytes
    residuals = _RESIDUALS_OF_PATCHES * projection.width
    numbers = projection.patches * (residuals + projection.feed_forward)
    halves = projection.patches * projection.feed_forward  # as the weights in F16 are multiplied with them
    return weights_bytes + numbers * _NUMBER_BYTES + halves * _CACHE_NUMBER_BYTES


def prompt_cache_mib(header: ModelHeader, config: ContextConfig) -> int:
    """What llama.cpp may keep of earlier prompts: as much as of the present ones, within reason.

    The engine is told so; by itself it would keep up to 8 GiB.
    """
    return min(_MOST_KEPT_MIB, -(-_cache_bytes(header, config) // MIB))


def judge(header: ModelHeader, weights_bytes: int, config: ContextConfig, budget: MemoryBudget) -> Verdict:
    """Whether the model fits, and with which smaller context it would."""
    estimate = estimate_memory(header, weights_bytes, config)
    fit = _fit(estimate, budget)
    better = _better_context(header, weights_bytes, config, budget) if fit is Fit.TOO_LARGE else None
    return Verdict(fit, estimate, budget, config.context_size, config.slots, better)


def fit_of(header: ModelHeader, weights_bytes: int, config: ContextConfig, budget: MemoryBudget) -> Fit:
    """Whether the model fits with this load."""
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
    """Layers that look only at the last tokens (a sliding window) need less; this is the upper bound."""
    if header.encoder or header.heads is None:
        return 0
    tokens = -(-config.all_contexts_size // _CACHE_STEP) * _CACHE_STEP
    numbers = header.heads.kv_in_all_layers * (header.heads.key_length + header.heads.value_length)
    return tokens * numbers * _CACHE_NUMBER_BYTES


def _compute_bytes(header: ModelHeader, config: ContextConfig) -> int:
    """The largest of the steps of a batch, since each takes the place of the one before it."""
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
    """Serving embeddings, both keep the scores of each token, also of those that nobody wants."""
    numbers = (header.vocabulary_size or 0) + (header.embedding_length or 0)
    return config.batch_size * numbers * _NUMBER_BYTES
