"""Makes the packages of a system. `python3 dev.py package SYSTEM` runs this in `.venv`. Main thread."""

from __future__ import annotations

import argparse
import platform
import shutil
import sys
from pathlib import Path

import appimage
import engines
import freeze
import linux
import macos
import parts
import windows
from freeze import PackagingError
from tray_app.engine.builds.offers import published_builds
from tray_app.system.host import detect_system, normalise_machine


def make_for_linux(frozen: Path, dist: Path) -> list[Path]:
    """The .deb, the tarball, and the AppImage if there is one."""
    return [*linux.make(frozen, dist), *appimage.make(frozen, dist)]


MAKERS = {"linux": make_for_linux, "macos": macos.make, "windows": windows.make}
NEEDED = {
    "linux": (
        ("dpkg-deb", "dpkg-shlibdeps", "icupkg", "ld", "mksquashfs", "strip"),
        "Debian's dpkg-dev, squashfs-tools, binutils and icu-devtools",
    ),
    "macos": (("codesign", "hdiutil", "xcrun"), "Xcode's command line tools"),
    "windows": (("makensis",), "NSIS 3, and put its folder on the PATH"),
}
"""The programs that make the packages of a system, and what to install for them."""
DIST = freeze.ROOT / "dist"


def main() -> int:
    """Make what the command line asks for; 1 and the reason if that is not possible."""
    parser = argparse.ArgumentParser(prog="dev.py package", description="Make packages, in dist/.")
    parser.add_argument("system", choices=sorted(MAKERS))
    parser.add_argument("--powerinfer", metavar="DIR", type=Path, help="bundle server and quantize from here")
    parser.add_argument("--prove", action="store_true", help="Linux: install, use and remove the .deb")
    options = parser.parse_args()
    if options.prove and options.system != "linux":
        parser.error("--prove is for linux")
    try:
        packages = make(options.system, options.powerinfer and options.powerinfer.resolve())
        if options.prove:
            linux.prove(packages[:2])
    except PackagingError as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


def make(system: str, own_build: Path | None) -> list[Path]:
    """Freeze the app with what belongs into it, let it prove itself, and put it into packages."""
    target = this_platform()
    if not target.startswith(f"{system}-"):
        raise PackagingError(f"Packages for {system} are made on {system}; this is {target}")
    tools, source = NEEDED[system]
    if absent := [tool for tool in tools if shutil.which(tool) is None]:
        raise PackagingError(f"Not on the PATH: {', '.join(absent)}. Install {source}.")
    programs = freeze.BUILD / "programs"
    bundled = engines.gather(target, own_build, programs, engines.Manifest.read())
    carried = engines.carry_llama_cpp(target, published_builds(), freeze.BUILD / "carried")
    frozen = freeze.freeze(system, programs if bundled else None, carried)
    if bundled:
        engines.check_places(frozen.code, target)
    print(f"Unpacked: {freeze.size_bytes(frozen.folder) / 1e6:.0f} MB")
    frozen.prove()
    weights = parts.weigh(frozen)
    packages = MAKERS[system](frozen.folder, DIST)
    for package in packages:
        print(f"{package.stat().st_size / 1e6:6.1f} MB  {package}")
    print(parts.table(weights))
    return packages


def this_platform() -> str:
    """The machine that this runs on, as the app names it in `resources/bin/`."""
    return f"{detect_system(sys.platform)}-{normalise_machine(platform.machine())}"


if __name__ == "__main__":
    sys.exit(main())
