"""The look of everything: spaces, sizes of type, colors by role, and the style sheet. GUI thread.

Colors come from the palette, so that dark, light and high contrast follow the system. macOS and Windows keep
the style and the palette of the system; elsewhere Qt's Fusion style has a palette and a style sheet of our
own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

from tray_app.ui.icons import is_dark

if TYPE_CHECKING:
    from PySide6.QtGui import QFont
    from PySide6.QtWidgets import QLabel, QPushButton, QWidget

TIGHT: Final = 4
"""Pixels between a title and its caption."""
SMALL: Final = 8
"""Pixels between neighbors: buttons, the fields of a row."""
MEDIUM: Final = 16
"""Pixels inside a card, and between groups."""
LARGE: Final = 24
"""Pixels around a page."""
RADIUS: Final = 8
"""Pixels: the radius of the corners of cards; that of buttons and fields is a little smaller."""
ICON: Final = 18
"""Pixels: the side of a symbol in a button or a list."""

_FIELD_RADIUS = 6
_TINT = 0.1
_VALUE = re.compile(r"@(\w+)")


class Type(StrEnum):
    """The sizes of type, as shares of the system's font."""

    CAPTION = "caption"
    BODY = "body"
    TITLE = "title"
    HEADLINE = "headline"


_SCALE = {Type.CAPTION: 0.9, Type.BODY: 1.0, Type.TITLE: 1.2, Type.HEADLINE: 1.6}


class Variant(StrEnum):
    """What a button means, besides the usual ones."""

    PRIMARY = "primary"
    """What most people want to do here; at most one in a view."""
    QUIET = "quiet"
    """An action in a row or on a card, without a frame until the mouse or the focus is on it."""
    DANGER = "danger"
    """It deletes something."""


@dataclass(frozen=True, slots=True)
class Colors:
    """The colors of a look, by their roles."""

    window: QColor
    """Behind everything."""
    surface: QColor
    """Cards, fields and lists."""
    text: QColor
    secondary: QColor
    """Captions, and symbols that are not buttons; readable at their size."""
    border: QColor
    hover: QColor
    """Below the mouse."""
    accent: QColor
    on_accent: QColor
    accent_soft: QColor
    """The ground of what is selected, behind text in its usual color."""
    success: QColor
    warning: QColor
    danger: QColor


_kept: dict[int, Colors] = {}
"""By `QPalette.cacheKey`."""
_MOST_KEPT = 64


def font(base: QFont, kind: Type, *, bold: bool | None = None) -> QFont:
    """The font of a size of type; titles and headlines are bold unless `bold` says otherwise."""
    made = type(base)(base)
    if made.pixelSize() > 0:
        made.setPixelSize(round(made.pixelSize() * _SCALE[kind]))
    else:
        made.setPointSizeF(made.pointSizeF() * _SCALE[kind])
    made.setBold(kind in (Type.TITLE, Type.HEADLINE) if bold is None else bold)
    return made


def set_type(label: QLabel, kind: Type) -> None:
    """Give a label, which has the system's font so far, a size of type."""
    label.setFont(font(label.font(), kind))


def set_variant(button: QPushButton, variant: Variant | None) -> None:
    """Set what a button means, which may change at any time."""
    if button.property("variant") == variant:
        return  # applying the style sheet takes time
    button.setProperty("variant", variant)
    if button.testAttribute(Qt.WidgetAttribute.WA_WState_Polished):  # else it will be, when it is shown
        style = button.style()
        style.unpolish(button)
        style.polish(button)


def colors(palette: QPalette) -> Colors:
    """The colors by role for a palette, cached, as every paint event asks for them."""
    key = palette.cacheKey()
    if key not in _kept:
        if len(_kept) >= _MOST_KEPT:
            _kept.clear()
        _kept[key] = _made_colors(palette)
    return _kept[key]


def _made_colors(palette: QPalette) -> Colors:
    role = QPalette.ColorRole
    window, surface, text = (palette.color(each) for each in (role.Window, role.Base, role.WindowText))
    accent, dark = palette.color(role.Highlight), is_dark(palette)
    success, warning, danger = _SIGNALS_DARK if dark else _SIGNALS_LIGHT
    return Colors(
        window=window,
        surface=surface,
        text=text,
        secondary=_mixed(text, surface, 0.68),
        border=_mixed(text, surface, 0.3 if needs_contrast() else 0.16),
        hover=_mixed(text, surface, 0.07),
        accent=accent,
        on_accent=palette.color(role.HighlightedText),
        accent_soft=_mixed(accent, window, 0.3 if dark else 0.14),
        success=QColor(success),
        warning=QColor(warning),
        danger=QColor(danger),
    )


def own_palette(*, dark: bool) -> QPalette:
    """The palette for Fusion, on systems whose own style is not used."""
    made = _DARK if dark else _LIGHT
    palette = QPalette(QColor(made["button"]), QColor(made["window"]))
    role, disabled = QPalette.ColorRole, QPalette.ColorGroup.Disabled
    for roles, color in (
        ((role.Window,), made["window"]),
        ((role.Base, role.ToolTipBase), made["surface"]),
        ((role.AlternateBase,), made["alternate"]),
        ((role.Button,), made["button"]),
        ((role.WindowText, role.Text, role.ButtonText, role.ToolTipText), made["text"]),
        ((role.PlaceholderText,), made["secondary"]),
        ((role.Highlight, role.Accent), made["accent"]),
        ((role.HighlightedText,), made["on_accent"]),
        ((role.Link, role.LinkVisited), made["link"]),
    ):
        for each in roles:
            palette.setColor(each, QColor(color))
    for each in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(disabled, each, QColor(made["disabled"]))
    return palette


def style_sheet(look: Colors, *, own: bool) -> str:
    """The style sheet for a look: what is ours on every system, and with `own` also what Fusion draws."""
    names: dict[str, str] = {each.name: getattr(look, each.name).name() for each in fields(look)}
    names |= {"radius": f"{_FIELD_RADIUS}px", "tight": f"{TIGHT}px", "small": f"{SMALL}px"}
    sheet = (_FUSION if own else "") + _EVERYWHERE
    return _VALUE.sub(lambda found: names[found[1]], sheet)


def look_of(widget: QWidget) -> Colors:
    """The colors by role for a widget that draws itself."""
    return colors(widget.palette())


def tinted(color: QColor, ground: QColor) -> QColor:
    """A ground with a little of a color in it, on which words of that color are readable."""
    return _mixed(color, ground, _TINT)


def needs_contrast() -> bool:
    """Whether the system is set to high contrast."""
    qt = QApplication.instance()
    if not isinstance(qt, QApplication):
        return False
    hints = qt.styleHints()  # which must stay alive while its parts are used
    return hints.accessibility().contrastPreference() is Qt.ContrastPreference.HighContrast


def _mixed(front: QColor, back: QColor, share: float) -> QColor:
    """A color between two, as `front` with the opacity `share` (0 to 1) on `back`."""
    channels = ((front.red(), back.red()), (front.green(), back.green()), (front.blue(), back.blue()))
    return QColor(*(round(share * one + (1 - share) * other) for one, other in channels))


_SIGNALS_LIGHT = ("#1a7f37", "#8a5c00", "#c62828")
_SIGNALS_DARK = ("#56d364", "#e3b341", "#ff8a80")
_LIGHT = {
    "window": "#f4f5f7",
    "surface": "#ffffff",
    "alternate": "#f8f9fa",
    "button": "#ffffff",
    "text": "#1b1f24",
    "secondary": "#5b626b",
    "disabled": "#8b929b",
    "accent": "#1264c8",
    "on_accent": "#ffffff",
    "link": "#0b57b8",
}
_DARK = {
    "window": "#1c1e22",
    "surface": "#26292e",
    "alternate": "#2a2d33",
    "button": "#31353c",
    "text": "#e9ebee",
    "secondary": "#a9afb8",
    "disabled": "#7d838c",
    "accent": "#2b6ccb",
    "on_accent": "#ffffff",
    "link": "#79b4ff",
}

_EVERYWHERE = """
QListWidget#pages, QListWidget#pages:focus { background: transparent; border: none; outline: none; }
QListWidget#pages::item { border-radius: @radius; padding-left: @small; color: @text; }
QListWidget#pages::item:hover { background: @hover; }
QListWidget#pages::item:selected { background: @accent_soft; color: @text; }
QPushButton[variant="primary"] {
    background: @accent; color: @on_accent; border: 1px solid @accent; border-radius: @radius;
    padding: 6px 14px; font-weight: 600;
}
QPushButton[variant="primary"]:focus { border: 2px solid @text; padding: 5px 13px; }
QPushButton[variant="primary"]:disabled { background: @border; border-color: @border; color: @secondary; }
QPushButton[variant="quiet"], QToolButton[variant="quiet"] {
    background: transparent; border: 1px solid transparent; border-radius: @radius; padding: 5px @small;
}
QPushButton[variant="quiet"]:hover, QToolButton[variant="quiet"]:hover { background: @hover; }
QPushButton[variant="quiet"]:focus, QToolButton[variant="quiet"]:focus { border-color: @accent; }
QPushButton#settings { text-align: left; padding-left: 12px; }
QPushButton#question { padding: 0 2px; }
QPushButton#send { border-radius: 18px; padding: 0; }
QPushButton[changed="true"] { background: @accent_soft; }
QListView#chats, QListView#chats:focus { background: transparent; border: none; outline: none; }
QLabel#qt_msgbox_informativelabel { min-width: 26em; }
QPushButton[variant="danger"] { color: @danger; }
QPushButton[variant="quiet"]::menu-indicator, QToolButton[variant="quiet"]::menu-indicator { image: none; }
QTextBrowser#text, QPlainTextEdit#text, QTextBrowser#text:focus, QPlainTextEdit#text:focus {
    background: transparent; border: 1px solid transparent; padding: 0;
}
QTextBrowser#text[ring="true"] { border: 1px solid @accent; }
QScrollArea { background: transparent; border: 1px solid transparent; }
QScrollArea:focus { border-color: @accent; }
QScrollArea > QWidget > QWidget#content { background: transparent; }
"""
"""Each `@name` is a color by its role, or a size."""

_FUSION = """
QDialogButtonBox { dialogbuttonbox-buttons-have-icons: 0; }
QPushButton {
    background: @surface; color: @text; border: 1px solid @border; border-radius: @radius; padding: 6px 12px;
}
QPushButton:hover { background: @hover; }
QPushButton:pressed, QPushButton:checked { background: @accent_soft; }
QPushButton:focus { border: 1px solid @accent; }
QPushButton:default { border: 1px solid @accent; }
QPushButton:disabled { color: @secondary; background: transparent; }
QPushButton::menu-indicator {
    image: url(symbols:chevron.svg); subcontrol-position: right center; right: 6px; width: 10px; height: 10px;
}
QPushButton[variant="primary"]:hover { background: @accent; border-color: @text; }
QPushButton[variant="primary"]:pressed { background: @accent; }
QPushButton[variant="quiet"]:pressed { background: @accent_soft; }
QLineEdit, QPlainTextEdit, QTextEdit {
    background: @surface; color: @text; border: 1px solid @border; border-radius: @radius; padding: 5px;
    selection-background-color: @accent; selection-color: @on_accent;
}
QLineEdit:focus, QPlainTextEdit:focus, QTextEdit:focus { border: 1px solid @accent; }
QLineEdit:read-only, QPlainTextEdit:read-only { background: @window; }
QAbstractSpinBox, QComboBox {
    background: @surface; color: @text; border: 1px solid @border; border-radius: @radius; padding: 5px;
    min-height: 1.2em; selection-background-color: @accent; selection-color: @on_accent;
}
QAbstractSpinBox:focus, QComboBox:focus, QComboBox:on { border: 1px solid @accent; }
QAbstractSpinBox:disabled, QComboBox:disabled { color: @secondary; background: @window; }
QAbstractSpinBox QLineEdit, QComboBox QLineEdit { background: transparent; border: none; padding: 0; }
QAbstractSpinBox QLineEdit { padding-left: 7px; }
QAbstractSpinBox { padding-right: 22px; }
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {
    subcontrol-origin: border; width: 20px; border: none; background: transparent;
}
QAbstractSpinBox::up-button { subcontrol-position: top right; margin: 2px 2px 0 0; }
QAbstractSpinBox::down-button { subcontrol-position: bottom right; margin: 0 2px 2px 0; }
QAbstractSpinBox::up-button:hover, QAbstractSpinBox::down-button:hover { background: @hover; }
QAbstractSpinBox::up-arrow { image: url(symbols:chevron-above.svg); width: 10px; height: 10px; }
QAbstractSpinBox::down-arrow { image: url(symbols:chevron.svg); width: 10px; height: 10px; }
QComboBox::drop-down { border: none; width: 22px; }
QComboBox::down-arrow { image: url(symbols:chevron.svg); width: 12px; height: 12px; }
QComboBox QAbstractItemView { background: @surface; border: 1px solid @border; outline: none; }
QCheckBox, QRadioButton { spacing: @small; padding: 2px; }
QCheckBox::indicator, QRadioButton::indicator {
    width: 16px; height: 16px; border: 1px solid @secondary; border-radius: 4px; background: @surface;
}
QRadioButton::indicator { border-radius: 8px; }
QCheckBox::indicator:checked { background: @accent; border-color: @accent; image: url(symbols:tick.svg); }
QRadioButton::indicator:checked { border: 5px solid @accent; width: 8px; height: 8px; }
QCheckBox::indicator:focus, QRadioButton::indicator:focus { border-color: @accent; }
QCheckBox::indicator:disabled, QRadioButton::indicator:disabled {
    border-color: @border; background: @window;
}
QCheckBox:focus, QRadioButton:focus { outline: 1px solid @accent; }
QTabWidget::pane { border: none; border-top: 1px solid @border; }
QTabWidget#tabs::tab-bar { left: 10px; }
QTabBar { qproperty-drawBase: 0; }
QTabBar::tab {
    background: transparent; color: @secondary; border: none; border-bottom: 2px solid transparent;
    padding: 8px 14px; margin-right: @tight;
}
QTabBar::tab:selected { color: @text; border-bottom: 2px solid @accent; }
QTabBar::tab:hover { color: @text; }
QTabBar::tab:focus { background: @accent_soft; }
QHeaderView::section {
    background: @surface; color: @secondary; border: none; border-bottom: 1px solid @border; padding: 6px 8px;
}
QTableView, QListView, QTreeView {
    background: @surface; border: 1px solid @border; border-radius: @radius; outline: none;
    gridline-color: @border;
    selection-background-color: @accent_soft; selection-color: @text;
}
QTableView::item { padding: 6px 8px; }
QTableView:focus, QListView:focus, QTreeView:focus { border: 1px solid @accent; }
QProgressBar {
    background: @border; border: none; border-radius: 3px; min-height: 6px; max-height: 6px;
    color: transparent;
}
QProgressBar::chunk { background: @accent; border-radius: 3px; }
QScrollBar:vertical { background: transparent; width: 12px; margin: 0; }
QScrollBar:horizontal { background: transparent; height: 12px; margin: 0; }
QScrollBar::handle { background: @border; border-radius: 4px; margin: 2px; }
QScrollBar::handle:vertical { min-height: 32px; }
QScrollBar::handle:horizontal { min-width: 32px; }
QScrollBar::handle:hover { background: @secondary; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
QMenu { background: @surface; color: @text; border: 1px solid @border; padding: @tight; }
QMenu::item { padding: 6px 24px 6px 12px; border-radius: 4px; }
QMenu::item:selected { background: @accent_soft; }
QMenu::item:disabled { color: @secondary; }
QMenu::separator { height: 1px; background: @border; margin: @tight; }
QMenu::indicator { width: 14px; height: 14px; left: 4px; }
QMenu::item:checked { font-weight: 600; }
QToolTip { background: @surface; color: @text; border: 1px solid @border; padding: @tight; }
QSplitter::handle { background: transparent; }
"""
