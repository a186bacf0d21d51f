"""Makes the Windows installer of a frozen app, on Windows or wherever NSIS runs. Main thread.

`SIGN_COMMAND` in the environment is a command that signs, in place, the file whose path is put after it: both
programs, the installer and its uninstaller. Without it nothing is signed.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

import contents
import versions
from freeze import ROOT, run_tool
from tray_app import __version__
from tray_app.app.release import PackageKind, package_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from contents import Row

SCRIPT = Path(__file__).with_name("windows") / "installer.nsi"
PROGRAMS = (f"{contents.APP}.exe", f"{contents.APP}-app.exe")
"""For a terminal, and for the tray."""

TARGET = "x86-unicode" if os.name == "nt" else "amd64-unicode"
"""What the installer itself is made for: NSIS as it is published for Windows has no part for 64 bits. That of
Debian has, and a Wine of 64 bits needs it. Either installs the same app."""

_RUNTIME = re.compile(r"(msvcp|vcruntime|vcomp|concrt)140\w*\.dll", re.IGNORECASE)
_RESOURCE = """\
VSVersionInfo(
  ffi=FixedFileInfo(filevers={numbers}, prodvers={numbers}, mask=0x3f, OS=0x40004, fileType=1),
  kids=[
    StringFileInfo([StringTable("040904B0", [
      StringStruct("ProductName", "PowerInfer Tray"),
      StringStruct("ProductVersion", "{version}"),
      StringStruct("FileVersion", "{version}"),
      StringStruct("FileDescription", "{description}"),
      StringStruct("OriginalFilename", "{file}"),
      StringStruct("InternalName", "{file}"),
      StringStruct("CompanyName", "PowerInfer Tray"),
      StringStruct("LegalCopyright", "MIT License")])]),
    VarFileInfo([VarStruct("Translation", [0x0409, 1200])])])
"""


def make(frozen: Path, dist: Path) -> list[Path]:
    """The installer, made in the folder `dist`; `PackagingError` if a tool fails."""
    dist.mkdir(parents=True, exist_ok=True)
    sign = os.environ.get("SIGN_COMMAND", "")
    sign_programs(frozen, sign)
    installer = dist / package_name(__version__, PackageKind.SETUP, "x86_64")
    return [make_installer(frozen, installer, sign=sign)]


def sign_programs(folder: Path, command: str) -> None:
    """Sign both programs of a frozen app, if there is a command: for the shell, as NSIS takes it."""
    for name in PROGRAMS if command else ():
        sign_file(folder / name, command)


def sign_file(file: Path, command: str) -> None:
    """Sign a file in place."""
    run_tool(f'{command} "{file}"' if os.name == "nt" else f"{command} {shlex.quote(str(file))}")


def make_installer(
    folder: Path,
    installer: Path,
    *,
    version: str = __version__,
    sign: str = "",
    quick: bool = False,
    target: str = TARGET,
) -> Path:
    """Compile the installer of the frozen app in a folder; `quick` makes a larger one, for tests."""
    values = {
        "VERSION": version,
        "NUMBERS": ".".join(map(str, versions.numbers(version))),
        # With the separator of the system it is compiled on: on Windows, NSIS takes no other.
        "FILES": folder / "*",
        "ICON": ROOT / "resources" / "icons" / "app.ico",
        "OUT_FILE": installer,
        "TARGET": target,
    }
    if sign:
        values["SIGN"] = sign.replace("'", "$\\'")  # in the script it stands between such quotes
    if quick:
        values["QUICK"] = "1"
    command = ["makensis", "-V2", "-WX", "-INPUTCHARSET", "UTF8"]
    command += [f"-D{name}={value}" for name, value in values.items()]
    # Elsewhere than on Windows, makensis reads its command line in the locale's encoding, and stops at a path
    # that this cannot spell.
    environ = None if os.name == "nt" else {**os.environ, "LC_ALL": "C.UTF-8"}
    run_tool([*command, str(SCRIPT)], environ=environ)
    if sign:
        sign_file(installer, sign)
    return installer


def version_resource(file: str, description: str) -> str:
    """What the Explorer and the Task Manager show of a program, as PyInstaller reads it."""
    return _RESOURCE.format(
        numbers=versions.numbers(__version__), version=__version__, file=file, description=description
    )


def with_one_runtime(rows: Iterable[Row], version: Callable[[str], tuple[int, ...]]) -> list[Row]:
    """PyInstaller's list with Microsoft's C++ runtime at the top of the bundle, the newest of each library.

    Several wheels bring it, each into a folder of its own, where others do not look; and a Windows need not
    have it. `version` tells that of a file.
    """
    newest: dict[str, Row] = {}
    others = []
    for row in rows:
        name = PureWindowsPath(row[0]).name.lower()
        if not _RUNTIME.fullmatch(name):
            others.append(row)
        elif name not in newest or version(row[1]) > version(newest[name][1]):
            newest[name] = (name, *row[1:])
    return [*others, *newest.values()]
