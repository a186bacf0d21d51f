"""Keys in the settings dialog: which are kept, what a draft changes, what is missing. Pure."""

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
"""The keys that are kept, or why the keychain cannot be read; None until it has answered."""


def kept_text(key: Key, kept: Kept, tr: Translate) -> str:
    """The placeholder in the field of a key: whether and where it is kept."""
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
    """The placeholder in the field of a key that will be removed."""
    return tr("Will be removed")


def copy_reminder(tr: Translate) -> str:
    """The note beside a key that was generated."""
    return tr("Copy it now: once applied, it is not shown again.")


def key_refusal(key: Key, kept: Kept, tr: Translate) -> str:
    """Why a key cannot be changed here, and where it can; empty if it can or if that is not known."""
    if not isinstance(kept, KeptKeys):
        return ""
    place = kept.places.get(key.name)
    if place and place.keeper is Keeper.ENVIRONMENT:
        return tr("The environment variable {name} gives this key, and is used before any other.").format(
            name=place.detail
        )
    return "" if kept.has_keychain else "\n".join(error_lines(no_keychain(key.name), tr))


def key_problems(old: Settings, new: Settings, keys: KeyChanges, kept: Kept, tr: Translate) -> dict[str, str]:
    """Why a draft of settings and keys cannot be applied, by the name of the key."""
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
    """What is wrong with the keys, whether or not the draft has caused it, by the name of the key."""
    doubts = {}
    if isinstance(kept, AppError):
        doubts = {key.name: "\n".join(error_lines(kept, tr)) for key in KEYS}
    return doubts | _missing(new, keys, kept, tr)


def key_consequence(status: AppStatus, new: Settings, keys: KeyChanges, tr: Translate) -> str:
    """What a draft's keys mean for clients; empty if nothing."""
    is_open = status.server.base_url is not None
    replaced = is_open and status.settings.network == new.network == "lan" and keys.get(GATEWAY.name)
    return tr("Clients need the new key.") if replaced else ""


def _missing(new: Settings, keys: KeyChanges, kept: Kept, tr: Translate) -> dict[str, str]:
    """That the server would be open to the local network without a key, as far as that is known."""
    if new.network != "lan" or not _lacks(GATEWAY, keys, kept):
        return {}
    if key_refusal(GATEWAY, kept, tr):
        return {GATEWAY.name: tr("The local network needs one.")}
    return {GATEWAY.name: tr("The local network needs one: type it, or press Generate.")}


def _lacks(key: Key, keys: KeyChanges, kept: Kept) -> bool:
    if key.name in keys:
        return keys[key.name] is None
    return isinstance(kept, KeptKeys) and key.name not in kept.places
