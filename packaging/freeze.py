"""Makes the frozen app with PyInstaller, and believes it only after it has proven itself. Main thread.

A build fails on a library that was not found, a file that must be there and is not, and on a self-test of the
frozen app that does not pass.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import contents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
SPEC = Path(__file__).with_name("powerinfer_tray.spec")
_SELFTEST_TIMEOUT_S = 300
_LATEST_DATE = 2**32 - 1
"""Seconds since 1970; the latest that an AppImage can hold."""


class PackagingError(Exception):
    """A package cannot be made; the text says why."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """The frozen app: a folder, or on macOS an `.app`."""

    folder: Path
    program: Path
    code: Path
    """Where it finds its libraries and programs."""
    data: Path
    """Where the rest lies: the same folder but on macOS, where each has links to the other."""

    @classmethod
    def of(cls, system: str, where: Path) -> Frozen:
        """The one that PyInstaller has put into a folder."""
        if system == "macos":
            app = where / f"{contents.TITLE}.app"
            inside = app / "Contents"
            return cls(app, inside / "MacOS" / contents.APP, inside / "Frameworks", inside / "Resources")
        folder = where / contents.APP
        program = folder / (f"{contents.APP}.exe" if system == "windows" else contents.APP)
        return cls(folder, program, folder / "_internal", folder / "_internal")

    def names(self) -> set[str]:
        """The files in it, as the app knows them."""
        places = {self.code, self.data}
        return {path.relative_to(place).as_posix() for place in places for path in place.rglob("*")}

    def prove(self) -> None:
        """Let it run its own self-test; `PackagingError` if that does not pass."""
        began_s = time.monotonic()
        try:
            test = subprocess.run(
                [self.program, "selftest", "--json"],
                capture_output=True,
                timeout=_SELFTEST_TIMEOUT_S,
                check=False,
                encoding="utf-8",
                errors="replace",
            )
        except subprocess.TimeoutExpired as exc:
            raise PackagingError(
                f"The frozen app's self-test did not end in {_SELFTEST_TIMEOUT_S} s."
            ) from exc
        except OSError as exc:
            raise PackagingError(
                f"{self.program} cannot be run: {exc.strerror}. Is it on a disk that programs may run from?"
            ) from exc
        if test.returncode != 0:
            raise PackagingError(f"The frozen app's self-test failed ({test.returncode}):\n{test.stderr}")
        report = " ".join(test.stdout.split())
        print(f"The frozen app's self-test passes ({time.monotonic() - began_s:.1f} s): {report}", flush=True)


def freeze(system: str, programs: Path | None = None, carried: Path | None = None) -> Frozen:
    """Freeze the app. `programs` are to be bundled, and lie below `<platform>/`; `carried` is an archive of
    an engine.
    """
    if lines := contents.unresolved(_run_pyinstaller(system, programs, carried)):
        raise PackagingError("Libraries are missing on this machine:\n" + "\n".join(lines))
    frozen = Frozen.of(system, place(system))
    languages = contents.languages(ROOT / "resources" / "translations")
    if lines := contents.missing(
        frozen.names(), system, llama_cpp=contents.has_llama_cpp(), languages=languages
    ):
        raise PackagingError("The frozen app lacks files:\n" + "\n".join(lines))
    give_rights(frozen.folder)
    return frozen


def give_rights(folder: Path) -> None:
    """Let everybody read a folder and all in it, and run what runs, whatever this person keeps private."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if runs else 0o644)


def place(system: str) -> Path:
    """Where the app is frozen: one folder for each system, for Wine cannot remove what has links of Linux."""
    return BUILD / "frozen" / system


def print_in_any_locale() -> None:
    """Let what is printed be spelled otherwise, such as a path, where the locale has no letters for it."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def size_bytes(folder: Path) -> int:
    """What a folder takes on a disk, links not followed."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def sha256(file: Path) -> str:
    """The digest of a file, in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def source_date() -> int:
    """The time of the sources, in seconds since 1970: as told by the environment, else of the last commit.

    `PackagingError` if it is not to be found.
    """
    wanted = "Set SOURCE_DATE_EPOCH to the time of the sources, in seconds since 1970."
    ask = ["git", "log", "-1", "--no-show-signature", "--format=%ct"]
    try:
        told = os.environ.get("SOURCE_DATE_EPOCH") or run_tool(ask)
    except PackagingError as exc:
        raise PackagingError(f"{exc}\n{wanted}") from exc
    if not re.fullmatch(r"\s*[0-9]{1,10}\s*", told, re.ASCII) or int(told) > _LATEST_DATE:
        raise PackagingError(f"“{told.strip()}” is no time of the sources.\n{wanted}")
    return int(told)


def run_tool(
    command: str | Sequence[str | Path], *, cwd: Path = ROOT, environ: Mapping[str, str] | None = None
) -> str:
    """What a tool prints; a single text is a command line for the shell. `PackagingError` if it fails."""
    by_shell = isinstance(command, str)
    name = command if by_shell else command[0]
    try:
        done = subprocess.run(
            command,
            shell=by_shell,
            cwd=cwd,
            env=environ,
            capture_output=True,
            check=False,
            text=True,
            errors="replace",
        )
    except OSError as exc:
        raise PackagingError(
            f"{name} cannot be run: {exc.strerror}. Is it installed, and on the PATH?"
        ) from exc
    if done.returncode != 0:
        raise PackagingError(f"{name} failed ({done.returncode}):\n{done.stdout}{done.stderr}")
    return done.stdout


def _run_pyinstaller(system: str, programs: Path | None, carried: Path | None) -> str:
    """Its log. The same sources give the same bytes."""
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--clean", str(SPEC)]
    command += ["--distpath", str(place(system)), "--workpath", str(BUILD / "pyinstaller" / system)]
    own = {"--programs": programs, "--carried": carried}
    command += ["--", *(word for name, path in own.items() if path for word in (name, str(path)))]
    # A person's variables for Python change what it compiles: PYTHONOPTIMIZE would leave out assertions and
    # docstrings, of which help texts are made.
    theirs = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environ = {
        **theirs,
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": str(source_date()),
        # Else a folder in the person's home, which need not be there, and which each run empties for all.
        "PYINSTALLER_CONFIG_DIR": str(BUILD / "pyinstaller" / "cache" / system),
    }
    if system == "linux":
        # Both packages compress them better, all together. Not on Windows, where two programs hold them.
        environ["PYINSTALLER_ZLIB_COMPRESSION_LEVEL"] = "0"
    print("Freezing …", flush=True)
    log = BUILD / f"pyinstaller-{system}.log"
    log.parent.mkdir(exist_ok=True)
    # Into a file: a pipe ends only with everything that PyInstaller starts, such as Wine's desktop.
    with log.open("wb") as output:
        run = subprocess.run(
            command, cwd=ROOT, env=environ, stdout=output, stderr=subprocess.STDOUT, check=False
        )
    told = log.read_text(encoding="utf-8", errors="replace")
    if run.returncode != 0:
        raise PackagingError(f"PyInstaller failed ({run.returncode}):\n{told[-4000:]}")
    return told


if __name__ == "__main__":
    print(freeze(sys.argv[1]).folder)
