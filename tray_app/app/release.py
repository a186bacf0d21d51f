"""A release of this app as GitHub, or a mirror, tells of it: which version, what is new, its files. Pure.

What is told is a stranger's until its signature was checked: addresses at which others could listen, names
that could be no file and versions that are none are left out, texts are cut and made harmless.

What GitHub's API is known to send (from the page «releases» of its documentation): `tag_name`, `body` in
Markdown, `html_url`, `draft`, `prerelease`, and of each of the `assets` its `name` and
`browser_download_url`. The latest release is never a draft or a pre-release there; of a mirror, it may be.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from tray_app.errors import DownloadError, ErrorCode
from tray_app.phrases import phrase, visible
from tray_app.settings.addresses import is_safe_address
from tray_app.system.host import System

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.phrases import Text

SUMS = "SHA256SUMS"
"""The list of digests of all packages, as `sha256sum` writes and checks it."""
SIGNATURE = f"{SUMS}.sig"
"""The Ed25519 signature of that list: its 64 bytes and nothing else, as OpenSSL writes it."""
SIGNATURE_BYTES = 64

_LONGEST_NOTES = 20_000
"""Characters; more than anybody reads before an update."""
_LONGEST_ADDRESS = 2000
_MOST_FILES = 100
_VERSION = re.compile(r"v?((?:0|[1-9][0-9]{0,5})(?:\.(?:0|[1-9][0-9]{0,5})){1,3})")
"""Releases alone: what has letters behind the numbers is a pre-release, and is not told of."""
_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_PRE_RELEASE = re.compile(r"[0-9.]+(?:a|b|rc|dev)[0-9]")
"""As Python writes versions; one with `.post1` or `+local` comes after its release."""
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]{0,127}")
_SUM = re.compile(r"([0-9a-f]{64}) [ *](\S+)")
_DEBIAN_MACHINES = {"x86_64": "amd64"}
"""Those that have another name than in `Host`."""
_KERNEL_MACHINES = {"arm64": "aarch64"}
_DEB_FOLDER = "/usr/lib/powerinfer-tray"
"""Where the Debian package puts the app."""


class PackageKind(StrEnum):
    """The packages of this app."""

    DEB = "deb"
    TARBALL = "tarball"
    APPIMAGE = "appimage"
    DMG = "dmg"
    SETUP = "setup"


class Release(msgspec.Struct, frozen=True):
    """A version that can be had."""

    version: str
    """Numbers with dots between."""
    notes: str = ""
    """What is new, in Markdown."""
    page: str = ""
    """The address of its page; empty if none is told that could be opened safely."""
    files: dict[str, str] = {}
    """The addresses of its files, by their names."""


class _Asset(msgspec.Struct):
    name: str
    browser_download_url: str


class _Told(msgspec.Struct):
    tag_name: str
    body: str | None = None
    html_url: str = ""
    draft: bool = False
    prerelease: bool = False
    assets: tuple[_Asset, ...] = ()


def read_release(content: bytes, source: str) -> Release | None:
    """The release that a JSON document tells of; None if it is none for everybody.

    `source`: the address of the document. An error of `files.NOT_JSON` if it is no such document.
    """
    told = msgspec.json.decode(content, type=_Told)
    version = _VERSION.fullmatch(told.tag_name)
    if told.draft or told.prerelease or version is None:
        return None
    return Release(
        version[1],
        _notes(told.body or ""),
        told.html_url if _can_be_opened(told.html_url, source) else "",
        {
            each.name: each.browser_download_url
            for each in told.assets[:_MOST_FILES]
            if _FILE_NAME.fullmatch(each.name) and _can_be_opened(each.browser_download_url, source)
        },
    )


def _notes(body: str) -> str:
    lines = body[: 2 * _LONGEST_NOTES].replace("\r\n", "\n").replace("\r", "\n")
    text = visible(lines).strip()
    return text if len(text) <= _LONGEST_NOTES else f"{text[:_LONGEST_NOTES]} …"


def _can_be_opened(address: str, source: str) -> bool:
    if len(address) > _LONGEST_ADDRESS or visible(address, "") != address or not is_safe_address(address):
        return False
    # Nobody on the internet is to make requests to the servers of this computer.
    return urlsplit(address).scheme == "https" or urlsplit(source).scheme == "http"


def is_newer(version: str, own: str) -> bool:
    """Whether a release comes after one's own version, which may be a pre-release of the same version."""
    theirs, ours = _numbers(version), _numbers(own)
    return theirs > ours or (theirs == ours and _PRE_RELEASE.match(own) is not None)


def _numbers(version: str) -> tuple[int, ...]:
    """What two versions are compared by: 1.2 and 1.2.0 are the same."""
    found = _NUMBERS.match(version)
    numbers = [int(part) for part in found[0].split(".")] if found else [0]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def package_name(version: str, kind: PackageKind, machine: str) -> str:
    """What a package is called, also by those who make it. `machine` is as in `Host`."""
    match kind:
        case PackageKind.DEB:
            return f"powerinfer-tray_{version}_{debian_machine(machine)}.deb"
        case PackageKind.TARBALL:
            return f"powerinfer-tray-{version}-linux-{machine}.tar.xz"
        case PackageKind.APPIMAGE:
            return f"powerinfer-tray-{version}-{_KERNEL_MACHINES.get(machine, machine)}.AppImage"
        case PackageKind.DMG:
            return f"powerinfer-tray-{version}-macos-{machine}.dmg"
        case PackageKind.SETUP:
            return f"powerinfer-tray-{version}-setup.exe"


def debian_machine(machine: str) -> str:
    """What Debian calls a machine. `machine` is as in `Host`."""
    return _DEBIAN_MACHINES.get(machine, machine)


def package_kind(system: System, bundle: Path | None, mounted: Path | None) -> PackageKind | None:
    """The kind of package that this app came in; None if it runs from its sources or a wheel.

    `bundle`: the folder of the frozen app, see `bundle_folder`. `mounted`: see `appimage_folder`.
    """
    if bundle is None:
        return None
    match system:
        case System.MACOS:
            return PackageKind.DMG
        case System.WINDOWS:
            return PackageKind.SETUP
        case System.LINUX if bundle.is_relative_to(_DEB_FOLDER):
            return PackageKind.DEB
        case System.LINUX if mounted and bundle.is_relative_to(mounted):
            return PackageKind.APPIMAGE
        case System.LINUX:
            return PackageKind.TARBALL


def signed_digest(name: str, sums: bytes, signature: bytes, public_key: bytes) -> str:
    """The SHA-256 of a file in a list that is signed with this key (PEM). `DownloadError` if it is not."""
    # It takes 30 ms to import, and is seldom needed.
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(public_key)
        if not isinstance(key, Ed25519PublicKey):
            raise _untrusted(name, "The key that came with this app is not of the expected kind.")
        key.verify(signature, sums)
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise _untrusted(name, "The key that came with this app cannot be read.") from exc
    except InvalidSignature as exc:
        reason = phrase("The signature of {file} was not made with the key of this app's makers.", file=SUMS)
        raise _untrusted(name, reason) from exc
    for line in sums.decode(errors="replace").splitlines():
        if (found := _SUM.fullmatch(line)) and found[2] == name:
            return found[1]
    raise _untrusted(name, phrase("It is not in the signed list {file}.", file=SUMS))


def _untrusted(name: str, reason: Text) -> DownloadError:
    return DownloadError(
        ErrorCode.UPDATE_NOT_SIGNED,
        phrase("{name} cannot be trusted", name=name),
        reason,
        "Nothing was downloaded. Do not install this version; report it to the makers of this app.",
    )
