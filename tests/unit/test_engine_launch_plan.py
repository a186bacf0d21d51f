import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.app import make_model
from tests.fakes.engine import HELP
from tests.fakes.launches import MAC, PC, PC_WITH_NVIDIA, model
from tray_app.engine.devices import EngineDevice
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.finding import recognize
from tray_app.engine.ineffective_settings import ONE_THREAD
from tray_app.engine.launch_plan import plan_launch
from tray_app.engine.program import Engine
from tray_app.errors import SettingsError
from tray_app.models.header import Pooling, Projection
from tray_app.models.memory import GIB
from tray_app.models.model import Model
from tray_app.models.projectors import Projector
from tray_app.settings.schema import Settings
from tray_app.system.nvidia import Gpu

POWERINFER = recognize(Path("/opt/server"), HELP["powerinfer"])
POWERINFER_FOR_CUDA = recognize(Path("/opt/server"), f"{HELP['powerinfer']}\n  -ngl N, --n-gpu-layers N\n")
LLAMA_SERVER = recognize(Path("/opt/llama-server"), HELP["llama-server"])
LLAMA_CPP = Engine(EngineKind.LLAMA_CPP, ("/usr/bin/python", "child.py"), "1")


def words(engine: Engine = POWERINFER, host: Any = PC, context: int | None = 4096, **settings: Any) -> str:
    chosen = model(context=context)
    return " ".join(plan_launch(Settings(**settings), chosen, engine, host).command(1234))


def test_powerinfer_gets_the_documented_arguments() -> None:
    assert words(ctx_size=1024, batch_size=256, threads=4, threads_batch=8) == (
        "/opt/server --model /models/some.gguf --port 1234 --ctx-size 1024 --threads 4 --threads-batch 8"
        " --host 127.0.0.1 --batch-size 256 --embedding"
    )


def test_the_embedded_engine_gets_what_its_child_knows() -> None:
    assert words(LLAMA_CPP) == (
        "/usr/bin/python child.py --model /models/some.gguf --port 1234 --ctx-size 16384 --threads 6"
        " --threads-batch 6 --alias some --batch-size 512 --pooling last --n-parallel 4"
        " --kv-unified --kv-unified-per-slot 4096 --cache-ram-mib 0"
    )


def test_a_llama_server_listens_on_loopback_and_makes_embeddings() -> None:
    line = words(LLAMA_SERVER)
    assert "--host 127.0.0.1" in line
    assert "--embedding --no-webui" in line
    assert "--batch-size 512 --pooling last --parallel 4 --ubatch-size 512" in line


@pytest.mark.parametrize("engine", [POWERINFER, LLAMA_SERVER, LLAMA_CPP])
def test_the_temperature_is_never_on_a_command_line(engine: Engine) -> None:
    assert "temp" not in words(engine, temperature=0.1)


def test_an_engine_gets_no_flag_that_it_does_not_know() -> None:
    assert "--sse-ping-interval" not in words(LLAMA_SERVER)
    old = Engine(EngineKind.POWERINFER, ("s",), flags=frozenset({"--model", "--port"}))
    assert words(old) == "s --model /models/some.gguf --port 1234"


def test_powerinfer_batches_are_at_most_512() -> None:
    assert "--batch-size 512 " in words(batch_size=2048)


def test_the_context_is_at_most_what_the_model_was_trained_with() -> None:
    assert "--ctx-size 512 " in words(POWERINFER, context=512, ctx_size=1024)
    assert "--ctx-size 2048 " in words(LLAMA_CPP, context=512, ctx_size=1024)  # four slots
    assert "--batch-size 512 " in words(LLAMA_CPP, context=512, ctx_size=1024)
    assert "--ctx-size 2048 " in words(POWERINFER, context=None, ctx_size=2048)


@pytest.mark.parametrize(
    ("engine", "host", "budget", "expected"),
    [
        (POWERINFER_FOR_CUDA, PC_WITH_NVIDIA, 4.5, True),
        (POWERINFER_FOR_CUDA, PC_WITH_NVIDIA, "auto", False),
        (POWERINFER, PC_WITH_NVIDIA, 4.5, False),
        (POWERINFER_FOR_CUDA, PC, 4.5, False),
        (POWERINFER_FOR_CUDA, MAC, 4.5, False),
    ],
)
def test_the_vram_budget_is_passed_only_where_it_has_an_effect(
    engine: Engine, host: Any, budget: Any, *, expected: bool
) -> None:
    assert ("--vram-budget 4.5" in words(engine, host, vram_budget=budget)) is expected


def test_threads_for_batches_follow_threads() -> None:
    assert "--threads 3 --threads-batch 3 " in words(threads=3)
    assert "--threads 6 --threads-batch 2 " in words(threads_batch=2)


def test_extra_arguments_come_last() -> None:
    assert words(LLAMA_CPP, extra_arguments=("--n-gpu-layers", "20")).endswith("--n-gpu-layers 20")


@pytest.mark.parametrize(
    ("engine", "argument"),
    [
        (POWERINFER, "-c"),
        (POWERINFER, "--ctx-size"),
        (POWERINFER, "-np"),
        (POWERINFER, "--parallel"),
        (LLAMA_SERVER, "--ctx-size=8192"),
        (LLAMA_CPP, "--n_ctx"),
        (LLAMA_CPP, "--port"),
        (LLAMA_CPP, "--model"),
        (POWERINFER, "--host"),
    ],
)
def test_what_the_gateway_relies_on_cannot_be_changed_by_extra_arguments(
    engine: Engine, argument: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        words(engine, extra_arguments=("--mlock", argument, "8192"))
    assert argument.partition("=")[0] in refused.value.title
    assert refused.value.message


def test_a_llama_server_may_work_on_several_requests() -> None:
    assert words(LLAMA_SERVER, extra_arguments=("-np", "2")).endswith("-np 2")


def test_a_model_made_for_embeddings_pools_in_its_own_way_and_gets_its_texts_whole() -> None:
    bert = model(architecture="nomic-bert", context=2048)
    bert = replace(bert, header=replace(bert.header, pooling=Pooling.CLS))
    argv = plan_launch(Settings(batch_size=512), bert, LLAMA_CPP, PC).argv
    assert "--pooling" not in argv
    assert argv[argv.index("--batch-size") + 1] == "2048"


def test_a_path_with_spaces_and_foreign_letters_stays_one_argument() -> None:
    path = str(Path("/my models/モデル ü.gguf").absolute())
    plan = plan_launch(Settings(), model(path), POWERINFER, PC)
    assert path in plan.command(1)
    assert shlex.split(plan.display(1)) == list(plan.command(1))


def test_plans_are_equal_until_something_that_matters_changes() -> None:
    plan = plan_launch(Settings(), model(), LLAMA_CPP, PC)
    assert plan == plan_launch(Settings(port=9999, temperature=0.1), model(), LLAMA_CPP, PC)
    assert plan != plan_launch(Settings(ctx_size=1024), model(), LLAMA_CPP, PC)
    assert plan != plan_launch(Settings(), model("/models/other.gguf"), LLAMA_CPP, PC)


@pytest.mark.parametrize(
    ("quantization", "host", "expected"),
    [
        ("Q4_K_M", PC, True),
        ("Q4_0", PC, True),
        ("IQ4_NL", PC, True),
        ("Q5_K_M", PC, False),
        ("F16", PC, False),
        ("Q4_K_M", MAC, False),
    ],
)
def test_weights_that_the_engine_copies_are_not_mapped_besides(
    quantization: str, host: Any, *, expected: bool
) -> None:
    plain = model()
    chosen = replace(plain, header=replace(plain.header, quantization=quantization))
    server = replace(LLAMA_SERVER, flags=LLAMA_SERVER.flags | {"--no-mmap", "--cache-ram"})

    embedded = " ".join(plan_launch(Settings(), chosen, LLAMA_CPP, host).argv)
    own = " ".join(plan_launch(Settings(), chosen, server, host).argv)

    assert ("--load-mode none" in embedded) is expected
    assert ("--no-mmap" in own) is expected
    assert "--cache-ram " in own


def sparse_words(**settings: Any) -> str:
    dense = model()
    sparse = replace(dense, header=replace(dense.header, sparse=True))
    return " ".join(plan_launch(Settings(**settings), sparse, POWERINFER, PC).command(1234))


@pytest.mark.parametrize(
    "settings",
    [{}, {"threads": 6}, {"threads_batch": 2}, {"threads": 4, "threads_batch": 8}, {"threads": 1024}],
)
def test_a_sparse_model_gets_one_thread_whatever_is_set(settings: dict[str, int]) -> None:
    assert "--threads 1 --threads-batch 1 " in sparse_words(**settings)


@pytest.mark.parametrize("flag", ["-t", "--threads", "-tb", "--threads-batch"])
@pytest.mark.parametrize("form", ["{flag} 4", "{flag}=4"])
def test_a_sparse_model_cannot_have_more_threads_by_extra_arguments(flag: str, form: str) -> None:
    written = tuple(form.format(flag=flag).split())

    with pytest.raises(SettingsError) as refused:
        sparse_words(extra_arguments=("--mlock", *written))

    assert flag in refused.value.title
    assert refused.value.message == ONE_THREAD
    assert words(extra_arguments=written).endswith(" ".join(written))  # a dense model may


@pytest.mark.parametrize(
    ("known", "pooling", "expected"),
    [
        (
            {"--kv-unified", "--no-kv-unified", "--kv-unified-per-slot"},
            None,
            "--kv-unified --kv-unified-per-slot 1024",
        ),
        ({"--kv-unified", "--no-kv-unified"}, None, "--no-kv-unified"),
        ({"--kv-unified", "--no-kv-unified"}, Pooling.MEAN, "--kv-unified"),
        (set(), None, ""),
    ],
)
def test_the_slots_of_a_llama_server_share_a_cache_where_none_can_take_more_than_its_part(
    known: set[str], pooling: Pooling | None, expected: str
) -> None:
    plain = model()
    chosen = replace(plain, header=replace(plain.header, pooling=pooling))
    server = replace(LLAMA_SERVER, flags=LLAMA_SERVER.flags | known)

    argv = plan_launch(Settings(ctx_size=1024, batch_size=512), chosen, server, PC).argv

    told = argv[argv.index("--parallel") + 2 : argv.index("--ubatch-size")]
    assert " ".join(told) == expected
    assert argv[argv.index("--ctx-size") + 1] == "4096"


def test_a_sparse_model_runs_in_several_processes_of_one_thread_and_only_their_number_differs() -> None:
    sparse = model()
    sparse = replace(sparse, header=replace(sparse.header, sparse=True))
    usual, two, one = (
        plan_launch(Settings(workers=workers), sparse, POWERINFER, PC) for workers in ("auto", 2, 1)
    )
    assert (usual.workers, two.workers, one.workers) == (PC.physical_cores // 2, 2, 1)
    assert replace(two, workers=1, memory_bytes=one.memory_bytes) == one
    assert one.memory_bytes < two.memory_bytes < 2 * one.memory_bytes
    assert plan_launch(Settings(workers=2), model(), POWERINFER, PC).workers == 1


EYES = Projector(
    Path("/models/mmproj-some.gguf"),
    50,
    replace(model().header, projection=Projection(64, sees=True, patches=16, width=8, feed_forward=8)),
)


SEEING_SERVER = replace(LLAMA_SERVER, flags=LLAMA_SERVER.flags | {"--mmproj"})


@pytest.mark.parametrize("engine", [SEEING_SERVER, LLAMA_CPP])
def test_llama_cpp_gets_the_projector_and_its_memory_counts(engine: Engine) -> None:
    settings = Settings(batch_size=2048)
    blind = plan_launch(settings, model(), engine, PC)
    seeing = plan_launch(settings, replace(model(), projector=EYES), engine, PC)

    assert "--mmproj /models/mmproj-some.gguf" in seeing.display(1)
    assert (blind.sees, seeing.sees) == (False, True)
    assert seeing.memory_bytes - blind.memory_bytes == EYES.memory_bytes
    assert seeing != blind


@pytest.mark.parametrize("engine", [POWERINFER, LLAMA_SERVER])
def test_an_engine_that_takes_no_projector_gets_none(engine: Engine) -> None:
    plan = plan_launch(Settings(), replace(model(), projector=EYES), engine, PC)

    assert plan == plan_launch(Settings(), model(), engine, PC)
    assert not plan.sees


@pytest.mark.parametrize(
    ("extra", "sees"), [("--mmproj /my.gguf", True), ("-mm /my.gguf", True), ("--no-mmproj", False)]
)
def test_extra_arguments_decide_about_the_projector(extra: str, sees: bool) -> None:
    chosen = Settings(extra_arguments=tuple(extra.split()))
    plan = plan_launch(chosen, replace(model(), projector=EYES), LLAMA_CPP, PC)

    assert "mmproj-some" not in plan.display(1)
    assert (plan.sees, plan.model.projector) == (sees, None)


# Graphics cards --------------------------------------------------------------------------------------------

ABOUT_CARDS = {"--device", "--fit", "--fit-target", "--n-gpu-layers", "--list-devices", "--load-mode"}
FITS_ITSELF = replace(LLAMA_SERVER, flags=LLAMA_SERVER.flags | ABOUT_CARDS)
COUNTS_LAYERS = replace(FITS_ITSELF, flags=FITS_ITSELF.flags - {"--fit", "--fit-target"})
CARD = EngineDevice("NVIDIA RTX", 8000 << 20, "CUDA0")
OTHER_CARD = EngineDevice("NVIDIA RTX", 6000 << 20, "CUDA1")
TWO_CARDS = replace(PC, gpus=(Gpu("NVIDIA RTX", 8000 << 20), Gpu("NVIDIA RTX", 6000 << 20)))


def on_cards(engine: Engine, *devices: EngineDevice, host: Any = TWO_CARDS, **settings: Any) -> str:
    """The arguments about cards."""
    argv = plan_launch(Settings(**settings), model(), replace(engine, devices=devices), host).argv
    names = ("--device", "--fit", "--fit-target", "--n-gpu-layers")
    return " ".join(word for at, word in enumerate(argv) if word in names or argv[at - 1] in names)


@pytest.mark.parametrize(
    ("devices", "budget", "expected"),
    [
        ((CARD,), "auto", ""),
        ((CARD,), 2, "--fit on --fit-target 5952"),
        ((CARD,), 64, "--fit on --fit-target 0"),
        ((CARD, OTHER_CARD), 2.5, "--device CUDA0,CUDA1 --fit on --fit-target 5440,3440"),
        ((CARD,), 0, "--device none"),
        ((), 2, ""),
    ],
)
def test_a_budget_is_told_as_what_stays_free_of_each_card(
    devices: tuple[EngineDevice, ...], budget: Any, expected: str
) -> None:
    assert on_cards(FITS_ITSELF, *devices, vram_budget=budget) == expected


def test_beside_a_card_the_one_in_the_processor_is_not_used() -> None:
    inside = EngineDevice("Intel UHD Graphics", 12 << 30, "Vulkan0")
    outside = replace(CARD, id="Vulkan1")
    assert on_cards(FITS_ITSELF, inside, outside, vram_budget=2) == "--fit on --fit-target 5952"
    assert on_cards(FITS_ITSELF, inside, host=PC, vram_budget=2) == "--fit on --fit-target 10240"


def layers(of: Model, budget: Any, *devices: EngineDevice) -> int | None:
    engine = replace(COUNTS_LAYERS, devices=devices)
    words = plan_launch(Settings(vram_budget=budget), of, engine, TWO_CARDS).argv
    return int(words[words.index("--n-gpu-layers") + 1]) if "--n-gpu-layers" in words else None


def test_an_engine_that_does_not_fit_itself_is_told_how_many_layers() -> None:
    whole = make_model(sparse=False)  # 32 layers of together 4.36 GiB, and a cache
    most, half, none = (layers(whole, budget, CARD) for budget in ("auto", 3, 0))
    assert (most, none) == (33, None)
    assert half
    assert 10 < half < 25
    assert layers(whole, 5, CARD, OTHER_CARD) == 33
    unknown = replace(whole, header=replace(whole.header, block_count=None))
    assert layers(unknown, 3, CARD) is None


def test_a_card_that_is_to_give_too_little_for_any_layer_is_not_used() -> None:
    """Else llama.cpp would have on it what it computes with, and exceed the budget."""
    whole = make_model(sparse=False)
    small = replace(OTHER_CARD, memory_bytes=100 << 20)
    for engine in (FITS_ITSELF, COUNTS_LAYERS):
        argv = plan_launch(Settings(vram_budget=0.1), whole, replace(engine, devices=(CARD,)), TWO_CARDS).argv
        assert "--device none" in " ".join(argv)
        assert not {"--fit-target", "--n-gpu-layers"} & set(argv)
    both = plan_launch(Settings(vram_budget=4), whole, replace(FITS_ITSELF, devices=(CARD, small)), TWO_CARDS)
    assert "--device CUDA0 --fit on --fit-target 3904" in " ".join(both.argv)


@pytest.mark.parametrize(
    ("settings", "cards"),
    [
        (Settings(), (CARD,)),
        (Settings(vram_budget=0), ()),
        (Settings(extra_arguments=("--device", "none")), ()),
        (Settings(extra_arguments=("-dev=none",)), ()),
        (Settings(extra_arguments=("--device", "none", "--device", "CUDA0")), (CARD,)),
    ],
)
def test_a_plan_tells_the_cards_that_it_computes_with(
    settings: Settings, cards: tuple[EngineDevice, ...]
) -> None:
    plan = plan_launch(settings, make_model(sparse=False), replace(FITS_ITSELF, devices=(CARD,)), TWO_CARDS)
    assert plan.devices == cards
    assert bool(plan.graphics_bytes) is bool(plan.graphics_room_bytes) is bool(cards)


def test_what_goes_to_the_cards_is_counted_apart_from_main_memory() -> None:
    whole = make_model(sparse=False)
    on_processor = plan_launch(Settings(), whole, replace(FITS_ITSELF, devices=()), TWO_CARDS)
    on_card = plan_launch(Settings(), whole, replace(FITS_ITSELF, devices=(CARD,)), TWO_CARDS)
    in_part = plan_launch(Settings(vram_budget=2), whole, replace(FITS_ITSELF, devices=(CARD,)), TWO_CARDS)
    assert on_processor.graphics_bytes == on_processor.graphics_room_bytes == 0
    assert whole.size_bytes < on_card.graphics_bytes <= on_card.graphics_room_bytes < 8000 << 20
    assert in_part.graphics_bytes == in_part.graphics_room_bytes == 2 * GIB
    for plan in (on_processor, on_card, in_part):
        assert plan.memory_bytes + plan.graphics_bytes >= whole.size_bytes
    assert on_card.memory_bytes < in_part.memory_bytes < on_processor.memory_bytes


def test_powerinfer_copies_weights_to_a_card_and_keeps_them_in_main_memory() -> None:
    whole = make_model()
    plan = plan_launch(Settings(vram_budget=2), whole, POWERINFER_FOR_CUDA, PC_WITH_NVIDIA)
    assert (plan.graphics_bytes, plan.graphics_room_bytes) == (2 * GIB, 2 * GIB)
    assert plan.memory_bytes > whole.size_bytes
    assert plan_launch(Settings(), whole, POWERINFER, PC_WITH_NVIDIA).graphics_bytes == 0


def test_apple_silicon_has_one_memory() -> None:
    metal = replace(FITS_ITSELF, devices=(EngineDevice("Apple M1", 10 << 30, "MTL0"),))
    plan = plan_launch(Settings(vram_budget=2), make_model(sparse=False), metal, MAC)
    assert (plan.graphics_bytes, plan.graphics_room_bytes) == (0, 0)
    assert "--fit-target" not in plan.argv


def test_rearranged_weights_are_not_mapped_in_the_words_that_the_server_knows() -> None:
    whole = make_model(sparse=False)  # Q4_0
    assert "--load-mode none" in " ".join(plan_launch(Settings(), whole, FITS_ITSELF, PC).argv)
    old = replace(FITS_ITSELF, flags=FITS_ITSELF.flags - {"--load-mode"} | {"--no-mmap"})
    assert "--no-mmap" in plan_launch(Settings(), whole, old, PC).argv
