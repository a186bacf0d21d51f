"""The bar that shows the collection and what can be done with it. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QMenu, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from tray_app.ui.presenters.search import collection_facts
from tray_app.ui.style import SMALL, TIGHT
from tray_app.ui.symbols import set_symbol
from tray_app.ui.texts import tr
from tray_app.ui.widgets.labels import small_label
from tray_app.ui.widgets.more_button import MoreButton

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tray_app.search.collection import Collection

_MOST_LETTERS = 50
_LETTERS = 8
"""Letters of a name that are visible even in a narrow window."""


class CollectionBar(QWidget):
    """A list of the collections, and buttons with menus."""

    chosen = Signal(str)
    """The id of another collection."""

    def __init__(self) -> None:
        super().__init__()
        self.names = QComboBox()
        self.names.setAccessibleName(tr("Collection"))
        self.names.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.names.setMinimumContentsLength(_LETTERS)
        self.names.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.names.setMaximumWidth(_MOST_LETTERS * self.names.fontMetrics().averageCharWidth())
        self.names.activated.connect(lambda row: self.chosen.emit(self.names.itemData(row)))
        self.facts = small_label()
        self.add_button = QPushButton(tr("&Add"))
        set_symbol(self.add_button, "plus")
        self.copy_button = QPushButton(tr("Cop&y Code"))
        set_symbol(self.copy_button, "copy")
        self.more_button = MoreButton()
        row = QHBoxLayout()
        row.setSpacing(SMALL)
        row.addWidget(self.names, 1)
        row.addSpacing(SMALL)
        row.addStretch()
        for button in (self.add_button, self.copy_button, self.more_button):
            row.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(TIGHT)
        column.addLayout(row)
        column.addWidget(self.facts)

    def offer(self, button: QPushButton, entries: Sequence[tuple[str, Callable[[], object]]]) -> None:
        """Give one of the buttons a menu."""
        menu = QMenu(button)
        for title, act in entries:
            menu.addAction(title).triggered.connect(lambda _=False, act=act: act())
        button.setMenu(menu)

    def show_collections(self, collections: Sequence[Collection], current: Collection) -> None:
        """Show these collections, of which one is the current one."""
        shown = [(self.names.itemText(row), self.names.itemData(row)) for row in range(self.names.count())]
        if shown != [(each.name, each.id) for each in collections]:
            self.names.clear()
            for each in collections:
                self.names.addItem(each.name, each.id)
        self.names.setCurrentIndex(self.names.findData(current.id))
        self.facts.setText(collection_facts(current, tr))
