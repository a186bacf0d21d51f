"""Every key that a person can set: what it is for, what can be one, and keeping it. Any thread.

Keys are no settings: they are in the system's keychain, or where there is none in a variable or a file of
their own (`keystore.py`). That may take time. The dialog and the terminal commands read `KEYS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tray_app.errors import ErrorCode, SettingsError
from tray_app.phrases import phrase
from tray_app.system.environment import HUGGING_FACE_VARIABLES, KEY_VARIABLE

if TYPE_CHECKING:
    from tray_app.phrases import Text
    from tray_app.settings.schema import Settings


@dataclass(frozen=True, slots=True)
class Key:
    """What is known about one key besides the key itself."""

    name: str
    """In the keychain, and in the terminal; no setting has the same."""
    title: Text
    help: Text
    details: Text
    words: Text
    """As those of a setting, see `fields.Field`."""
    setting: str
    """The setting that it belongs to: the dialog shows it below that one."""
    variables: tuple[str, ...]
    """The environment variables that may give it; the first one that is set does."""

    @property
    def group(self) -> str:
        """The group of settings that it belongs to."""
        from tray_app.settings.fields import field_named  # slow to import, and a download does not need it

        return field_named(self.setting).group


GATEWAY = Key(
    "gateway",
    "API key",
    "For apps on the local network",
    "Apps on other computers must send it as their OpenAI API key.",
    "password, authentication, bearer",
    "network",
    (f"{KEY_VARIABLE}GATEWAY",),
)
REMOTE = Key(
    "remote",
    "Remote server key",
    "The API key of the remote server",
    "For the engine remote, if its server asks for a key.",
    "password, authentication, bearer",
    "remote_model",
    (f"{KEY_VARIABLE}REMOTE",),
)
HUGGING_FACE = Key(
    "huggingface.co",
    "Hugging Face token",
    "For models with terms to accept",
    "Some publishers want you to accept their terms first. The token is sent to huggingface.co only.",
    "access token, gated, login, password",
    "hf_endpoint",
    HUGGING_FACE_VARIABLES,
)
KEYS = (GATEWAY, REMOTE, HUGGING_FACE)

_WEB_PORTS = {"http": 80, "https": 443}
_LEAST_LENGTH = 16
"""Of the key of the local network: with letters and digits, more than anybody could ever try."""
_LEAST_VARIETY = 6
"""So many different characters it has, and as many different steps from one to the next."""

KeyChanges = Mapping[str, str | None]
"""What is to be kept under these names; None: it is to be forgotten."""


def key_named(name: str) -> Key:
    """The key of that name; `SettingsError` if there is none."""
    for key in KEYS:
        if key.name == name:
            return key
    raise SettingsError(
        ErrorCode.KEY_UNKNOWN,
        phrase("There is no key {name}", name=repr(name)),
        phrase("The keys are: {names}.", names=", ".join(key.name for key in KEYS)),
    )


def variables_of(name: str) -> tuple[str, ...]:
    """The environment variables that may give the key of that name; a mirror's token has none."""
    return next((key.variables for key in KEYS if key.name == name), ())


def read_key(text: str) -> str:
    """`text`, if it can be a key; else `SettingsError`, in which it does not appear."""
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise SettingsError(
            ErrorCode.KEY_INVALID,
            "This is not a valid key",
            "A key consists of letters, digits and symbols, without spaces.",
        )
    return text


def read_new_key(name: str, text: str) -> str:
    """As `read_key`, for one that is set now: that of the local network must be none that can be guessed."""
    read_key(text)
    if name == GATEWAY.name and can_be_guessed(text):
        raise SettingsError(
            ErrorCode.KEY_GUESSABLE,
            "This key is too easy to guess",
            phrase(
                "Anyone on the local network can try keys, so use at least {count} characters "
                "without a pattern. “Generate” in the settings creates one.",
                count=_LEAST_LENGTH,
            ),
        )
    return text


def can_be_guessed(key: str) -> bool:
    """Whether somebody who tries keys would come upon this one: it is short, or built of a pattern."""
    steps = {ord(after) - ord(before) for before, after in pairwise(key)}
    repeats = key in (key + key)[1:-1]
    return len(key) < _LEAST_LENGTH or min(len(set(key)), len(steps)) < _LEAST_VARIETY or repeats


def token_hosts(settings: Settings) -> frozenset[str | None]:
    """Hugging Face and its mirror: each has a token of its own, kept under its name."""
    return frozenset({HUGGING_FACE.name, urlsplit(settings.hf_endpoint).hostname})


def token_name(address: str, settings: Settings) -> str | None:
    """Under which name the token is kept that may be sent to an address: that of its host.

    None if it is neither Hugging Face's nor the mirror's: another port of the same host is another's.
    """
    for site in (f"https://{HUGGING_FACE.name}", settings.hf_endpoint):
        if place_of(address) == place_of(site):
            return urlsplit(site).hostname
    return None


def place_of(address: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of an address: whoever has the same is the same server."""
    try:
        parts = urlsplit(address.strip())
        return parts.scheme, parts.hostname, parts.port or _WEB_PORTS.get(parts.scheme)
    except ValueError:  # nobody is there, and so nobody is the same
        return address, None, None


def check_changes(changes: KeyChanges, settings: Settings) -> None:
    """`SettingsError` if there is no key of a name, or one of these cannot be a key."""
    for name, key in changes.items():
        if name not in token_hosts(settings):
            key_named(name)
        if key is not None:
            read_new_key(name, key)
