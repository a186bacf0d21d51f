"""The look: colors that can be read, one place for sizes, and symbols that are there."""

from __future__ import annotations

import gc
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QLabel, QPushButton

from tests.ui.test_widgets import READABLE, contrast
from tray_app.system.host import System
from tray_app.system.paths import resources
from tray_app.ui import look as look_module
from tray_app.ui import style
from tray_app.ui.look import Look
from tray_app.ui.style import Type, Variant, colors, own_palette, set_variant, style_sheet
from tray_app.ui.symbols import set_symbol, symbol_pixmap

if TYPE_CHECKING:
    from PySide6.QtGui import QIcon
    from PySide6.QtWidgets import QApplication
    from pytestqt.qtbot import QtBot

UI = Path(style.__file__).parent
SYMBOLS = resources() / "icons" / "symbols"
LITERALS = re.compile(
    r'QColor\("#|setPointSize\w*\(|setPixelSize\(|setStyleSheet\(|setContentsMargins\([^)]*[1-9]\d*[,)]'
    r"|setSpacing\([1-9]"
)
MAY_SET = {"style.py", "look.py", "icons.py"}
"""Where sizes and colors stand: the look of the window, and the tray icon's on panels that are not ours."""


@pytest.mark.parametrize("dark", [False, True])
def test_text_can_be_read_on_everything_it_stands_on(qapp: QApplication, dark: bool) -> None:  # noqa: ARG001
    look = colors(own_palette(dark=dark))

    for ground in (look.window, look.surface):
        for text in (look.text, look.secondary, look.success, look.warning, look.danger):
            assert contrast(text, ground) >= READABLE, (text.name(), ground.name())
    assert contrast(look.on_accent, look.accent) >= READABLE
    assert contrast(look.text, look.accent_soft) >= READABLE


def test_the_app_follows_the_systems_change_between_light_and_dark(
    qtbot: QtBot, qapp: QApplication, worn: Look
) -> None:
    hints = qapp.styleHints()
    for scheme, dark in ((Qt.ColorScheme.Dark, True), (Qt.ColorScheme.Light, False)):
        hints.colorSchemeChanged.emit(scheme)

        qtbot.waitUntil(partial(_wears, qapp, own_palette(dark=dark)))
        assert colors(own_palette(dark=dark)).accent_soft.name() in qapp.styleSheet()
    assert worn.parent() is qapp


@pytest.mark.parametrize("enabled", [True, False])
def test_nothing_is_collected_while_qt_goes_through_all_widgets(
    qtbot: QtBot, worn: Look, enabled: bool
) -> None:
    """A widget that is deleted then ends the process: Qt has it in its list."""
    seen: list[bool] = []

    class Watch(QLabel):
        def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - the name that Qt calls
            super().changeEvent(event)
            if event.type() in (QEvent.Type.StyleChange, QEvent.Type.PaletteChange):
                seen.append(gc.isenabled())

    watch = Watch("watch")
    qtbot.addWidget(watch)
    watch.show()
    seen.clear()
    was_enabled = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        worn.wear(dark=True)
        after = gc.isenabled()
        worn.wear(dark=False)
    finally:
        (gc.enable if was_enabled else gc.disable)()

    assert seen
    assert not any(seen)
    assert after is enabled


def test_where_a_person_needs_contrast_the_systems_palette_stays(
    qapp: QApplication, worn: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = QPalette(QColor("#000000"))
    system.setColor(QPalette.ColorRole.WindowText, QColor("#ffff00"))
    monkeypatch.setattr(look_module, "needs_contrast", lambda: True)
    qapp.setPalette(system)

    worn._follow(Qt.ColorScheme.Dark)

    assert qapp.palette().color(QPalette.ColorRole.WindowText) == QColor("#ffff00")
    assert "#ffff00" in qapp.styleSheet()
    monkeypatch.undo()
    worn.wear(dark=False)


@pytest.mark.parametrize("system", [System.MACOS, System.WINDOWS])
def test_macos_and_windows_keep_their_own_style_and_palette(
    qapp: QApplication, worn: Look, system: System
) -> None:
    before, name = qapp.palette(), qapp.style().name()
    look = Look(qapp, system)

    assert qapp.palette() == before
    assert qapp.style().name() == name
    assert "QComboBox" not in qapp.styleSheet()
    assert 'variant="primary"' in qapp.styleSheet()
    look.deleteLater()
    worn.wear(dark=False)


def test_the_style_sheet_has_a_value_for_each_of_its_names(qapp: QApplication) -> None:
    sheet = style_sheet(colors(qapp.palette()), own=True)

    assert "@" not in sheet
    for name in re.findall(r"symbols:([\w-]+\.svg)", sheet):
        assert (SYMBOLS / name).is_file()


def test_sizes_and_colours_stand_in_one_place() -> None:
    found = [
        f"{file.relative_to(UI)}:{number}: {line.strip()}"
        for file in sorted(UI.rglob("*.py"))
        if file.name not in MAY_SET
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if LITERALS.search(line)
    ]

    assert found == []


def test_every_symbol_is_used_and_every_one_that_is_used_is_there() -> None:
    sources = "\n".join(file.read_text(encoding="utf-8") for file in sorted(UI.rglob("*.py")))
    names = {file.stem for file in SYMBOLS.glob("*.svg")}

    unused = {name for name in names if f'"{name}"' not in sources and f"symbols:{name}.svg" not in sources}
    asked = set(
        re.findall(
            r'(?:set_symbol\([^,]+, |symbol_icon\(|symbol_pixmap\(|EmptyState\()\s*"([\w-]+)"', sources
        )
    )

    assert unused == set()
    assert asked <= names


def test_a_symbol_follows_the_look_and_what_its_button_means(qtbot: QtBot, worn: Look) -> None:
    button = QPushButton()
    qtbot.addWidget(button)
    set_symbol(button, "play")
    seen = []
    for dark in (False, True):
        worn.wear(dark=dark)
        seen.append(_strongest(button.icon()))
    set_variant(button, Variant.PRIMARY)
    set_symbol(button, "play")

    assert seen[0].lightness() < 128 < seen[1].lightness()
    assert _strongest(button.icon()) == colors(button.palette()).on_accent
    worn.wear(dark=False)


def test_a_symbol_is_drawn_for_the_screens_pixels(qapp: QApplication) -> None:  # noqa: ARG001
    pixmap = symbol_pixmap("house", QColor("#336699").rgba(), 18, 2)

    assert pixmap.size() == QSize(36, 36)
    assert pixmap.deviceIndependentSize().toSize() == QSize(18, 18)


def test_the_sizes_of_type_follow_the_systems_font(qapp: QApplication) -> None:
    base = qapp.font()
    sizes = [style.font(base, kind).pointSizeF() / base.pointSizeF() for kind in Type]

    assert sizes == sorted(sizes)
    base.setPixelSize(20)
    assert style.font(base, Type.HEADLINE).pixelSize() == 32


def _strongest(icon: QIcon) -> QColor:
    """The color of the lines of a symbol."""
    image = icon.pixmap(QSize(18, 18)).toImage()
    pixels = [image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height())]
    return max(pixels, key=QColor.alpha)


def _wears(qapp: QApplication, palette: QPalette) -> bool:
    return qapp.palette() == palette


def test_a_widget_that_loses_its_last_reference_while_the_look_changes_ends_nothing(
    qtbot: QtBot, worn: Look
) -> None:
    keepers: list[QPushButton] = []

    class Careless(QPushButton):
        """Drops other widgets just when Qt goes through all of them."""

        def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - the name that Qt calls
            super().changeEvent(event)
            keepers.clear()

    careless = Careless()
    qtbot.addWidget(careless)
    for dark in (True, False) * 5:
        keepers.extend(QPushButton(str(number)) for number in range(50))
        for one in keepers:
            one.ensurePolished()
        careless.ensurePolished()

        worn.wear(dark=dark)

        assert keepers == []
