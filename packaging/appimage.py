"""Makes an AppImage of a frozen app: one file that runs on any Linux with a C library as new as the build
machine's. Main thread; the same app gives the same bytes. docs/decisions/0022-appimage.md says why.

An AppImage is a small program, the runtime, with the image of a file system behind it, which it mounts and
starts the app from. The runtime is fetched, pinned by digest; without a network no AppImage is made.
"""

from __future__ import annotations

import platform
import shutil
from typing import TYPE_CHECKING

import contents
import engines
import linux
from engines import Pin
from freeze import BUILD, ROOT, PackagingError, give_rights, run_tool
from tray_app import __version__
from tray_app.app.release import PackageKind, package_name
from tray_app.errors import DownloadError, ErrorCode

if TYPE_CHECKING:
    from pathlib import Path

_RELEASE = "https://github.com/AppImage/type2-runtime/releases/download/20251108"
RUNTIMES = {
    "x86_64": "2fca8b443c92510f1483a883f60061ad09b46b978b2631c807cd873a47ec260d",
    "aarch64": "00cbdfcf917cc6c0ff6d3347d59e0ca1f7f45a6df1a428a0d6d8a78664d87444",
}
"""The runtime's SHA-256 for each machine. It is linked statically, so that no libfuse2 is needed."""


def make(frozen: Path, dist: Path) -> list[Path]:
    """The AppImage in the folder `dist`, or none without a runtime; `PackagingError` if a tool fails."""
    package = dist / package_name(__version__, PackageKind.APPIMAGE, linux.host_machine())
    package.unlink(missing_ok=True)  # what an earlier run has left is not of this app
    if (runtime := fetch_runtime(platform.machine())) is None:
        return []
    assemble(frozen, runtime, package)
    try:
        test = run_tool([package, "--appimage-extract-and-run", "selftest", "--json"])
    except PackagingError:
        package.unlink()
        raise
    print(f"The AppImage's self-test passes: {' '.join(test.split())}", flush=True)
    return [package]


def fetch_runtime(machine: str) -> Path | None:
    """The runtime for a machine; None, and why, if it cannot be fetched or none is published.

    `PackagingError` if something else came than what was pinned.
    """
    if machine not in RUNTIMES:
        print(f"No AppImage is made: no runtime is published for {machine}.")
        return None
    name = f"runtime-{machine}"
    pin = Pin(name, f"{_RELEASE}/{name}", RUNTIMES[machine])
    try:
        return engines.verified(pin, engines.DOWNLOADS)
    except DownloadError as exc:
        if exc.code is ErrorCode.CHECKSUM_DIFFERS:
            raise engines.not_to_be_had(pin, exc) from exc
        print(f"No AppImage is made, because its runtime cannot be fetched: {exc.title}.")
        return None


def assemble(frozen: Path, runtime: Path, package: Path) -> None:
    """Put the frozen app behind the runtime; `PackagingError` if a tool fails."""
    tree, image = BUILD / "appimage", BUILD / "appimage.squashfs"
    shutil.rmtree(tree, ignore_errors=True)
    image.unlink(missing_ok=True)
    shutil.copytree(frozen, tree / linux.HOME, symlinks=True)
    # What the specification wants at the top: what to start, and what a desktop shows of it.
    (tree / "AppRun").symlink_to(linux.HOME / contents.APP)
    entry = f"{contents.APP}.desktop"
    shutil.copyfile(linux.TEMPLATES / entry, tree / entry)
    shutil.copyfile(ROOT / "resources" / "icons" / "app.svg", tree / f"{contents.APP}.svg")
    (tree / ".DirIcon").symlink_to(f"{contents.APP}.svg")
    linux.write(tree / f"usr/share/metainfo/{contents.APP_ID}.metainfo.xml", linux.metainfo())
    give_rights(tree)
    linux.date_all(tree)
    # zstd, as each start reads from it.
    packing = ["-comp", "zstd", "-Xcompression-level", "19", "-b", "1M"]
    plain = ["-all-root", "-no-xattrs", "-noappend", "-no-progress", "-quiet"]
    linux.run("mksquashfs", tree, image, *plain, *packing)
    package.parent.mkdir(parents=True, exist_ok=True)
    with package.open("wb") as whole:
        for part in (runtime, image):
            with part.open("rb") as content:
                shutil.copyfileobj(content, whole)
    package.chmod(0o755)
