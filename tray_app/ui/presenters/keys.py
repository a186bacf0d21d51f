"""Keys in the settings dialog: what is kept of them, what a draft makes of that, what is missing. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.errors import AppError, SettingsError
from tray_app.settings.keys import GATEWAY, KEYS, read_new_key
from tray_app.settings.keystore import Keeper, KeptKeys, no_keychain
from tray_app.ui.presenters.formatting import error_lines

if TYPE_CHECKING:
    from tray_app.app.status import AppStatus
    from tray_app.phrases import Translate
    from tray_app.settings.keys import Key, KeyChanges
    from tray_app.settings.keystore import KeyLocation
    from tray_app.settings.schema import Settings

Kept = KeptKeys | AppError | None
"""The keys that there are, or why the keychain does not tell; None: it has not answered yet."""


def kept_text(key: Key, kept: Kept, tr: Translate) -> str:
    """What stands in the empty field of a key: whether there is one."""
    match kept:
        case None:
            return tr("Asking the keychain …")
        case AppError():
            return ""
        case KeptKeys(places):
            return _place_text(places.get(key.name), tr)


def _place_text(place: KeyLocation | None, tr: Translate) -> str:
    match place and place.keeper:
        case Keeper.KEYCHAIN:
            return tr("Kept in the system's keychain")
        case Keeper.FILE:
            return tr("Kept in a file")
        case Keeper.ENVIRONMENT:
            return tr("Set in the environment")
        case _:
            return tr("None")


def removal_text(tr: Translate) -> str:
    """What stands in the field of a key that is about to be forgotten."""
    return tr("Will be removed")


def copy_reminder(tr: Translate) -> str:
    """What is said of a key that was made here."""
    return tr("Copy it now: once applied, it is not shown again.")


def key_refusal(key: Key, kept: Kept, tr: Translate) -> str:
    """Why a key cannot be changed here, and where it can; empty if it can, or that is not known."""
    if not isinstance(kept, KeptKeys):
        return ""
    place = kept.places.get(key.name)
    if place and place.keeper is Keeper.ENVIRONMENT:
        return tr("The environment variable {name} gives this key, and is used before any other.").format(
            name=place.detail
        )
    return "" if kept.has_keychain else "\n".join(error_lines(no_keychain(key.name), tr))


def key_problems(old: Settings, new: Settings, keys: KeyChanges, kept: Kept, tr: Translate) -> dict[str, str]:
    """What keeps a draft of settings and keys from being applied, by the name of the key."""
    problems = {}
    for name, text in keys.items():
        try:
            if text is not None:
                read_new_key(name, text)
        except SettingsError as exc:
            problems[name] = tr.said(exc.texts[1])
    if new.network != old.network or GATEWAY.name in keys:
        problems |= _missing(new, keys, kept, tr)
    return problems


def key_doubts(new: Settings, keys: KeyChanges, kept: Kept, tr: Translate) -> dict[str, str]:
    """What stands in the way of a start or of a key, whoever has brought it about, by the name of the key."""
    doubts = {}
    if isinstance(kept, AppError):
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
    if key_refusal(GATEWAY, kept, tr):
        return {GATEWAY.name: tr("The local network needs one.")}
    return {GATEWAY.name: tr("The local network needs one: type it, or press Generate.")}


def _lacks(key: Key, keys: KeyChanges, kept: Kept) -> bool:
    if key.name in keys:
        return keys[key.name] is None
    return isinstance(kept, KeptKeys) and key.name not in kept.places
