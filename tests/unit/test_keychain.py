"""Keys in the system's keychain, and what is said where there is none."""

from collections.abc import Iterator

import keyring
import pytest
from keyring.backends.fail import Keyring as NoKeychain
from keyring.errors import KeyringLocked

from tests.fakes.errors import coded
from tests.fakes.keychain import MemoryKeychain, memory_keychain
from tray_app.errors import ErrorCode
from tray_app.system.keychain import KeychainError, NoKeychainError, Secrets


@pytest.fixture
def keychain() -> Iterator[MemoryKeychain]:
    with memory_keychain() as memory:
        yield memory


def test_a_secret_is_kept_and_forgotten(keychain: MemoryKeychain) -> None:
    secrets = Secrets()
    assert secrets.get("remote") is None
    secrets.set("remote", "sk-1")
    assert secrets.get("remote") == "sk-1"
    assert list(keychain.kept) == [("powerinfer-tray", "remote")]
    assert secrets.has("remote")
    secrets.delete("remote")
    secrets.delete("remote")
    assert secrets.get("remote") is None
    assert not secrets.has("remote")


@pytest.mark.usefixtures("keychain")
def test_without_a_keychain_nothing_is_kept_and_that_is_said() -> None:
    keyring.set_keyring(NoKeychain())  # type: ignore[no-untyped-call]
    assert Secrets().get("remote") is None
    Secrets().delete("remote")
    with pytest.raises(NoKeychainError):
        Secrets().has("remote")
    with pytest.raises(KeychainError, check=coded(ErrorCode.KEYCHAIN_MISSING)) as refused:
        Secrets().set("remote", "sk-1")
    assert "sk-1" not in str(refused.value)


def test_a_locked_keychain_says_so(keychain: MemoryKeychain, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: str) -> str:
        raise KeyringLocked("it is locked")

    Secrets().set("remote", "sk-1")
    monkeypatch.setattr(keychain, "delete_password", locked)
    with pytest.raises(KeychainError, check=coded(ErrorCode.KEYCHAIN_REFUSED), match="it is locked"):
        Secrets().delete("remote")
    monkeypatch.setattr(keychain, "get_password", locked)
    for question in (Secrets().get, Secrets().has):
        with pytest.raises(KeychainError, check=coded(ErrorCode.KEYCHAIN_REFUSED), match="it is locked"):
            question("remote")
