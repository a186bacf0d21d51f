"""What the parts of a package weigh, and why each is in it: `python packaging/parts.py SYSTEM`. Main thread.

`dev.py package` prints the table. Called by itself, with a frozen app there, this writes it into
`docs/packages.md` as well.
"""

from __future__ import annotations

import lzma
import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import freeze
from freeze import Frozen, PackagingError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DOCUMENT = freeze.ROOT / "docs" / "packages.md"
MOST_BYTES_UNEXPLAINED = 1_000_000
_ROWS = 20
_QUICK: list[dict[str, int]] = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 64 << 20}]
"""As the packages are compressed, but in a small part of the time, for shares are all that is told."""


@dataclass(frozen=True, slots=True)
class Part:
    """Files that are there for one reason."""

    name: str
    files: str
    """A pattern of their names in the bundle."""
    reason: str


PARTS = (
    Part(
        "modules in Python",
        r"(.*/)?powerinfer-tray(-app)?(\.exe)?|base_library\.zip",
        "the app, Python's standard library and other libraries; on Windows, in each of the two programs",
    ),
    Part(
        "xllamacpp",
        r"xllamacpp/.*",
        "the built-in engine: llama.cpp as a library",
    ),
    Part("PowerInfer", r"resources/bin/.*", "its published programs, or a build of your own"),
    Part(
        "llama.cpp's own build",
        r"resources/engines/.*",
        "twice as fast as the built-in engine on newer processors (docs/decisions/0017-carried-build.md)",
    ),
    Part(
        "ICU's data",
        r"(PySide6/Qt/lib/)?libicudata\..*",
        "Qt sorts, converts texts and names time zones with it; what Qt never uses is removed (icu.py)",
    ),
    Part("ICU", r"(PySide6/Qt/lib/)?libicu(uc|i18n)\..*", "Qt's core library is linked with it"),
    Part(
        "OpenBLAS",
        r"numpy\.libs/.*|numpy/\.dylibs/.*",
        "numpy cannot be imported without it; search compares and reduces vectors with it",
    ),
    Part("numpy", r"numpy/.*", "search in documents, embeddings, and the data of the plots"),
    Part(
        "cryptography",
        r"cryptography/.*",
        "it checks the signature of a new version; on Linux, SecretStorage encrypts API keys with it",
    ),
    Part("pydantic", r"pydantic_core/.*", "typer checks the command line with it"),
    Part(
        "HTTP",
        r"(aiohttp|multidict|frozenlist|propcache|yarl)/.*",
        "compiled parts of the HTTP server and client",
    ),
    Part(
        "other compiled libraries",
        r"(msgspec|psutil|psygnal|charset_normalizer)/.*",
        "JSON, processes, events",
    ),
    Part(
        "PySide6, QtOpenGL",
        r"PySide6/QtOpenGL(Widgets)?\.[^/]*",
        "pyqtgraph cannot be imported without it, but draws nothing with it here",
    ),
    Part("PySide6", r"PySide6/[^/]*\.(so[\d.]*|pyd)|PySide6/[^/]*pyside6[^/]*|shiboken6/.*", "Qt for Python"),
    Part(
        "Qt's plugins",
        r"PySide6/(Qt/)?plugins/.*",
        "X11, Wayland, input methods, the desktop's file dialog, symbols, and pictures in chats",
    ),
    Part("Qt's own texts", r"PySide6/(Qt/)?translations/.*", "its dialogs in the languages of the app"),
    Part(
        "Qt",
        r"PySide6/(Qt/lib/|Qt6).*|(lib)?Qt6?[A-Z]\w*\.(so\.6|dll)",
        "the window; its plugins need D-Bus, OpenGL, SVG, Wayland and X11",
    ),
    Part(
        "OpenSSL",
        r"lib(crypto|ssl)[-.].*",
        "Python's TLS and digests; not in the .deb, which uses the system's",
    ),
    Part("Python", r"(lib)?python3[^/]*|Python(\.framework/.*)?", "the interpreter"),
    Part(
        "Python's compiled modules",
        r"python3\.\d+/.*|[^/]*\.(pyd|so)",
        "the parts of Python's standard library that are written in C",
    ),
    Part(
        "Microsoft's C++ runtime",
        r"(msvcp|vcruntime|vcomp|concrt)140\w*\.dll",
        "not every Windows installation has it",
    ),
    Part(
        "the app's files",
        r"resources/.*",
        "catalog, symbols, translations, and the small models that engines are tested with",
    ),
    Part(
        "licenses",
        r"licenses\.txt|sbom\.cdx\.json|.*\.dist-info/.*",
        "the licenses of all components, and the list of these",
    ),
)
"""All that is large enough to be asked about. A file belongs to the first part that matches its name."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What a part takes, on the disk and in a package."""

    part: Part
    unpacked_bytes: int
    packed_bytes: int
    """Each part by itself, compressed quickly: good for shares, larger than in a package."""


def part_of(name: str) -> Part | None:
    """The part that a file belongs to, by its name in the bundle."""
    return next((part for part in PARTS if re.fullmatch(part.files, name)), None)


def refuse_unexplained(sizes: Iterable[tuple[str, int]]) -> None:
    """`PackagingError` if files, with their sizes in bytes, add up to much and belong to no part."""
    folders: defaultdict[str, int] = defaultdict(int)
    for name, size_bytes in sizes:
        if part_of(name) is None:
            folders[name.partition("/")[0]] += size_bytes
    for folder, size_bytes in folders.items():
        if size_bytes > MOST_BYTES_UNEXPLAINED:
            raise PackagingError(
                f"The package has {size_bytes / 1e6:.1f} MB of {folder}. Leave it out in "
                "packaging/contents.py, or say in packaging/parts.py why it is there."
            )


def weigh(frozen: Frozen) -> list[Weight]:
    """All parts of a frozen app, the one with the largest share first. `PackagingError` as
    `refuse_unexplained`.
    """
    files = {_name(path, frozen): path for path in sorted(frozen.folder.rglob("*")) if _is_own(path)}
    refuse_unexplained((name, path.stat().st_size) for name, path in files.items())
    by_part: defaultdict[Part, list[Path]] = defaultdict(list)
    for name, path in files.items():
        if part := part_of(name):
            by_part[part].append(path)
    weights = [
        Weight(part, sum(path.stat().st_size for path in paths), _packed_bytes(paths))
        for part, paths in by_part.items()
    ]
    return sorted(weights, key=lambda weight: -weight.packed_bytes)


def table(weights: list[Weight]) -> str:
    """The largest parts as Markdown."""
    whole = sum(weight.packed_bytes for weight in weights)
    lines = [
        "| part | installed, MB | share of the download | why it is there |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {weight.part.name} | {weight.unpacked_bytes / 1e6:.1f} | {weight.packed_bytes / whole:.1%} "
        f"| {weight.part.reason} |"
        for weight in weights[:_ROWS]
    ]
    return "\n".join(lines)


def with_table(text: str, system: str, new: str) -> str:
    """The document with the table of a system replaced. `ValueError` if it has no place for it."""
    place = re.compile(rf"(<!-- table {system} -->\n\n)(.*?)(\n\n<!-- end -->)", re.DOTALL)
    if not place.search(text):
        raise ValueError(f"The document has no place for the table of {system}")
    return place.sub(lambda found: f"{found[1]}{new}{found[3]}", text)


def _is_own(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _name(path: Path, frozen: Frozen) -> str:
    """As the app knows a file; that of a program is told from the folder of all."""
    place = next(place for place in (frozen.code, frozen.data, frozen.folder) if path.is_relative_to(place))
    return path.relative_to(place).as_posix()


def _packed_bytes(files: list[Path]) -> int:
    compressor = lzma.LZMACompressor(lzma.FORMAT_RAW, filters=_QUICK)
    return sum(len(compressor.compress(path.read_bytes())) for path in files) + len(compressor.flush())


def main() -> None:
    """Weigh what was frozen for a system, and write it down."""
    system = sys.argv[1]
    new = table(weigh(Frozen.of(system, freeze.place(system))))
    DOCUMENT.write_text(with_table(DOCUMENT.read_text(encoding="utf-8"), system, new), encoding="utf-8")
    print(new)


if __name__ == "__main__":
    main()
