"""What is taken of what a server tells of a release, and which package is trusted."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.errors import coded
from tray_app.app.release import is_newer, package_kind, package_name, read_release, signed_digest
from tray_app.errors import DownloadError, ErrorCode
from tray_app.system.files import NOT_JSON
from tray_app.system.host import System

NAME = "powerinfer-tray_1.2.0_amd64.deb"
DIGEST = hashlib.sha256(b"package").hexdigest()
SOURCE = "https://api.github.com/repos/o/n/releases/latest"
MOUNTED = "/tmp/.mount_powerABC"  # noqa: S108 - where AppImages are mounted
SUMS = f"{'0' * 64}  another.deb\n{DIGEST}  {NAME}\n".encode()
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def told(tag: str = "v1.2.0", **more: Any) -> bytes:
    """As GitHub's API tells of a release, with what is of no use here."""
    document = {
        "tag_name": tag,
        "name": "Something",
        "body": "What is **new**",
        "html_url": "https://github.com/o/n/releases/tag/v1.2.0",
        "draft": False,
        "prerelease": False,
        "assets": [{"name": NAME, "browser_download_url": f"https://github.com/o/n/{NAME}", "size": 1}],
        "author": {"login": "o"},
    }
    return json.dumps(document | more).encode()


def test_a_release_is_its_version_text_page_and_files() -> None:
    release = read_release(told(), SOURCE)
    assert release
    assert (release.version, release.notes) == ("1.2.0", "What is **new**")
    assert release.page == "https://github.com/o/n/releases/tag/v1.2.0"
    assert release.files == {NAME: f"https://github.com/o/n/{NAME}"}


@pytest.mark.parametrize(
    "tag",
    [
        "v1.2.0-rc1",
        "1.2.0.dev3",
        "nightly",
        "",
        "v",
        "1",
        "1.2.3.4.5",
        "01.2.3",
        "1..2",
        "1.2.0\n",
        "١.٢.٣",  # noqa: RUF001 - digits of another script
        "9" * 5000 + ".0",
        "v1.2.0; rm -rf ~",
        "-1.2.0",
    ],
)
def test_what_is_no_version_is_no_release(tag: str) -> None:
    assert read_release(told(tag), SOURCE) is None


@pytest.mark.parametrize("mark", ["draft", "prerelease"])
def test_a_draft_and_a_trial_are_no_release_for_everybody(mark: str) -> None:
    more: dict[str, Any] = {mark: True}
    assert read_release(told(**more), SOURCE) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"tag_name": 1}',
        b'{"tag_name": "v1.2.0", "draft": "no"}',
        b'{"tag_name": "v1.2.0", "assets": {}}',
        b"[" * 100_000,
        b"\xff\xfe",
        told()[:-5],
    ],
)
def test_what_is_no_such_document_is_an_error(content: bytes) -> None:
    with pytest.raises(NOT_JSON):
        read_release(content, SOURCE)


@given(st.binary(max_size=300) | st.text(max_size=50).map(lambda text: told(text, body=text, html_url=text)))
def test_any_bytes_are_a_release_none_or_one_of_these_errors(content: bytes) -> None:
    try:
        release = read_release(content, SOURCE)
    except NOT_JSON:
        return
    assert release is None or is_newer(release.version, "0")


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://example.org/",
        "http://127.0.0.1:8080/api/x",
        "http://localhost/",
        "https://user:password@example.org/",
        "https://",
        "//example.org/x",
        "https://example.org/a b",
        "https://example.org/\u202efdp",
        "https://example.org/\x1b[31m",
        "https://example.org:99999/",
        "https://example.org/" + "a" * 3000,
        "",
    ],
)
def test_an_address_that_is_not_safe_is_left_out(address: str) -> None:
    release = read_release(
        told(html_url=address, assets=[{"name": NAME, "browser_download_url": address}]), SOURCE
    )
    assert release
    assert (release.page, release.files) == ("", {})


def test_a_server_of_this_computer_may_name_addresses_of_this_computer() -> None:
    address = "http://127.0.0.1:8080/x"
    files = [{"name": NAME, "browser_download_url": address}]
    release = read_release(told(html_url=address, assets=files), "http://127.0.0.1:8080/latest.json")
    assert release
    assert (release.page, release.files) == (address, {NAME: address})


@pytest.mark.parametrize("name", ["../evil.deb", "a/b", "C:\\x", "", ".hidden", "a\x00b", "a" * 300, "b\n"])
def test_a_name_that_could_be_no_file_of_ours_is_left_out(name: str) -> None:
    release = read_release(
        told(assets=[{"name": name, "browser_download_url": "https://example.org/x"}]), SOURCE
    )
    assert release
    assert not release.files


def test_a_text_is_cut_and_made_harmless() -> None:
    release = read_release(told(body="one\r\ntwo \x1b[31mred\u202e" + "a" * 10_000_000), SOURCE)
    assert release
    assert release.notes.startswith("one\ntwo \\x1b[31mred\\u202e")
    assert len(release.notes) < 20_100


def test_no_text_at_all_is_no_fault() -> None:
    release = read_release(told(body=None, assets=[]), SOURCE)
    assert release
    assert (release.notes, release.files) == ("", {})
    assert msgspec.json.decode(msgspec.json.encode(release), type=type(release)) == release


@pytest.mark.parametrize(
    ("version", "own", "newer"),
    [
        ("1.2.0", "1.1.9", True),
        ("1.10.0", "1.9.0", True),
        ("1.2.0", "1.2.0", False),
        ("1.2", "1.2.0", False),
        ("1.2.0", "1.2", False),
        ("1.2.0.1", "1.2", True),
        ("1.1.9", "1.2.0", False),
        ("0.0.1", "0.1.0", False),
        ("1.2.0", "1.2.0rc1", True),
        ("1.2.0", "1.2.0.dev5", True),
        ("1.2.0", "1.3.0rc1", False),
        ("1.2.0", "1.2.0a1", True),
        ("1.2.0", "1.2.0.dev5+g1234", True),
        ("1.2.0", "1.2.0.post1", False),
        ("1.2.0", "1.2.0+local", False),
        ("1.2.1", "1.2.0+local", True),
        ("1.0", "wild", True),
    ],
)
def test_versions_are_compared_by_their_numbers(version: str, own: str, *, newer: bool) -> None:
    assert is_newer(version, own) is newer


@pytest.mark.parametrize(
    ("system", "machine", "bundle", "name"),
    [
        (System.LINUX, "x86_64", "/usr/lib/powerinfer-tray/_internal", "powerinfer-tray_1.2.0_amd64.deb"),
        (System.LINUX, "arm64", "/usr/lib/powerinfer-tray/_internal", "powerinfer-tray_1.2.0_arm64.deb"),
        (System.LINUX, "x86_64", "/opt/p/_internal", "powerinfer-tray-1.2.0-linux-x86_64.tar.xz"),
        (System.LINUX, "x86_64", "/usr/lib/powerinfer-tray2/x", "powerinfer-tray-1.2.0-linux-x86_64.tar.xz"),
        (System.LINUX, "x86_64", f"{MOUNTED}/usr/lib/p", "powerinfer-tray-1.2.0-x86_64.AppImage"),
        (System.LINUX, "arm64", f"{MOUNTED}/usr/lib/p", "powerinfer-tray-1.2.0-aarch64.AppImage"),
        (System.MACOS, "arm64", "/Applications/P.app", "powerinfer-tray-1.2.0-macos-arm64.dmg"),
        (System.MACOS, "x86_64", "/Applications/P.app", "powerinfer-tray-1.2.0-macos-x86_64.dmg"),
        (System.WINDOWS, "x86_64", "C:/P", "powerinfer-tray-1.2.0-setup.exe"),
    ],
)
def test_each_installation_has_its_package(system: System, machine: str, bundle: str, name: str) -> None:
    kind = package_kind(system, Path(bundle), Path(MOUNTED))
    assert kind
    assert package_name("1.2.0", kind, machine) == name


def test_an_app_that_came_in_no_package_has_none() -> None:
    assert package_kind(System.LINUX, None, Path(MOUNTED)) is None


def test_a_digest_that_is_signed_is_taken() -> None:
    assert signed_digest(NAME, SUMS, KEY.sign(SUMS), PEM) == DIGEST


def other_key() -> bytes:
    return (
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )


@pytest.mark.parametrize(
    ("name", "sums", "signature", "key"),
    [
        pytest.param(NAME, SUMS, KEY.sign(SUMS)[:-1] + b"x", PEM, id="a changed signature"),
        pytest.param(NAME, SUMS, b"", PEM, id="none"),
        pytest.param(NAME, SUMS, KEY.sign(SUMS) + b"x", PEM, id="a longer one"),
        pytest.param(NAME, SUMS.replace(b"0", b"1"), KEY.sign(SUMS), PEM, id="a changed list"),
        pytest.param(NAME, SUMS + b"\n", KEY.sign(SUMS), PEM, id="a longer list"),
        pytest.param(NAME, SUMS, Ed25519PrivateKey.generate().sign(SUMS), PEM, id="signed by somebody else"),
        pytest.param(NAME[:-1], SUMS, KEY.sign(SUMS), PEM, id="not in the list"),
        pytest.param(NAME.replace("2", "3"), SUMS, KEY.sign(SUMS), PEM, id="a list of another version"),
        pytest.param(NAME, SUMS, KEY.sign(SUMS), b"no key", id="no key"),
        pytest.param(NAME, SUMS, KEY.sign(SUMS), other_key(), id="a key of another kind"),
        pytest.param(NAME, b"\xff", KEY.sign(b"\xff"), PEM, id="no text"),
        pytest.param(
            NAME, f"{DIGEST} {NAME}\n".encode(), KEY.sign(f"{DIGEST} {NAME}\n".encode()), PEM, id="no list"
        ),
    ],
)
def test_nothing_else_is(name: str, sums: bytes, signature: bytes, key: bytes) -> None:
    with pytest.raises(DownloadError, check=coded(ErrorCode.UPDATE_NOT_SIGNED)):
        signed_digest(name, sums, signature, key)
