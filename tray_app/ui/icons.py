"""Draws the tray icon and its states from one vector shape, at any size, light and dark. GUI thread.

The icon is a disc with the bolt of `resources/icons/app.svg`. A solid disc means ready, an outline stopped. A
ring (download) or an arc (loading) surrounds a small bolt; one corner shows an arrow (no model), a crescent
(asleep) or an exclamation mark (failure).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from PySide6.QtCore import QFile, QIODevice, QPointF, QRectF, Qt, QXmlStreamReader
from PySide6.QtGui import QColor, QIcon, QPainter, QPainterPath, QPalette, QPen, QPixmap, QPolygonF

from tray_app.system.paths import resources
from tray_app.ui.presenters.status import IconShape

APP_SIZES = (16, 32, 48, 128, 256)
SIZES = (16, 22, 24, 32, 44, 48, 64)
ARC_STEPS = 8
"""Steps of the moving arc in one turn."""

_GRID = 24.0
_CENTER = QPointF(12, 12)
_BADGE_CENTER = QPointF(18, 18)
_BADGE_RADIUS = 5.6


class Palette(NamedTuple):
    """The colors of one icon; the halo keeps it visible on a panel of its own color."""

    mark: QColor
    halo: QColor
    ring: QColor
    ready: QColor
    alert: QColor


def is_dark(palette: QPalette) -> bool:
    """Whether a palette is dark; Qt does not know the color scheme of many Linux desktops."""
    return palette.color(QPalette.ColorRole.Window).lightness() < 128  # noqa: PLR2004 - the middle of 0 to 255


def panel_palette(*, dark: bool) -> Palette:
    """Colors for a panel of that look."""
    if dark:
        return Palette(*map(QColor, ("#f5f6f8", "#80101418", "#6cb4ff", "#f5f6f8", "#ff8a5c")))
    return Palette(*map(QColor, ("#1f2933", "#b0ffffff", "#0b63c5", "#1f2933", "#c62f0c")))


def template_palette() -> Palette:
    """Black and transparent: macOS colors a template image itself."""
    black, nothing = QColor(Qt.GlobalColor.black), QColor(Qt.GlobalColor.transparent)
    return Palette(black, nothing, black, black, black)


def app_icon() -> QIcon:
    """The app's own icon, for windows and lists."""
    icon = QIcon()
    for size in APP_SIZES:
        icon.addFile(str(resources() / "icons" / f"app-{size}.png"))
    return icon


def state_icon(shape: IconShape, palette: Palette, *, permille: int | None = None, step: int = 0) -> QIcon:
    """The icon of a state in all sizes. `permille` fills the ring, `step` turns the arc."""
    icon = QIcon()
    for size in SIZES:
        icon.addPixmap(state_pixmap(size, shape, palette, permille=permille, step=step))
    return icon


def state_pixmap(
    size: int, shape: IconShape, palette: Palette, *, permille: int | None = None, step: int = 0
) -> QPixmap:
    """The icon of a state in one size, in pixels."""
    pixmap = QPixmap(size, size)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(size / _GRID, size / _GRID)
    path = _outline(shape, permille, step)
    painter.strokePath(path, QPen(palette.halo, 2.0, j=Qt.PenJoinStyle.RoundJoin))
    painter.fillPath(path, palette.ready if shape is IconShape.SOLID else palette.mark)
    _paint_accent(painter, shape, palette, permille)
    painter.end()
    return to_keep(pixmap)


def to_keep(painted: QPixmap) -> QPixmap:
    """A copy without the paint engine, which Qt keeps as long as the pixels and which takes 70 KB."""
    return painted.copy()


def _outline(shape: IconShape, permille: int | None, step: int) -> QPainterPath:
    """The mark of a state as one path."""
    match shape:
        case IconShape.SOLID:
            return _disc(_CENTER, 11) - _bolt(0.95)
        case IconShape.RING:
            return _bolt(0.72) | _arc(90, -360 * (permille or 0) / 1000, width=3.4)
        case IconShape.ARC:
            return _bolt(0.72) | _arc(90 - 360 * step / ARC_STEPS, -110, width=2.6)
        case IconShape.HOLLOW:
            return _hollow()
        case IconShape.ARROW | IconShape.BADGE | IconShape.MOON:
            return _hollow() - _disc(_BADGE_CENTER, _BADGE_RADIUS + 1.2)


def _paint_accent(painter: QPainter, shape: IconShape, palette: Palette, permille: int | None) -> None:
    """Paint the parts that have a color of their own: ring, arrow, crescent, exclamation mark."""
    match shape:
        case IconShape.RING:
            track = QColor(palette.mark)
            track.setAlphaF(0.28)
            painter.fillPath(_arc(90, 359.9, width=3.4), track)
            painter.fillPath(_arc(90, -360 * (permille or 0) / 1000, width=3.4), palette.ring)
        case IconShape.ARROW:
            painter.fillPath(_arrow(), palette.ring)
        case IconShape.BADGE:
            painter.fillPath(_disc(_BADGE_CENTER, _BADGE_RADIUS) - _exclamation(), palette.alert)
        case IconShape.MOON:
            painter.fillPath(_moon(), palette.ring)
        case IconShape.HOLLOW | IconShape.SOLID | IconShape.ARC:
            pass


def _hollow() -> QPainterPath:
    return (_disc(_CENTER, 11) - _disc(_CENTER, 9.2)) | _bolt(0.85)


def _disc(center: QPointF, radius: float) -> QPainterPath:
    path = QPainterPath()
    path.addEllipse(center, radius, radius)
    return path


def _bolt(scale: float) -> QPainterPath:
    """The bolt, scaled about the center."""
    path = QPainterPath()
    path.addPolygon(QPolygonF([_CENTER + (point - _CENTER) * scale for point in _bolt_corners()]))
    path.closeSubpath()
    return path


@cache
def _bolt_corners() -> tuple[QPointF, ...]:
    """The corners of the bolt in the app's icon, whose grid is ours too."""
    source = QFile(str(resources() / "icons" / "app.svg"))
    source.open(QIODevice.OpenModeFlag.ReadOnly)
    xml = QXmlStreamReader(source)
    while xml.attributes().value("id") != "bolt":
        xml.readNext()
        if xml.atEnd():
            raise ValueError(f"There is no bolt in {source.fileName()}: {source.errorString()}")
    pairs = (pair.split(",") for pair in xml.attributes().value("points").split())
    return tuple(QPointF(float(x), float(y)) for x, y in pairs)


def _arc(start_degrees: float, span_degrees: float, *, width: float) -> QPainterPath:
    """A piece of a ring along the edge; angles as Qt counts them, counterclockwise from three o'clock."""
    path = QPainterPath()
    outer = QRectF(1, 1, 22, 22)
    inner = outer.adjusted(width, width, -width, -width)
    path.arcMoveTo(outer, start_degrees)
    path.arcTo(outer, start_degrees, span_degrees)
    path.arcTo(inner, start_degrees + span_degrees, -span_degrees)
    path.closeSubpath()
    return path


def _arrow() -> QPainterPath:
    """An arrow down, in place of the badge."""
    x, y = _BADGE_CENTER.toTuple()
    points = ((-1.5, -5.6), (1.5, -5.6), (1.5, 0), (5.2, 0), (0, 5.6), (-5.2, 0), (-1.5, 0))
    path = QPainterPath()
    path.addPolygon(QPolygonF([QPointF(x + dx, y + dy) for dx, dy in points]))
    path.closeSubpath()
    return path


def _moon() -> QPainterPath:
    """A crescent, in place of the badge."""
    return _disc(_BADGE_CENTER, _BADGE_RADIUS) - _disc(
        _BADGE_CENTER + QPointF(2.4, -2.4), _BADGE_RADIUS - 0.8
    )


def _exclamation() -> QPainterPath:
    x, y = _BADGE_CENTER.toTuple()
    path = QPainterPath()
    path.addRect(QRectF(x - 0.9, y - 3.8, 1.8, 4.6))
    path.addRect(QRectF(x - 0.9, y + 1.9, 1.8, 1.8))
    return path
