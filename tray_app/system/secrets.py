"""Access tokens in the system's own keychain: Keychain, Credential Manager, Secret Service. Any thread.

A token is kept under the host that it belongs to, in the service `powerinfer-tray`.
"""

from __future__ import annotations

from tray_app.errors import SettingsError

SERVICE = "powerinfer-tray"


def get_token(host: str) -> str | None:
    """The token of a host; None if there is none. SettingsError if the keychain cannot be read."""
    import keyring
    from keyring.errors import KeyringError

    try:
        return keyring.get_password(SERVICE, host)
    except KeyringError as exc:
        raise _no_keychain(exc) from exc


def set_token(host: str, token: str) -> None:
    """Keep the token of a host. SettingsError if the keychain cannot be written."""
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.set_password(SERVICE, host, token)
    except KeyringError as exc:
        raise _no_keychain(exc) from exc


def delete_token(host: str) -> None:
    """Forget the token of a host, if there is one. SettingsError if the keychain cannot be written."""
    import keyring
    from keyring.errors import KeyringError, PasswordDeleteError

    try:
        keyring.delete_password(SERVICE, host)
    except PasswordDeleteError:
        pass  # there was none
    except KeyringError as exc:
        raise _no_keychain(exc) from exc


def _no_keychain(exc: Exception) -> SettingsError:
    return SettingsError(
        "There is no keychain to keep tokens in",
        f"The system's keychain cannot be used: {str(exc).strip() or type(exc).__name__}.",
        "Unlock it. On a Linux without a desktop, install gnome-keyring or KeePassXC.",
    )
