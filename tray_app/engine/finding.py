"""Finds the programs on this machine that can run models. `choosing.py` chooses one of them.

Any thread; runs programs.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tray_app.engine.devices import parse_devices
from tray_app.engine.diagnosis import ShortageError
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.inspection import (
    CHOOSE,
    UnusableEngineError,
    ask_for_devices,
    ask_for_help,
    crash,
    inspect,
    stat,
)
from tray_app.engine.program import Engine
from tray_app.errors import EngineError, ErrorCode
from tray_app.phrases import phrase
from tray_app.system.executable import find_on_path
from tray_app.system.host import System
from tray_app.system.paths import resources
from tray_app.system.process import own_command

if TYPE_CHECKING:
    from tray_app.engine.builds.build import InstalledBuild, SetAside
    from tray_app.system.executable import Executable
    from tray_app.system.host import Host

_log = logging.getLogger(__name__)

_LIST_DEVICES = "--list-devices"
_FLAG = re.compile(r"(?<![\w-])--?[a-zA-Z][\w-]*")
_POWERINFER_PROGRAM = "powerinfer-server"
"""PowerInfer calls its program `server`, as many others do: by that name alone, no program is run."""
_LLAMA_PROGRAM = "llama-server"
_LIBRARY = "xllamacpp"


class Builds(Protocol):
    """The builds that are installed, see `EngineStore`. Each method may raise `EngineError`."""

    def installed(self) -> tuple[InstalledBuild, ...]:
        """The builds that can be used, the newest first."""

    def set_asides(self) -> tuple[SetAside, ...]:
        """Which builds are not used for which models."""

    def check_unchanged(self, build: InstalledBuild) -> None:
        """`EngineError` if the files of a build are others than at its installation."""


class EngineFinder:
    """Finds the engines of this machine.

    Each program is run for its help once, and again when its file has changed.
    """

    def __init__(self, host: Host, builds: Builds | None = None) -> None:
        self._host = host
        self._builds = builds
        self._known: dict[Path, tuple[tuple[int, int], Engine]] = {}
        """By program, the time and size of its file when it was asked, and what it said."""

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
        stamp = (info.st_mtime_ns, info.st_size)
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            known = self._known[path] = stamp, _asked(path, executable)
        return known[1]

    def builds(self) -> tuple[InstalledBuild, ...]:
        """See `Finder`."""
        return self._builds.installed() if self._builds else ()

    def unchanged_builds(self) -> tuple[InstalledBuild, ...]:
        """Those of `builds` that can be started, as their files are those that were installed."""
        return tuple(each for each in self.builds() if self.is_unchanged(each))

    def is_unchanged(self, build: InstalledBuild) -> bool:
        """Whether a build's files are those that were installed; the log says which are not."""
        try:
            if self._builds:
                self._builds.check_unchanged(build)
        except EngineError as exc:
            _log.info("%s. %s", exc.title, exc.message)
            return False
        return True

    def set_asides(self) -> tuple[SetAside, ...]:
        """See `Finder`."""
        return self._builds.set_asides() if self._builds else ()

    def of_build(self, build: InstalledBuild) -> Engine:
        """See `Finder`. A build for the processor has no cards, whatever it lists."""
        if self._builds:
            self._builds.check_unchanged(build)
        engine = self.probe(build.program)
        if not build.back_end.uses_card:
            engine = replace(engine, devices=())
        elif engine.devices == ():
            self._known.pop(build.program.absolute(), None)  # a driver may be installed or repaired meanwhile
            raise UnusableEngineError(
                ErrorCode.ENGINE_WITHOUT_CARD,
                phrase("The engine {name} did not find a graphics card", name=build.id),
                "It does not list any card that it can use.",
                "Check that the card's driver works, or set “Engine” to auto.",
            )
        return replace(engine, version=build.release, build=build)

    def candidates(self) -> list[Path]:
        """The programs that may be PowerInfer's server: first those that came with this app, then those on
        the PATH.
        """
        suffix = ".exe" if self._host.system is System.WINDOWS else ""
        folders = (resources() / "bin" / platform for platform in self._host.platforms)
        bundled = (folder / f"server{suffix}" for folder in folders)
        installed = find_on_path(_POWERINFER_PROGRAM)
        return [path for path in (*bundled, installed) if path and path.is_file()]


def recognize(path: Path, help_text: str) -> Engine:
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
        engine = recognize(path, answer.text)
    except EngineError as exc:
        if reason := crash(path, answer):
            raise reason from exc
        raise
    if _LIST_DEVICES in engine.flags:
        engine = replace(engine, devices=parse_devices(ask_for_devices(path)))
    return replace(engine, machines=executable.machines if executable else ())
