"""Every key that a person can set: what it is for, and which texts are valid. Pure.

Keys are not settings: `keystore.py` keeps them in the system's keychain, in a variable or in a file. The
dialog and the terminal commands read `KEYS`.
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


PLACEHOLDER = "YOUR_API_KEY"
"""Where a person puts their key, in examples to copy."""


@dataclass(frozen=True, slots=True)
class Key:
    """What is known about one key besides its value."""

    name: str
    """Its name in the keychain and in commands; no setting has the same name."""
    title: Text
    help: Text
    details: Text
    words: Text
    """These four are as in `fields.Field`."""
    setting: str
    """The setting below which the dialog shows it."""
    variables: tuple[str, ...]
    """The environment variables that may contain it; the first one that is set counts."""

    @property
    def group(self) -> str:
        """The group of settings in which the dialog shows it."""
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
"""The fewest characters of the local network's key: too many combinations of letters and digits to try."""
_LEAST_VARIETY = 6
"""The fewest different characters in it, and the fewest different distances between neighboring
characters."""

KeyChanges = Mapping[str, str | None]
"""The new keys by name; None deletes a key."""


def key_named(name: str) -> Key:
    """The key with this name; `SettingsError` if there is none."""
    for key in KEYS:
        if key.name == name:
            return key
    raise SettingsError(
        ErrorCode.KEY_UNKNOWN,
        phrase("There is no key {name}", name=repr(name)),
        phrase("The keys are: {names}.", names=", ".join(key.name for key in KEYS)),
    )


def variables_of(name: str) -> tuple[str, ...]:
    """The environment variables that may contain this key; none for a mirror's token."""
    return next((key.variables for key in KEYS if key.name == name), ())


def read_key(text: str) -> str:
    """`text` if it can be a key; otherwise `SettingsError`, which does not contain it."""
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise SettingsError(
            ErrorCode.KEY_INVALID,
            "This is not a valid key",
            "A key consists of letters, digits and symbols, without spaces.",
        )
    return text


def read_new_key(name: str, text: str) -> str:
    """As `read_key`, for a new key: that of the local network must also be hard to guess."""
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
    """Whether a key is easy to guess, because it is short or has a pattern."""
    steps = {ord(after) - ord(before) for before, after in pairwise(key)}
    repeats = key in (key + key)[1:-1]
    return len(key) < _LEAST_LENGTH or min(len(set(key)), len(steps)) < _LEAST_VARIETY or repeats


def token_hosts(settings: Settings) -> frozenset[str | None]:
    """The hosts of Hugging Face and of its mirror; each has its own token, which is kept under the host's
    name.
    """
    return frozenset({HUGGING_FACE.name, urlsplit(settings.hf_endpoint).hostname})


def token_name(address: str, settings: Settings) -> str | None:
    """The name, a host, under which the token for an address is kept.

    None if the address is neither Hugging Face's nor the mirror's, with the same scheme, host and port.
    """
    for site in (f"https://{HUGGING_FACE.name}", settings.hf_endpoint):
        if place_of(address) == place_of(site):
            return urlsplit(site).hostname
    return None


def place_of(address: str) -> tuple[str, str | None, int | None]:
    """The scheme, host and port of an address, which identify a server; unlike any other for an invalid
    one.
    """
    try:
        parts = urlsplit(address.strip())
        return parts.scheme, parts.hostname, parts.port or _WEB_PORTS.get(parts.scheme)
    except ValueError:
        return address, None, None


def check_changes(changes: KeyChanges, settings: Settings) -> None:
    """`SettingsError` if a name is unknown, or a new key is invalid."""
    for name, key in changes.items():
        if name not in token_hosts(settings):
            key_named(name)
        if key is not None:
            read_new_key(name, key)
