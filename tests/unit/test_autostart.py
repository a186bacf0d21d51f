"""Launch at login: what each system is told, what it says, and what a person did there in the meantime."""

import ctypes
import os
import plistlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest

from tests.fakes.errors import coded
from tray_app.app.release import PackageKind, package_kind
from tray_app.errors import ErrorCode, SettingsError
from tray_app.system import login_items
from tray_app.system.autostart import (
    NAME,
    Autostart,
    DesktopEntry,
    LaunchAgent,
    Login,
    RunKey,
    app_command,
    autostart_for,
    login_state,
    switch,
)
from tray_app.system.environment import appimage_folder
from tray_app.system.host import System

COMMAND = ("/opt/My Apps/démo/app", "--background")
MOVED = ("/opt/elsewhere/app", "--background")
GIO: Any = shutil.which("gio")
TRICKY = ('/opt/My $Apps`/100%/a"b\\c', "--background")


class FakeRegistry:
    """The calls of `winreg` that are used, on a dictionary of keys."""

    HKEY_CURRENT_USER = "HKCU"
    REG_SZ = 1
    KEY_SET_VALUE = 2

    def __init__(self) -> None:
        self.keys: dict[str, dict[str, Any]] = {}

    class Key(dict[str, Any]):
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    def OpenKey(self, root: str, path: str, reserved: int = 0, access: int = 1) -> Any:  # noqa: N802 - Windows' names
        assert root == self.HKEY_CURRENT_USER
        assert (reserved, access) in {(0, 1), (0, self.KEY_SET_VALUE)}
        if path not in self.keys:
            raise FileNotFoundError(2, "no such key")
        return self.keys[path]

    def CreateKey(self, root: str, path: str) -> Any:  # noqa: N802
        assert root == self.HKEY_CURRENT_USER
        return self.keys.setdefault(path, self.Key())

    def QueryValueEx(self, key: dict[str, Any], name: str) -> tuple[Any, int]:  # noqa: N802
        if name not in key:
            raise FileNotFoundError(2, "no such value")
        return key[name], self.REG_SZ

    def SetValueEx(self, key: dict[str, Any], name: str, _: int, kind: int, value: str) -> None:  # noqa: N802
        assert kind == self.REG_SZ
        key[name] = value

    def DeleteValue(self, key: dict[str, Any], name: str) -> None:  # noqa: N802
        if key.pop(name, None) is None:
            raise FileNotFoundError(2, "no such value")


Entries = Callable[[tuple[str, ...]], Autostart]


@pytest.fixture(params=System)
def entry_for(request: pytest.FixtureRequest, tmp_path: Path) -> Entries:
    """Makes entries of one system, all in the same place."""
    registry = FakeRegistry()
    entries: dict[System, Entries] = {
        System.LINUX: lambda command: DesktopEntry(tmp_path, command),
        System.MACOS: lambda command: LaunchAgent(tmp_path, command, lambda _: False),
        System.WINDOWS: lambda command: RunKey(command, registry),
    }
    return entries[request.param]


def test_an_entry_can_be_made_twice_and_removed_twice(entry_for: Entries) -> None:
    entry = entry_for(TRICKY)
    seen = [entry.state()]
    for change in (entry.enable, entry.enable, entry.disable, entry.disable):
        change()
        seen.append(entry.state())

    assert seen == [Login.OFF, Login.ON, Login.ON, Login.OFF, Login.OFF]


@pytest.mark.parametrize("character", ["\n", "\r", "\0", "\x1b", "\x85"])
def test_a_path_that_would_write_a_line_of_its_own_is_refused(entry_for: Entries, character: str) -> None:
    entry = entry_for((f"/opt/a{character}Exec=evil/app", "--background"))

    with pytest.raises(
        SettingsError, check=coded(ErrorCode.LAUNCH_AT_LOGIN_FAILED), match="control characters"
    ) as caught:
        switch(entry, on=True)

    assert character not in caught.value.message
    assert entry.state() is Login.OFF


def test_an_app_that_has_moved_sees_the_old_place_and_can_repair_it(entry_for: Entries) -> None:
    entry_for(COMMAND).enable()
    moved = entry_for(MOVED)
    seen = moved.state()
    moved.enable()

    assert (seen, moved.state()) == (Login.ELSEWHERE, Login.ON)


def test_on_linux_the_entry_runs_the_command_it_was_given(tmp_path: Path) -> None:
    DesktopEntry(tmp_path, TRICKY).enable()

    (line,) = [
        line
        for line in (tmp_path / "powerinfer-tray.desktop").read_text().splitlines()
        if line.startswith("Exec=")
    ]
    # A reader undoes the escapes of the string, then those inside the quotes, then the field codes.
    text = line.removeprefix("Exec=").replace("\\\\", "\\")
    words = [re.sub(r"\\(.)", r"\1", word) for word in re.findall(r'"((?:\\.|[^"\\])*)"', text)]
    assert tuple(word.replace("%%", "%") for word in words)[-2:] == TRICKY


@pytest.mark.skipif(GIO is None, reason="there is no GLib to read the entry")
def test_on_linux_glib_starts_the_program_from_a_place_with_signs_of_every_kind(tmp_path: Path) -> None:
    folder = tmp_path / 'My $Apps` 100% a"b\\c é'
    folder.mkdir()
    program, told = folder / "app", tmp_path / "told"
    os.mkfifo(told)
    program.write_text(f"#!/bin/sh\nprintf '%s' \"$*\" > '{told}'\n")
    program.chmod(0o755)
    DesktopEntry(tmp_path, (str(program), "--background")).enable()

    subprocess.run([GIO, "launch", tmp_path / "powerinfer-tray.desktop"], check=True, timeout=20)

    assert told.read_text() == "--background"  # waits until it has been written


@pytest.mark.parametrize("note", ["Hidden=true", "X-GNOME-Autostart-enabled=false"])
def test_on_linux_a_person_switched_it_off_in_the_desktops_settings(tmp_path: Path, note: str) -> None:
    entry = DesktopEntry(tmp_path, COMMAND)
    entry.enable()
    file = tmp_path / "powerinfer-tray.desktop"
    file.write_text(file.read_text() + note + "\n")
    seen = entry.state()
    entry.enable()

    assert (seen, entry.state()) == (Login.OFF, Login.ON)


@pytest.mark.parametrize("content", ["", "no entry", "[Other]\nExec=x\n", "[Desktop Entry]\nName=x\n"])
def test_on_linux_a_file_that_starts_nothing_of_ours_is_to_be_repaired(tmp_path: Path, content: str) -> None:
    (tmp_path / "powerinfer-tray.desktop").write_text(content)

    assert DesktopEntry(tmp_path, COMMAND).state() is Login.ELSEWHERE


def test_on_linux_the_entry_is_where_the_environment_says(tmp_path: Path) -> None:
    autostart_for(System.LINUX, {"XDG_CONFIG_HOME": str(tmp_path)}, COMMAND).enable()

    assert (tmp_path / "autostart" / "powerinfer-tray.desktop").is_file()


def test_on_macos_launchd_gets_the_command_at_login(tmp_path: Path) -> None:
    LaunchAgent(tmp_path / "LaunchAgents", COMMAND, lambda _: False).enable()

    (file,) = (tmp_path / "LaunchAgents").iterdir()
    content = plistlib.loads(file.read_bytes())
    assert content["ProgramArguments"] == list(COMMAND)
    assert content["RunAtLoad"] is True
    assert "KeepAlive" not in content


def test_on_macos_what_system_settings_forbid_is_off_and_cannot_be_switched_on(tmp_path: Path) -> None:
    LaunchAgent(tmp_path, COMMAND, lambda _: False).enable()
    forbidden = LaunchAgent(tmp_path, COMMAND, lambda _: True)

    assert forbidden.state() is Login.OFF
    with pytest.raises(SettingsError, check=coded(ErrorCode.LAUNCH_AT_LOGIN_FAILED), match="Login Items"):
        switch(forbidden, on=True)


def test_on_macos_an_app_that_runs_from_a_passing_place_is_to_be_moved_first(tmp_path: Path) -> None:
    passing = ("/private/var/folders/x/AppTranslocation/1-2/d/P.app/Contents/MacOS/p", "--background")

    with pytest.raises(SettingsError, check=coded(ErrorCode.LAUNCH_AT_LOGIN_FAILED), match="Applications"):
        switch(LaunchAgent(tmp_path, passing, lambda _: False), on=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content",
    ["", "<plist", "<plist></plist>", "<plist><array/></plist>", "<plist><integer>x</integer></plist>"],
)
def test_on_macos_a_damaged_property_list_is_to_be_repaired(tmp_path: Path, content: str) -> None:
    entry = LaunchAgent(tmp_path, COMMAND, lambda _: False)
    entry.enable()
    (file,) = tmp_path.iterdir()
    file.write_text(content)

    assert entry.state() is Login.ELSEWHERE


class FakeObjectiveC:
    """What of the Objective-C runtime is called: classes by name, selectors by name, one message."""

    def __init__(self, status: int, *, has_service: bool = True) -> None:
        self.sent: list[tuple[Any, ...]] = []
        self._status = status
        known = {b"NSString": 1, b"NSURL": 2, b"SMAppService": 3 if has_service else None}
        self.objc_getClass = self._callable(known.__getitem__)
        self.sel_registerName = self._callable(lambda name: name)

    @staticmethod
    def _callable(function: Callable[..., Any]) -> Any:
        def call(*arguments: Any) -> Any:
            return function(*arguments)

        return call

    def __getitem__(self, name: str) -> Any:
        assert name == "objc_msgSend"

        def message(receiver: int, selector: bytes, argument: Any) -> int:
            self.sent.append((receiver, selector, argument))
            return self._status if receiver == 3 else receiver * 10

        return message


@pytest.mark.parametrize(("status", "off"), [(0, False), (1, False), (2, True), (3, False)])
def test_on_macos_the_framework_is_asked_about_the_file(
    status: int, off: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = FakeObjectiveC(status)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: runtime)

    assert login_items.switched_off(Path("/démo.plist")) is off
    assert runtime.sent == [
        (1, b"stringWithUTF8String:", "/démo.plist".encode()),
        (2, b"fileURLWithPath:", 10),
        (3, b"statusForLegacyURL:", 20),
    ]


def test_on_macos_before_13_nothing_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: FakeObjectiveC(2, has_service=False))

    assert not login_items.switched_off(Path("/x.plist"))


def test_on_windows_the_run_key_gets_one_quoted_line() -> None:
    registry = FakeRegistry()

    RunKey(COMMAND, registry).enable()

    assert registry.keys[RunKey.KEY] == {NAME: subprocess.list2cmdline(COMMAND)}


def test_on_windows_switching_off_what_is_off_leaves_no_trace() -> None:
    registry = FakeRegistry()

    RunKey(COMMAND, registry).disable()

    assert registry.keys == {}


@pytest.mark.parametrize(
    ("note", "login"), [(2, Login.ON), (3, Login.OFF), (6, Login.ON), (7, Login.OFF), (None, Login.ON)]
)
def test_on_windows_the_task_managers_note_counts(note: int | None, login: Login) -> None:
    registry = FakeRegistry()
    entry = RunKey(COMMAND, registry)
    entry.enable()
    registry.CreateKey(registry.HKEY_CURRENT_USER, RunKey.APPROVED)[NAME] = (
        b"" if note is None else bytes([note]) + bytes(11)
    )
    seen = entry.state()
    entry.enable()

    assert (seen, entry.state()) == (login, Login.ON)


@pytest.mark.warns("does not tell what it does at login")
def test_a_system_that_does_not_tell_is_taken_for_one_that_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "powerinfer-tray.desktop").mkdir()

    assert login_state(DesktopEntry(tmp_path, COMMAND)) is Login.OFF


@pytest.mark.parametrize(
    ("executable", "beside", "frozen", "expected"),
    [
        ("python", (), False, ("python", "-P", "-m", "tray_app", "--background")),
        ("python.exe", ("pythonw.exe",), False, ("pythonw.exe", "-P", "-m", "tray_app", "--background")),
        ("python.exe", (), False, ("python.exe", "-P", "-m", "tray_app", "--background")),
        ("powerinfer-tray", (), True, ("powerinfer-tray", "--background")),
        (
            "powerinfer-tray.exe",
            ("powerinfer-tray-app.exe",),
            True,
            ("powerinfer-tray-app.exe", "--background"),
        ),
        ("powerinfer-tray-app.exe", (), True, ("powerinfer-tray-app.exe", "--background")),
    ],
)
def test_the_app_starts_by_its_program_without_a_console(
    executable: str,
    beside: tuple[str, ...],
    frozen: bool,
    expected: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "My Apps"
    folder.mkdir()
    for name in (executable, *beside):
        (folder / name).touch()
    monkeypatch.setattr(sys, "executable", str(folder / executable))
    monkeypatch.setattr(sys, "frozen", frozen, raising=False)

    assert app_command({}) == (str(folder / expected[0]), *expected[1:])


@pytest.mark.parametrize(
    ("image", "mounted", "expected"),
    [
        ("/home/zoé/My Apps/tray.AppImage", "mount", "/home/zoé/My Apps/tray.AppImage"),
        ("/home/zoé/another.AppImage", "another", ""),
        ("", "mount", ""),
        ("/home/zoé/My Apps/tray.AppImage", "", ""),
    ],
    ids=["its own", "of the program that started this one", "no image", "no folder"],
)
def test_an_appimage_is_started_by_its_file_not_where_it_is_mounted(
    image: str, mounted: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "mount" / "usr" / "powerinfer-tray"
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    environ = {"APPIMAGE": image, "APPDIR": str(tmp_path / mounted) if mounted else ""}

    assert app_command(environ) == (expected or str(program), "--background")


@pytest.mark.skipif(os.name != "posix", reason="makes a link")
def test_an_appimage_that_is_mounted_through_a_link_is_started_by_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").symlink_to(tmp_path / "elsewhere")
    program = tmp_path / "elsewhere" / ".mount_tray" / "powerinfer-tray"
    program.parent.mkdir(parents=True)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    environ = {"APPIMAGE": "/home/zoé/tray.AppImage", "APPDIR": str(tmp_path / "tmp" / ".mount_tray")}

    assert app_command(environ) == ("/home/zoé/tray.AppImage", "--background")
    kind = package_kind(System.LINUX, program.parent, appimage_folder(environ))
    assert kind is PackageKind.APPIMAGE
