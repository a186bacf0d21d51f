"""Gets the engines for a package, and lets in only what was pinned and runs there. Main thread.

PowerInfer's programs are bundled; `engines.toml` pins the published ones, and a packager's own build is
checked the same way, but for its digest. Of llama.cpp, the published build for the processor is carried as it
is published, see docs/decisions/0017-carried-build.md; `resources/engines.toml` pins it.
"""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from freeze import BUILD, PackagingError, sha256
from tray_app.download.queue import DownloadQueue
from tray_app.engine.builds.archive import unpack
from tray_app.engine.builds.build import BackEnd
from tray_app.errors import DownloadError, EngineError, ErrorCode
from tray_app.system.executable import read_executable
from tray_app.system.host import System

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tray_app.engine.builds.build import PublishedBuild

MANIFEST = Path(__file__).with_name("engines.toml")
DOWNLOADS = BUILD / "engines"
NAMES = ("server", "quantize")
LLAMA_SERVER = "llama-server"


@dataclass(frozen=True, slots=True)
class Pin:
    """A published program."""

    name: str
    url: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What `engines.toml` says, by platform (`macos-arm64`): what there is, or why there is nothing."""

    pins: dict[str, tuple[Pin, ...]]
    unpublished: dict[str, str]

    @classmethod
    def read(cls, file: Path = MANIFEST) -> Manifest:
        """Read the file; `PackagingError` if it misses a key or names a platform twice."""
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        pins: dict[str, tuple[Pin, ...]] = {}
        try:
            for row in content["programs"]:
                pin = Pin(row["name"], row["url"], row["sha256"])
                for platform in row["platforms"]:
                    pins[platform] = (*pins.get(platform, ()), pin)
            manifest = cls(pins, dict(content["unpublished"]))
        except KeyError as exc:
            raise PackagingError(f"{file.name} lacks {exc}") from exc
        if both := pins.keys() & manifest.unpublished.keys():
            raise PackagingError(f"{file.name} has programs for {', '.join(both)}, and says there are none")
        return manifest


def program_names(platform: str) -> tuple[str, ...]:
    """The files that the app looks for in `resources/bin/<platform>/`."""
    suffix = ".exe" if platform.startswith(System.WINDOWS) else ""
    return tuple(f"{name}{suffix}" for name in NAMES)


def gather(platform: str, own_build: Path | None, into: Path, manifest: Manifest) -> bool:
    """Put checked programs into `into/<platform>/`; whether there are any for this platform.

    `PackagingError` if one is missing, is not what was pinned, or was built for other machines.
    """
    folder = into / platform
    shutil.rmtree(into, ignore_errors=True)
    if own_build is None and platform not in manifest.pins:
        why = manifest.unpublished.get(platform, "engines.toml does not know this platform")
        print(f"PowerInfer is not bundled: {why}. The package carries llama.cpp alone.")
        return False
    folder.mkdir(parents=True)
    for name in program_names(platform):
        source = own_build / name if own_build else fetch(name, manifest.pins[platform], DOWNLOADS)
        check(source, platform)
        shutil.copyfile(source, folder / name)
        (folder / name).chmod(0o755)
    return True


def check(program: Path, platform: str) -> None:
    """`PackagingError` if a file is no program for a platform."""
    try:
        found = read_executable(program)
    except OSError as exc:
        raise PackagingError(f"There is no {program.name} at {program}: {exc.strerror}") from exc
    if found is None:
        raise PackagingError(f"{program} is not a program")
    if platform not in {f"{found.system}-{machine}" for machine in found.machines}:
        built_for = ", ".join(f"{found.system}-{machine}" for machine in found.machines)
        raise PackagingError(f"{program.name} was built for {built_for}, but is wanted for {platform}")


def check_places(bundle: Path, platform: str) -> None:
    """`PackagingError` unless a bundle's programs lie where the app looks for them, and nowhere else."""
    wanted = {bundle / "resources" / "bin" / platform / name for name in program_names(platform)}
    found = {path for name in program_names(platform) for path in bundle.rglob(name) if _is_file(path)}
    if lost := wanted - found:
        raise PackagingError(f"Not where the app looks for it: {', '.join(map(str, sorted(lost)))}")
    if stray := found - wanted:
        raise PackagingError(f"In the wrong place: {', '.join(map(str, sorted(stray)))}")
    for program in wanted:
        check(program, platform)


def _is_file(path: Path) -> bool:
    """Whether this is the file itself: on macOS, links to it lie in other folders of the app."""
    return path.is_file() and not path.is_symlink()


def fetch(name: str, pins: tuple[Pin, ...], into: Path) -> Path:
    """The published program, by the app's own means: verified, and gone on with if it was interrupted."""
    pin = next((pin for pin in pins if pin.name == name), None)
    if pin is None:
        raise PackagingError(f"engines.toml has no {name} for this platform")
    try:
        return verified(pin, into)
    except DownloadError as exc:
        raise not_to_be_had(pin, exc) from exc


def carry_llama_cpp(platform: str, builds: Iterable[PublishedBuild], into: Path) -> Path | None:
    """Put the archive of llama.cpp's published build for the processor into a folder; None if there is none.

    It is none also where it cannot be fetched: the package then has the engine of the wheel alone, and this
    is said. `PackagingError` if something else came than what was pinned, or it has no program for the
    platform.
    """
    shutil.rmtree(into, ignore_errors=True)
    if not platform.startswith(System.LINUX):
        return None  # docs/decisions/0017-carried-build.md says why
    of_platform = (each for each in builds if f"{each.system}-{each.machine}" == platform)
    build = next((each for each in of_platform if each.back_end is BackEnd.CPU), None)
    if build is None:
        print(f"llama.cpp's own build is not carried: none is published for {platform}.")
        return None
    (file,) = build.files
    pin = Pin(file.name, f"{build.address}/{file.name}", file.sha256)
    try:
        archive = verified(pin, DOWNLOADS)
    except DownloadError as exc:
        if exc.code is ErrorCode.CHECKSUM_DIFFERS:
            raise not_to_be_had(pin, exc) from exc
        print(f"llama.cpp's own build is not carried: {exc.title}. The package has the wheel's alone.")
        return None
    _check_archive(archive, platform)
    into.mkdir(parents=True)
    return Path(shutil.copyfile(archive, into / file.name))


def _check_archive(archive: Path, platform: str) -> None:
    """`PackagingError` unless an archive can be unpacked and has a llama-server for this Linux in it."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            unpack(archive, Path(folder))
        except EngineError as exc:
            raise PackagingError(f"{archive.name} cannot be unpacked: {exc}") from exc
        program = next(Path(folder).rglob(LLAMA_SERVER), None)
        if program is None:
            raise PackagingError(f"{archive.name} has no {LLAMA_SERVER} in it")
        check(program, platform)


def verified(pin: Pin, into: Path) -> Path:
    """The file that was pinned, in a folder of its own; it is fetched once. `DownloadError`."""
    folder = into / pin.sha256[:12]  # another version is another file
    if (kept := folder / pin.name).is_file() and sha256(kept) == pin.sha256:
        return kept
    queue = DownloadQueue()
    try:
        return queue.wait(queue.add(pin.url, folder, sha256=pin.sha256))
    finally:
        queue.close(timeout_s=5)


def not_to_be_had(pin: Pin, why: DownloadError) -> PackagingError:
    """What to say of a file that was pinned and cannot be had."""
    return PackagingError(f"{pin.name} cannot be had from {pin.url}: {why}")
