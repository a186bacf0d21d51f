"""Keys in the environment, in a keychain and in files: what comes first, and what is refused."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import keyring
import pytest
from keyring.backends.fail import Keyring as NoKeychain
from keyring.backends.null import Keyring as KeepsNothing
from keyring.errors import KeyringLocked

from tests.fakes.errors import coded
from tests.fakes.keychain import memory_keychain
from tray_app.errors import ErrorCode, SettingsError
from tray_app.settings.keys import GATEWAY, HUGGING_FACE, KEYS
from tray_app.settings.keystore import Keeper, KeyStore
from tray_app.settings.schema import Settings
from tray_app.system.environment import without_keys
from tray_app.system.keychain import KeychainError, NoKeychainError
from tray_app.system.keyfiles import KeyFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.keychain import MemoryKeychain

VARIABLE = GATEWAY.variables[0]
posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")


@pytest.fixture(autouse=True)
def keychain() -> Iterator[MemoryKeychain]:
    with memory_keychain() as memory:
        yield memory


@pytest.fixture
def environ() -> dict[str, str]:
    return {}


@pytest.fixture
def store(tmp_path: Path, environ: dict[str, str]) -> KeyStore:
    return KeyStore(tmp_path / "keys", environ)


def place_of(store: KeyStore, name: str = "gateway") -> Keeper | None:
    place = store.where(name)
    return place.keeper if place else None


def lock(keychain: MemoryKeychain, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: str) -> str:
        raise KeyringLocked("it is locked")

    monkeypatch.setattr(keychain, "get_password", refuse)
    monkeypatch.setattr(keychain, "set_password", refuse)


def test_the_environment_comes_first_then_the_keychain_then_a_file(
    store: KeyStore, environ: dict[str, str], keychain: MemoryKeychain
) -> None:
    assert (store.get("gateway"), place_of(store)) == (None, None)
    store.set_in_file("gateway", "sk-file")
    assert (store.get("gateway"), place_of(store)) == ("sk-file", Keeper.FILE)
    keychain.set_password("powerinfer-tray", "gateway", "sk-chain")
    assert (store.get("gateway"), place_of(store)) == ("sk-chain", Keeper.KEYCHAIN)
    environ[VARIABLE] = " sk-variable\n"
    assert (store.get("gateway"), place_of(store)) == ("sk-variable", Keeper.ENVIRONMENT)
    environ[VARIABLE] = " "
    assert store.get("gateway") == "sk-chain"


def test_hugging_faces_variables_are_for_hugging_face_alone(store: KeyStore, environ: dict[str, str]) -> None:
    environ |= {"HUGGING_FACE_HUB_TOKEN": "hf_old", "POWERINFER_TRAY_KEY_REMOTE": "sk-remote"}
    assert store.get(HUGGING_FACE.name) == "hf_old"
    environ |= {"HF_TOKEN": "hf_new"}
    assert store.get(HUGGING_FACE.name) == "hf_new"
    assert store.get("remote") == "sk-remote"
    assert store.get("gateway") is store.get("mirror.example") is None


def test_a_key_is_in_one_place_the_one_where_it_was_set_last(store: KeyStore) -> None:
    store.set("gateway", "sk-1")
    store.set_in_file("gateway", "sk-2")
    assert (store.get("gateway"), place_of(store)) == ("sk-2", Keeper.FILE)
    store.set("gateway", "sk-3")
    assert (store.get("gateway"), place_of(store)) == ("sk-3", Keeper.KEYCHAIN)
    store.set_in_file("gateway", "sk-4")
    store.delete("gateway")
    store.delete("gateway")
    assert store.get("gateway") is None


@pytest.mark.parametrize("none", [NoKeychain, KeepsNothing])
def test_without_a_keychain_the_error_says_what_there_is_in_its_place(
    store: KeyStore, none: type[NoKeychain | KeepsNothing]
) -> None:
    keyring.set_keyring(none())
    for key in KEYS:
        with pytest.raises(NoKeychainError) as refused:
            store.set(key.name, "sk-secret")
        assert f"powerinfer-tray key set {key.name} --file" in refused.value.hint
        assert key.variables[0] in refused.value.hint
        assert "sk-secret" not in str(refused.value)
    assert store.get("gateway") is None
    store.set_in_file("gateway", "sk-file")
    assert store.get("gateway") == "sk-file"
    kept = store.kept()
    assert (list(kept.places), kept.has_keychain) == (["gateway"], False)
    store.delete("gateway")
    assert not store.kept().places


def test_a_locked_keychain_is_told_unless_there_is_a_file(
    store: KeyStore, keychain: MemoryKeychain, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock(keychain, monkeypatch)
    for question in (store.get, store.where):
        with pytest.raises(KeychainError, check=coded(ErrorCode.KEYCHAIN_REFUSED), match="it is locked"):
            question("gateway")
    store.set_in_file("gateway", "sk-file")
    assert (store.get("gateway"), place_of(store)) == ("sk-file", Keeper.FILE)


@posix
def test_a_key_file_is_for_its_owner_alone_whatever_the_umask(store: KeyStore, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store.set_in_file("gateway", "sk-1")
    finally:
        os.umask(before)
    file = tmp_path / "keys" / "gateway.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert list(file.parent.iterdir()) == [file]


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_key_file_that_is_open_to_others_is_not_used(store: KeyStore, tmp_path: Path, mode: int) -> None:
    store.set_in_file("gateway", "sk-1")
    file = tmp_path / "keys" / "gateway.key"
    file.chmod(mode)
    with pytest.raises(KeyFileError, check=coded(ErrorCode.KEY_FILE_EXPOSED)) as refused:
        store.get("gateway")
    assert "chmod 600" in refused.value.hint
    assert "sk-1" not in str(refused.value)
    store.set_in_file("gateway", "sk-2")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert store.get("gateway") == "sk-2"


@posix
@pytest.mark.timeout(20)
def test_what_is_no_file_holds_nobody_up(store: KeyStore, tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    os.mkfifo(tmp_path / "keys" / "gateway.key", 0o600)
    (tmp_path / "keys" / "remote.key").mkdir()
    for name in ("gateway", "remote"):
        with pytest.raises(KeyFileError):
            store.get(name)


@pytest.mark.parametrize("content", [b"", b"\n", b"a b\n", b"\xff\xfe", "schlüssel".encode(), b"x" * 4097])
def test_a_file_that_holds_no_key_is_told_without_what_it_holds(
    store: KeyStore, tmp_path: Path, content: bytes
) -> None:
    store.set_in_file("gateway", "sk-1")
    (tmp_path / "keys" / "gateway.key").write_bytes(content)
    with pytest.raises((SettingsError, KeyFileError)) as refused:
        store.get("gateway")
    assert "gateway.key" in str(refused.value)


def test_a_variable_that_holds_no_key_is_named_without_its_value(
    store: KeyStore, environ: dict[str, str]
) -> None:
    environ[VARIABLE] = "my secret"
    with pytest.raises(SettingsError) as refused:
        store.get("gateway")
    assert VARIABLE in str(refused.value)
    assert "my secret" not in str(refused.value)


@pytest.mark.parametrize("name", ["..", "::1", "a/b", "mirror.example"])
def test_every_name_has_a_file_of_its_own_in_the_folder(store: KeyStore, tmp_path: Path, name: str) -> None:
    store.set_in_file(name, "sk-1")
    assert store.get(name) == "sk-1"
    assert [path.parent for path in tmp_path.rglob("*.key")] == [tmp_path / "keys"]


def test_what_cannot_be_a_key_is_kept_in_no_file(store: KeyStore, tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        store.keep({"remote": "sk-1", "gateway": "a b"}, Settings(), in_files=True)
    assert not (tmp_path / "keys").exists()


def test_children_inherit_none_of_the_keys() -> None:
    keys = {name: "secret" for key in KEYS for name in key.variables}
    assert without_keys(keys | {"PATH": "/bin", "HF_HOME": "/cache"}) == {"PATH": "/bin", "HF_HOME": "/cache"}
