"""Makes the .dmg of a frozen app on a Mac: signs inside out, notarises, staples. Main thread.

Reads two variables; without the first, the app is signed ad hoc, for the machine that built it:

- `MACOS_SIGNING_IDENTITY`: the «Developer ID Application: …» in the keychain
- `MACOS_NOTARY_PROFILE`: the name under which `notarytool store-credentials` has kept an account

What is asked of Apple's tools is put together by pure functions, so that it can be tested on other systems.
"""

from __future__ import annotations

import os
import platform
import plistlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import contents
import versions
from freeze import BUILD, Frozen, run_tool
from tray_app import __version__
from tray_app.app.release import PackageKind, package_name
from tray_app.system.executable import read_executable
from tray_app.system.host import System, normalise_machine

if TYPE_CHECKING:
    from collections.abc import Iterable

MINIMUM_SYSTEM = "13.0"
"""What the tested Qt runs on, see docs/decisions/0001-qt-version.md."""
ENTITLEMENTS = {"com.apple.security.cs.allow-unsigned-executable-memory": True}
"""The one thing that the hardened runtime shall allow: to run what was just written, as `ctypes` must.

Importing it makes a callback, and hangs or aborts where it cannot."""
AD_HOC = "-"
Command = list[str]


def info_plist(version: str) -> dict[str, object]:
    """What the app tells macOS of itself, besides what PyInstaller writes."""
    numbers = ".".join(map(str, versions.numbers(version)[:3]))  # macOS knows no others
    return {
        "CFBundleName": contents.TITLE,
        "CFBundleDisplayName": contents.TITLE,
        "CFBundleVersion": numbers,
        "CFBundleShortVersionString": numbers,
        "CFBundleDevelopmentRegion": "en",
        "CFBundleLocalizations": ["en", "fr", "ja"],
        "LSUIElement": True,  # lives in the menu bar: no icon in the Dock
        "LSBackgroundOnly": False,  # but it has windows
        "LSMinimumSystemVersion": MINIMUM_SYSTEM,
        "LSApplicationCategoryType": "public.app-category.developer-tools",
        "NSHighResolutionCapable": True,
        "NSHumanReadableCopyright": "MIT License",
    }


@dataclass(frozen=True, slots=True)
class Signer:
    """Puts commands together that sign with one identity."""

    identity: str
    entitlements_file: Path

    def command(self, path: Path, *, main: bool = False) -> Command:
        """What signs a file, or a bundle whose parts are signed. Only the app itself has entitlements."""
        command = ["codesign", "--force", "--sign", self.identity]
        # The hardened runtime loads libraries of one team alone, and an ad-hoc signature is of none.
        if self.identity != AD_HOC:
            command += ["--timestamp", "--options", "runtime"]
            if main:
                command += ["--entitlements", str(self.entitlements_file)]
        return [*command, str(path)]

    def commands(self, app: Path, code: Iterable[Path]) -> list[Command]:
        """What signs an app from the inside out, as each signature covers those below it.

        `code`: the Mach-O files in it, links not among them.
        """
        programs = sorted(code)
        bundles = {parent for path in programs for parent in path.parents if parent.suffix == ".framework"}
        nested = sorted(bundles, key=lambda path: (-len(path.parts), path))
        main = app / "Contents" / "MacOS" / contents.APP  # its signature is that of the app
        return [self.command(path) for path in (*programs, *nested) if path != main] + [
            self.command(app, main=True)
        ]


def make(app: Path, dist: Path) -> list[Path]:
    """The disk image, signed and, if an account is named, notarised; `PackagingError` if a tool fails."""
    identity = os.environ.get("MACOS_SIGNING_IDENTITY", AD_HOC)
    profile = os.environ.get("MACOS_NOTARY_PROFILE")
    rights = BUILD / "entitlements.plist"
    machine = normalise_machine(platform.machine())
    rights.write_bytes(plistlib.dumps(ENTITLEMENTS))
    signer = Signer(identity, rights)
    for command in signer.commands(app, code_in(app)):
        run_tool(command)
    run_tool(["codesign", "--verify", "--strict", "--deep", str(app)])
    Frozen.of("macos", app.parent).prove()  # once more, now that the hardened runtime watches it
    if profile:
        archive = BUILD / f"{contents.APP}.zip"
        run_tool(["ditto", "-c", "-k", "--keepParent", str(app), str(archive)])
        notarise(archive, app, profile)
    dist.mkdir(parents=True, exist_ok=True)
    image = dist / package_name(__version__, PackageKind.DMG, machine)
    make_image(app, image)
    run_tool(signer.command(image))
    if profile:
        notarise(image, image, profile)
    return [image]


def notarise(upload: Path, ticket_for: Path, profile: str) -> None:
    """Let Apple look at a file, and attach its ticket to what people get, so that it opens offline too."""
    run_tool(["xcrun", "notarytool", "submit", str(upload), "--keychain-profile", profile, "--wait"])
    run_tool(["xcrun", "stapler", "staple", str(ticket_for)])


def make_image(app: Path, image: Path) -> None:
    """A disk image with the app, and a link to where it goes."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(app, Path(folder) / app.name, symlinks=True)
        (Path(folder) / "Applications").symlink_to("/Applications")
        create = ["hdiutil", "create", "-volname", contents.TITLE, "-format", "UDZO", "-ov", "-srcfolder"]
        run_tool([*create, folder, str(image)])


def code_in(app: Path) -> list[Path]:
    """The Mach-O files of an app, by what they begin with; links left out."""
    files = [path for path in app.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in files if (program := read_executable(path)) and program.system is System.MACOS]
