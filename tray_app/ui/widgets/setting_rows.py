"""The rows of the settings dialog, in tabs: each setting and key with its editor and a note. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from tray_app.settings.keys import KEYS
from tray_app.settings.schema import ALL_FIELDS, FIELDS
from tray_app.ui.presenters.engine_names import engine_choices
from tray_app.ui.presenters.settings import GROUPS, choice_title, group_title, largest
from tray_app.ui.style import MEDIUM, SMALL
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import small_label
from tray_app.ui.widgets.key_editor import KeyEditor
from tray_app.ui.widgets.setting_editors import ChoiceEditor, Number, ResetButton, Selection, Switch, Text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from PySide6.QtWidgets import QPushButton

    from tray_app.settings.keys import Key
    from tray_app.settings.schema import Field
    from tray_app.ui.app_protocol import AppProtocol
    from tray_app.ui.widgets.setting_editors import Editor


class Row:
    """A setting or a key in a form: title, editor, a button that takes its value back, and a note below."""

    def __init__(self, what: Field | Key, editor: Editor, button: QPushButton) -> None:
        self.group = what.group
        self.editor = editor
        self.note = small_label()
        self._title = tr.said(what.title)
        self._help = tr.said(what.help)
        self._button = button
        self._form: QFormLayout | None = None
        self._cell = QWidget()  # or what is hidden in it would appear with the row
        self.annotate()

    def add_to(self, form: QFormLayout) -> None:
        """Become the last row of a form."""
        line = QHBoxLayout()
        line.addWidget(self.editor, 1)
        line.addWidget(self._button)
        self._form = form
        cell = QVBoxLayout(self._cell)
        cell.setContentsMargins(0, 0, 0, 0)
        cell.setSpacing(2)
        cell.addLayout(line)
        cell.addWidget(self.note)
        label = QLabel()
        if not isinstance(self.editor, Switch):  # which carries its title itself
            label.setText(tr("{title}:").format(title=self._title))
            label.setBuddy(self.editor.focusProxy() or self.editor)
        form.addRow(label, self._cell)

    def show_if(self, *, wanted: bool) -> None:
        """Be there or not."""
        if self._form:
            self._form.setRowVisible(self._cell, wanted)

    def annotate(self, problem: str = "", refusal: str = "", aside: str = "", whose: str = "") -> None:
        """Say below what is wrong, or what it means, with an aside; what is refused cannot be edited.

        `whose` is said in any case: whether the value is a model's own.
        """
        told = [f"⚠ {problem}" if problem else "", refusal]
        urgent = any(told)
        said = [*told, whose] if urgent else [" ".join(filter(None, (whose, self._help, aside)))]
        self.note.setText("\n".join(filter(None, said)))
        role = QPalette.ColorRole.WindowText if urgent else QPalette.ColorRole.PlaceholderText
        self.note.setForegroundRole(role)
        self.editor.setEnabled(not refusal)
        self.editor.describe(self._title, self.note.text())


class SettingTabs(QTabWidget):
    """A tab for each group. A key stands below the setting that it belongs to."""

    def __init__(self, app: AppProtocol) -> None:
        super().__init__()
        self.editors = {field.name: _editor_for(field, app) for field in ALL_FIELDS}
        self.resets = {field.name: ResetButton(field, self.editors[field.name]) for field in ALL_FIELDS}
        self.keys = {key.name: KeyEditor(key) for key in KEYS}
        self.rows: dict[str, Row] = {}
        self._forms: list[QFormLayout] = []
        for group in GROUPS:
            self.addTab(self._tab(group), group_title(group, tr))
        self.show_fields(FIELDS)

    def show_fields(self, fields: Collection[Field]) -> None:
        """Show these settings alone, and the keys that belong to settings for the whole app."""
        names = {field.name for field in fields}
        keys = {key.name for key in KEYS if key.setting in names}
        for name, row in self.rows.items():
            row.show_if(wanted=name in names | keys)
        groups = {field.group for field in fields}
        for number, group in enumerate(GROUPS):
            self.setTabVisible(number, group in groups)

    def point_at(self, name: str) -> None:
        """Lead the person to a setting or a key."""
        row = self.rows[name]
        self.setCurrentIndex(GROUPS.index(row.group))
        row.editor.setFocus()

    def mark(self, names: Iterable[str]) -> None:
        """Say at the tabs in which of them these settings and keys are."""
        marked = {self.rows[name].group for name in names}
        for number, group in enumerate(GROUPS):
            title = group_title(group, tr)
            self.setTabText(number, f"⚠ {title}" if group in marked else title)

    def scrolled_height(self, width: int) -> int:
        """How high it would have to be at this width, so that no tab is scrolled."""
        highest = max(form.totalHeightForWidth(width - 4 * MEDIUM) for form in self._forms)
        return highest + 4 * SMALL

    def _tab(self, group: str) -> QWidget:
        tab = QScrollArea(widgetResizable=True)
        tab.setFrameShape(QFrame.Shape.NoFrame)
        content = QWidget()
        content.setAutoFillBackground(False)
        tab.setWidget(content)
        tab.viewport().setAutoFillBackground(False)
        form = QFormLayout(content)
        self._forms.append(form)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.setContentsMargins(MEDIUM, MEDIUM, MEDIUM, MEDIUM)
        form.setVerticalSpacing(SMALL)
        for field in ALL_FIELDS:
            if field.group == group:
                self._add_rows(form, field)
        # Scrolled up and down only: the longest words of a language decide how wide the dialog is.
        tab.setMinimumWidth(form.minimumSize().width() + tab.verticalScrollBar().sizeHint().width())
        return tab

    def _add_rows(self, form: QFormLayout, field: Field) -> None:
        added = {field.name: Row(field, self.editors[field.name], self.resets[field.name])}
        for key in KEYS:
            if key.setting == field.name:
                added[key.name] = Row(key, self.keys[key.name], self.keys[key.name].remove_button)
        for row in added.values():
            row.add_to(form)
        self.rows |= added


def _editor_for(field: Field, app: AppProtocol) -> Editor:  # noqa: PLR0911 - one for each kind of field
    match field.name:
        case "model":
            return ChoiceEditor(field, placeholder=tr("none chosen"))
        case "default_embedding" | "default_chat":
            return ChoiceEditor(field, placeholder=tr("the one of the setting Model"))
        case "engine":
            engines = ChoiceEditor(field)
            engines.offer(engine_choices(None, tr))
            return engines
        case "models_folder":
            return Text(field, placeholder=str(app.paths.models), folder=True)
    if field.choices:
        return Selection((choice, choice_title(field.name, choice, tr)) for choice in field.choices)
    if field.kind is bool:
        return Switch(field)
    if field.kind in (int, float):
        return Number(field, largest(field, getattr(app.store.current, field.name), app.host))
    return Text(field)
