"""How presenters speak in tests: English, as the sources have it."""

from __future__ import annotations

from tray_app.ui.presenters import Translate

ENGLISH = Translate()
