"""The button beside an error, and where it leads. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.errors import Fix
from tray_app.models.integrity import Check

if TYPE_CHECKING:
    from tray_app.errors import AppError
    from tray_app.phrases import Translate


def fix_title(error: AppError, tr: Translate) -> str:
    """The label of the button that does something about the error; empty where there is none."""
    match error.fix:
        case Fix.FREE_PORT:
            return tr("Choose a &Free Port")
        case Fix.VERIFY_MODEL:
            return tr("Check the &Files")
        case Fix.SETTING:
            return tr("&Open the Setting…")
        case Fix.CHOOSE_ENGINE:
            return tr("Choose Another &Engine…")
        case Fix.ALLOW_ENGINE:
            return tr("Tr&y Again")
        case Fix.NONE:
            return ""


def setting_of(error: AppError) -> str:
    """The name of the setting to open the dialog at."""
    return "engine" if error.fix is Fix.CHOOSE_ENGINE else error.setting


def check_text(check: Check, tr: Translate) -> str:
    """What it means that the check of a model found nothing wrong."""
    match check:
        case Check.DIGEST:
            return tr("The file is exactly what was downloaded, so it is not the cause.")
        case Check.HEADER:
            return tr(
                "The header and size are correct. "
                "The weights cannot be checked because there is no SHA-256 for them."
            )
