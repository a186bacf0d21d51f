"""How much memory a model needs by its header, and what is said where there is less."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.fakes.languages import ENGLISH
from tests.fakes.launches import model
from tray_app.models.fit_text import fit_line
from tray_app.models.header import Heads
from tray_app.models.memory import (
    GIB,
    MIB,
    ContextConfig,
    Fit,
    MemoryBudget,
    estimate_memory,
    judge,
    prompt_cache_mib,
)

if TYPE_CHECKING:
    from tray_app.models.header import ModelHeader

SEVEN_B = replace(
    model().header,
    embedding_length=4096,
    block_count=32,
    context_length=32768,
    feed_forward_length=14336,
    vocabulary_size=32000,
    heads=Heads(query=32, kv_in_all_layers=32 * 8, key_length=128, value_length=128),
)
BERT = replace(
    model().header,
    architecture="bert",
    embedding_length=384,
    feed_forward_length=1536,
    vocabulary_size=30522,
    heads=Heads(query=12, kv_in_all_layers=72, key_length=32, value_length=32),
)
WEIGHTS_BYTES = 4 * GIB


def small(**changes: object) -> ModelHeader:
    """A model whose buffers were read in the engines' logs: 4 layers, 2 heads for keys."""
    facts = {
        "embedding_length": 512,
        "feed_forward_length": 1536,
        "vocabulary_size": 32000,
        "heads": Heads(query=8, kv_in_all_layers=8, key_length=64, value_length=64),
    }
    return replace(SEVEN_B, **(facts | changes))  # type: ignore[arg-type]


WIDE = {"embedding_length": 1024, "feed_forward_length": 2816}
WIDE_HEADS = Heads(query=16, kv_in_all_layers=128, key_length=64, value_length=64)


@pytest.mark.parametrize(
    ("header", "context", "batch", "cache_mib", "compute_mib"),
    [
        (small(), 2048, 2048, 4, 278.08),
        (small(), 8192, 2048, 16, 302.08),
        (small(), 2048, 512, 4, 69.52),
        (small(**WIDE, heads=WIDE_HEADS), 2048, 2048, 64, 298.08),
        (small(**WIDE, heads=WIDE_HEADS), 8192, 512, 256, 80.52),
        (small(vocabulary_size=1000, feed_forward_length=8192), 2048, 2048, 4, 220.08),
        (small(vocabulary_size=1000, feed_forward_length=8192), 512, 512, 1, 53.52),
        (BERT, 512, 512, 0, 7.27),
    ],
)
def test_buffers_are_those_that_llama_cpp_logs(
    header: ModelHeader, context: int, batch: int, cache_mib: float, compute_mib: float
) -> None:
    need = estimate_memory(header, 0, ContextConfig(context, batch))

    assert need.cache_bytes == cache_mib * MIB
    assert need.compute_bytes / MIB == pytest.approx(compute_mib, rel=0.02)


@pytest.mark.parametrize(
    ("header", "context", "batch", "cache_mib", "compute_mib"),
    [
        (small(), 2048, 512, 4, 65.06),
        (small(), 4096, 512, 8, 76.57),
        (small(**WIDE, heads=WIDE_HEADS), 2048, 512, 64, 75.57),
        (small(**WIDE, heads=WIDE_HEADS), 512, 128, 16, 17.69),
        (small(vocabulary_size=1000, feed_forward_length=8192), 2048, 512, 4, 40.57),
    ],
)
def test_buffers_are_about_those_that_powerinfer_logs(
    header: ModelHeader, context: int, batch: int, cache_mib: float, compute_mib: float
) -> None:
    need = estimate_memory(header, 0, ContextConfig(context, batch, fused_attention=False))

    assert need.cache_bytes == cache_mib * MIB
    assert need.compute_bytes / MIB == pytest.approx(compute_mib, rel=0.15)


def test_the_scores_and_the_vector_of_each_token_of_a_batch_are_kept() -> None:
    assert estimate_memory(small(), 0, ContextConfig(2048, 100)).output_bytes == 100 * (32000 + 512) * 4


@pytest.mark.parametrize(
    ("header", "weights_mib", "load", "used_mib"),
    [
        pytest.param(small(**WIDE, heads=WIDE_HEADS), 321, ContextConfig(2048, 512), 560, id="llama.cpp"),
        pytest.param(
            small(**WIDE, heads=WIDE_HEADS), 321, ContextConfig(2048, 2048), 975, id="large batches"
        ),
        pytest.param(BERT, 43.5, ContextConfig(512, 512), 148, id="a model for embeddings"),
        pytest.param(
            small(**WIDE, heads=WIDE_HEADS),
            321,
            ContextConfig(2048, 512, fused_attention=False),
            564,
            id="PowerInfer",
        ),
        pytest.param(
            small(**WIDE, heads=WIDE_HEADS),
            321,
            ContextConfig(512, 512, fused_attention=False),
            482,
            id="short texts",
        ),
    ],
)
def test_the_whole_is_within_15_percent_of_what_linux_counted_after_a_long_text(
    header: ModelHeader, weights_mib: float, load: ContextConfig, used_mib: float
) -> None:
    need = estimate_memory(header, round(weights_mib * MIB), load)

    assert need.total_bytes / MIB == pytest.approx(used_mib, rel=0.15)


def test_prompts_are_kept_up_to_the_size_of_the_context_and_half_a_gibibyte() -> None:
    assert (
        prompt_cache_mib(SEVEN_B, ContextConfig(2048, 512)) * MIB
        == estimate_memory(SEVEN_B, 0, ContextConfig(2048, 512)).cache_bytes
    )
    assert prompt_cache_mib(SEVEN_B, ContextConfig(32768, 512)) == 512
    assert prompt_cache_mib(BERT, ContextConfig(512, 512)) == 0
    assert estimate_memory(SEVEN_B, 0, ContextConfig(2048, 512, fused_attention=False)).kept_bytes == 0


def test_a_header_that_tells_little_still_has_weights() -> None:
    bare = replace(model().header, embedding_length=None, block_count=None)
    need = estimate_memory(bare, WEIGHTS_BYTES, ContextConfig(2048, 512))

    assert (need.weights_bytes, need.cache_bytes) == (WEIGHTS_BYTES, 0)
    assert need.total_bytes > WEIGHTS_BYTES


@pytest.mark.parametrize(
    ("budget", "context", "fit", "better"),
    [
        pytest.param(MemoryBudget(16 * GIB), 2048, Fit.FITS, None, id="a PC with plenty"),
        pytest.param(MemoryBudget(6 * GIB), 2048, Fit.TIGHT, None, id="a PC with just enough"),
        pytest.param(MemoryBudget(6 * GIB), 32768, Fit.TOO_LARGE, 2048, id="a context that is too large"),
        pytest.param(MemoryBudget(4 * GIB), 2048, Fit.TOO_LARGE, None, id="weights that are too large"),
        pytest.param(
            MemoryBudget(4 * GIB, graphics_bytes=4 * GIB), 2048, Fit.FITS, None, id="half on a card"
        ),
        pytest.param(MemoryBudget(8 * GIB, unified=True), 4096, Fit.TIGHT, None, id="a small Mac"),
        pytest.param(
            MemoryBudget(8 * GIB, unified=True), 32768, Fit.TOO_LARGE, 4096, id="a small Mac, long texts"
        ),
        pytest.param(MemoryBudget(64 * GIB, unified=True), 32768, Fit.FITS, None, id="a large Mac"),
    ],
)
def test_verdicts(budget: MemoryBudget, context: int, fit: Fit, better: int | None) -> None:
    verdict = judge(SEVEN_B, WEIGHTS_BYTES, ContextConfig(context, 512), budget)

    assert (verdict.fit, verdict.better_context) == (fit, better)


def test_the_proposed_context_fits_and_the_next_does_not() -> None:
    budget = MemoryBudget(6 * GIB)
    better = judge(SEVEN_B, WEIGHTS_BYTES, ContextConfig(32768, 512), budget).better_context
    assert better

    assert judge(SEVEN_B, WEIGHTS_BYTES, ContextConfig(better, 512), budget).fit is not Fit.TOO_LARGE
    assert judge(SEVEN_B, WEIGHTS_BYTES, ContextConfig(2 * better, 512), budget).fit is Fit.TOO_LARGE


def test_a_verdict_says_what_is_needed_and_what_to_try() -> None:
    def text(memory_gib: int, context: int) -> str:
        verdict = judge(SEVEN_B, WEIGHTS_BYTES, ContextConfig(context, 512), MemoryBudget(memory_gib * GIB))
        return fit_line(verdict, ENGLISH)

    assert text(16, 2048) == "fits. It needs 4.7 GiB of the 14.0 GiB of available memory."
    assert text(6, 32768) == (
        "does not fit. With a context size of 32,768 it needs 8.8 GiB, but only 5.0 GiB of "
        "memory is available. Try a context size of 2048."
    )
    assert text(5, 256) == (
        "does not fit. It needs 4.3 GiB, but only 4.0 GiB of memory is available. Try a "
        "smaller quantization or model."
    )
    assert text(4, 2048).endswith(
        "weights alone need 4.0 GiB, but only 3.0 GiB of memory is available. "
        "Try a smaller quantization or model."
    )


def test_every_machine_keeps_something_for_itself() -> None:
    for memory_gib in (2, 8, 16, 64, 512):
        assert 0 < MemoryBudget(memory_gib * GIB).usable_bytes <= (memory_gib - 1) * GIB
    assert MemoryBudget(GIB // 2).usable_bytes == 0
