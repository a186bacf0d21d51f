"""The icon files in the repository are what their source gives, in every size that systems ask for."""

from __future__ import annotations

import os

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QBuffer, QIODevice
from PySide6.QtGui import QImage, QImageReader

import icons

pytestmark = pytest.mark.usefixtures("qapp")


@pytest.fixture(scope="module")
def drawn(qapp: object) -> dict[str, bytes]:
    """What the source gives now, by the name of the file."""
    assert qapp
    return icons.files()


def pictures(content: bytes) -> list[QImage]:
    """Every picture of a file, in its order."""
    buffer = QBuffer()
    buffer.setData(content)
    buffer.open(QIODevice.OpenModeFlag.ReadOnly)
    reader = QImageReader(buffer)
    found = []
    for number in range(max(1, reader.imageCount())):  # a PNG does not count
        assert number == 0 or reader.jumpToImage(number)
        found.append(reader.read())
    return found


def difference(one: QImage, other: QImage) -> float:
    """How far two pictures of one size are from each other: the mean of all channels, of 255."""
    assert one.size() == other.size()
    forms = (image.convertToFormat(QImage.Format.Format_RGBA8888_Premultiplied) for image in (one, other))
    first, second = (bytes(image.constBits()) for image in forms)
    return sum(abs(a - b) for a, b in zip(first, second, strict=True)) / len(first)


@pytest.mark.parametrize(
    "name", ["app.ico", "app.icns", "app.png", *(f"app-{size}.png" for size in (16, 32, 48, 128, 256))]
)
def test_a_committed_icon_is_what_the_source_gives(drawn: dict[str, bytes], name: str) -> None:
    given = pictures(drawn[name])
    committed = pictures((icons.FOLDER / name).read_bytes())

    assert [image.size() for image in committed] == [image.size() for image in given]
    # Another version of Qt may round an edge differently.
    small = [(one, other) for one, other in zip(committed, given, strict=True) if one.width() <= 256]
    assert all(difference(one, other) < 2 for one, other in small)


def test_the_icons_have_the_sizes_that_systems_ask_for() -> None:
    ico = [image.width() for image in pictures((icons.FOLDER / "app.ico").read_bytes())]
    icns = {image.width() for image in pictures((icons.FOLDER / "app.icns").read_bytes())}

    assert ico == [16, 20, 24, 32, 40, 48, 64, 256]
    assert icns == {32, 64, 128, 256, 512, 1024}
    assert QImage(str(icons.FOLDER / "app.png")).width() == 512


@pytest.mark.parametrize("name", ["app.ico", "app.icns", "app.png"])
def test_an_icon_is_opaque_in_its_middle_and_transparent_at_its_corners(name: str) -> None:
    for image in pictures((icons.FOLDER / name).read_bytes()):
        edge = image.width() - 1
        corners = [image.pixelColor(x, y).alpha() for x in (0, edge) for y in (0, edge)]
        assert corners == [0, 0, 0, 0]
        assert image.pixelColor(image.width() // 2, image.height() // 2).alpha() == 255
