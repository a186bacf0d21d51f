"""Everything that may go wrong in front of a person: what happened, why, and what to do about it.

AppError
├── SettingsError    a setting or the settings file
├── DownloadError    a source, a transfer or a check of what arrived
├── ModelError       a file that is missing, damaged or no model
├── EngineError      the native server
└── GatewayError     the public address or a program that speaks to it
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from tray_app.phrases import one_line, visible

if TYPE_CHECKING:
    from tray_app.phrases import Text


class Fix(StrEnum):
    """What a button beside an error can do about it."""

    NONE = "none"
    FREE_PORT = "free-port"
    """Take the nearest free port."""
    VERIFY_MODEL = "verify-model"
    """Look whether the model's file is whole."""
    SETTING = "setting"
    """Open the settings at the field that `AppError.setting` names: that of a setting, or of a key."""
    CHOOSE_ENGINE = "choose-engine"


class AppError(Exception):
    """An error that a person may read.

    `title` says what happened, `message` why, `hint` what to press or type. All are plain English without a
    trailing newline; `texts` are the same three as they were given, for a user interface that translates.
    `fix` is what a program can do about it, `setting` the name of the setting that is to blame, `evidence`
    the lines of a log that show the cause. What strangers wrote into any of them does no harm.
    """

    def __init__(
        self,
        title: Text,
        message: Text = "",
        hint: Text = "",
        *,
        fix: Fix = Fix.NONE,
        setting: str = "",
        evidence: tuple[str, ...] = (),
    ) -> None:
        self.texts = (_harmless(title), _harmless(message), _harmless(hint))
        self.title, self.message, self.hint = map(str, self.texts)
        super().__init__(self.title, self.message, self.hint)
        self.fix = fix
        self.setting = setting
        self.evidence = tuple(map(one_line, evidence))

    def __str__(self) -> str:
        parts = (self.title, self.message, *(f"  {line}" for line in self.evidence), self.hint)
        return "\n".join(part for part in parts if part)


def _harmless(text: Text) -> Text:
    return visible(text) if isinstance(text, str) else text


class SettingsError(AppError):
    """A value that a setting cannot have, or a settings file that cannot be read or written."""


class DownloadError(AppError):
    """A source that cannot be understood or reached, or bytes that are not what was announced."""


class ModelError(AppError):
    """A model that is not there, not whole, or not a model."""


class EngineError(AppError):
    """An engine that cannot be found, started or kept running."""


class GatewayError(AppError):
    """The public address cannot be offered, or a request to it failed."""
