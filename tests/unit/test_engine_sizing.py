"""How models are set up: pooling, batch, slots and the context of «auto», for every kind of file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.launches import PC, PC_WITH_NVIDIA, model
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.program import Engine
from tray_app.engine.sizing import (
    context_config,
    memory_budget,
    missing_pooling,
    pooling_of,
    purpose_of,
    usual_workers,
)
from tray_app.models.header import Heads, Pooling, Purpose
from tray_app.models.memory import GIB, ContextConfig, Fit, MemoryBudget, estimate_memory, fit_of
from tray_app.models.projectors import Projector
from tray_app.settings.schema import Settings

if TYPE_CHECKING:
    from tray_app.models.header import ModelHeader
    from tray_app.models.model import Model

LLAMA_CPP, POWERINFER = EngineKind.LLAMA_CPP, EngineKind.POWERINFER
PLENTY = MemoryBudget(256 * GIB)
SEVEN_B = replace(
    model().header,
    embedding_length=4096,
    block_count=32,
    context_length=32768,
    feed_forward_length=14336,
    vocabulary_size=32000,
    heads=Heads(query=32, kv_in_all_layers=32 * 8, key_length=128, value_length=128),
)


def made(architecture: str = "llama", context: int | None = 4096, **facts: Any) -> Model:
    plain = model(architecture=architecture, context=context)
    return replace(plain, header=replace(plain.header, **facts))


def large(header: ModelHeader = SEVEN_B) -> Model:
    return replace(model(), header=header, size_bytes=4 * GIB)


def load(
    of: Model, budget: MemoryBudget = PLENTY, kind: EngineKind = LLAMA_CPP, **settings: Any
) -> ContextConfig:
    return context_config(Settings(**settings), of, kind, budget)


@pytest.mark.parametrize(
    ("of", "told", "pooling"),
    [
        (made(), Pooling.LAST, Pooling.LAST),
        (made(pooling=Pooling.NONE), Pooling.LAST, Pooling.LAST),
        (made(pooling=Pooling.MEAN), None, Pooling.MEAN),
        (made("qwen2", pooling=Pooling.CLS), None, Pooling.CLS),
        (made("qwen3", pooling=Pooling.LAST), None, Pooling.LAST),
        (made("mistral3", causal=False), Pooling.MEAN, Pooling.MEAN),
        (made("pangu-embedded"), Pooling.LAST, Pooling.LAST),
        (made("bert"), Pooling.MEAN, Pooling.MEAN),
        (made("nomic-bert", pooling=Pooling.MEAN), None, Pooling.MEAN),
        (made("gemma-embedding"), Pooling.MEAN, Pooling.MEAN),
        (made("llama-embed"), Pooling.MEAN, Pooling.MEAN),
        (made("t5encoder"), Pooling.MEAN, Pooling.MEAN),
        (made("qwen3", pooling=Pooling.RANK), Pooling.RANK, Pooling.RANK),
    ],
)
def test_the_file_says_how_to_pool_and_only_one_that_is_silent_gets_a_default(
    of: Model, told: Pooling | None, pooling: Pooling
) -> None:
    assert missing_pooling(Settings(), of) is told
    assert pooling_of(Settings(), of) is pooling


@pytest.mark.parametrize(
    ("extra", "pooling"),
    [
        (("--pooling", "cls"), Pooling.CLS),
        (("--pooling=cls",), Pooling.CLS),
        (("--pooling_type", "cls"), Pooling.CLS),
        (("--pooling", "mean", "--pooling", "cls"), Pooling.CLS),
        (("--reranking",), Pooling.RANK),
    ],
)
def test_what_a_person_says_of_pooling_wins(extra: tuple[str, ...], pooling: Pooling) -> None:
    settings = Settings(extra_arguments=extra)

    assert pooling_of(settings, made(pooling=Pooling.LAST)) is pooling


def test_pooling_by_hand_is_not_contradicted() -> None:
    assert missing_pooling(Settings(extra_arguments=("--pooling", "mean")), made()) is None


@pytest.mark.parametrize(
    ("of", "extra", "batch"),
    [
        (made(), (), 512),
        (made(pooling=Pooling.LAST), (), 512),
        (made(pooling=Pooling.MEAN), (), 4096),
        (made(pooling=Pooling.CLS), (), 4096),
        (made(pooling=Pooling.RANK), (), 4096),
        (made(pooling=Pooling.LAST, causal=False), (), 4096),
        (made("gemma-embedding", pooling=Pooling.LAST), (), 4096),
        (made("bert", causal=True, pooling=Pooling.LAST), (), 4096),
        (made(), ("--pooling", "mean"), 4096),
        (made(), ("--attention", "non-causal"), 4096),
        (made(pooling=Pooling.MEAN), ("--pooling", "last"), 512),
    ],
)
def test_only_what_reads_forwards_and_pools_the_last_token_takes_a_text_in_pieces(
    of: Model, extra: tuple[str, ...], batch: int
) -> None:
    assert load(of, ctx_size=4096, batch_size=512, extra_arguments=extra).batch_size == batch


@pytest.mark.parametrize(
    ("sees", "extra", "wish", "batch"),
    [
        (False, (), 512, 512),
        (True, (), 512, 2048),
        (True, (), 3000, 3000),
        (False, ("--mmproj", "/models/eyes.gguf"), 512, 2048),
        (False, ("-mm=/models/eyes.gguf",), 512, 2048),
    ],
)
def test_a_picture_is_in_one_batch(*, sees: bool, extra: tuple[str, ...], wish: int, batch: int) -> None:
    eyes = Projector(Path("/models/mmproj.gguf"), 50, model().header)
    of = replace(made(), projector=eyes if sees else None)

    assert load(of, ctx_size=4096, batch_size=wish, extra_arguments=extra).batch_size == batch


@pytest.mark.parametrize(
    ("of", "purpose"),
    [
        (made(), Purpose.CHAT),
        (made(pooling=Pooling.NONE), Purpose.CHAT),
        (made(pooling=Pooling.LAST), Purpose.EMBEDDING),
        (made("bert"), Purpose.EMBEDDING),
        (made("bert", pooling=Pooling.RANK), Purpose.RERANK),
        (made("qwen3", pooling=Pooling.RANK), Purpose.RERANK),
    ],
)
def test_the_file_tells_what_a_model_is_for(of: Model, purpose: Purpose) -> None:
    assert of.header.purpose is purpose
    assert purpose_of(Settings(), of, LLAMA_CPP) is purpose


def test_a_model_can_be_made_to_rank_by_hand_on_llama_cpp_alone() -> None:
    by_hand = Settings(extra_arguments=("--pooling", "rank"))

    assert purpose_of(by_hand, made(), LLAMA_CPP) is Purpose.RERANK
    assert purpose_of(by_hand, made(), POWERINFER) is Purpose.CHAT


@pytest.mark.parametrize(
    ("memory_gib", "expected"),
    [(256, (8192, 4)), (16, (8192, 4)), (12, (8192, 3)), (10, (8192, 2)), (9, (8192, 1)), (7, (4096, 1))],
)
def test_the_context_of_auto_is_settled_first_then_the_slots(
    memory_gib: int, expected: tuple[int, int]
) -> None:
    chosen = load(large(), MemoryBudget(memory_gib * GIB))

    assert (chosen.context_size, chosen.slots) == expected


@pytest.mark.parametrize(
    ("trained", "expected"),
    [(512, 512), (2048, 2048), (6000, 6000), (131_072, 8192), (None, 8192), (300, 300)],
)
def test_auto_is_never_more_than_the_model_was_trained_for(trained: int | None, expected: int) -> None:
    assert load(made(context=trained)).context_size == expected
    assert load(made(context=trained), kind=POWERINFER).context_size == expected


def test_auto_goes_below_4096_only_where_more_does_not_fit() -> None:
    budget = MemoryBudget(6 * GIB)
    chosen = load(large(), budget)

    assert chosen.context_size == 2048
    assert fit_of(SEVEN_B, 4 * GIB, chosen, budget) is Fit.TIGHT
    assert fit_of(SEVEN_B, 4 * GIB, ContextConfig(4096, 512), budget) is Fit.TOO_LARGE


def test_auto_counts_the_large_batch_of_a_model_that_reads_whole_texts() -> None:
    header = replace(SEVEN_B, pooling=Pooling.MEAN, vocabulary_size=250_000)
    chosen = load(large(header), MemoryBudget(16 * GIB))

    assert chosen.batch_size == chosen.context_size == 4096


def test_what_fits_nowhere_gets_the_least() -> None:
    assert load(large(), MemoryBudget(4 * GIB)) == ContextConfig(512, 512)


@pytest.mark.parametrize(("memory_gib", "slots"), [(256, 4), (12, 4), (9, 3), (8, 1), (4, 1)])
def test_a_context_by_hand_stays_and_the_slots_give_way(memory_gib: int, slots: int) -> None:
    chosen = load(large(), MemoryBudget(memory_gib * GIB), ctx_size=4096, batch_size=512)

    assert (chosen.context_size, chosen.slots) == (4096, slots)


@pytest.mark.parametrize(
    ("extra", "slots"),
    [
        (("--n-parallel", "2"), 2),
        (("--n_parallel", "2"), 2),
        (("--parallel", "16"), 16),
        (("-np", "1"), 1),
        (("--parallel=3",), 3),
        (("-np", "-1"), 4),
        (("-np", "many"), 4),
        (("-np",), 4),
    ],
)
def test_slots_by_hand_all_get_a_whole_context(extra: tuple[str, ...], slots: int) -> None:
    chosen = load(made(), ctx_size=1024, extra_arguments=extra)

    assert (chosen.context_size, chosen.slots, chosen.all_contexts_size) == (1024, slots, 1024 * slots)


def test_powerinfer_works_on_one_request_at_a_time() -> None:
    assert load(made(), kind=POWERINFER, ctx_size=1024) == ContextConfig(1024, 512, fused_attention=False)


def test_the_same_machine_gives_the_same_load_whatever_is_free_now() -> None:
    budget = memory_budget(EngineKind.LLAMA_SERVER, PC_WITH_NVIDIA)

    assert budget == memory_budget(EngineKind.LLAMA_SERVER, PC_WITH_NVIDIA)
    assert load(large(), memory_budget(LLAMA_CPP, PC)) == load(large(), memory_budget(LLAMA_CPP, PC))


@pytest.mark.parametrize(
    ("of", "extra", "expected"),
    [
        (made(pooling=Pooling.LAST, causal=False), (), (1, 1024)),
        (made("llama-embed", pooling=Pooling.LAST), (), (1, 1024)),
        (made(pooling=Pooling.LAST, causal=False), ("-np", "3"), (3, 3072)),
        (made(pooling=Pooling.MEAN, causal=False), (), (4, 1024)),
        (made("bert", pooling=Pooling.LAST), (), (4, 1024)),
    ],
)
def test_no_batch_ends_within_a_text_that_is_read_in_both_directions(
    of: Model, extra: tuple[str, ...], expected: tuple[int, int]
) -> None:
    chosen = load(of, ctx_size=1024, batch_size=64, extra_arguments=extra)

    assert (chosen.slots, chosen.batch_size) == expected


@pytest.mark.parametrize(
    ("of", "context", "extra", "expected"),
    [
        (made(pooling=Pooling.MEAN), 514, (), (4, 516)),
        (made("bert", context=514), 8192, (), (4, 516)),
        (made(pooling=Pooling.MEAN), 512, ("-np", "3"), (3, 513)),
        (made(pooling=Pooling.MEAN), 512, (), (4, 512)),
        (made(pooling=Pooling.CLS), 514, (), (4, 514)),
    ],
)
def test_a_batch_of_which_a_mean_is_made_can_be_shared_alike_by_all_slots(
    of: Model, context: int, extra: tuple[str, ...], expected: tuple[int, int]
) -> None:
    chosen = load(of, ctx_size=context, extra_arguments=extra)

    assert (chosen.slots, chosen.batch_size) == expected


SPARSE = large(replace(SEVEN_B, sparse=True))


def processes(memory_gib: float, of: Model = SPARSE, most: int = 8, **settings: Any) -> int:
    chosen = Settings(ctx_size=4096, **settings)
    return context_config(chosen, of, POWERINFER, MemoryBudget(int(memory_gib * GIB)), most).workers


def test_a_sparse_model_gets_half_of_the_physical_cores() -> None:
    plain = Engine(POWERINFER, ("server",), flags=frozenset({"--vram-budget"}))
    for_cards = Engine(POWERINFER, ("server",), flags=frozenset({"--vram-budget", "--n-gpu-layers"}))
    assert usual_workers(plain, PC) == PC.physical_cores // 2
    assert usual_workers(plain, replace(PC, physical_cores=1)) == 1
    assert usual_workers(plain, PC_WITH_NVIDIA) == PC.physical_cores // 2
    assert usual_workers(for_cards, PC_WITH_NVIDIA) == usual_workers(None, PC_WITH_NVIDIA) == 1


def test_there_are_as_many_processes_as_fit_comfortably_and_the_weights_count_once() -> None:
    one, two = (ContextConfig(4096, 512, fused_attention=False, workers=count) for count in (1, 2))
    needs = [estimate_memory(SEVEN_B, 4 * GIB, each).total_bytes for each in (one, two)]
    each_gib = (needs[1] - needs[0]) / GIB
    assert needs[1] - needs[0] == needs[0] - 4 * GIB
    assert processes(256) == 8
    for count in (1, 2, 5):
        budget = MemoryBudget(int((4 + each_gib * (count + 0.5)) / 0.8 * GIB) + 4 * GIB)
        enough = budget.memory_bytes / GIB
        assert processes(enough) >= count
        assert fit_of(SEVEN_B, 4 * GIB, one.with_workers(processes(enough)), budget) is Fit.FITS
        assert fit_of(SEVEN_B, 4 * GIB, one.with_workers(processes(enough) + 1), budget) is not Fit.FITS
    assert processes(4) == 1


def test_a_person_may_ask_for_another_number_of_processes() -> None:
    assert processes(256, workers=3) == 3
    assert processes(4, workers=3) == 3
    assert processes(256, extra_arguments=("--no-mmap",)) == 1  # nothing would be shared
    assert processes(256, extra_arguments=("--no-mmap",), workers=2) == 2


def test_other_models_have_one_process() -> None:
    assert processes(256, of=large(), workers=3) == 1
    assert load(SPARSE, kind=LLAMA_CPP, workers=3).workers == 1
