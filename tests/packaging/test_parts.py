"""Why each part of a package is in it, and what it weighs."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import pytest

import contents
import package
import parts
from freeze import Frozen, PackagingError

if TYPE_CHECKING:
    from pathlib import Path

NOISE = hashlib.shake_128().digest(50_000)


def frozen_app(folder: Path, files: dict[str, bytes]) -> Frozen:
    frozen = Frozen.of("linux", folder)
    for name, content in {"../powerinfer-tray": NOISE, **files}.items():
        path = frozen.code / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return frozen


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("powerinfer-tray", "modules in Python"),
        ("powerinfer-tray-app.exe", "modules in Python"),
        ("Contents/MacOS/powerinfer-tray", "modules in Python"),
        ("PySide6/Qt/lib/libicudata.so.73", "ICU's data"),
        ("PySide6/Qt/lib/libQt6Gui.so.6", "Qt"),
        ("PySide6/Qt/lib/QtGui.framework/Versions/A/QtGui", "Qt"),
        ("PySide6/Qt6Gui.dll", "Qt"),
        ("PySide6/QtGui.pyd", "PySide6"),
        ("PySide6/QtOpenGL.abi3.so", "PySide6, QtOpenGL"),
        ("PySide6/pyside6.abi3.dll", "PySide6"),
        ("PySide6/Qt/plugins/platforms/libqxcb.so", "Qt's plugins"),
        ("PySide6/plugins/platforms/qwindows.dll", "Qt's plugins"),
        ("numpy.libs/libscipy_openblas64_-aa.so", "OpenBLAS"),
        ("python312.dll", "Python"),
        ("unicodedata.pyd", "Python's compiled modules"),
        ("libcrypto-3.dll", "OpenSSL"),
        ("resources/engines/llama-b1-bin-ubuntu-x64.tar.gz", "llama.cpp's own build"),
        ("resources/catalog.toml", "the app's files"),
    ],
)
def test_a_file_belongs_to_the_part_it_is_there_for(name: str, part: str) -> None:
    found = parts.part_of(name)
    assert found is not None
    assert found.name == part


@pytest.mark.parametrize("system", sorted(contents.REQUIRED))
def test_what_a_package_must_hold_has_a_reason(system: str) -> None:
    names = [
        pattern.replace("\\", "").replace("[^/]*(so|pyd)", "abi3.so") for pattern in contents.REQUIRED[system]
    ]
    ours = [name for name in names if not re.match(r"libxcb-\w+\.so", name)]  # small ones

    assert [name for name in ours if parts.part_of(name) is None] == []
    assert all(part.reason for part in parts.PARTS)


def test_a_large_part_that_has_no_reason_is_no_package() -> None:
    small = [("novelty/a.bin", parts.MOST_BYTES_UNEXPLAINED - 1), ("xllamacpp/a.so", 9_000_000)]
    parts.refuse_unexplained(small)

    with pytest.raises(PackagingError, match=r"1\.0 MB of novelty\. .* why it is there"):
        parts.refuse_unexplained([*small, ("novelty/b/c.bin", 2)])


def test_parts_are_weighed_unpacked_and_packed_and_links_only_once(tmp_path: Path) -> None:
    frozen = frozen_app(tmp_path, {"xllamacpp/a.so": NOISE[:20_000] * 2, "numpy/a.so": bytes(100_000)})
    (frozen.code / "numpy" / "b.so").symlink_to("a.so")

    weights = parts.weigh(frozen)

    assert [weight.part.name for weight in weights] == ["modules in Python", "xllamacpp", "numpy"]
    assert [weight.unpacked_bytes for weight in weights] == [50_000, 40_000, 100_000]
    assert 20_000 < weights[1].packed_bytes < 21_000  # the second half is the first once more
    lines = parts.table(weights).splitlines()
    assert len(lines) == 2 + len(weights)
    assert lines[2].startswith("| modules in Python | 0.1 | 71.")


def test_the_document_has_a_place_for_each_system() -> None:
    text = parts.DOCUMENT.read_text(encoding="utf-8")

    for system in package.MAKERS:
        if system != "macos":  # nobody has weighed it
            assert "| new |" in parts.with_table(text, system, "| new |")
    with pytest.raises(ValueError, match="no place for the table of beos"):
        parts.with_table(text, "beos", "")
