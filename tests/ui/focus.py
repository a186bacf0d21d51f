"""Who has the keyboard next."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget


def next_by_tab(widget: QWidget) -> QWidget:
    """Where the keyboard may go from a widget.

    PySide makes what it returns a child of that widget, and forgets both together: here its real parent gets
    it back. The app itself does not ask at all.
    """
    found = widget.nextInFocusChain()
    assert found
    found.setParent(found.parentWidget())
    return found
