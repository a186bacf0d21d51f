"""The files of a build that is being installed: copied from where a person has them, and the program found.

Any thread; slow.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from tray_app.engine.builds.installation import raise_if_canceled
from tray_app.errors import EngineError, ErrorCode
from tray_app.phrases import phrase
from tray_app.system.host import System

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from tray_app.phrases import Text

_PROGRAMS = ("llama-server", "powerinfer-server", "server")
"""In order of preference: `server`, the name of PowerInfer's program, is that of many others, too."""
_QUANTIZERS = ("quantize", "llama-quantize")
_WINDOWS_RUNTIME = ("msvcp140.dll", "vcruntime140.dll", "vcruntime140_1.dll")
_LIBRARY_PARTS = (".so", ".dll", ".dylib", ".metal")
_CPU_LIBRARY = "ggml-cpu-"
_WITH_AMX = "ggml-cpu-sapphirerapids"
"""In the name of the library that uses AMX: llama.cpp has one for each generation of processors."""
_ARCHIVE_ENDINGS = (".zip", ".tar.gz", ".tgz")
_MOST_FILES = 10_000
"""An engine has a few hundred; more are in a folder that was chosen by mistake."""


def is_archive(path: Path) -> bool:
    """Whether a file has the name of an archive that can be unpacked."""
    return path.name.lower().endswith(_ARCHIVE_ENDINGS)


def find_program(folder: Path, given: Path, system: System) -> Path:
    """The engine's program in a folder or below, made executable; `EngineError` if there is none.

    `given` is what people know it by: the archive or folder that it came from.
    """
    suffix = ".exe" if system is System.WINDOWS else ""
    wanted = [name + suffix for name in _PROGRAMS]
    found = [path for path in _files_below(folder) if path.name in wanted]
    if not found:
        raise EngineError(
            ErrorCode.ENGINE_NOT_IN_ARCHIVE,
            phrase("No engine was found in {name}", name=given.name),
            phrase(
                "It does not contain a program called {names}.", names=" or ".join((wanted[0], wanted[-1]))
            ),
            phrase("Choose an archive or folder that was built for {system}.", system=system.label),
        )
    program = min(found, key=lambda path: (wanted.index(path.name), len(path.parts), path))
    make_executable(program)
    return program


def make_executable(program: Path) -> None:
    """Let its owner run a program and the quantizer beside it: a .zip may not tell what is a program."""
    if sys.platform != "win32":
        for path in (program, *(program.with_name(name) for name in _QUANTIZERS)):
            if path.is_file() and not path.is_symlink():
                path.chmod(path.stat().st_mode | stat.S_IXUSR)


def lay_beside(program: Path, folder: Path) -> None:
    """Move all files below a folder to the program's, where it looks for libraries. None is replaced."""
    for path in list(_files_below(folder)):
        target = program.with_name(path.name)
        if not os.path.lexists(target):
            path.rename(target)


def lay_runtime_beside(program: Path, bundle: Path | None) -> None:
    """Copy Microsoft's C++ runtime from the app's own libraries to where a program looks for it, if it is not
    there.

    Published builds need it, and not every Windows has it. `bundle` is the folder of a frozen app's
    libraries; without one, and on other systems, there is none.
    """
    sources = [bundle / name for name in _WINDOWS_RUNTIME] if bundle else []
    for source in sources:
        target = program.with_name(source.name)
        if source.is_file() and not os.path.lexists(target):
            shutil.copyfile(source, target)


def drop_amx(program: Path) -> bool:
    """Delete the library for processors with AMX beside a program, if there are others that it can use.

    Returns whether it was deleted. GCC before 13.2, which compiles the releases for Linux, leaves out
    the code that configures AMX: such a library crashes with most kinds of weights.
    """
    there = [path for path in program.parent.iterdir() if _CPU_LIBRARY in path.name]
    with_amx = [path for path in there if _WITH_AMX in path.name]
    if len(with_amx) == len(there):
        return False
    for path in with_amx:
        path.unlink()
    return bool(with_amx)


def copy_given(given: Path, folder: Path, cancelled: threading.Event) -> None:
    """Copy what a person has given into a new folder: all of a folder, or a program with the libraries and
    the quantizer beside it.

    Links to a file of the same folder stay links; others become copies of their targets. `EngineError` if it
    cannot be read or is too much, `CALLED_OFF` when `cancelled` is set; `OSError` of the new folder.
    """
    top = given if given.is_dir() else given.parent
    if given.exists() and not (given.is_dir() or given.is_file()):  # opening a pipe waits for its writer
        raise unreadable(given, OSError(errno.EINVAL, "It is neither a file nor a folder"))
    try:
        paths = _chosen(given, cancelled)
    except OSError as exc:
        raise unreadable(given, exc) from exc
    for path in paths:
        raise_if_canceled(cancelled)
        _copy(path, folder / path.relative_to(top), given)


def _chosen(given: Path, cancelled: threading.Event) -> list[Path]:
    """The files to copy. `OSError`; `EngineError` if they are more than an engine, `CALLED_OFF`.

    Counted while they are looked for: a folder that was chosen by mistake may be a whole disk.
    """
    from tray_app.engine.builds.archive import MOST_BYTES  # brings the archive formats; seldom needed

    paths: list[Path] = []
    size_bytes = 0
    for path in _files_below(given) if given.is_dir() else chain([given], _belonging_to(given)):
        raise_if_canceled(cancelled)
        paths.append(path)
        size_bytes += path.stat().st_size
        if len(paths) > _MOST_FILES:
            raise _too_large(given, phrase("It contains more than {count:,} files.", count=_MOST_FILES))
        if size_bytes > MOST_BYTES:
            raise _too_large(given, phrase("It contains more than {size:,} bytes.", size=MOST_BYTES))
    return paths


def _too_large(given: Path, why: Text) -> EngineError:
    return EngineError(
        ErrorCode.ARCHIVE_TOO_LARGE,
        phrase("{name} contains more than an engine", name=given.name),
        why,
        "Choose the folder that contains only the engine's program and its files.",
    )


def _copy(path: Path, target: Path, given: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if sys.platform != "win32" and path.is_symlink() and (name := path.readlink()).parent == Path():
        target.symlink_to(name)
        return
    try:
        source = path.open("rb")
    except OSError as exc:
        raise unreadable(given, exc) from exc
    with source, target.open("xb") as copy:
        shutil.copyfileobj(source, copy, 1 << 20)
        os.utime(target, ns=(0, os.fstat(source.fileno()).st_mtime_ns))
    if sys.platform != "win32" and os.access(path, os.X_OK):
        target.chmod(target.stat().st_mode | stat.S_IXUSR)


def _belonging_to(program: Path) -> Iterator[Path]:
    """Libraries beside a program, by their names, and its quantizer."""
    quantizers = {name + program.suffix for name in _QUANTIZERS}
    for path in sorted(program.parent.iterdir()):
        is_library = any(part in path.name for part in _LIBRARY_PARTS)
        if path != program and path.is_file() and (is_library or path.name in quantizers):
            yield path


def _files_below(folder: Path) -> Iterator[Path]:
    """All ordinary files, and links to such, in a folder and below, in the order of their names.

    Folders that are links are not entered. `OSError`.
    """
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if not path.is_symlink():
                yield from _files_below(path)
        elif path.is_file():
            yield path


def unreadable(given: Path, exc: OSError) -> EngineError:
    """The error about a file or folder that a person has given, and that cannot be read."""
    return EngineError(
        ErrorCode.FILE_UNREADABLE,
        phrase("{name} could not be read", name=given.name),
        phrase("{reason} ({path}).", reason=exc.strerror or exc, path=exc.filename or given),
        "Check that it exists and that you have permission to read it.",
    )
