"""Keys and tokens in the system's keychain. Any thread; a keychain may take long.

macOS Keychain, Windows Credential Manager, Secret Service or KWallet on Linux, through `keyring`. It is
imported only when it is used, because it takes megabytes of memory, and most starts of the app do not need
it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.errors import AppError, ErrorCode

if TYPE_CHECKING:
    from keyring.errors import KeyringError

    from tray_app.phrases import Text

_SERVICE = "powerinfer-tray"


class KeychainError(AppError):
    """The keychain is missing, is locked, or refuses."""


class NoKeychainError(KeychainError):
    """There is no keychain."""

    def __init__(self, hint: Text = "") -> None:
        super().__init__(
            ErrorCode.KEYCHAIN_MISSING,
            "This system has no keychain",
            "Keys are stored in a keychain (on Linux, GNOME Keyring or KWallet), but none was found.",
            hint,
        )


class Secrets:
    """Secrets of this app in the keychain, by name."""

    def get(self, name: str) -> str | None:
        """The secret; None if there is none, or no keychain. `KeychainError` if the keychain refuses."""
        try:
            return self._read(name)
        except NoKeychainError:
            return None

    def has(self, name: str) -> bool:
        """Whether there is such a secret. `KeychainError` if there is no keychain, or it refuses."""
        return self._read(name) is not None

    def is_there(self) -> bool:
        """Whether this machine has a keychain; it may still be locked."""
        import keyring
        from keyring.backends import fail, null

        # What `keyring` uses if it finds no keychain, or is told to use none: they store nothing.
        return not isinstance(keyring.get_keyring(), (fail.Keyring, null.Keyring))

    def set(self, name: str, secret: str) -> None:
        """Store a secret. `KeychainError` if there is no keychain, or it refuses."""
        import keyring
        from keyring.errors import KeyringError, NoKeyringError

        self._expect_one()
        try:
            keyring.set_password(_SERVICE, name, secret)
        except NoKeyringError as exc:
            raise NoKeychainError from exc
        except KeyringError as exc:
            raise _refused(exc) from exc

    def delete(self, name: str) -> None:
        """Delete a secret; nothing happens if there is none. `KeychainError` if the keychain refuses."""
        import keyring
        from keyring.errors import KeyringError

        if self.get(name) is None:
            return
        try:
            keyring.delete_password(_SERVICE, name)
        except KeyringError as exc:
            raise _refused(exc) from exc

    def _expect_one(self) -> None:
        if not self.is_there():
            raise NoKeychainError

    def _read(self, name: str) -> str | None:
        import keyring
        from keyring.errors import KeyringError, NoKeyringError

        self._expect_one()
        try:
            return keyring.get_password(_SERVICE, name)
        except NoKeyringError as exc:
            raise NoKeychainError from exc
        except KeyringError as exc:
            raise _refused(exc) from exc


def _refused(exc: KeyringError) -> KeychainError:
    return KeychainError(
        ErrorCode.KEYCHAIN_REFUSED,
        "The keychain denied access",
        str(exc) or type(exc).__name__,
        "Unlock the system's keychain and try again.",
    )
