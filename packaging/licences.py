"""Collects the licences of all that a package holds, as they are installed where it is built. Main thread."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import contents

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contents import Row

TEXTS = Path(__file__).with_name("licences")
"""What the parts do not bring along themselves."""
_QT = {"PySide6_Essentials", "shiboken6"}
_DOCUMENTATION = Path("/usr/share/doc")
_FILE = ("licen", "copying", "notice")
_RULE = "=" * 100


def write(folder: Path, binaries: Iterable[Row], carried: Path | None = None) -> Path:
    """Write `licences.txt` into a folder. `binaries` are PyInstaller's.

    `carried` is the archive of llama.cpp's own build, if the package has it.
    """
    binaries = list(binaries)
    family = contents.closure()
    loader = importlib.metadata.distribution("pyinstaller")
    parts = {f"{name} {part.version}": of_distribution(part) for name, part in family.items()}
    parts |= {f"PyInstaller {loader.version} (its boot loader)": of_distribution(loader)}
    parts |= {f"Python {sys.version.split()[0]}": of_python()}
    parts |= {name: _text(name) for name in ("LGPL-3.0", "GPL-3.0")}
    parts |= {"Lucide (the symbols of the window)": _text("Lucide")}
    if any("resources/bin/" in Path(name).as_posix() for name, _, _ in binaries):
        parts |= {"PowerInfer": _text("PowerInfer")}
    if carried:
        parts |= {f"llama.cpp, as published ({carried.name})": _text("llama.cpp")}
    if sys.platform == "linux":
        parts |= of_debian(source for _, source, _ in binaries)
    file = folder / "licences.txt"
    file.write_text(document(parts), encoding="utf-8")
    return file


def document(parts: dict[str, str]) -> str:
    """One text of all licences; `ValueError` if a part has none."""
    if bare := sorted(name for name, text in parts.items() if not text.strip()):
        raise ValueError(f"There is no licence for {', '.join(bare)}: put one into {TEXTS.name}/")
    names = sorted(parts, key=str.casefold)
    head = "PowerInfer Tray consists of:\n\n" + "\n".join(f"  {name}" for name in names) + "\n"
    return head + "".join(f"\n{_RULE}\n{name}\n{_RULE}\n\n{parts[name].strip()}\n" for name in names)


def of_distribution(part: importlib.metadata.Distribution) -> str:
    """The licence files that a distribution brings along, and ours for it."""
    files = [file for file in part.files or () if any(word in file.name.lower() for word in _FILE)]
    # Of its metadata only: a library may well have a module with such a name.
    own = [file.read_text(encoding="utf-8") for file in files if file.parts[0].endswith(".dist-info")]
    return "\n\n".join([*own, _text("Qt" if part.name in _QT else part.name)])


def of_python() -> str:
    """Python's licence, which lies beside its library, or on Windows in its folder."""
    places = (Path(importlib.__file__).parents[1], Path(sys.base_prefix))
    found = [place / "LICENSE.txt" for place in places if (place / "LICENSE.txt").exists()]
    return f"{found[0].read_text(encoding='utf-8')}\n\n{_text('Python')}" if found else ""


def of_debian(files: Iterable[str]) -> dict[str, str]:
    """The copyright files of the Debian packages that libraries were taken from, by package."""
    return {
        f"{package} (of the system that built this)": (_DOCUMENTATION / package / "copyright").read_text(
            encoding="utf-8", errors="replace"
        )
        for package in debian_packages(files)
    }


def debian_packages(files: Iterable[str]) -> dict[str, str]:
    """The Debian packages that libraries were taken from, with their versions; none on other systems."""
    paths = map(Path, files)
    system = [file for file in paths if file.is_relative_to("/lib") or file.is_relative_to("/usr/lib")]
    # A file is known under the name it was installed by: below /lib or /usr/lib, which are one place today.
    names = {str(name) for file in system for name in (file, Path("/usr", *file.parts[1:]), file.resolve())}
    if not names:
        return {}
    owners = sorted({line.partition(":")[0] for line in _dpkg_query("--search", *sorted(names))})
    versions = _dpkg_query("--show", "--showformat", "${Package} ${Version}\n", *owners) if owners else []
    return dict(line.split(" ", 1) for line in versions)


def _dpkg_query(*arguments: str) -> list[str]:
    """The lines that it prints; of files that no package has, it complains elsewhere."""
    command = ["dpkg-query", *arguments]
    answer = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, text=True
    )
    return answer.stdout.splitlines()


def _text(name: str) -> str:
    file = TEXTS / f"{name}.txt"
    return file.read_text(encoding="utf-8") if file.exists() else ""
