"""Launch at login: one small class for each system behind `Autostart`. Any thread.

The state is always read from the system, because people can change it in the system's settings. Each entry
starts the app with `--background`, so that it appears in the tray only.
"""

from __future__ import annotations

import errno
import logging
import subprocess
import sys
import unicodedata
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tray_app.errors import ErrorCode, SettingsError
from tray_app.system.files import PUBLIC, write_atomically
from tray_app.system.host import System
from tray_app.system.login_items import switched_off

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_log = logging.getLogger(__name__)

NAME = "PowerInferTray"
LABEL = "org.powerinfer-tray.app"

_MODULE = ("-P", "-m", "tray_app")
"""-P: Python must not import modules from the folder that the system starts the app in."""
_WINDOWLESS = {"python.exe": "pythonw.exe", "powerinfer-tray.exe": "powerinfer-tray-app.exe"}
"""For Windows' console programs, the same programs without a console."""


class Login(Enum):
    """What happens when the person logs in."""

    OFF = auto()
    """Nothing."""
    ON = auto()
    """This app starts."""
    ELSEWHERE = auto()
    """The entry starts an app at another path (or nothing, if that is gone)."""


class Autostart(Protocol):
    """The entry with which the system starts this app when the person logs in."""

    def state(self) -> Login:
        """What the system would do at login. `OSError` if that cannot be read."""

    def enable(self) -> None:
        """Make or update the entry. `OSError` if the system refuses."""

    def disable(self) -> None:
        """Remove the entry; nothing if there is none. `OSError` if the system refuses."""


def login_state(entry: Autostart) -> Login:
    """What happens at login; OFF if that cannot be read."""
    try:
        return entry.state()
    except OSError as exc:
        _log.warning("The system does not tell what it does at login: %s", exc)
        return Login.OFF


def switch(entry: Autostart, *, on: bool) -> None:
    """Switch launch at login on or off. `SettingsError` if the system refuses."""
    try:
        entry.enable() if on else entry.disable()
    except OSError as exc:
        raise SettingsError(
            ErrorCode.LAUNCH_AT_LOGIN_FAILED,
            "Launch at login could not be changed",
            ": ".join(str(part) for part in (exc.filename, exc.strerror or exc) if part),
            "Check that you have permission to write to this location, or use the system settings.",
        ) from exc


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


def app_command(environ: Mapping[str, str]) -> tuple[str, ...]:
    """What starts this app in the tray: its AppImage, the frozen program, or this Python with the package.

    `environ`: the variables by which an AppImage says where it is.
    """
    program = Path(sys.executable)
    # Inside an AppImage, the program is where the image is mounted, which is another folder at each start. An
    # app that an AppImage has started inherits the variables, but lies elsewhere.
    image, mounted = environ.get("APPIMAGE"), environ.get("APPDIR")
    if image and mounted and program.is_relative_to(mounted):
        return (image, "--background")
    silent = program.with_name(_WINDOWLESS.get(program.name.lower(), program.name))
    start = (str(silent if silent.exists() else program),)
    return (*start, *(() if getattr(sys, "frozen", False) else _MODULE), "--background")


def refuse_control_characters(command: Sequence[str]) -> None:
    """`OSError` for control characters: a line feed in a path would begin a new line in the entry."""
    for word in command:
        if any(unicodedata.category(character) == "Cc" for character in word):
            message = "move the app to a folder whose name has no control characters"
            raise OSError(errno.EINVAL, message, repr(word))


class DesktopEntry:
    """Linux: a desktop entry as of the XDG Desktop Application Autostart specification."""

    def __init__(self, folder: Path, command: tuple[str, ...]) -> None:
        self._file = folder / "powerinfer-tray.desktop"
        # WORKAROUND: GLib looks for the program before it turns `%%` into `%`, and so does not find it.
        starter = ("/usr/bin/env",) if "%" in command[0] else ()
        self._command = command
        self._exec = " ".join(map(_quoted_for_exec, (*starter, *command)))

    def state(self) -> Login:
        try:
            entry = _desktop_entry(self._file.read_text(encoding="utf-8", errors="replace"))
        except FileNotFoundError:
            return Login.OFF
        # KDE's and Xfce's settings write the first key, GNOME's the second.
        if entry.get("Hidden") == "true" or entry.get("X-GNOME-Autostart-enabled") == "false":
            return Login.OFF
        return Login.ON if entry.get("Exec") == self._exec else Login.ELSEWHERE

    def enable(self) -> None:
        refuse_control_characters(self._command)
        lines = [
            "[Desktop Entry]",
            "Type=Application",
            "Name=PowerInfer Tray",
            f"Exec={self._exec}",
            "Icon=powerinfer-tray",
            "Terminal=false",
        ]
        write_atomically(self._file, ("\n".join(lines) + "\n").encode(), mode=PUBLIC)

    def disable(self) -> None:
        self._file.unlink(missing_ok=True)


def _desktop_entry(text: str) -> Mapping[str, str]:
    """The keys of a desktop entry; none if it is not one."""
    import configparser  # only where there is an entry

    parser = configparser.RawConfigParser(delimiters="=", comment_prefixes="#", strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # names keep their case
    try:
        parser.read_string(text)
        return parser["Desktop Entry"]
    except (configparser.Error, KeyError):
        return {}


def _quoted_for_exec(argument: str) -> str:
    """An argument in the Desktop Entry specification's form: escaped for the quotes, then as a string."""
    for special in ("\\", '"', "`", "$"):
        argument = argument.replace(special, "\\" + special)
    return '"' + argument.replace("\\", "\\\\").replace("%", "%%") + '"'


class LaunchAgent:
    """macOS: a property list in `~/Library/LaunchAgents`, read by launchd at the next login.

    `forbidden` returns whether it is switched off in System Settings.
    """

    def __init__(
        self, folder: Path, command: tuple[str, ...], forbidden: Callable[[Path], bool] = switched_off
    ) -> None:
        self._file = folder / f"{LABEL}.plist"
        self._command = list(command)
        self._forbidden = forbidden

    def state(self) -> Login:
        import plistlib  # no other system needs it
        from xml.parsers.expat import ExpatError

        try:
            agent = plistlib.loads(self._file.read_bytes())
        except FileNotFoundError:
            return Login.OFF
        except (ValueError, ExpatError):  # launchd cannot read it either
            agent = None
        if self._forbidden(self._file):
            return Login.OFF
        ours = isinstance(agent, dict) and agent.get("ProgramArguments") == self._command
        return Login.ON if ours else Login.ELSEWHERE

    def enable(self) -> None:
        import plistlib

        if "/AppTranslocation/" in self._command[0]:
            # macOS runs a newly downloaded app from a temporary path that does not exist at the next login.
            raise OSError(errno.EPERM, "move the app to the folder Applications first", self._command[0])
        refuse_control_characters(self._command)
        agent = {
            "Label": LABEL,
            "ProgramArguments": self._command,
            "RunAtLoad": True,
            "ProcessType": "Interactive",
            "LimitLoadToSessionType": "Aqua",
            # With this key, Login Items shows the app's name instead of its developer's.
            "AssociatedBundleIdentifiers": [LABEL],
        }
        write_atomically(self._file, plistlib.dumps(agent), mode=PUBLIC)
        if self._forbidden(self._file):
            message = "it is switched off in System Settings, General, Login Items"
            raise OSError(errno.EPERM, message, str(self._file))

    def disable(self) -> None:
        self._file.unlink(missing_ok=True)


class RunKey:
    """Windows: a value below the person's own Run key. `registry` is the module `winreg` or a test's.

    Task Manager and Settings do not change that value: they note in another key whether it is in force.
    """

    KEY = r"Software\Microsoft\Windows\CurrentVersion\Run"
    APPROVED = r"Software\Microsoft\Windows\CurrentVersion\Explorer\StartupApproved\Run"

    def __init__(self, command: tuple[str, ...], registry: Any = None) -> None:
        if registry is None:
            import winreg as registry
        self._registry = registry
        self._command = command
        self._line = subprocess.list2cmdline(command)

    def state(self) -> Login:
        line, approved = self._read(self.KEY), self._read(self.APPROVED)
        # The lowest bit of the first byte means “switched off”; the other bytes are the time.
        if line is None or (isinstance(approved, bytes) and approved[:1] and approved[0] & 1):
            return Login.OFF
        return Login.ON if line == self._line else Login.ELSEWHERE

    def enable(self) -> None:
        refuse_control_characters(self._command)
        with self._registry.CreateKey(self._registry.HKEY_CURRENT_USER, self.KEY) as key:
            self._registry.SetValueEx(key, NAME, 0, self._registry.REG_SZ, self._line)
        self._delete(self.APPROVED)  # without a note, the value is in force

    def disable(self) -> None:
        self._delete(self.KEY)
        self._delete(self.APPROVED)

    def _read(self, path: str) -> Any:
        try:
            with self._registry.OpenKey(self._registry.HKEY_CURRENT_USER, path) as key:
                return self._registry.QueryValueEx(key, NAME)[0]
        except FileNotFoundError:
            return None

    def _delete(self, path: str) -> None:
        registry = self._registry
        with (
            suppress(FileNotFoundError),
            registry.OpenKey(registry.HKEY_CURRENT_USER, path, 0, registry.KEY_SET_VALUE) as key,
        ):
            registry.DeleteValue(key, NAME)
