"""The choice whether the dialog shows the settings for all models or for one. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QSizePolicy, QWidget

from tray_app.ui.presenters.settings import ALL_MODELS
from tray_app.ui.texts import tr
from tray_app.ui.widgets.labels import label_for

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class SubjectBox(QWidget):
    """A list with “All models”, the installed models, and other models that have settings."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._titles = {ALL_MODELS: tr("All models")}
        self.box = QComboBox()
        self.box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.box.setMinimumContentsLength(12)
        self.box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.box.setAccessibleName(tr("Settings for"))
        self.box.setAccessibleDescription(tr("For all models, or for one that is to have its own."))
        label = label_for(tr("Settings &for:"), self.box)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(label)
        row.addWidget(self.box, 1)
        self._fill()
        self.box.currentIndexChanged.connect(self.changed)

    def value(self) -> str:
        """The id of the chosen model, or `ALL_MODELS`."""
        return str(self.box.currentData())

    def choose(self, model_id: str) -> None:
        """Choose a model, or `ALL_MODELS`; nothing happens if it is not in the list."""
        number = self.box.findData(model_id)
        if number >= 0:
            self.box.setCurrentIndex(number)

    def offer(self, installed: Mapping[str, str], with_settings: Collection[str]) -> None:
        """Fill the list with installed models (names by id) and the ids of models that have settings."""
        absent = {each: tr("{name} (not installed)").format(name=each) for each in with_settings}
        chosen = self.value()
        self._titles = {ALL_MODELS: tr("All models"), chosen: self._titles[chosen], **absent, **installed}
        self._fill()

    def mark(self, model_ids: Collection[str]) -> None:
        """Mark the models with invalid settings in the list."""
        for number in range(self.box.count()):
            model_id = str(self.box.itemData(number))
            title = self._titles[model_id]
            self.box.setItemText(number, f"⚠ {title}" if model_id in model_ids else title)

    def take_over(self, old: SubjectBox) -> None:
        """Offer and choose the same as another one, in this language."""
        self._titles = old._titles | {ALL_MODELS: tr("All models")}
        self._fill()
        self.box.blockSignals(True)
        self.choose(old.value())
        self.box.blockSignals(False)

    def _fill(self) -> None:
        """Put the titles into the list; the choice stays."""
        chosen = str(self.box.currentData() or ALL_MODELS)
        self.box.blockSignals(True)
        self.box.clear()
        for model_id, title in self._titles.items():
            self.box.addItem(title, model_id)
        self.choose(chosen)
        self.box.blockSignals(False)
