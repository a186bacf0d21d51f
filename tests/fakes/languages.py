"""How presenters speak in tests: English, as the sources have it."""

from __future__ import annotations

from tray_app.phrases import Translate

ENGLISH = Translate()
