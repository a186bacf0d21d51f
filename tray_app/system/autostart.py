"""Launch at login: one small class for each system behind `Autostart`. Any thread.

The system's own record is the truth; nothing is remembered elsewhere. Each entry starts the app with
`--background`, so that it appears in the tray only.
"""

from __future__ import annotations

import plistlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tray_app.system.files import write_atomically
from tray_app.system.host import System
from tray_app.system.process import own_program

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "PowerInferTray"
LABEL = "org.powerinfer-tray.app"


class Autostart(Protocol):
    """The entry by which the system starts this app when the person logs in."""

    @property
    def enabled(self) -> bool:
        """Whether the system has the entry now."""

    def enable(self) -> None:
        """Make the entry, or bring it up to date. `OSError` if the system refuses."""

    def disable(self) -> None:
        """Remove the entry; nothing if there is none. `OSError` if the system refuses."""


def autostart_for(system: System, environ: Mapping[str, str], command: tuple[str, ...]) -> Autostart:
    """The entry for this system that runs `command` (see `app_command`)."""
    match system:
        case System.MACOS:
            return LaunchAgent(Path.home() / "Library" / "LaunchAgents", command)
        case System.WINDOWS:
            return RunKey(command)
        case System.LINUX:
            config = environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
            return DesktopEntry(Path(config) / "autostart", command)


def app_command() -> tuple[str, ...]:
    """What starts this app hidden in the tray: the frozen program, or this interpreter with the package."""
    if getattr(sys, "frozen", False):
        return (own_program(windowed=True), "--background")
    return (sys.executable, "-m", "tray_app", "--background")


class DesktopEntry:
    """Linux: a desktop entry as of the XDG Desktop Application Autostart specification."""

    def __init__(self, folder: Path, command: tuple[str, ...]) -> None:
        self._file = folder / "powerinfer-tray.desktop"
        self._command = command

    @property
    def enabled(self) -> bool:
        return self._file.exists()

    def enable(self) -> None:
        lines = [
            "[Desktop Entry]",
            "Type=Application",
            "Name=PowerInfer Tray",
            f"Exec={' '.join(map(_quoted_for_exec, self._command))}",
            "Terminal=false",
        ]
        write_atomically(self._file, ("\n".join(lines) + "\n").encode())

    def disable(self) -> None:
        self._file.unlink(missing_ok=True)


def _quoted_for_exec(argument: str) -> str:
    """An argument as the Desktop Entry specification wants it: escaped for its quotes, then as a string."""
    for special in ("\\", '"', "`", "$"):
        argument = argument.replace(special, "\\" + special)
    return '"' + argument.replace("\\", "\\\\").replace("%", "%%") + '"'


class LaunchAgent:
    """macOS: a property list in `~/Library/LaunchAgents`, read by launchd at the next login."""

    def __init__(self, folder: Path, command: tuple[str, ...]) -> None:
        self._file = folder / f"{LABEL}.plist"
        self._command = command

    @property
    def enabled(self) -> bool:
        return self._file.exists()

    def enable(self) -> None:
        agent = {
            "Label": LABEL,
            "ProgramArguments": list(self._command),
            "RunAtLoad": True,
            "ProcessType": "Interactive",
        }
        write_atomically(self._file, plistlib.dumps(agent))

    def disable(self) -> None:
        self._file.unlink(missing_ok=True)


class RunKey:
    """Windows: a value below the person's own Run key. `registry` is the module `winreg` or a test's."""

    KEY = r"Software\Microsoft\Windows\CurrentVersion\Run"

    def __init__(self, command: tuple[str, ...], registry: Any = None) -> None:
        if registry is None:
            import winreg as registry
        self._registry = registry
        self._command = command

    @property
    def enabled(self) -> bool:
        try:
            with self._registry.OpenKey(self._registry.HKEY_CURRENT_USER, self.KEY) as key:
                self._registry.QueryValueEx(key, NAME)
        except FileNotFoundError:
            return False
        return True

    def enable(self) -> None:
        import subprocess

        with self._registry.CreateKey(self._registry.HKEY_CURRENT_USER, self.KEY) as key:
            line = subprocess.list2cmdline(self._command)
            self._registry.SetValueEx(key, NAME, 0, self._registry.REG_SZ, line)

    def disable(self) -> None:
        with self._registry.CreateKey(self._registry.HKEY_CURRENT_USER, self.KEY) as key:
            try:
                self._registry.DeleteValue(key, NAME)
            except FileNotFoundError:
                return
