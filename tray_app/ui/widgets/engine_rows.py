"""The loaded models one below the other: how things stand with each, and what can be done. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QGridLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from tray_app.ui.style import SMALL
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import ElidedLabel, plain_tooltip, small_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.ui.presenters.engines import EngineView


_FIXED_SPACE = "\N{NO-BREAK SPACE}"
_JOINER = "\N{WORD JOINER}"


class EngineRows(QWidget):
    """A row for each model; hidden while there is none. The Tab key comes to it after `before`."""

    load_wanted = Signal(object)
    """The `EngineView` of a model that is to be loaded."""
    unload_wanted = Signal(object)
    keep_wanted = Signal(object, bool)
    """The `EngineView` of a model, and whether it is to be kept loaded."""

    def __init__(self, before: QWidget) -> None:
        super().__init__()
        self._before = before
        self.setAccessibleName(tr("Loaded models"))
        self.rows: dict[str, EngineRow] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(SMALL)
        self.hide()

    def show_views(self, views: Sequence[EngineView]) -> None:
        """Show these models. A row that stays is filled anew, so that the keyboard stays where it is."""
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
            row = self.rows[key]
            row.show_view(view)
            for control in row.controls:
                self.setTabOrder(last, control)
                last = control
        self.setVisible(bool(views))


class EngineRow(QWidget):
    """One model: its name, below it how things stand with it, at the right what can be done."""

    def __init__(self, rows: EngineRows) -> None:
        super().__init__(rows)
        self._view: EngineView | None = None
        self.shape = QLabel()
        self.name = ElidedLabel(bold=True)
        self.facts = small_label()
        self.keep = QCheckBox(tr("Keep loaded"))
        self.load_button = QPushButton(tr("Load"))
        self.unload_button = QPushButton(tr("Unload"))
        self.controls = (self.keep, self.load_button, self.unload_button)
        self.keep.clicked.connect(lambda ticked: rows.keep_wanted.emit(self._view, ticked))
        self.load_button.clicked.connect(lambda: rows.load_wanted.emit(self._view))
        self.unload_button.clicked.connect(lambda: rows.unload_wanted.emit(self._view))
        width = max(self.load_button.sizeHint().width(), self.unload_button.sizeHint().width())
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(SMALL)
        grid.setVerticalSpacing(2)
        grid.addWidget(self.shape, 0, 0)
        grid.addWidget(self.name, 0, 1)
        grid.addWidget(self.facts, 1, 1)
        middle = Qt.AlignmentFlag.AlignVCenter
        for column, control in enumerate(self.controls, start=2):
            control.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
            grid.addWidget(control, 0, column, 2, 1, middle)
        for button in (self.load_button, self.unload_button):
            button.setMinimumWidth(width)
        grid.setColumnStretch(1, 1)

    def show_view(self, view: EngineView) -> None:
        """Show another state of this model."""
        self._view = view
        name = tr("{name} — {notes}").format(name=view.name, notes=tr("chosen")) if view.chosen else view.name
        facts = " · ".join((view.state, *view.details))
        # A line may end between two of the details, not within one.
        details = [detail.replace(" ", _FIXED_SPACE).replace("/", f"/{_JOINER}") for detail in view.details]
        self.shape.setText(view.shape)
        self.shape.setAccessibleName(view.state)
        self.name.show_text(name)
        self.facts.setText(f"{_FIXED_SPACE}· ".join((view.state, *details)))
        self.facts.setToolTip(plain_tooltip(view.explanation))
        self.keep.setVisible(view.kept is not None)
        self.keep.setChecked(bool(view.kept))
        self.load_button.setVisible(view.can_load)
        self.unload_button.setVisible(view.can_unload)
        self.keep.setAccessibleName(tr("Keep {model} loaded").format(model=view.name))
        self.load_button.setAccessibleName(tr("Load {model}").format(model=view.name))
        # There is no engine to unload any more: its row stays until somebody has seen the cause.
        dismissal = tr("Dismiss: {model}") if view.failed else tr("Unload {model}")
        self.unload_button.setText(tr("Dismiss") if view.failed else tr("Unload"))
        self.unload_button.setAccessibleName(dismissal.format(model=view.name))
        self.setAccessibleName(name)
        self.setAccessibleDescription("\n".join(filter(None, (facts, view.explanation))))
