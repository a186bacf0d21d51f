"""The translator that widgets and presenters share, in the chosen language. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QLocale

from tray_app.phrases import Translate

CONTEXT = "app"
"""Qt's context of all texts: a word means the same in the whole app."""


class _QtTranslate(Translate):
    """Has no state: texts come from the installed translators, numbers from the default locale."""

    def _lookup(self, text: str) -> str:
        return QCoreApplication.translate(CONTEXT, text)

    def _lookup_counted(self, one: str, many: str, count: int) -> str:
        translated = QCoreApplication.translate(CONTEXT, many, "", count)
        return super()._lookup_counted(one, many, count) if translated == many else translated

    def _written(self, value: float, decimals: int, *, grouped: bool) -> str:
        locale = QLocale()
        if not grouped:
            locale.setNumberOptions(QLocale.NumberOption.OmitGroupSeparator)
        return locale.toString(float(value), "f", decimals)


tr = _QtTranslate()
