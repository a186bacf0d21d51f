"""Which keys of the local network are taken, and which could be guessed."""

from __future__ import annotations

import secrets

import pytest

from tray_app.errors import SettingsError
from tray_app.settings.keys import GATEWAY, REMOTE, can_be_guessed, read_new_key


@pytest.mark.parametrize(
    "key",
    [
        *("a", "1234", "secret", "sk-house", "a" * 40, "1234567890123456", "12345678901234567890"),
        *("abcdefghijklmnopqrstuvwxyz", "zyxwvutsrqponmlkjihg", "abababababababab", "passwordpassword"),
        *("0000000000000001", "aaaaaaaabbbbbbbb"),
    ],
)
def test_a_key_that_can_be_guessed_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_new_key(GATEWAY.name, key)
    assert key not in str(refused.value) or len(key) < 3
    assert read_new_key(REMOTE.name, key) == key  # that one its server has made


@pytest.mark.parametrize("key", ["sk-of-this-house", "correct-horse-battery", "9f86d081884c7d659a2feaa0"])
def test_a_key_of_some_length_is_taken(key: str) -> None:
    assert read_new_key(GATEWAY.name, key) == key


def test_generated_keys_are_taken() -> None:
    for _ in range(1000):
        assert not can_be_guessed(secrets.token_urlsafe())
        assert not can_be_guessed(secrets.token_hex(16))
