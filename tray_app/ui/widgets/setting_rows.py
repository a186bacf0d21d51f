"""A row of the settings dialog: a setting or a key with its editor and notes. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter, QPalette
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from tray_app.ui.presenters.settings import Origin, origin_text
from tray_app.ui.style import SMALL, TIGHT, Variant, look_of, set_variant
from tray_app.ui.symbols import set_symbol
from tray_app.ui.texts import tr
from tray_app.ui.widgets.badge import Badge
from tray_app.ui.widgets.basic import NO_LIMIT, announce
from tray_app.ui.widgets.labels import explain, small_label, text_label

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent
    from PySide6.QtWidgets import QLabel

    from tray_app.ui.widgets.setting_editors import Editor

_CONTROL_LETTERS = 46
"""The width of the part with the editor, in letters, if it is beside the title."""


COMMAND_LINE = "command_line"
"""The name of the row that shows the command line; no setting has this name."""


class Row(QWidget):
    """Title and help at the left, the editor at the right, or below where there is too little room.

    `texts`: title, help and details. `button` resets the value. `wide`: the editor needs the whole width, so
    it is always below. `words`: by which the row is found, see `setting_search`.
    """

    def __init__(
        self,
        parent: QWidget,
        texts: tuple[str, str, str],
        editor: Editor,
        button: QPushButton | None = None,
        *,
        words: str,
        wide: bool = False,
    ) -> None:
        super().__init__(parent)
        self.words = words
        self.editor = editor
        self.is_urgent = False
        """Whether something is wrong with its value."""
        self.note = small_label()
        self.mark: Badge | None = None
        """Where its value comes from; made when it is first needed."""
        self._title, self._help, details = texts
        self.details: QLabel | None = None
        """The longer explanation, made when it is first shown."""
        self._more = details
        self.more_button = QPushButton(autoDefault=False)
        self._wide = wide
        self._lined = False
        self._control = QWidget(self)
        self._lay_out(button)
        self.arrange(narrow=False)
        self.annotate()

    def arrange(self, *, narrow: bool) -> None:
        """Put the editor beside the words, or below them."""
        below = narrow or self._wide
        control = self._control
        self._grid.removeWidget(control)
        if below:
            self._grid.addWidget(control, 1, 0, 1, 2)
            control.setMinimumWidth(0)
            control.setMaximumWidth(NO_LIMIT)
        else:
            self._grid.addWidget(control, 0, 1, Qt.AlignmentFlag.AlignVCenter)
            control.setFixedWidth(_CONTROL_LETTERS * self.fontMetrics().averageCharWidth())
        compact = self.editor.compact
        for number, stretch in enumerate((compact and not below, not compact, False, compact and below)):
            self._parts.setStretch(number, int(stretch))

    def add_below(self, widget: QWidget) -> None:
        """Show a widget that belongs to the setting below it."""
        self._grid.addWidget(widget, 2, 0, 1, 2)

    def show_line(self, *, lined: bool) -> None:
        """Show or hide the line above."""
        if lined != self._lined:
            self._lined = lined
            self.update()

    def annotate(
        self, problem: str = "", refusal: str = "", aside: str = "", origin: Origin | None = None
    ) -> None:
        """Show a problem, or why the setting has no effect (`refusal`), else its help; with an aside.

        A setting without effect cannot be edited. `origin`: where the value comes from, which is marked
        unless it is the value for all models.
        """
        told = [f"⚠ {problem}" if problem else "", refusal]
        self.is_urgent = bool(problem)
        said = [*told, aside if problem else ""] if any(told) else [self._help, aside]
        self.note.setText(("\n" if any(told) else " · ").join(filter(None, said)))
        urgent = QPalette.ColorRole.WindowText if any(told) else QPalette.ColorRole.PlaceholderText
        if self.note.foregroundRole() != urgent:
            self.note.setForegroundRole(urgent)
        whose = origin_text(origin, tr)
        self._show_mark(whose if origin in (Origin.OWN, Origin.CATALOG) else "")
        self.editor.setEnabled(not refusal)
        described = (whose, self.note.text(), "" if refusal else self._more)
        self.editor.describe(self._title, "\n".join(filter(None, described)))

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the line above."""
        if self._lined:
            painter = QPainter(self)
            painter.setPen(look_of(self).border)
            painter.drawLine(0, 0, self.width(), 0)
            painter.end()

    def _lay_out(self, button: QPushButton | None) -> None:
        """Build from the outside to the inside, as a change of a parent costs time for all children."""
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, SMALL, 0, SMALL)
        self._grid.setHorizontalSpacing(SMALL)
        self._grid.setVerticalSpacing(TIGHT)
        self._grid.setColumnStretch(0, 1)
        self._words = QVBoxLayout()
        self._words.setSpacing(TIGHT // 2)
        self._grid.addLayout(self._words, 0, 0)
        top = QHBoxLayout()
        top.setSpacing(TIGHT)
        self._words.addLayout(top)
        self._words.addWidget(self.note)
        title = text_label(self._title)
        title.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
        title.setBuddy(self.editor.focusProxy() or self.editor)
        top.addWidget(title, 1)
        top.addWidget(self.more_button)
        self._set_up_details()
        self._parts = QHBoxLayout(self._control)
        self._parts.setContentsMargins(0, 0, 0, 0)
        self._parts.setSpacing(SMALL)
        self._parts.addStretch()
        self._parts.addWidget(self.editor)
        self._parts.addWidget(button or QWidget())
        self._parts.addStretch()

    def _set_up_details(self) -> None:
        button = self.more_button
        button.setCheckable(True)
        button.setVisible(bool(self._more))
        explain(button, self._more)
        button.setAccessibleName(tr("More about: {title}").format(title=self._title))
        button.setObjectName("question")  # for the style sheet
        set_variant(button, Variant.QUIET)
        set_symbol(button, "circle-question-mark")
        button.toggled.connect(self._show_details)

    def _show_details(self, wanted: bool) -> None:  # noqa: FBT001 - the signal's own
        if self.details is None:
            self.details = small_label(self._more)
            self._words.addWidget(self.details)
        self.details.setVisible(wanted)
        if wanted:
            announce(self, self._more)

    def _show_mark(self, word: str) -> None:
        if self.mark is None and word:
            self.mark = Badge()
            self._words.insertWidget(1, self.mark)
        if self.mark is not None:
            self.mark.show_word(word)
