"""A Wine of its own for proofs: a folder that is a Windows disk, and programs run in it. Main thread.

64-bit only. What this Wine lacks of Windows 10 is put into the disk: see `shims/`.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import time
from pathlib import Path, PureWindowsPath

import psutil

SHIMS = Path(__file__).with_name("shims")
COMPILER = "x86_64-w64-mingw32-gcc"

_NOT_HANDED_ON = ("DISPLAY", "WAYLAND_DISPLAY", "POWERINFER_TRAY_HOME")
# A clean Windows has no Microsoft C++ runtime, so Wine's must not stand in for what a package forgets.
_NOT_FROM_WINE = ("msvcp140", "msvcp140_1", "msvcp140_2", "vcomp140", "vcruntime140", "vcruntime140_1")
_LOOK_S = 1.0
_OWN_RUNTIME = "ucrtwine"
_COMPLEX = re.compile(
    r"c(abs|arg|imag|real|a?(cos|sin|tan)h?|exp|log|proj|sqrt|pow)[fl]?|conj[fl]?", re.ASCII
)
_EXPORT = re.compile(r"^\s+\[ *\d+\](?: \+base\[ *\d+\])?(?:\s+[0-9a-f]+)? (\w+)$", re.MULTILINE)


class Wine:
    """A Windows disk in a folder, and the programs on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.disk = folder / "drive_c"
        self._started: list[subprocess.Popen[bytes]] = []
        self._environ = {
            **{name: value for name, value in os.environ.items() if name not in _NOT_HANDED_ON},
            "WINEPREFIX": str(folder),
            "WINEARCH": "win64",
            "WINEDEBUG": "-all",
            # Wine reads the names of this system's files in the locale's encoding, and speaks its language.
            "LC_ALL": "C.UTF-8",
            # No menus in the desktop of whoever runs this; no .NET and no browser.
            "WINEDLLOVERRIDES": "winemenubuilder.exe=d;mscoree=;mshtml=",
        }

    def create(self) -> None:
        """Make the disk anew, as a clean Windows 10."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.run("wineboot", "--init")
        self.settle()
        system = self.disk / "windows" / "system32"
        compile_dll(system / "icuuc.dll", SHIMS / "icuuc.c")
        compile_dll(system / "bcryptprimitives.dll", SHIMS / "bcryptprimitives.c")
        _mend_runtime(system)
        overrides = r"HKCU\Software\Wine\DllOverrides"
        for name in ("ucrtbase", *_NOT_FROM_WINE):
            self.run("reg", "add", overrides, "/v", name, "/d", "native", "/f")
        self.run("winecfg", "-v", "win10")
        self.settle()

    def run(
        self, *command: str | Path, text: str = "", timeout_s: float = 300, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, with this text as its input. Wine hands over pipes, not files."""
        pipe = subprocess.PIPE
        with subprocess.Popen(
            ["wine", *command], env=self._environ | environ, stdin=pipe, stdout=pipe, stderr=pipe
        ) as process:
            output, errors = _communicate(process, text.encode(), timeout_s)
        return subprocess.CompletedProcess(
            command, process.returncode, output.decode("utf-8", "replace"), errors.decode("utf-8", "replace")
        )

    def start(self, *command: str | Path, **environ: str) -> subprocess.Popen[bytes]:
        """Start a program and go on; one with windows, for whose sake Wine starts others that stay."""
        process = subprocess.Popen(
            ["wine", *command],
            env=self._environ | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._started.append(process)
        return process

    def settle(self, timeout_s: float = 60) -> None:
        """Wait until no Windows program runs any more, so that the registry is on the disk."""
        subprocess.run(["wineserver", "--wait"], env=self._environ, timeout=timeout_s, check=True)
        while self._started:
            self._started.pop().wait(timeout_s)

    def end(self) -> None:
        """End whatever still runs."""
        subprocess.run(["wineserver", "--kill"], env=self._environ, check=False)
        self.settle()

    def processes(self) -> list[str]:
        """The programs that run now, by the names of their files."""
        names = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, IndexError):
                if process.environ().get("WINEPREFIX") == str(self.folder):
                    names.append(PureWindowsPath(process.cmdline()[0]).name)
        return names


def _communicate(process: subprocess.Popen[bytes], text: bytes, timeout_s: float) -> tuple[bytes, bytes]:
    """What a process prints until it ends; what Wine starts beside it keeps its pipes open for longer."""
    deadline_s = time.monotonic() + timeout_s
    given: bytes | None = text
    while True:
        ended = process.poll() is not None
        try:
            return process.communicate(given, timeout=_LOOK_S)
        except subprocess.TimeoutExpired as exc:
            if ended:
                return exc.output or b"", exc.stderr or b""
            if time.monotonic() > deadline_s:
                process.kill()
                raise
            given = None  # it is on its way


def compile_dll(product: Path, *sources: Path) -> None:
    """Make a DLL."""
    options = ("-O2", "-s", "-shared", "-static-libgcc")
    subprocess.run((COMPILER, *options, "-o", str(product), *map(str, sources)), check=True)


def compile_program(product: Path, *sources: Path) -> None:
    """Make a program for a terminal."""
    subprocess.run((COMPILER, "-O2", "-s", "-o", str(product), *map(str, sources)), check=True)


def exported_names(library: Path) -> list[str]:
    """The functions that a DLL offers."""
    dump = ("x86_64-w64-mingw32-objdump", "--private-headers", str(library))
    tables = subprocess.run(dump, check=True, capture_output=True, text=True).stdout
    return _EXPORT.findall(tables[tables.index("[Ordinal/Name Pointer] Table") :])


def write_forwards(definition: Path, library: str, targets: dict[str, str]) -> None:
    """Write the linker's list of what a DLL offers: names, and the functions that they mean."""
    rows = "".join(f"  {name} = {target}\n" for name, target in targets.items())
    definition.write_text(f"LIBRARY {library}\nEXPORTS\n{rows}")


def _mend_runtime(system: Path) -> None:
    """Put a C runtime before Wine's own that has the complex functions too."""
    own, definition = system / f"{_OWN_RUNTIME}.dll", system / "ucrtbase.def"
    (system / "ucrtbase.dll").rename(own)
    targets = {
        name: f"shim_{name}" if _COMPLEX.fullmatch(name) else f"{_OWN_RUNTIME}.{name}"
        for name in exported_names(own)
    }
    write_forwards(definition, "ucrtbase.dll", targets)
    compile_dll(system / "ucrtbase.dll", SHIMS / "ucrtbase.c", definition)
    definition.unlink()
