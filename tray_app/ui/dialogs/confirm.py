"""What a person is asked before something is lost. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QMessageBox

from tray_app.phrases import presentable
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
_MOST_NAMES = 12
"""So many are told one by one."""


def ask_to_remove(
    parent: QWidget, row: ModelRow, remove: Callable[[], object], *, served: bool
) -> QMessageBox:
    """Whether a model shall go; `remove` is called if so."""
    if row.sort in (RowKind.DOWNLOAD, RowKind.PARTIAL):
        title = tr("Delete the unfinished download of {name}?").format(name=row.name)
        text, label = tr("The next download would start from the beginning."), tr("&Delete")
    else:
        title = tr("Move {name} to the trash?").format(name=row.name)
        text = tr("{size}, with all files that belong to it.").format(size=row.size)
        label = tr("Move to &Trash")
    if served:
        text = tr("The server is using it and will be stopped first.") + "\n" + text
    box = _box(parent, title, text)
    _button(box, label, _Role.DestructiveRole, remove)
    box.setDefaultButton(_keep(box, tr("&Keep")))
    box.open()
    return box


def ask_to_remove_several(
    parent: QWidget, names: Sequence[str], text: str, remove: Callable[[], object]
) -> QMessageBox:
    """Whether several models shall go; `remove` is called if so."""
    title = tr.count("Remove {count} model?", "Remove {count} models?", len(names))
    shown = [*names[:_MOST_NAMES], *(["…"] if len(names) > _MOST_NAMES else [])]
    box = _box(parent, title, "\n".join((*shown, "", text, tr("The files are moved to the trash."))))
    _button(box, tr("&Remove"), _Role.DestructiveRole, remove)
    box.setDefaultButton(_keep(box, tr("&Keep")))
    box.open()
    return box


def ask_to_cancel(
    parent: QWidget, row: ModelRow, keep: Callable[[], object], discard: Callable[[], object]
) -> QMessageBox:
    """What becomes of the part of a download that is here."""
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
    """Whether a conversation shall go; `delete` is called if so."""
    name = tr("“{title}”").format(title=presentable(title))
    box = _box(parent, tr("Move this conversation to the trash?"), name)
    _button(box, tr("Move to &Trash"), _Role.DestructiveRole, delete)
    box.setDefaultButton(_keep(box, tr("&Keep")))
    box.open()
    return box


def ask_to_remove_engine(parent: QWidget, title: str, text: str, remove: Callable[[], object]) -> QMessageBox:
    """Whether an installed engine shall go; `remove` is called if so."""
    box = _box(parent, tr("Remove {name}?").format(name=title), text)
    _button(box, tr("&Remove"), _Role.DestructiveRole, remove)
    box.setDefaultButton(_keep(box, tr("&Keep")))
    box.open()
    return box


def ask_to_add_engine(parent: QWidget, path: Path, add: Callable[[], object]) -> QMessageBox:
    """Whether a person trusts a program that is to become an engine; `add` is called if so."""
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
    """Whether a collection of texts shall go; `delete` is called if so."""
    box = _box(
        parent,
        tr("Delete {name}?").format(name=presentable(name)),
        "\n".join((facts, tr("The files that the texts came from stay as they are."))),
    )
    _button(box, tr("&Delete"), _Role.DestructiveRole, delete)
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
    """The button that changes nothing; Esc presses it."""
    button = box.addButton(label, _Role.RejectRole)
    box.setEscapeButton(button)
    return button
