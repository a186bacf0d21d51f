"""Makes the packages of a system. `python3 dev.py package SYSTEM` runs this in `.venv`. Main thread."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import Timeout

import appimage
import engines
import freeze
import linux
import macos
import parts
import windows
from freeze import PackagingError
from tray_app import __version__
from tray_app.app.release import PackageKind, package_name
from tray_app.engine.builds.offers import published_builds
from tray_app.system.file_lock import locked
from tray_app.system.host import detect_system, normalise_machine

if TYPE_CHECKING:
    from collections.abc import Iterator


def make_for_linux(frozen: Path, dist: Path) -> list[Path]:
    """The .deb, the tarball, and the AppImage if there is one."""
    return [*linux.make(frozen, dist), *appimage.make(frozen, dist)]


MAKERS = {"linux": make_for_linux, "macos": macos.make, "windows": windows.make}
KINDS = {
    "linux": (PackageKind.DEB, PackageKind.TARBALL, PackageKind.APPIMAGE),
    "macos": (PackageKind.DMG,),
    "windows": (PackageKind.SETUP,),
}
"""What each of them may make."""
NEEDED = {
    "linux": (
        ("dpkg-deb", "dpkg-shlibdeps", "icupkg", "ld", "mksquashfs", "strip"),
        "Debian's dpkg-dev, squashfs-tools, binutils and icu-devtools",
    ),
    "macos": (("codesign", "hdiutil", "xcrun"), "Xcode's command line tools"),
    "windows": (("makensis",), "NSIS 3, and put its folder on the PATH"),
}
"""The programs that make the packages of a system, and what to install for them."""
_FOREVER = -1.0
DIST = freeze.ROOT / "dist"
"""Where packages lie that are whole. They are made elsewhere, as a tool may end in the middle of a file."""


def main() -> int:
    """Make what the command line asks for; 1 and the reason if that is not possible."""
    parser = argparse.ArgumentParser(
        prog="dev.py package", description="Make packages, in dist/.", allow_abbrev=False
    )
    parser.add_argument("system", choices=sorted(MAKERS))
    parser.add_argument("--powerinfer", metavar="DIR", type=Path, help="bundle server and quantize from here")
    parser.add_argument("--prove", action="store_true", help="Linux: install, use and remove the .deb")
    options = parser.parse_args()
    if options.prove and options.system != "linux":
        parser.error("--prove is for linux")
    if options.prove and this_platform().startswith("linux-") and os.geteuid() != 0:
        parser.error("--prove makes a small Debian: only root can. Type it with sudo, or leave --prove out")
    freeze.print_in_any_locale()
    try:
        with one_at_a_time():
            packages = make(options.system, options.powerinfer and options.powerinfer.resolve())
            if options.prove:
                linux.prove(packages[:2])
    except PackagingError as exc:
        print(exc, file=sys.stderr)
        return 1
    except OSError as exc:
        print(
            f"{why(exc)}. See whether it can be written and its disk has room, then try again.",
            file=sys.stderr,
        )
        return 1
    return 0


def why(error: OSError) -> str:
    """What the system says of a file, or of a disk."""
    told = error.strerror or str(error)
    return f"{error.filename}: {told}" if error.filename else told


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Wait while another terminal makes packages in this folder: both would write the same files."""
    freeze.BUILD.mkdir(exist_ok=True)
    file = freeze.BUILD / "packages.lock"
    with ExitStack() as held:
        try:
            held.enter_context(locked(file))
        except Timeout:
            print(
                "Waiting for another terminal that makes packages in this folder …",
                file=sys.stderr,
                flush=True,
            )
            held.enter_context(locked(file, _FOREVER))
        yield


def make(system: str, own_build: Path | None) -> list[Path]:
    """Freeze the app with what belongs into it, let it prove itself, and put it into packages."""
    target = this_platform()
    if not target.startswith(f"{system}-"):
        raise PackagingError(f"Packages for {system} are made on {system}; this is {target}")
    if '"' in str(freeze.ROOT):
        raise PackagingError(
            f"Qt misreads paths with a double quote, such as {freeze.ROOT}. Rename the folder."
        )
    tools, source = NEEDED[system]
    if absent := [tool for tool in tools if shutil.which(tool) is None]:
        raise PackagingError(f"Not on the PATH: {', '.join(absent)}. Install {source}.")
    DIST.mkdir(exist_ok=True)
    tempfile.TemporaryFile(dir=DIST).close()  # what cannot be written is to be known now, not in minutes
    for kind in KINDS[system]:  # what an earlier run has left is not of this app
        (DIST / package_name(__version__, kind, linux.host_machine())).unlink(missing_ok=True)
    programs = freeze.BUILD / "programs"
    bundled = engines.gather(target, own_build, programs, engines.Manifest.read())
    carried = engines.carry_llama_cpp(target, published_builds(), freeze.BUILD / "carried")
    frozen = freeze.freeze(system, programs if bundled else None, carried)
    if bundled:
        engines.check_places(frozen.code, target)
    print(f"Unpacked: {freeze.size_bytes(frozen.folder) / 1e6:.0f} MB")
    frozen.prove()
    weights = parts.weigh(frozen)
    unfinished = freeze.BUILD / "packages"
    shutil.rmtree(unfinished, ignore_errors=True)
    made = MAKERS[system](frozen.folder, unfinished)
    packages = [Path(shutil.move(package, DIST / package.name)) for package in made]
    for package in packages:
        print(f"{package.stat().st_size / 1e6:6.1f} MB  {package}")
    print(parts.table(weights))
    return packages


def this_platform() -> str:
    """The machine that this runs on, as the app names it in `resources/bin/`."""
    return f"{detect_system(sys.platform)}-{normalise_machine(platform.machine())}"


if __name__ == "__main__":
    sys.exit(main())
