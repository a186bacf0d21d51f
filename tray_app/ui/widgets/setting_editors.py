"""An editor for each kind of setting, made from the schema. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from tray_app.settings.schema import AUTO, Scope
from tray_app.settings.value_text import value_text
from tray_app.ui.presenters.engine_names import engine_choices
from tray_app.ui.presenters.settings import choice_title, largest
from tray_app.ui.style import SMALL, TIGHT, Variant, set_variant
from tray_app.ui.symbols import set_symbol
from tray_app.ui.texts import tr
from tray_app.ui.widgets.file_dialogs import ask_for_paths
from tray_app.ui.widgets.switch import Switch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from PySide6.QtGui import QWheelEvent

    from tray_app.settings.fields import Field
    from tray_app.ui.app_protocol import AppProtocol

_STEPS = {"ctx_size": 512, "batch_size": 256, "temperature": 0.05, "vram_budget": 0.5, "memory_budget": 0.5}
_DECIMALS = 2
_NUMBER_LETTERS = 27
_FEW_LETTERS = 12
_COMMAND_LINES = 5
_EXACT = ("prefix_query", "prefix_document")
"""Settings whose blanks at the ends matter."""


class Editor(QWidget):
    """A widget for one setting. Texts are returned as typed; whether they are valid is checked elsewhere."""

    changed = Signal()
    compact = False
    """Whether it stays small even where there is room."""

    def value(self) -> Any:
        """The value in the editor."""
        raise NotImplementedError

    def set_value(self, value: Any) -> None:
        """Show another value."""
        raise NotImplementedError

    def _hold(self, *widgets: QWidget) -> QHBoxLayout:
        """Lay out the parts; the first one gets the focus and the name."""
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for widget in widgets:
            row.addWidget(widget)
        self.setFocusProxy(widgets[0])
        return row

    def describe(self, name: str, description: str) -> None:
        """Set what a screen reader says."""
        if main := self.focusProxy():
            main.setAccessibleName(name)
            main.setAccessibleDescription(description)


class OnOff(Editor):
    """On or off."""

    compact = True

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.box = Switch(tr.said(field.title))
        self.box.toggled.connect(self.changed)
        self._hold(self.box)

    def value(self) -> bool:
        """Whether it is on."""
        return self.box.isChecked()

    def set_value(self, value: bool) -> None:  # noqa: FBT001 - the value itself
        """Switch on or off."""
        self.box.setChecked(value)


class _Steps(QDoubleSpinBox):
    """A number whose first step up from “Automatic” leads to the smallest one."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Change the number only with the focus, not when a person scrolls past it."""
        _turn_if_focused(self, super().wheelEvent, event)

    def stepBy(self, steps: int) -> None:
        """Change the number by so many steps."""
        if steps > 0 and self.specialValueText() and self.value() == self.minimum():
            self.setValue(self.minimum() + 1)
            steps -= 1
        super().stepBy(steps)


class _Choices(QComboBox):
    """A list of choices."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Change the choice only with the focus, not when a person scrolls past it."""
        _turn_if_focused(self, super().wheelEvent, event)


def _turn_if_focused(widget: QWidget, turn: Callable[[QWheelEvent], None], event: QWheelEvent) -> None:
    if widget.hasFocus():
        turn(event)
    else:
        event.ignore()


class Number(Editor):
    """A number with its unit; one step below the smallest is “Automatic”, if the setting has it."""

    compact = True

    def __init__(self, field: Field, maximum: float) -> None:
        super().__init__()
        self._field = field
        self.box = _Steps(decimals=0 if field.kind is int else _DECIMALS)
        minimum = field.minimum or 0
        if field.may_be_auto:
            minimum -= 1
            self.box.setSpecialValueText(tr("Automatic"))
        elif field.name in (of_zero := _meanings_of_zero()):
            self.box.setSpecialValueText(of_zero[field.name])
        self.box.setRange(minimum, maximum)
        self.box.setSingleStep(_STEPS.get(field.name, 1))
        self.box.setSuffix(f" {tr.said(field.unit)}" if field.unit else "")
        self.box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # not by the wheel
        self.box.setFixedWidth(_NUMBER_LETTERS * self.fontMetrics().averageCharWidth())
        self.box.lineEdit().setTextMargins(TIGHT, 0, 0, 0)
        self.box.textChanged.connect(self.changed)
        self._hold(self.box)

    def value(self) -> Any:
        """The number, or `auto`."""
        value = self.box.value()
        if self._field.may_be_auto and value == self.box.minimum():
            return AUTO
        return int(value) if self._field.kind is int else round(value, _DECIMALS)

    def set_value(self, value: Any) -> None:
        """Show the number, or “Automatic”."""
        self.box.setValue(self.box.minimum() if value == AUTO else value)


def _meanings_of_zero() -> dict[str, str]:
    return {"idle_minutes": tr("Never"), "speed_limit": tr("No limit")}


class Text(Editor):
    """A line of text, with a button that asks for a folder if the setting is one."""

    def __init__(self, field: Field, *, placeholder: str = "", folder: bool = False) -> None:
        super().__init__()
        self._is_exact = field.name in _EXACT
        self.line = QLineEdit(placeholderText=placeholder)
        self.line.textChanged.connect(self.changed)
        self._hold(
            self.line, *([_browse_button(self, field, self.line.setText, folder=True)] if folder else [])
        )

    def value(self) -> str:
        """The text as typed, without blanks at its ends unless they matter."""
        text = self.line.text()
        return text if self._is_exact else text.strip()

    def set_value(self, value: Any) -> None:
        """Show a value as it is typed."""
        self.line.setText(value_text(value))


class ChoiceEditor(Editor):
    """A choice from a list, or what a person types: a name or the path of a file."""

    def __init__(self, field: Field, *, placeholder: str = "") -> None:
        super().__init__()
        line = QLineEdit(placeholderText=placeholder)
        self.box = _Choices()
        self.box.setLineEdit(line)
        self.box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.box.setMinimumContentsLength(_FEW_LETTERS)
        self.box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.box.editTextChanged.connect(self.changed)
        self._hold(self.box, _browse_button(self, field, self.box.setEditText, folder=False))

    def offer(self, choices: Iterable[tuple[str, str]]) -> None:
        """Fill the list with pairs of a value and its title; what stands in the editor stays."""
        value = self.value()
        self.box.blockSignals(True)
        self.box.clear()
        for choice, title in choices:
            self.box.addItem(title, choice)
        self.set_value(value)
        self.box.blockSignals(False)

    def value(self) -> str:
        """The value behind the title, or the text as typed."""
        text, number = self.box.currentText().strip(), self.box.currentIndex()
        if text != self.box.itemText(number):  # else the chosen one among those of this title
            number = self.box.findText(text)
        return str(self.box.itemData(number)) if number >= 0 else text

    def set_value(self, value: Any) -> None:
        """Choose from the list, or show the text."""
        number = self.box.findData(value)
        self.box.setCurrentIndex(number)
        if number < 0:
            self.box.setEditText(value)
        if line := self.box.lineEdit():
            line.home(False)  # shows the beginning of a long one


class Selection(Editor):
    """One of the few values that a setting can have, by their titles."""

    def __init__(self, titles: Iterable[tuple[str, str]]) -> None:
        super().__init__()
        self.box = _Choices()
        self.box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        for choice, title in titles:
            self.box.addItem(title, choice)
        self.box.currentIndexChanged.connect(self.changed)
        self._hold(self.box)

    def value(self) -> str:
        """The value behind the chosen title."""
        return str(self.box.currentData())

    def set_value(self, value: Any) -> None:
        """Choose a value."""
        self.box.setCurrentIndex(self.box.findData(value))


class ResetButton(QPushButton):
    """Resets a setting to its default, or removes a model's own value; hidden if there is nothing to do."""

    released = Signal(str)
    """The name of the setting whose own value of the model is to be removed."""

    def __init__(self, field: Field, editor: Editor) -> None:
        super().__init__()
        self._editor = editor
        self._field = field
        self._own: bool | None = None
        policy = self.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # so that the fields do not move
        self.setSizePolicy(policy)
        set_variant(self, Variant.QUIET)
        set_symbol(self, "rotate-ccw")
        self._name_itself()
        self.clicked.connect(self._reset)
        editor.changed.connect(self.adjust)

    def adjust(self) -> None:
        """Be visible if there is something to reset."""
        value, default = self._editor.value(), self._field.default
        differs = value != (value_text(default) if isinstance(value, str) else default)
        self.setVisible(differs if self._own is None else self._own)

    def show_own(self, own: bool | None) -> None:  # noqa: FBT001 - the state itself
        """Say whether this is a model's own value; None: the settings for all models are shown."""
        self._own = own
        self._name_itself()
        self.adjust()

    def _name_itself(self) -> None:
        resets = self._own is None or self._field.scope is Scope.ONE
        text, name = (
            (tr("Reset to default"), tr("Reset: {title}"))
            if resets
            else (tr("Same as for all models"), tr("Same as for all models: {title}"))
        )
        self.setToolTip(text)
        self.setAccessibleName(name.format(title=tr.said(self._field.title)))

    def _reset(self) -> None:
        if self._own is None:
            self._editor.set_value(self._field.default)
        else:
            self.released.emit(self._field.name)
        self._editor.setFocus()  # as the button vanishes with its focus


class CommandLine(Editor):
    """Shows the command line of the engine, which can be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.view = QPlainTextEdit(readOnly=True)
        self.view.setTabChangesFocus(True)
        self.view.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)  # it wraps
        height = self.view.fontMetrics().lineSpacing() * _COMMAND_LINES
        self.view.setFixedHeight(height + 2 * SMALL)
        self._hold(self.view)

    def value(self) -> str:
        """What is shown."""
        return self.view.toPlainText()

    def set_value(self, value: str) -> None:
        """Show another one."""
        self.view.setPlainText(value)


def editor_for(field: Field, app: AppProtocol) -> Editor:  # noqa: PLR0911 - one for each kind of field
    """The editor of a setting, by its name or kind."""
    match field.name:
        case "model":
            return ChoiceEditor(field, placeholder=tr("None"))
        case "default_embedding" | "default_chat":
            return ChoiceEditor(field, placeholder=tr("Same as Model"))
        case "engine":
            engines = ChoiceEditor(field)
            engines.offer(engine_choices(None, tr))
            return engines
        case "models_folder":
            return Text(field, placeholder=str(app.paths.models), folder=True)
    if field.choices:
        return Selection((choice, choice_title(field.name, choice, tr)) for choice in field.choices)
    if field.kind is bool:
        return OnOff(field)
    if field.kind in (int, float):
        return Number(field, largest(field, getattr(app.store.current, field.name), app.host))
    return Text(field)


def _browse_button(
    parent: QWidget, field: Field, adopt: Callable[[str], object], *, folder: bool
) -> QPushButton:
    button = QPushButton()
    set_symbol(button, "folder-open")
    button.setToolTip(tr("Browse…"))
    button.setAccessibleName(tr("Browse for: {title}").format(title=tr.said(field.title)))

    def browse() -> None:
        mode = QFileDialog.FileMode.Directory if folder else QFileDialog.FileMode.ExistingFile
        ask_for_paths(parent, tr.said(field.title), mode, lambda paths: adopt(str(paths[0])))

    button.clicked.connect(browse)
    return button
