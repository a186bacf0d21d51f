"""Takes out of Qt's ICU what Qt never asks it for: half of its 32 MB. Linux only. Main thread of the build.

ICU keeps all its data in one library. Qt uses it to sort, to convert and to name time zones; names of units,
currencies, languages and countries, spelled-out numbers, transliteration and the ends of words and lines are
for other programs (Qt finds the latter itself).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from freeze import PackagingError, run_tool

if TYPE_CHECKING:
    from pathlib import Path

    from contents import Row

UNUSED = ("brkitr", "curr", "lang", "rbnf", "region", "translit", "unit")
"""The folders of ICU's data that no function of `_USED` reads."""
_DATA = re.compile(r"^PySide6/Qt/lib/libicudata\.so\.(?P<major>\d+)$")
_QT = re.compile(r"^PySide6/Qt/(lib/libQt6|plugins/)")
_FUNCTION = re.compile(r" U (?P<name>u[a-z]*_\w+)_\d+$", re.MULTILINE)
_USED = re.compile(r"ucol_|ucnv_|ucal_|u_strTo(Lower|Upper)$")


def with_less_data(rows: list[Row], work: Path) -> list[Row]:
    """PyInstaller's list with a smaller copy of ICU's data. `PackagingError` if Qt may need all of it."""
    for name, source, _ in rows:
        if _QT.match(name):
            refuse_other_functions(name, run_tool(["nm", "--dynamic", "--undefined-only", source]))
    return [_smaller(row, work / "icu") for row in rows]


def refuse_other_functions(name: str, symbols: str) -> None:
    """`PackagingError` if `nm` says of a library that it calls a function of ICU that Qt did not before."""
    functions = [found["name"] for found in _FUNCTION.finditer(symbols)]
    if others := sorted(function for function in functions if not _USED.match(function)):
        raise PackagingError(
            f"{name} now uses {', '.join(others)} of ICU: check in packaging/icu.py which data this needs"
        )


def _smaller(row: Row, work: Path) -> Row:
    """The same library of ICU's data without `UNUSED`; any other row as it is."""
    name, source, kind = row
    library = _DATA.match(name)
    if kind == "SYMLINK" or not library:
        return row
    # By its name, ICU's tool knows how entries begin: of this version, with little-endian numbers.
    whole, less = (work / folder / f"icudt{library['major']}l.dat" for folder in ("whole", "less"))
    for file in (whole, less):
        file.parent.mkdir(parents=True, exist_ok=True)
    run_tool(["objcopy", "-O", "binary", "--only-section=.rodata", source, whole])
    entries = run_tool(["icupkg", "--list", whole]).split()
    unused = work / "unused.txt"
    unused.write_text(
        "\n".join(entry for entry in entries if entry.startswith(tuple(f"{folder}/" for folder in UNUSED)))
    )
    run_tool(["icupkg", "--remove", unused, whole, less])
    return name, str(_library(less, library["major"])), kind


def _library(data: Path, major: str) -> Path:
    """A library with ICU's data under the name by which ICU's other libraries load it."""
    raw, named, library = (data.with_name(name) for name in ("raw.o", "named.o", f"libicudata.so.{major}"))
    run_tool(["ld", "-r", "-b", "binary", "-z", "noexecstack", "-o", raw, data.name], cwd=data.parent)
    start = f"_binary_{data.name.replace('.', '_')}_start=icudt{major}_dat"
    readonly = ".data=.rodata,alloc,load,readonly,data,contents"
    options = ["--rename-section", readonly, "--set-section-alignment", ".data=16", "--redefine-sym", start]
    run_tool(["objcopy", *options, raw, named])
    shared = ["-shared", "-z", "noexecstack", "--hash-style=gnu", "-soname", library.name]
    run_tool(["ld", *shared, "-o", library, named])
    return library
