"""Where keys are looked for and kept. Any thread; a keychain may be slow.

The environment comes first, because a variable is set for one start, for example in a container; then the
system's keychain, then a file. A key is kept in one place: when it is set in the keychain, its file is
removed, and vice versa.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tray_app.errors import ErrorCode, SettingsError
from tray_app.phrases import phrase
from tray_app.settings.keys import KEYS, check_changes, read_key, variables_of
from tray_app.system.keychain import KeychainError, NoKeychainError, Secrets
from tray_app.system.keyfiles import KeyFiles

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tray_app.phrases import Phrase
    from tray_app.settings.keys import KeyChanges
    from tray_app.settings.schema import Settings


class Keeper(StrEnum):
    """What keeps a key."""

    ENVIRONMENT = "environment"
    KEYCHAIN = "keychain"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class KeyLocation:
    """Where a key is kept. `detail` is the name of the variable or the path of the file."""

    keeper: Keeper
    detail: str = ""

    @property
    def words(self) -> Phrase:
        """The place, as in “There is no valid key in …”."""
        match self.keeper:
            case Keeper.ENVIRONMENT:
                return phrase("in the environment variable {name}", name=self.detail)
            case Keeper.KEYCHAIN:
                return phrase("in the system's keychain")
            case Keeper.FILE:
                return phrase("in the file {path}", path=self.detail)


@dataclass(frozen=True, slots=True)
class KeptKeys:
    """Where the existing keys are, by name, and whether this computer has a keychain for new ones."""

    places: Mapping[str, KeyLocation]
    has_keychain: bool = True


class KeyStore:
    """The keys of this app, wherever they are."""

    def __init__(self, folder: Path, environ: Mapping[str, str], keychain: Secrets | None = None) -> None:
        self._environ = environ
        self._keychain = keychain or Secrets()
        self._files = KeyFiles(folder)

    def get(self, name: str) -> str | None:
        """The key; None if there is none. `AppError` if the keychain refuses, or what is found is not a
        key.
        """
        if variable := self._variable(name):
            return _checked(self._environ[variable].strip(), KeyLocation(Keeper.ENVIRONMENT, variable))
        in_file = self._file(name)
        try:
            key = self._keychain.get(name)
        except KeychainError:
            if in_file is None:
                raise
            key = None
        return _checked(self._files.get(name) or "", in_file) if key is None and in_file else key

    def where(self, name: str, *, ask_keychain: bool = True) -> KeyLocation | None:
        """Where the key that `get` returns is kept; None if there is none. `KeychainError` if that is
        unknown.
        """
        if variable := self._variable(name):
            return KeyLocation(Keeper.ENVIRONMENT, variable)
        in_file = self._file(name)
        try:
            if ask_keychain and self._keychain.has(name):
                return KeyLocation(Keeper.KEYCHAIN)
        except NoKeychainError:
            return in_file
        except KeychainError:
            if in_file is None:
                raise
        return in_file

    def kept(self) -> KeptKeys:
        """Where each key is kept. `KeychainError` if the keychain refuses."""
        found = {key.name: place for key in KEYS if (place := self.where(key.name))}
        return KeptKeys(found, self._keychain.is_there())

    def keep(self, changes: KeyChanges, settings: Settings, *, in_files: bool = False) -> None:
        """Set and delete keys. `SettingsError` if one is invalid; then nothing has changed.

        `KeychainError` if the keychain is missing or refuses, `KeyFileError` if a file cannot be written.
        `settings` name the mirror that may have a token.
        """
        check_changes(changes, settings)
        for name, key in changes.items():
            if key is None:
                self.delete(name)
            elif in_files:
                self.set_in_file(name, key)
            else:
                self.set(name, key)

    def kept_place(self, name: str, *, in_file: bool) -> KeyLocation:
        """Where `keep` puts the key with this name."""
        return (
            KeyLocation(Keeper.FILE, str(self._files.path(name))) if in_file else KeyLocation(Keeper.KEYCHAIN)
        )

    def set(self, name: str, key: str) -> None:
        """Set a key in the keychain. `KeychainError` if there is none, or it refuses."""
        try:
            self._keychain.set(name, key)
        except NoKeychainError as exc:
            raise no_keychain(name) from exc
        self._files.delete(name)

    def set_in_file(self, name: str, key: str) -> None:
        """Set a key in a file that only this user can read. `KeyFileError` if it cannot be written."""
        self._files.set(name, key)
        with suppress(KeychainError):  # a key in a locked keychain cannot be read, either
            self._keychain.delete(name)

    def delete(self, name: str) -> None:
        """Delete a key from file and keychain, but not a variable. `AppError` if that is refused."""
        self._files.delete(name)
        self._keychain.delete(name)

    def _file(self, name: str) -> KeyLocation | None:
        path = str(self._files.path(name))
        return KeyLocation(Keeper.FILE, path) if os.path.exists(path) else None  # noqa: PTH110 Path's may raise

    def _variable(self, name: str) -> str | None:
        """The first environment variable that contains this key."""
        return next((each for each in variables_of(name) if self._environ.get(each, "").strip()), None)


def no_keychain(name: str) -> NoKeychainError:
    """The error for a missing keychain, which says how the key can be given in another way."""
    command = phrase("Run: powerinfer-tray key set {name} --file", name=name)
    variables = variables_of(name)
    if not variables:
        return NoKeychainError(command)
    return NoKeychainError(
        phrase(
            "{command}, or set the environment variable {variable}.", command=command, variable=variables[0]
        )
    )


def _checked(key: str, place: KeyLocation) -> str:
    try:
        return read_key(key)
    except SettingsError as exc:
        raise SettingsError(
            ErrorCode.KEY_INVALID,
            phrase("There is no valid key {place}", place=place.words),
            exc.texts[1],
            "Set it again, or remove it.",
        ) from None
