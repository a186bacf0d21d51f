"""Tokens in the keychain, and what is said where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeychain
from keyring.errors import PasswordDeleteError

from tray_app.errors import SettingsError
from tray_app.system.secrets import delete_token, get_token, set_token

if TYPE_CHECKING:
    from collections.abc import Iterator


class Keychain(KeyringBackend):
    """One that forgets."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self._kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self._kept.pop((service, username), None) is None:
            raise PasswordDeleteError(username)


@pytest.fixture(autouse=True)
def own_keychain() -> Iterator[None]:
    before = keyring.get_keyring()
    keyring.set_keyring(Keychain())
    yield
    keyring.set_keyring(before)


def test_a_token_is_kept_under_its_host() -> None:
    set_token("huggingface.co", "hf_secret")
    assert get_token("huggingface.co") == "hf_secret"
    assert get_token("example.org") is None


def test_a_token_is_deleted_whether_it_is_there_or_not() -> None:
    set_token("huggingface.co", "hf_secret")
    delete_token("huggingface.co")
    delete_token("huggingface.co")
    assert get_token("huggingface.co") is None


def test_without_a_keychain_the_error_says_what_to_install() -> None:
    keyring.set_keyring(NoKeychain())  # type: ignore[no-untyped-call]
    for operation in (get_token, delete_token, lambda host: set_token(host, "hf_secret")):
        with pytest.raises(SettingsError, match="no keychain") as caught:
            operation("huggingface.co")
        assert caught.value.hint
