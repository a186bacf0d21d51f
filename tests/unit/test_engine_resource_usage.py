from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psutil
import pynvml

from tests.fakes.app import make_host
from tray_app.engine.resource_usage import resource_usage
from tray_app.system import host

if TYPE_CHECKING:
    import pytest


def fake_driver(monkeypatch: pytest.MonkeyPatch, *processes: SimpleNamespace) -> None:
    """A driver with one device."""
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 1)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda _: "device")
    monkeypatch.setattr(pynvml, "nvmlDeviceGetComputeRunningProcesses", lambda _: processes)


def process(pid: int, used: int | None) -> SimpleNamespace:
    return SimpleNamespace(pid=pid, usedGpuMemory=used)


def test_a_process_takes_memory_and_time() -> None:
    usage = resource_usage([os.getpid()], make_host())

    assert usage.memory_bytes >= psutil.Process().memory_info().rss // 2
    assert usage.cpu_s > 0
    assert usage.graphics_bytes is None


def test_a_process_that_has_ended_takes_nothing() -> None:
    usage = resource_usage([2**22 - 1], make_host())

    assert (usage.memory_bytes, usage.cpu_s) == (0, 0)


def test_graphics_memory_is_that_of_our_processes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_driver(monkeypatch, process(1, 100), process(2, 20), process(3, 3))

    assert host.graphics_memory_of({1, 3}) == 103


def test_graphics_memory_that_the_driver_hides_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_driver(monkeypatch, process(1, None))

    assert host.graphics_memory_of({1}) is None


def test_a_driver_that_fails_meanwhile_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object) -> int:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)

    fake_driver(monkeypatch)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lost)
    monkeypatch.setattr(pynvml, "nvmlShutdown", lost)

    assert host.graphics_memory_of({1}) is None


def test_with_a_device_the_graphics_memory_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_driver(monkeypatch, process(os.getpid(), 77))

    assert resource_usage([os.getpid()], make_host(gpu=True)).graphics_bytes == 77
