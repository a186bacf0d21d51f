"""Questions before something is lost, or before a program is trusted. They do not block. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QMessageBox

from tray_app.phrases import presentable
from tray_app.ui.presenters.formatting import first_names
from tray_app.ui.presenters.models import RowKind
from tray_app.ui.style import LARGE, Variant, look_of, set_variant
from tray_app.ui.symbols import symbol_pixmap
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from PySide6.QtWidgets import QPushButton, QWidget

    from tray_app.ui.presenters.models import ModelRow

_Role = QMessageBox.ButtonRole


def ask_to_remove(
    parent: QWidget, row: ModelRow, remove: Callable[[], object], *, served: bool
) -> QMessageBox:
    """Ask whether to remove a model; `served`: the server is using it. `remove` is called on Yes."""
    if row.sort in (RowKind.DOWNLOAD, RowKind.PARTIAL):
        title = tr("Delete the unfinished download of {name}?").format(name=row.name)
        text, label = tr("The next download would start from the beginning."), tr("&Delete")
    else:
        title = tr("Move {name} to the trash?").format(name=row.name)
        text = tr("{size}, with all files that belong to it.").format(size=row.size)
        label = tr("Move to &Trash")
    if served:
        text = tr("The server is using it and will be stopped first.") + "\n" + text
    return _ask_to_lose(parent, title, text, label, remove)


def ask_to_remove_several(
    parent: QWidget, names: Sequence[str], text: str, remove: Callable[[], object]
) -> QMessageBox:
    """Ask whether to remove several models; `text` says what that means. `remove` is called on Yes."""
    title = tr.count("Remove {count} model?", "Remove {count} models?", len(names))
    lines = (*first_names(names), "", text, tr("The files are moved to the trash."))
    return _ask_to_lose(parent, title, "\n".join(lines), tr("&Remove"), remove)


def ask_to_cancel(
    parent: QWidget, row: ModelRow, keep: Callable[[], object], discard: Callable[[], object]
) -> QMessageBox:
    """Ask what to do with the part of a download that is here: `keep` or `discard` is called, or neither."""
    box = _box(
        parent,
        tr("Cancel the download of {name}?").format(name=row.name),
        tr("Keep what has been downloaded to continue later, or delete it."),
    )
    box.setDefaultButton(_button(box, tr("Cancel and &Keep"), _Role.AcceptRole, keep))
    _button(box, tr("Cancel and &Delete"), _Role.DestructiveRole, discard)
    _keep(box, tr("C&ontinue Download"))
    box.open()
    return box


def ask_to_delete_chat(parent: QWidget, title: str, delete: Callable[[], object]) -> QMessageBox:
    """Ask whether to delete a conversation; `delete` is called on Yes."""
    name = tr("“{title}”").format(title=presentable(title))
    question = tr("Move this conversation to the trash?")
    return _ask_to_lose(parent, question, name, tr("Move to &Trash"), delete)


def ask_to_remove_engine(parent: QWidget, title: str, text: str, remove: Callable[[], object]) -> QMessageBox:
    """Ask whether to remove an installed engine; `text` says what that means. `remove` is called on Yes."""
    return _ask_to_lose(parent, tr("Remove {name}?").format(name=title), text, tr("&Remove"), remove)


def ask_to_add_engine(parent: QWidget, path: Path, add: Callable[[], object]) -> QMessageBox:
    """Ask whether a person trusts a program that is to become an engine; `add` is called on Yes."""
    box = _box(
        parent,
        tr("Add {name} as an engine?").format(name=presentable(path.name)),
        tr(
            "An engine is a program with the same rights as you. Add it only if you know where it comes "
            "from. It is copied, and tested before it is used."
        ),
    )
    _button(box, tr("&Add"), _Role.AcceptRole, add)
    box.setDefaultButton(_keep(box, tr("&Cancel")))
    box.open()
    return box


def ask_to_delete_collection(
    parent: QWidget, name: str, facts: str, delete: Callable[[], object]
) -> QMessageBox:
    """Ask whether to delete a collection of texts; `delete` is called on Yes."""
    title = tr("Delete {name}?").format(name=presentable(name))
    text = "\n".join((facts, tr("The files that the texts came from stay as they are.")))
    return _ask_to_lose(parent, title, text, tr("&Delete"), delete)


def _ask_to_lose(
    parent: QWidget, title: str, text: str, label: str, lose: Callable[[], object]
) -> QMessageBox:
    """A question with a button for the loss, and Keep, which Enter and Esc press."""
    box = _box(parent, title, text)
    _button(box, label, _Role.DestructiveRole, lose)
    box.setDefaultButton(_keep(box, tr("&Keep")))
    box.open()
    return box


def _box(parent: QWidget, title: str, text: str) -> QMessageBox:
    box = QMessageBox(QMessageBox.Icon.NoIcon, tr("PowerInfer Tray"), title, parent=parent)
    look, ratio = look_of(box), box.devicePixelRatioF()
    box.setIconPixmap(symbol_pixmap("triangle-alert", look.warning.rgba(), 2 * LARGE, ratio))
    for picture in box.findChildren(QLabel, "qt_msgboxex_icon_label"):  # Qt's name for it
        picture.setAccessibleName(tr("Warning"))
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setInformativeText(text)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    return box


def _button(
    box: QMessageBox, label: str, role: QMessageBox.ButtonRole, act: Callable[[], object]
) -> QPushButton:
    button = box.addButton(label, role)
    set_variant(button, Variant.DANGER if role is _Role.DestructiveRole else Variant.PRIMARY)
    button.clicked.connect(act)
    return button


def _keep(box: QMessageBox, label: str) -> QPushButton:
    """The button that changes nothing, which Esc presses."""
    button = box.addButton(label, _Role.RejectRole)
    box.setEscapeButton(button)
    return button
