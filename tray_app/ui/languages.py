"""The language of the window: the one that is chosen, else the system's. GUI thread."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QTranslator

from tray_app.settings.schema import AUTO
from tray_app.system.paths import resources

if TYPE_CHECKING:
    from collections.abc import Iterable

_log = logging.getLogger(__name__)

TRANSLATED = ("fr", "ja")
"""The languages besides the English of the sources (ISO 639-1)."""
_NATIVE = ("en", *TRANSLATED)


class Languages:
    """The installed translators: those of this app, and Qt's own for its buttons and file dialogs."""

    def __init__(self) -> None:
        self._translators: list[QTranslator] = []

    def use(self, wanted: str) -> None:
        """Use the language `wanted` from now on, or with `auto` the system's; what is shown already stays."""
        system = QLocale.system()
        language = spoken(wanted, system.uiLanguages())
        for translator in self._translators:
            QCoreApplication.removeTranslator(translator)
        self._translators = [] if language == "en" else [*_translators(language)]
        for translator in self._translators:
            QCoreApplication.installTranslator(translator)
        QLocale.setDefault(number_locale(wanted, language, system))


def spoken(wanted: str, system: Iterable[str]) -> str:
    """The language for a setting and the system's languages (BCP 47 names, the preferred one first)."""
    if wanted != AUTO:
        return wanted
    names = (name.partition("-")[0] for name in system)
    return next((name for name in names if name in _NATIVE), "en")


def person_language(wanted: str) -> str:
    """The person's language (ISO 639-1) for a setting, which this app may not be translated to."""
    if wanted != AUTO:
        return wanted
    language = QLocale.system().language()
    if language == QLocale.Language.C:
        return "en"
    return QLocale.languageToCode(language, QLocale.LanguageCodeType.ISO639Part1)


def number_locale(wanted: str, language: str, system: QLocale) -> QLocale:
    """How numbers are written: as the system is set up, if that fits the language."""
    chosen = QLocale(language)
    if system.language() == QLocale.Language.C:
        return chosen
    return system if wanted == AUTO or system.language() == chosen.language() else chosen


def _translators(language: str) -> Iterable[QTranslator]:
    folders = {
        "qtbase": QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath),
        "powerinfer_tray": str(resources() / "translations"),
    }
    for name, folder in folders.items():  # the last one is asked first
        translator = QTranslator()
        if translator.load(f"{name}_{language}", folder):
            yield translator
        else:  # incomplete installation: better in English than not at all
            _log.warning("There is no %s_%s.qm in %s", name, language, folder)
