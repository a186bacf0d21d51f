"""Every key that a person can set: what it is for, what can be one, and keeping it. Any thread.

Keys are no settings: the system's keychain has them (`system/keychain.py`), and no file. It may take time.
The dialog and the terminal commands read `KEYS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tray_app.errors import SettingsError
from tray_app.phrases import phrase
from tray_app.settings.schema import field_named

if TYPE_CHECKING:
    from tray_app.phrases import Text
    from tray_app.settings.schema import Settings
    from tray_app.system.keychain import Secrets


@dataclass(frozen=True, slots=True)
class Key:
    """What is known about one key besides the key itself."""

    name: str
    """In the keychain, and in the terminal; no setting has the same."""
    title: Text
    help: Text
    setting: str
    """The setting that it belongs to: the dialog shows it below that one."""

    @property
    def group(self) -> str:
        """The group of settings that it belongs to."""
        return field_named(self.setting).group


GATEWAY = Key(
    "gateway",
    "API key",
    "For the local network: clients must send it as their OpenAI API key.",
    "network",
)
REMOTE = Key(
    "remote",
    "Remote key",
    "For the engine remote: the API key that its server asks for, if it asks for one.",
    "remote_model",
)
HUGGING_FACE = Key(
    "huggingface.co",
    "Hugging Face token",
    "For files whose publisher wants you to accept terms first. It is sent to huggingface.co alone.",
    "hf_endpoint",
)
KEYS = (GATEWAY, REMOTE, HUGGING_FACE)

KeyChanges = Mapping[str, str | None]
"""What the keychain is to keep under these names; None: it is to forget what it keeps."""


def key_named(name: str) -> Key:
    """The key of that name; `SettingsError` if there is none."""
    for key in KEYS:
        if key.name == name:
            return key
    raise SettingsError(
        phrase("There is no key {name}", name=repr(name)),
        phrase("The keys are: {names}.", names=", ".join(key.name for key in KEYS)),
    )


def read_key(text: str) -> str:
    """`text`, if it can be a key; else `SettingsError`, in which it does not appear."""
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise SettingsError(
            "This cannot be a key", "A key is made of letters, digits and signs, without blanks."
        )
    return text


def token_hosts(settings: Settings) -> frozenset[str | None]:
    """Hugging Face and its mirror: each has a token of its own, kept under its name."""
    return frozenset({HUGGING_FACE.name, urlsplit(settings.hf_endpoint).hostname})


def keep(changes: KeyChanges, settings: Settings, secrets: Secrets) -> None:
    """Have the keychain keep and forget keys. `AppError` if one cannot be a key; then nothing has changed.

    `KeychainError` if the keychain is not there or refuses. `settings` name the mirror that may have a token.
    """
    for name, key in changes.items():
        if name not in token_hosts(settings):
            key_named(name)
        if key is not None:
            read_key(key)
    for name, key in changes.items():
        if key is None:
            secrets.delete(name)
        else:
            secrets.set(name, key)
