"""The field of a key: takes or generates a new one, or removes the kept one. GUI thread."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLineEdit, QPushButton

from tray_app.settings.keys import GATEWAY
from tray_app.settings.keystore import Keeper, KeptKeys
from tray_app.ui.presenters.keys import kept_text, removal_text
from tray_app.ui.texts import tr
from tray_app.ui.widgets.setting_editors import Editor

if TYPE_CHECKING:
    from tray_app.settings.keys import Key
    from tray_app.ui.presenters.keys import Kept


class KeyEditor(Editor):
    """Hides what is typed. Only a generated key is readable, until it is applied or changed."""

    def __init__(self, key: Key) -> None:
        super().__init__()
        self._key = key
        self._kept: Kept = None
        self._forgets = False
        self.line = QLineEdit(echoMode=QLineEdit.EchoMode.Password)
        self.generate_button = QPushButton(tr("Generate"))
        self.copy_button = QPushButton(tr("Copy"))
        self.remove_button = QPushButton(tr("Remove"))
        title = tr.said(key.title)
        self.generate_button.setAccessibleName(tr("Generate: {title}").format(title=title))
        self.copy_button.setAccessibleName(tr("Copy: {title}").format(title=title))
        self._hold(self.line, self.generate_button, self.copy_button)
        self.generate_button.setVisible(key is GATEWAY)  # the only one that this app may choose
        self.line.textEdited.connect(self._type)
        self.line.textChanged.connect(self._tell)
        self.generate_button.clicked.connect(self._generate)
        self.copy_button.clicked.connect(self._copy)
        self.remove_button.clicked.connect(self._forget_or_keep)
        self._adjust()

    @property
    def in_clear(self) -> bool:
        """Whether the key is readable and can be copied."""
        return self.line.echoMode() is QLineEdit.EchoMode.Normal

    def value(self) -> str | None:
        """The new key; empty to keep the old one, None to remove it."""
        return None if self._forgets else self.line.text().strip()

    def set_value(self, value: str | None) -> None:
        """Take another key as if it was typed; None: remove the kept one."""
        self._hide()
        self._forgets = value is None
        self.line.setText(value or "")
        self._tell()

    def take_over(self, old: KeyEditor) -> None:
        """Show the same as `old`, also a readable key."""
        self.set_value(old.value())
        self.line.setEchoMode(old.line.echoMode())
        self._tell()

    def show_kept(self, kept: Kept) -> None:
        """Show whether a key is kept."""
        self._kept = kept
        self._adjust()

    def _type(self) -> None:
        self._forgets = False
        self._hide()

    def _generate(self) -> None:
        self._forgets = False
        self.line.setEchoMode(QLineEdit.EchoMode.Normal)
        self.line.setText(secrets.token_urlsafe())

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.line.text())

    def _forget_or_keep(self) -> None:
        self.set_value("" if self._forgets else None)

    def _hide(self) -> None:
        self.line.setEchoMode(QLineEdit.EchoMode.Password)

    def _tell(self) -> None:
        self._adjust()
        self.changed.emit()

    def _adjust(self) -> None:
        place = self._kept.places.get(self._key.name) if isinstance(self._kept, KeptKeys) else None
        is_ours = place is not None and place.keeper is not Keeper.ENVIRONMENT
        self.copy_button.setVisible(self.in_clear)
        self.remove_button.setVisible(is_ours)
        title = tr.said(self._key.title)
        if self._forgets:
            self.line.setPlaceholderText(removal_text(tr))
            self.remove_button.setText(tr("Keep"))
            self.remove_button.setAccessibleName(tr("Keep: {title}").format(title=title))
        else:
            self.line.setPlaceholderText(kept_text(self._key, self._kept, tr))
            self.remove_button.setText(tr("Remove"))
            self.remove_button.setAccessibleName(tr("Remove: {title}").format(title=title))
