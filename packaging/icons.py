"""Renders the app's icon from its vector source into every form that systems ask for. Run by hand.

    .venv/bin/python packaging/icons.py

Writes `app.ico` (Windows), `app.icns` (macOS) and PNGs (Linux, the app's own windows) beside `app.svg`. The
results are in the repository, so that nothing has to be drawn when a package is built.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import cast

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QRectF, Qt
from PySide6.QtGui import QGuiApplication, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer

FOLDER = Path(__file__).resolve().parents[1] / "resources" / "icons"
PNG_SIZES = {"app.png": 512} | {f"app-{size}.png": size for size in (16, 32, 48, 128, 256)}
ICO_SIZES = (16, 20, 24, 32, 40, 48, 64, 256)
"""In pixels: those of Windows' task bar and Explorer at 100, 125, 150 and 200 %."""
ICNS_SIZES = {
    b"ic11": 32,
    b"ic12": 64,
    b"ic07": 128,
    b"ic13": 256,
    b"ic08": 256,
    b"ic14": 512,
    b"ic09": 512,
    b"ic10": 1024,
}
"""Apple's name for each picture that is a PNG, and its size in pixels."""
_MACOS_SHARE = 824 / 1024 * 24 / 22
"""macOS wants a margin around the tile, in which it draws the shadow."""
_LARGEST_BITMAP = 64
_BITMAP_HEADER = struct.Struct("<IiiHHIIiiII")
_ICO_ENTRY = struct.Struct("<BBBBHHII")


def main() -> int:
    """Write all files anew."""
    app = QGuiApplication([])
    for name, content in files().items():
        (FOLDER / name).write_bytes(content)
    del app
    return 0


def files() -> dict[str, bytes]:
    """What stands beside the source, by name. Needs a `QGuiApplication`."""
    pictures = {name: png(render(size)) for name, size in PNG_SIZES.items()}
    icons = [render(size) for size in ICO_SIZES]
    tiles = {kind: png(render(size, _MACOS_SHARE)) for kind, size in ICNS_SIZES.items()}
    return {**pictures, "app.ico": ico(icons), "app.icns": icns(tiles)}


def render(size: int, share: float = 1.0) -> QImage:
    """The source in a square of `size` pixels, of which it takes this share of the width."""
    image = QImage(size, size, QImage.Format.Format_ARGB32)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    margin = size * (1 - share) / 2
    QSvgRenderer(str(FOLDER / "app.svg")).render(
        painter, QRectF(margin, margin, size - 2 * margin, size - 2 * margin)
    )
    painter.end()
    return image


def png(image: QImage) -> bytes:
    """A picture as a PNG file."""
    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG", 0)  # type: ignore[call-overload]  # a stub that knows no format as text
    return bytes(content.data())


def ico(images: list[QImage]) -> bytes:
    """Windows' container. The small ones are bitmaps, which every reader of icons understands."""
    parts = [png(image) if image.width() > _LARGEST_BITMAP else bitmap(image) for image in images]
    offset = struct.calcsize("<HHH") + _ICO_ENTRY.size * len(parts)
    entries = b""
    for image, part in zip(images, parts, strict=True):
        side = image.width() % 256  # 0 means 256
        entries += _ICO_ENTRY.pack(side, side, 0, 0, 1, 32, len(part), offset)
        offset += len(part)
    return struct.pack("<HHH", 0, 1, len(parts)) + entries + b"".join(parts)


def bitmap(image: QImage) -> bytes:
    """A picture as a bitmap of an icon: its rows from the last to the first, then a mask that hides nothing.

    The header counts both, so the height is twice the picture's.
    """
    side = image.width()
    mask_row_bytes = (side + 31) // 32 * 4
    rows = [bytes(cast("memoryview", image.constScanLine(y))) for y in reversed(range(side))]
    header = _BITMAP_HEADER.pack(_BITMAP_HEADER.size, side, 2 * side, 1, 32, 0, 0, 0, 0, 0, 0)
    return header + b"".join(rows) + bytes(mask_row_bytes * side)


def icns(pictures: dict[bytes, bytes]) -> bytes:
    """Apple's container: pieces, each with its name and its length, header included."""
    body = b"".join(struct.pack(">4sI", kind, len(data) + 8) + data for kind, data in pictures.items())
    return struct.pack(">4sI", b"icns", len(body) + 8) + body


if __name__ == "__main__":
    sys.exit(main())
