"""The translator that widgets and presenters share. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication


def tr(text: str) -> str:
    """`text` in the person's language. One context for the whole app: a word means the same everywhere."""
    return QCoreApplication.translate("", text)
