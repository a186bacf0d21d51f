"""Keys in the settings dialog: what is kept of them, what a draft makes of that, what is missing. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.errors import AppError, SettingsError
from tray_app.settings.keys import GATEWAY, KEYS, read_key
from tray_app.system.keychain import NoKeychainError
from tray_app.ui.presenters.wording import error_lines

if TYPE_CHECKING:
    from tray_app.settings.keys import Key, KeyChanges
    from tray_app.settings.schema import Settings
    from tray_app.status import AppStatus
    from tray_app.ui.presenters import Translate

Kept = frozenset[str] | AppError | None
"""The names of the keys that the keychain has, or why it does not tell; None: it has not answered yet."""


def kept_text(key: Key, kept: Kept, tr: Translate) -> str:
    """What stands in the empty field of a key: whether there is one."""
    match kept:
        case None:
            return tr("Asking the keychain …")
        case AppError():
            return ""
        case names:
            return tr("Kept in the system's keychain") if key.name in names else tr("None")


def removal_text(tr: Translate) -> str:
    """What stands in the field of a key that is about to be forgotten."""
    return tr("Will be removed")


def copy_reminder(tr: Translate) -> str:
    """What is said of a key that was made here."""
    return tr("Copy it now: once applied, it is not shown again.")


def keychain_refusal(kept: Kept, tr: Translate) -> str:
    """Why this machine can keep no key at all; empty if it can, or that is not known."""
    return "\n".join(error_lines(kept, tr)) if isinstance(kept, NoKeychainError) else ""


def key_problems(old: Settings, new: Settings, keys: KeyChanges, kept: Kept, tr: Translate) -> dict[str, str]:
    """What keeps a draft of settings and keys from being applied, by the name of the key."""
    problems = {}
    for name, text in keys.items():
        try:
            if text is not None:
                read_key(text)
        except SettingsError as exc:
            problems[name] = tr.said(exc.texts[1])
    if new.network != old.network or GATEWAY.name in keys:
        problems |= _missing(new, keys, kept, tr)
    return problems


def key_doubts(new: Settings, keys: KeyChanges, kept: Kept, tr: Translate) -> dict[str, str]:
    """What stands in the way of a start or of a key, whoever has brought it about, by the name of the key."""
    doubts = {}
    if isinstance(kept, AppError) and not keychain_refusal(kept, tr):
        doubts = {key.name: "\n".join(error_lines(kept, tr)) for key in KEYS}
    return doubts | _missing(new, keys, kept, tr)


def key_consequence(status: AppStatus, new: Settings, keys: KeyChanges, tr: Translate) -> str:
    """What clients notice of a draft's keys; empty if nothing."""
    is_open = status.server.base_url is not None
    replaced = is_open and status.settings.network == new.network == "lan" and keys.get(GATEWAY.name)
    return tr("Clients need the new key.") if replaced else ""


def _missing(new: Settings, keys: KeyChanges, kept: Kept, tr: Translate) -> dict[str, str]:
    """That the local network would be served without a key, as far as that is known."""
    if new.network != "lan" or not _lacks(GATEWAY, keys, kept):
        return {}
    if keychain_refusal(kept, tr):
        return {GATEWAY.name: tr("The local network needs one.")}
    return {GATEWAY.name: tr("The local network needs one: type it, or press Generate.")}


def _lacks(key: Key, keys: KeyChanges, kept: Kept) -> bool:
    if key.name in keys:
        return keys[key.name] is None
    return isinstance(kept, NoKeychainError) or (isinstance(kept, frozenset) and key.name not in kept)
