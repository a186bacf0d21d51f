"""A row for each loaded model, with its state and what can be done with it. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QMenu, QPushButton, QSizePolicy, QVBoxLayout

from tray_app.ui.style import ICON, MEDIUM, SMALL, TIGHT, Type, Variant, look_of, set_variant
from tray_app.ui.symbols import symbol_pixmap
from tray_app.ui.texts import tr
from tray_app.ui.widgets.cards import Card
from tray_app.ui.widgets.labels import ElidedLabel, explain, heading, small_label
from tray_app.ui.widgets.more_button import MoreButton
from tray_app.ui.widgets.state_dot import StateDot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QAction, QContextMenuEvent
    from PySide6.QtWidgets import QWidget

    from tray_app.ui.presenters.engines import EngineView


_FIXED_SPACE = "\N{NO-BREAK SPACE}"
_JOINER = "\N{WORD JOINER}"


class EngineRows(Card):
    """The rows, and the widgets `below` them that concern all models; hidden while there is no row.

    The Tab key reaches the rows after `before`.
    """

    load_wanted = Signal(object)
    """The `EngineView` of a model to load."""
    unload_wanted = Signal(object)
    """The `EngineView` of a model to unload, or of a failed one to dismiss."""
    keep_wanted = Signal(object, bool)
    """The `EngineView` of a model, and whether it is to be kept loaded."""

    def __init__(self, before: QWidget, below: Sequence[QWidget]) -> None:
        super().__init__()
        self._before = before
        self.setAccessibleName(tr("Loaded models"))
        self.rows: dict[str, EngineRow] = {}
        self._column = QVBoxLayout()
        self._column.setSpacing(MEDIUM)
        column = QVBoxLayout(self)
        column.setContentsMargins(MEDIUM, MEDIUM, MEDIUM, MEDIUM)
        column.setSpacing(MEDIUM)
        column.addWidget(heading(tr("Models"), Type.TITLE))
        column.addLayout(self._column)
        for widget in below:
            column.addWidget(widget)
        self.hide()

    def show_views(self, views: Sequence[EngineView]) -> None:
        """Show these models. A row that stays keeps its widget, and so the focus."""
        by_key = {"" if view.chosen else view.model_id: view for view in views}
        for key in [key for key in self.rows if key not in by_key]:
            row = self.rows.pop(key)
            self._column.removeWidget(row)
            row.hide()
            row.deleteLater()
        last = self._before
        for place, (key, view) in enumerate(by_key.items()):
            if key not in self.rows:
                self.rows[key] = EngineRow(self)
                self._column.insertWidget(place, self.rows[key])
                self.rows[key].show()
            row = self.rows[key]
            row.show_view(view, default=view.chosen and len(views) > 1)
            for control in row.controls:
                self.setTabOrder(last, control)
                last = control
        self.setVisible(bool(views))


class EngineRow(QFrame):
    """One model: its name, below it its state, and at the right what can be done."""

    def __init__(self, rows: EngineRows) -> None:
        super().__init__(rows)
        self._view: EngineView | None = None
        self.shape = StateDot()
        self.name = ElidedLabel(bold=True)
        self.facts = small_label()
        self.pin = QLabel()
        self.load_button = QPushButton(tr("Load"))
        self.unload_button = QPushButton(tr("Unload"))
        self.more_button = MoreButton()
        set_variant(self.unload_button, Variant.QUIET)
        self.controls = (self.load_button, self.unload_button, self.more_button)
        self.menu = QMenu(self)
        self.keep = self._entry(tr("Keep Loaded"))
        self.keep.setCheckable(True)
        self._load, self._unload = self._entry(tr("Load")), self._entry(tr("Unload"))
        self.keep.triggered.connect(lambda ticked: rows.keep_wanted.emit(self._view, ticked))
        for wish, chosen in (
            (self.load_button.clicked, rows.load_wanted),
            (self._load.triggered, rows.load_wanted),
            (self.unload_button.clicked, rows.unload_wanted),
            (self._unload.triggered, rows.unload_wanted),
        ):
            wish.connect(lambda _=False, chosen=chosen: chosen.emit(self._view))
        self.more_button.clicked.connect(self._open_menu)
        self._lay_out()

    def show_view(self, view: EngineView, *, default: bool) -> None:
        """Show another state of this model; `default`: it is the default one among several."""
        self._view = view
        name = tr("{name} — {notes}").format(name=view.name, notes=tr("default")) if default else view.name
        facts = " · ".join((view.state, *view.details))
        # Lines may break between details, not within one.
        details = [detail.replace(" ", _FIXED_SPACE).replace("/", f"/{_JOINER}") for detail in view.details]
        self.shape.show_sign(view.shape, view.state)
        self.name.show_text(name)
        self.facts.setText(f"{_FIXED_SPACE}· ".join((view.state, *details)))
        explain(self.facts, view.explanation or view.process)
        self._show_pin(kept=bool(view.kept))
        self.keep.setVisible(view.kept is not None)
        self.keep.setChecked(bool(view.kept))
        for load in (self.load_button, self._load):
            load.setVisible(view.can_load)
        # A failed model has no engine to unload: its row stays until the person dismisses it.
        ending = tr("Dismiss") if view.failed else tr("Unload")
        for unload in (self.unload_button, self._unload):
            unload.setVisible(view.can_unload)
            unload.setText(ending)
        self.more_button.setVisible(view.kept is not None)
        self.load_button.setAccessibleName(tr("Load {model}").format(model=view.name))
        dismissal = tr("Dismiss: {model}") if view.failed else tr("Unload {model}")
        self.unload_button.setAccessibleName(dismissal.format(model=view.name))
        self.more_button.setAccessibleName(tr("More for {model}").format(model=view.name))
        self.setAccessibleName(name)
        self.setAccessibleDescription("\n".join(filter(None, (facts, view.explanation))))

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Open the menu at the mouse, or at the row for the menu key."""
        if any(entry.isVisible() for entry in self.menu.actions()):
            self.menu.popup(event.globalPos())

    def _entry(self, label: str) -> QAction:
        return self.menu.addAction(label)

    def _open_menu(self) -> None:
        self.menu.popup(self.more_button.mapToGlobal(QPoint(0, self.more_button.height())))

    def _show_pin(self, *, kept: bool) -> None:
        self.pin.setVisible(kept)
        if kept:
            ratio = self.devicePixelRatioF()
            self.pin.setPixmap(symbol_pixmap("pin", look_of(self).secondary.rgba(), ICON - TIGHT, ratio))
            self.pin.setAccessibleName(tr("Kept loaded"))
            self.pin.setToolTip(tr("Kept loaded"))

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(SMALL)
        grid.setVerticalSpacing(TIGHT // 2)
        middle = Qt.AlignmentFlag.AlignVCenter
        grid.addWidget(self.shape, 0, 0, middle)
        grid.addWidget(self.name, 0, 1)
        grid.addWidget(self.facts, 1, 1)
        for column, control in enumerate((self.pin, *self.controls), start=2):
            control.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
            grid.addWidget(control, 0, column, 2, 1, middle)
        grid.setColumnStretch(1, 1)
