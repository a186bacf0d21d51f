"""Makes the .deb and the tarball of a frozen app. Main thread; the same app gives the same bytes."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import contents
import versions
from freeze import BUILD, ROOT, PackagingError, give_rights, run_tool, source_date
from tray_app import __version__
from tray_app.app.release import PackageKind, debian_machine, package_name
from tray_app.system.host import normalise_machine

HOME = Path("usr/lib") / contents.APP
"""Where the frozen app lies in an installed system."""
TEMPLATES = Path(__file__).with_name("linux")
ICON_SIZES = (16, 32, 48, 128, 256)
MAINTAINER = "PowerInfer Tray maintainers <noreply@powerinfer-tray.invalid>"
DESCRIPTION = """\
runs language models on this computer for OpenAI clients
 A tray app that downloads a language model, runs it with llama.cpp or
 PowerInfer, and offers it to OpenAI clients at http://127.0.0.1:8080/v1.
 What its user writes stays on the computer."""
_OTHER_LICENSES = f"\nThe licenses of all that it contains: /{HOME}/_internal/licenses.txt\n"


def make(frozen: Path, dist: Path) -> list[Path]:
    """The packages, made in the folder `dist`; `PackagingError` if a tool fails."""
    dist.mkdir(parents=True, exist_ok=True)
    return [make_deb(frozen, dist), make_tarball(frozen, dist)]


def prove(packages: list[Path]) -> None:
    """Use both packages in a small Debian, and remove the .deb; `PackagingError` if anything is off."""
    options = ["-v", "-rP", "-p", "no:cacheprovider", "tests/packaging/proof_linux.py"]
    deb, tarball = map(str, packages)
    # The small Debian shares /tmp with this one, for the sockets of display and session bus lie there.
    told = {"POWERINFER_TRAY_DEB": deb, "POWERINFER_TRAY_TARBALL": tarball, "TMPDIR": "/tmp"}  # noqa: S108
    environ = {**os.environ, **told}
    proof = [sys.executable, "-m", "pytest", *options]
    if subprocess.run(proof, cwd=ROOT, env=environ, check=False).returncode != 0:
        raise PackagingError("The package has not proven itself")


def make_deb(frozen: Path, dist: Path) -> Path:
    """A Debian package, below `/usr` like any other."""
    tree = BUILD / "deb"
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "DEBIAN").mkdir(parents=True)  # by which Debian's tools know a package's root
    install(frozen, tree)
    texts = {
        "control": control(debian_machine(host_machine()), dependencies(tree), installed_kib(tree)),
        "md5sums": md5sums(tree),
        "prerm": (TEMPLATES / "prerm").read_text(encoding="utf-8"),
    }
    for name, text in texts.items():
        write(tree / "DEBIAN" / name, text, executable=name == "prerm")
    give_rights(tree)
    date_all(tree)
    package = dist / package_name(__version__, PackageKind.DEB, host_machine())
    run("dpkg-deb", "--root-owner-group", "-Zxz", "-z9", "-Sextreme", "--build", tree, package)
    return package


def install(frozen: Path, tree: Path) -> None:
    """Lay the files of an installed app below `tree`."""
    shutil.copytree(frozen, tree / HOME, symlinks=True)
    for library in systems_libraries(tree / HOME / "_internal"):
        library.unlink()  # the dependencies bring it, with its security updates
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin" / contents.APP).symlink_to(f"../lib/{contents.APP}/{contents.APP}")
    share, icons = tree / "usr/share", ROOT / "resources" / "icons"
    entry = (TEMPLATES / "powerinfer-tray.desktop").read_text(encoding="utf-8")
    write(share / f"applications/{contents.APP}.desktop", entry)
    write(share / f"metainfo/{contents.APP_ID}.metainfo.xml", metainfo())
    write(
        share / f"doc/{contents.APP}/copyright",
        (ROOT / "LICENSE").read_text(encoding="utf-8") + _OTHER_LICENSES,
    )
    pictures = {f"{size}x{size}": icons / f"app-{size}.png" for size in ICON_SIZES}
    for folder, source in {**pictures, "scalable": icons / "app.svg"}.items():
        target = share / "icons/hicolor" / folder / f"apps/{contents.APP}{source.suffix}"
        target.parent.mkdir(parents=True)
        shutil.copyfile(source, target)


def systems_libraries(inside: Path) -> list[Path]:
    """The libraries that PyInstaller has taken from this machine; those of wheels lie in folders."""
    files = (path for path in inside.glob("lib*.so*") if not path.is_symlink())
    return [path for path in files if not path.name.startswith("libpython")]


def installed_kib(tree: Path) -> int:
    """What an installed package takes, as Debian counts it, so that it is the same on every disk."""
    sizes = (path.stat().st_size for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    others = sum(path.is_symlink() or path.is_dir() for path in tree.rglob("*"))
    return sum(-(-size // 1024) for size in sizes) + others


def md5sums(tree: Path) -> str:
    """The digests by which Debian's tools find out whether an installed file has been changed."""
    files = (path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    names = sorted(path.relative_to(tree).as_posix() for path in files)
    digests = {name: hashlib.md5((tree / name).read_bytes(), usedforsecurity=False) for name in names}
    return "".join(f"{digest.hexdigest()}  {name}\n" for name, digest in digests.items())


def control(machine: str, depends: str, size_kib: int) -> str:
    """The package's own description, as Debian's policy wants it."""
    fields = {
        "Package": contents.APP,
        "Version": versions.debian(__version__),
        "Architecture": machine,
        "Maintainer": MAINTAINER,
        "Installed-Size": str(size_kib),
        "Depends": depends,
        "Section": "utils",
        "Priority": "optional",
        "Description": DESCRIPTION,
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def dependencies(tree: Path) -> str:
    """What Debian's own tool says that the programs and libraries below `tree` need of other packages.

    Libraries of the bundle count as there. Fonts are not linked: without any, Qt shows boxes.
    """
    home = tree / HOME
    programs = [path for path in home.rglob("*") if path.is_file() and not path.is_symlink() and is_elf(path)]
    folders = sorted({path.parent for path in programs})
    work = BUILD / "shlibdeps"
    write(work / "debian/control", f"Source: {contents.APP}\n\nPackage: {contents.APP}\nArchitecture: any\n")
    command = ["dpkg-shlibdeps", "-O", "--ignore-missing-info", "--warnings=0"]
    command += [f"-l{folder}" for folder in folders]
    command += [f"-e{path}" for path in programs]
    line = run(*command, cwd=work).strip()
    found = line.removeprefix("shlibs:Depends=").split(", ")
    return ", ".join(sorted({*found, "fonts-dejavu-core | fonts-freefont-ttf | fonts-noto-core"}))


def is_elf(path: Path) -> bool:
    """Whether a file is a program or library of Linux."""
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def metainfo() -> str:
    """What software centres show, with the version and the day of this release."""
    text = (TEMPLATES / "metainfo.xml").read_text(encoding="utf-8")
    day = datetime.fromtimestamp(source_date(), UTC).date()
    kind = "stable" if versions.debian(__version__) == __version__ else "development"
    return text.format(id=contents.APP_ID, version=__version__, date=day, kind=kind)


def make_tarball(frozen: Path, dist: Path) -> Path:
    """The frozen app alone, for systems without dpkg; it runs from wherever it is unpacked."""
    package = dist / package_name(__version__, PackageKind.TARBALL, host_machine())

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mtime = source_date()
        return member

    with tarfile.open(package, "w:xz", format=tarfile.PAX_FORMAT, preset=9) as archive:
        archive.add(frozen, arcname=contents.APP, filter=plain)  # sorts what is in a folder
    return package


def host_machine() -> str:
    """The machine that this runs on, as the names of packages have it."""
    return normalise_machine(platform.machine())


def write(path: Path, text: str, *, executable: bool = False) -> None:
    """Write a text file of the package, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755 if executable else 0o644)


def date_all(tree: Path) -> None:
    """Give everything the time of the sources."""
    when = source_date()
    for path in (tree, *tree.rglob("*")):
        os.utime(path, (when, when), follow_symlinks=False)


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """What a tool prints in plain English, with the time of the sources for what it makes."""
    environ = {**os.environ, "SOURCE_DATE_EPOCH": str(source_date()), "LC_ALL": "C.UTF-8"}
    return run_tool(command, cwd=cwd, environ=environ)
