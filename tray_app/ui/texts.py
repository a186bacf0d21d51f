"""The translator that widgets and presenters share: Qt's, in the language that is chosen. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QLocale

from tray_app.phrases import Translate

CONTEXT = "app"
"""One for the whole app: a word means the same everywhere."""


class _QtTranslate(Translate):
    """Holds nothing itself: texts are those of the installed translators, numbers of the default locale."""

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
