from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psutil
import pynvml
import pytest

from tests.fakes.app import make_host
from tray_app.engine import resource_usage as resource_usage_module
from tray_app.engine.resource_usage import resource_usage, usage_together
from tray_app.system import nvidia
from tray_app.system.process import ProcessUsage

if TYPE_CHECKING:
    from collections.abc import Mapping


def fake_driver(monkeypatch: pytest.MonkeyPatch, *processes: SimpleNamespace) -> None:
    """A driver with one device."""
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 1)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda _: "device")
    monkeypatch.setattr(pynvml, "nvmlDeviceGetComputeRunningProcesses", lambda _: processes)


def measured(*pids: int) -> Mapping[tuple[int, ...], ProcessUsage]:
    """What an engine with these processes uses."""
    return {pids: usage_together(pids, weights_bytes=0)}


def process(pid: int, used: int | None) -> SimpleNamespace:
    return SimpleNamespace(pid=pid, usedGpuMemory=used)


def test_a_process_takes_memory_and_time() -> None:
    usage = resource_usage(measured(os.getpid()), make_host())

    assert usage.memory_bytes >= psutil.Process().memory_info().rss // 2
    assert usage.cpu_s > 0
    assert usage.graphics_bytes is None


def test_a_process_that_has_ended_takes_nothing() -> None:
    usage = resource_usage(measured(2**22 - 1), make_host())

    assert (usage.memory_bytes, usage.cpu_s) == (0, 0)


def test_graphics_memory_is_that_of_our_processes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_driver(monkeypatch, process(1, 100), process(2, 20), process(3, 3))

    assert nvidia.graphics_memory_of({1, 3}) == 103


def test_graphics_memory_that_the_driver_hides_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_driver(monkeypatch, process(1, None))

    assert nvidia.graphics_memory_of({1}) is None


def test_a_driver_that_fails_meanwhile_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object) -> int:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)

    fake_driver(monkeypatch)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lost)
    monkeypatch.setattr(pynvml, "nvmlShutdown", lost)

    assert nvidia.graphics_memory_of({1}) is None


def test_with_a_device_the_graphics_memory_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_driver(monkeypatch, process(os.getpid(), 77))

    assert resource_usage(measured(os.getpid()), make_host(gpu=True)).graphics_bytes == 77


@pytest.mark.parametrize(
    ("usages", "memory_bytes", "private_bytes"),
    [
        pytest.param([(500, 100)], 500, 100, id="one"),
        pytest.param([(480, 90), (500, 100), (20, 5)], 595, 195, id="Linux tells what is shared"),
        pytest.param([(500, 500), (480, 480)], 580, 580, id="elsewhere the weights are"),
        pytest.param([(500, 500), (300, 300)], 500, 500, id="one that has not read all of them yet"),
    ],
)
def test_what_processes_share_counts_once(
    monkeypatch: pytest.MonkeyPatch, usages: list[tuple[int, int]], memory_bytes: int, private_bytes: int
) -> None:
    monkeypatch.setattr(resource_usage_module, "usage", lambda pid: ProcessUsage(2.0, 7, *usages[pid]))
    together = usage_together(range(len(usages)), weights_bytes=400)
    assert (together.memory_bytes, together.private_bytes) == (memory_bytes, private_bytes)
    assert (together.cpu_s, together.read_bytes) == (2.0 * len(usages), 7 * len(usages))
