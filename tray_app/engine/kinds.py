"""The engines: which programs can run a model, where they are found, and which one is chosen.

Any thread; runs programs.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import logging
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tray_app.engine.devices import parse_devices
from tray_app.engine.diagnosis import ShortageError
from tray_app.engine.inspection import (
    CHOOSE,
    UnusableEngineError,
    ask_for_devices,
    ask_for_help,
    crash,
    inspect,
    stat,
)
from tray_app.errors import EngineError, ErrorCode
from tray_app.phrases import phrase
from tray_app.settings.schema import AUTO, Auto
from tray_app.system.executable import find_on_path
from tray_app.system.host import System
from tray_app.system.paths import expanded, resources
from tray_app.system.process import own_command

if TYPE_CHECKING:
    from tray_app.engine.builds.build import InstalledBuild
    from tray_app.engine.devices import EngineDevice
    from tray_app.system.executable import Executable
    from tray_app.system.host import Host

_log = logging.getLogger(__name__)

_LIST_DEVICES = "--list-devices"
_FLAG = re.compile(r"(?<![\w-])--?[a-zA-Z][\w-]*")
_POWERINFER_PROGRAM = "powerinfer-server"
"""PowerInfer calls its program `server`, as many others do: by that name alone, no program is run."""
_LLAMA_PROGRAM = "llama-server"
_LIBRARY = "xllamacpp"
_GET_POWERINFER = (
    "Install PowerInfer's server and set «Engine» to its path in the settings, or choose a plain GGUF model."
)


class EngineKind(StrEnum):
    """How an engine is started and spoken to."""

    LLAMA_CPP = "llama.cpp"
    """The llama.cpp that comes with this app; it runs in a process of its own."""
    LLAMA_SERVER = "llama-server"
    """A llama-server that the person has installed."""
    POWERINFER = "powerinfer"
    REMOTE = "remote"
    """A server on another machine, which this app neither starts nor stops."""

    @property
    def takes_key(self) -> bool:
        """Whether it accepts a key for each run, and answers only requests with that key."""
        return self in (EngineKind.LLAMA_CPP, EngineKind.LLAMA_SERVER)


EngineSetting = Auto | EngineKind | Path
"""Which engine a person wants: the one that suits the model, one of this kind, or this program."""


def engine_setting(text: str) -> EngineSetting:
    """What the setting `engine` means: the name of an engine, else the path of a program."""
    name = text.strip()
    if name == AUTO:
        return AUTO
    return EngineKind(name) if name in set(EngineKind) else expanded(text)


@dataclass(frozen=True, slots=True)
class Engine:
    """A program that can run models."""

    kind: EngineKind
    command: tuple[str, ...]
    """The first words of its command line; the first of them is the full path of a program."""
    version: str | None = None
    flags: frozenset[str] = frozenset()
    """The arguments that its help lists, such as `--ctx-size`."""
    machines: tuple[str, ...] = ()
    """The architectures that its program was built for; none for a script."""
    devices: tuple[EngineDevice, ...] | None = None
    """The graphics cards that it says it can use; None if it cannot list them."""
    build: InstalledBuild | None = None
    """The installed build that it is; None for the built-in engine and a program of the person's own."""


class Finder(Protocol):
    """Finds engines."""

    def embedded(self) -> Engine | None:
        """The llama.cpp that comes with this app, if this machine can have it."""

    def powerinfer(self) -> Engine | None:
        """The PowerInfer server that comes with this app or is installed on this machine."""

    def llama_server(self) -> Engine | None:
        """The llama-server that is installed on this machine."""

    def probe(self, path: Path) -> Engine:
        """The engine that a program is; `EngineError` if it is not one."""


def choose_engine(setting: EngineSetting, sparse: bool, finder: Finder) -> Engine:  # noqa: FBT001  as the file
    """The engine for a model. `setting` is that of the person, `sparse` whether the file is a PWRI one.

    `EngineError` if there is none on this machine, or the chosen one cannot run such a model.
    """
    engine = _find(setting, finder, sparse=sparse)
    if engine is None:
        raise _missing(setting, sparse=sparse)
    if sparse and engine.kind is not EngineKind.POWERINFER:
        raise UnusableEngineError(
            ErrorCode.MODEL_NEEDS_POWERINFER,
            "This model needs the PowerInfer engine",
            phrase("It is a sparse model, and the chosen engine is {kind}.", kind=engine.kind),
            "Set «Engine» to auto, or to the path of a PowerInfer server.",
        )
    return engine


def _find(setting: EngineSetting, finder: Finder, *, sparse: bool) -> Engine | None:
    match setting:
        case EngineKind.POWERINFER:
            return finder.powerinfer()
        case EngineKind.LLAMA_CPP:
            return finder.embedded()
        case EngineKind.LLAMA_SERVER:
            return finder.llama_server()
        case EngineKind.REMOTE:
            return None
        case Path() as program:
            return finder.probe(program)
        case _:
            # PowerInfer also runs plain models, if old ones: better than none on a machine without llama.cpp.
            return (None if sparse else finder.embedded()) or finder.powerinfer()


def _missing(setting: EngineSetting, *, sparse: bool) -> EngineError:
    match setting:
        case EngineKind.REMOTE:
            return UnusableEngineError(
                ErrorCode.REMOTE_NOT_WANTED,
                "The chosen engine is a server on another machine",
                "It runs models of its own, none of this machine.",
                "Set «Engine» to auto to run models here.",
            )
        case EngineKind.LLAMA_SERVER:
            return UnusableEngineError(
                ErrorCode.LLAMA_SERVER_NOT_FOUND,
                "There is no llama-server on this machine",
                "No folder of the PATH has a program of that name.",
                "Install llama.cpp's llama-server, or set «Engine» to its full path in the settings.",
            )
    if setting is EngineKind.POWERINFER or sparse:
        return UnusableEngineError(
            ErrorCode.POWERINFER_NOT_FOUND,
            "There is no PowerInfer engine on this machine",
            "None was found in the settings, in this app or on the PATH.",
            _GET_POWERINFER,
        )
    return UnusableEngineError(
        ErrorCode.LLAMA_CPP_NOT_FOUND,
        "There is no llama.cpp engine on this machine",
        "The one that comes with this app does not exist for this kind of machine.",
        "Install llama.cpp's llama-server and set «Engine» to its path in the settings.",
    )


class EngineFinder:
    """Finds the engines of this machine.

    Each program is run for its help once, and again when its file has changed.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._known: dict[tuple[Path, int, int], Engine] = {}

    def embedded(self) -> Engine | None:
        """xllamacpp, where there is a wheel for the machine."""
        if importlib.util.find_spec(_LIBRARY) is None:
            return None
        script = Path(__file__).with_name("llamacpp_child.py")
        # -P: Python must not import modules from the script's folder
        command = own_command("llamacpp-child", str(script), "-P")
        return Engine(EngineKind.LLAMA_CPP, command, importlib.metadata.version(_LIBRARY))

    def powerinfer(self) -> Engine | None:
        """The first candidate whose help is that of PowerInfer's server; other programs may have the same
        name.
        """
        for path in self.candidates():
            try:
                engine = self.probe(path)
            except ShortageError:
                raise
            except EngineError as exc:
                _log.info("%s is not used: %s", path, exc.title)
                continue
            if engine.kind is EngineKind.POWERINFER:
                return engine
        return None

    def llama_server(self) -> Engine | None:
        """The program `llama-server` that is on the PATH."""
        program = find_on_path(_LLAMA_PROGRAM)
        return self.probe(program) if program else None

    def probe(self, path: Path) -> Engine:
        """See `Finder.probe`: read from the program's file and its help text."""
        path = path.absolute()
        info = stat(path)
        executable = inspect(path, self._host)
        key = (path, info.st_mtime_ns, info.st_size)
        if key not in self._known:
            self._known[key] = _asked(path, executable)
        return self._known[key]

    def candidates(self) -> list[Path]:
        """The programs that may be PowerInfer's server: first those that came with this app, then those on
        the PATH.
        """
        suffix = ".exe" if self._host.system is System.WINDOWS else ""
        folders = (resources() / "bin" / platform for platform in self._host.platforms)
        bundled = (folder / f"server{suffix}" for folder in folders)
        installed = find_on_path(_POWERINFER_PROGRAM)
        return [path for path in (*bundled, installed) if path and path.is_file()]


def recognise(path: Path, help_text: str) -> Engine:
    """The engine that prints this help text; `EngineError` if it is not that of an engine."""
    flags = frozenset(_FLAG.findall(help_text))
    if "--vram-budget" in flags and "--port" in flags:
        return Engine(EngineKind.POWERINFER, (str(path),), flags=flags)
    if "--pooling" in flags and "--port" in flags:  # a server without --pooling is too old to make embeddings
        return Engine(EngineKind.LLAMA_SERVER, (str(path),), flags=flags)
    raise UnusableEngineError(
        ErrorCode.NOT_AN_ENGINE,
        phrase("{name} is not an engine", name=path.name),
        "Its --help output does not look like that of a model server.",
        CHOOSE,
    )


def _asked(path: Path, executable: Executable | None) -> Engine:
    answer = ask_for_help(path)
    try:
        engine = recognise(path, answer.text)
    except EngineError as exc:
        if reason := crash(path, answer):
            raise reason from exc
        raise
    if _LIST_DEVICES in engine.flags:
        engine = replace(engine, devices=parse_devices(ask_for_devices(path)))
    return replace(engine, machines=executable.machines if executable else ())
