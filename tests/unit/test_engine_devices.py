from dataclasses import replace

import pytest

from tests.fakes.launches import PC
from tray_app.engine.devices import Card, Device, EngineDevice, cards_of, merge_devices, parse_devices
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.sizing import memory_budget
from tray_app.system.graphics import Adapter, Maker
from tray_app.system.nvidia import Gpu

LLAMA_SERVER = """ggml_cuda_init: found 2 CUDA devices:
  Device 0: NVIDIA GeForce RTX 3090, compute capability 8.6, VMM: yes
  Device 1: NVIDIA GeForce RTX 3090, compute capability 8.6, VMM: yes
Available devices:
  CUDA0: NVIDIA GeForce RTX 3090 (24126 MiB, 23685 MiB free)
  CUDA1: NVIDIA GeForce RTX 3090 (24126 MiB, 23685 MiB free)
  BLAS: OpenBLAS (0 MiB, 0 MiB free)
  Vulkan0: AMD Radeon RX 7900 (RADV NAVI31) (20464 MiB, 20000 MiB free)
"""
POWERINFER = """ggml_init_cublas: GGML_CUDA_FORCE_MMQ:   no
ggml_init_cublas: found 1 CUDA devices:
  Device 0: NVIDIA GeForce RTX 3090, compute capability 8.6
"""
RTX = "NVIDIA GeForce RTX 3090"
RTX_MEMORY = 24_576 << 20


def test_a_llama_server_lists_its_cards_with_their_memory() -> None:
    radeon = EngineDevice("AMD Radeon RX 7900 (RADV NAVI31)", 20_464 << 20, "Vulkan0")
    cuda = (EngineDevice(RTX, 24_126 << 20, "CUDA0"), EngineDevice(RTX, 24_126 << 20, "CUDA1"))
    assert parse_devices(LLAMA_SERVER) == (*cuda, radeon)


def test_powerinfer_names_its_cards_alone() -> None:
    assert parse_devices(POWERINFER) == (EngineDevice(RTX, None),)


@pytest.mark.parametrize("output", ["", "Available devices:\n", "Available devices:\n  (none)\n"])
def test_an_engine_without_cards_has_none(output: str) -> None:
    assert parse_devices(output) == ()


def test_a_card_that_both_see_is_there_once_with_the_drivers_memory() -> None:
    (card,) = merge_devices([Gpu(RTX, RTX_MEMORY)], [EngineDevice(RTX, 24_126 << 20)])
    assert card == Device(RTX, RTX_MEMORY, used=True)


def test_of_two_alike_the_engine_may_see_one() -> None:
    cards = merge_devices([Gpu(RTX, RTX_MEMORY)] * 2, [EngineDevice(RTX, None)])
    assert [card.used for card in cards] == [True, False]


def test_a_card_of_another_maker_is_known_by_the_engine_alone() -> None:
    cards = merge_devices([Gpu(RTX, RTX_MEMORY)], [EngineDevice("AMD Radeon", 1 << 30)])
    assert cards == (Device(RTX, RTX_MEMORY, used=False), Device("AMD Radeon", 1 << 30, used=True))


def test_an_engine_that_does_not_tell_leaves_it_open() -> None:
    assert merge_devices([Gpu(RTX, RTX_MEMORY)], None) == (Device(RTX, RTX_MEMORY, used=None),)


def test_only_memory_of_cards_that_have_their_own_is_room_for_a_model() -> None:
    host = replace(PC, gpus=(Gpu(RTX, RTX_MEMORY), Gpu("NVIDIA A100", 4 << 30)))
    seen = (EngineDevice(RTX, None), EngineDevice("Intel UHD Graphics", 16 << 30))
    usable = RTX_MEMORY * 9 // 10
    assert memory_budget(EngineKind.LLAMA_SERVER, host, seen).graphics_bytes == pytest.approx(usable)
    assert memory_budget(EngineKind.LLAMA_SERVER, host, ()).graphics_bytes == 0
    both = memory_budget(EngineKind.LLAMA_SERVER, host).graphics_bytes
    assert both == pytest.approx(usable + (3 << 30))
    assert memory_budget(EngineKind.POWERINFER, host, seen).graphics_bytes == 0


def test_a_budget_holds_for_each_card() -> None:
    host = replace(PC, gpus=(Gpu(RTX, RTX_MEMORY), Gpu("NVIDIA A100", 4 << 30)))
    assert memory_budget(EngineKind.LLAMA_SERVER, host, None, 6).graphics_bytes == (6 + 4) << 30
    assert memory_budget(EngineKind.LLAMA_SERVER, host, None, 0).graphics_bytes == 0


@pytest.mark.parametrize(
    ("adapters", "own"),
    [
        ((Adapter("AMD Radeon RX 7900 XT", Maker.AMD, integrated=False),), True),
        ((Adapter("AMD Radeon 780M Graphics", Maker.AMD, integrated=True),), False),
        ((Adapter("AMD device", Maker.AMD),), False),
        (
            (
                Adapter("AMD Radeon RX 7900 XT", Maker.AMD, integrated=False),
                Adapter("Intel UHD", Maker.INTEL),
            ),
            True,
        ),
        ((Adapter("Intel Arc A770", Maker.INTEL, integrated=False),), False),
    ],
)
def test_what_the_system_knows_of_a_maker_tells_whether_its_card_has_memory(
    adapters: tuple[Adapter, ...], *, own: bool
) -> None:
    listed = (EngineDevice("AMD Radeon RX 7900 XT (RADV NAVI31)", 20 << 30, "Vulkan0"),)
    (card,) = cards_of(listed, replace(PC, adapters=adapters))
    assert card.has_own_memory is own


def test_the_card_in_the_processor_computes_only_where_there_is_no_other() -> None:
    host = replace(PC, gpus=(Gpu(RTX, RTX_MEMORY),))
    inside = EngineDevice("Intel UHD Graphics", 12 << 30, "Vulkan0")
    outside = EngineDevice(RTX, 24_126 << 20, "Vulkan1")
    assert cards_of((inside, outside), host) == (Card("Vulkan1", 24_126 << 20, has_own_memory=True),)
    assert cards_of((inside,), PC) == (Card("Vulkan0", 12 << 30, has_own_memory=False),)
