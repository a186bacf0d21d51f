"""Models, engines, hosts and launches that tests make up."""

import dataclasses
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fakes import engine
from tray_app.engine.choosing import ModelNeeds, choose_engine
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.finding import EngineFinder
from tray_app.engine.launch_dir import LaunchDir
from tray_app.engine.launch_plan import HOST, PORT, LaunchPlan, plan_launch
from tray_app.engine.program import Engine
from tray_app.models.gguf import read_header
from tray_app.models.header import ModelHeader
from tray_app.models.library import builtin_model
from tray_app.models.model import Model
from tray_app.settings.schema import AUTO, Settings
from tray_app.system.child import Child, Launch
from tray_app.system.host import Host, System, detect_system
from tray_app.system.launcher import launcher_for
from tray_app.system.nvidia import Gpu
from tray_app.system.ports import LOOPBACK

if TYPE_CHECKING:
    import pytest

FAKE_ENGINE = (sys.executable, "-I", "-S", engine.__file__)
_BUILTIN = builtin_model()

PC = Host(
    system=System.LINUX,
    machine="x86_64",
    translated=False,
    physical_cores=6,
    logical_cores=12,
    memory_bytes=16 << 30,
    gpus=(),
)
PC_WITH_NVIDIA = dataclasses.replace(PC, gpus=(Gpu("NVIDIA RTX", 8 << 30),))
MAC = dataclasses.replace(PC, system=System.MACOS, machine="arm64")


class ShortLauncher:
    """A system that is short of something when programs are started, at these of its starts from 1 on."""

    def __init__(self, error: OSError, *starts: int) -> None:
        self._launcher = launcher_for(detect_system(sys.platform))
        self._error = error
        self._short_at = starts
        self._number = 0

    def launch(self, launch: Launch) -> Child:
        self._number += 1
        if self._number in self._short_at:
            raise self._error
        return self._launcher.launch(launch)


def give_no_thread_named(name: str, monkeypatch: "pytest.MonkeyPatch") -> None:
    """A system that cannot start one more thread, for each of this name."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == name:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)


def model(
    path: str = "/models/some.gguf", *, architecture: str = "llama", context: int | None = 4096
) -> Model:
    header = ModelHeader(
        sparse=False,
        architecture=architecture,
        context_length=context,
        embedding_length=64,
        block_count=2,
        quantization="F16",
        chat_template=None,
        implied_size_bytes=100,
    )
    return Model(Path(path).stem, Path(path).stem, Path(path), 100, header)


def fake_plan(*options: str, kind: EngineKind = EngineKind.POWERINFER, path: Path = _BUILTIN) -> LaunchPlan:
    """A launch of the fake engine, as if on the model that is at `path`."""
    host = HOST if kind is EngineKind.POWERINFER else LOOPBACK
    argv = (*FAKE_ENGINE, "--host", host, "--port", PORT, *options)
    return LaunchPlan(
        Engine(kind, FAKE_ENGINE), model(str(path)), argv, context_size=512, launch_dir=LaunchDir(str(path))
    )


def llamacpp_plan(path: Path = _BUILTIN, **settings: Any) -> LaunchPlan:
    """A launch of the real llama.cpp on a model's file."""
    file = Model(path.stem, path.stem, path, path.stat().st_size, read_header(path))
    chosen = Settings(**{"threads": 1, **settings})
    return plan_launch(chosen, file, choose_engine(AUTO, ModelNeeds.of(file.header), EngineFinder(PC)), PC)
