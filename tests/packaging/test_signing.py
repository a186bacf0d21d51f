"""The key of those who make releases: made, used, and trusted by the app; with the real OpenSSL."""

from __future__ import annotations

import hashlib
import stat
from typing import TYPE_CHECKING

import pytest

import signing
from signing import KEY_NAME, VARIABLE, SigningError, main, new_key, sign
from tests.fakes.errors import coded
from tray_app.app.release import SIGNATURE, SIGNATURE_BYTES, SUMS, signed_digest
from tray_app.app.updates import KEY_FILE
from tray_app.errors import DownloadError, ErrorCode
from tray_app.system.paths import resources

if TYPE_CHECKING:
    from pathlib import Path

NAME = "powerinfer-tray_1.2.0_amd64.deb"
DIGEST = hashlib.sha256(b"package").hexdigest()


@pytest.fixture
def public_key(tmp_path: Path) -> Path:
    return tmp_path / "release-key.pem"


@pytest.fixture
def secret_key(tmp_path: Path, public_key: Path) -> str:
    new_key(tmp_path, public_key)
    return (tmp_path / KEY_NAME).read_text()


@pytest.fixture
def sums(tmp_path: Path) -> Path:
    (tmp_path / "dist").mkdir()
    file = tmp_path / "dist" / SUMS
    file.write_text(f"{DIGEST}  {NAME}\n")
    return file


def test_the_app_trusts_what_was_signed(secret_key: str, public_key: Path, sums: Path) -> None:
    signature = sign(sums, secret_key, public_key)

    assert signature == sums.with_name(SIGNATURE)
    assert signature.stat().st_size == SIGNATURE_BYTES
    key = public_key.read_bytes()
    assert signed_digest(NAME, sums.read_bytes(), signature.read_bytes(), key) == DIGEST
    with pytest.raises(DownloadError, check=coded(ErrorCode.UPDATE_NOT_SIGNED)):
        signed_digest(NAME, sums.read_bytes() + b" ", signature.read_bytes(), key)


def test_the_key_is_where_the_app_looks_for_it() -> None:
    assert resources() / KEY_FILE == signing.PUBLIC_KEY


def test_the_secret_key_is_its_owners_alone(tmp_path: Path, secret_key: str, public_key: Path) -> None:
    assert stat.S_IMODE((tmp_path / KEY_NAME).stat().st_mode) == 0o600
    assert secret_key.startswith("-----BEGIN PRIVATE KEY-----")
    assert "PRIVATE" not in public_key.read_text()


def test_a_key_is_never_made_in_place_of_another(tmp_path: Path, secret_key: str, public_key: Path) -> None:
    with pytest.raises(SigningError, match="is there already"):
        new_key(tmp_path, tmp_path / "another.pem")
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(SigningError, match="is there already"):
        new_key(tmp_path / "elsewhere", public_key)
    assert (tmp_path / KEY_NAME).read_text() == secret_key


def test_a_key_that_is_not_the_apps_signs_nothing(
    tmp_path: Path, secret_key: str, public_key: Path, sums: Path
) -> None:
    (tmp_path / "other").mkdir()
    new_key(tmp_path / "other", tmp_path / "other.pem")

    with pytest.raises(SigningError, match="is not the secret half"):
        sign(sums, (tmp_path / "other" / KEY_NAME).read_text(), public_key)

    assert secret_key
    assert [each.name for each in sums.parent.iterdir()] == [SUMS]


@pytest.mark.parametrize(
    ("key", "why"), [("", "is not set"), (" \n", "is not set"), ("no key", "failed"), ("\0", "failed")]
)
def test_what_is_no_key_signs_nothing(
    secret_key: str, public_key: Path, sums: Path, key: str, why: str
) -> None:
    assert secret_key
    with pytest.raises(SigningError, match=why):
        sign(sums, key, public_key)


def test_without_a_public_key_nothing_is_signed(
    secret_key: str,
    public_key: Path,
    sums: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    public_key.unlink()
    with pytest.raises(SigningError, match="no app would check"):
        sign(sums, secret_key, public_key)
    monkeypatch.delenv(VARIABLE, raising=False)

    assert main(["sign", str(sums)]) == 1

    assert VARIABLE in capsys.readouterr().err


def test_without_openssl_it_is_said(
    tmp_path: Path, public_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SigningError, match="OpenSSL"):
        new_key(tmp_path, public_key)
