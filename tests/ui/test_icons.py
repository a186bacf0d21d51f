from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication

from tests.ui.conftest import dark_palette
from tray_app.ui.icons import (
    APP_SIZES,
    ARC_STEPS,
    SIZES,
    app_icon,
    is_dark,
    panel_palette,
    state_icon,
    template_palette,
)
from tray_app.ui.presenters.status import IconShape

if TYPE_CHECKING:
    from PySide6.QtGui import QImage

    from tray_app.ui.icons import (
        Palette,
    )

LIGHT = panel_palette(dark=False)
pytestmark = pytest.mark.usefixtures("qapp")


def image(shape: IconShape, palette: Palette = LIGHT, size: int = 16, **how: int) -> QImage:
    return state_icon(shape, palette, **how).pixmap(QSize(size, size), 1.0).toImage()


def opacity(picture: QImage) -> list[list[int]]:
    return [
        [picture.pixelColor(x, y).alpha() for x in range(picture.width())] for y in range(picture.height())
    ]


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(IconShape, 2)))
def test_states_differ_by_shape_even_at_the_smallest_size(one: IconShape, other: IconShape) -> None:
    black = template_palette()  # no color to tell them apart
    pairs = zip(
        itertools.chain(*opacity(image(one, black, permille=430))),
        itertools.chain(*opacity(image(other, black, permille=430))),
        strict=True,
    )

    assert sum(abs(a - b) > 100 for a, b in pairs) >= 10


@pytest.mark.parametrize("shape", IconShape)
def test_an_icon_has_all_the_sizes_that_panels_ask_for(shape: IconShape) -> None:
    assert {size.width() for size in state_icon(shape, LIGHT).availableSizes()} == set(SIZES)


def test_the_ring_grows_with_the_download() -> None:
    ring = LIGHT.ring

    def filled(permille: int) -> int:
        picture = image(IconShape.RING, size=64, permille=permille)
        points = itertools.product(range(64), range(64))
        return sum(picture.pixelColor(x, y) == ring for x, y in points)

    amounts = [filled(permille) for permille in (0, 100, 400, 900, 1000)]
    assert amounts[0] == 0
    assert amounts == sorted(set(amounts))


def test_the_arc_moves_and_comes_round() -> None:
    frames = [image(IconShape.ARC, size=32, step=step) for step in range(ARC_STEPS + 1)]

    assert all(one != other for one, other in itertools.pairwise(frames))
    assert frames[0] == frames[-1]


@pytest.mark.parametrize("shape", IconShape)
def test_a_template_is_black_and_transparent_alone(shape: IconShape) -> None:
    picture = image(shape, template_palette(), size=32, permille=430)
    points = itertools.product(range(32), range(32))
    colors = {picture.pixelColor(x, y).rgb() for x, y in points if picture.pixelColor(x, y).alpha() == 255}

    assert colors == {QColor("black").rgb()}


@pytest.mark.parametrize("panel", ["#000000", "#ffffff"])
@pytest.mark.parametrize("dark", [True, False])
def test_the_mark_can_be_seen_on_any_panel(panel: str, *, dark: bool) -> None:
    picture = image(IconShape.HOLLOW, panel_palette(dark=dark), size=22)
    background = QColor(panel).lightness()

    def contrast(x: int, y: int) -> float:
        color = picture.pixelColor(x, y)
        return abs(color.lightness() - background) * color.alphaF()

    points = itertools.product(range(22), range(22))
    assert sum(contrast(x, y) > 60 for x, y in points) > 25


def test_a_dark_look_is_recognised_by_its_palette() -> None:
    assert is_dark(dark_palette())
    assert not is_dark(QApplication.style().standardPalette())


def test_the_apps_own_icon_has_a_picture_for_each_size() -> None:
    assert {size.width() for size in app_icon().availableSizes()} == set(APP_SIZES)
