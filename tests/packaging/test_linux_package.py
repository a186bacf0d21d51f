"""The Debian package and the tarball, made of a small stand-in for the frozen app."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import contents
import dev
import linux
import versions
from tray_app import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

_DPKG, _DPKG_DEB, _MD5SUM = (shutil.which(name) or "" for name in ("dpkg", "dpkg-deb", "md5sum"))

pytestmark = pytest.mark.skipif(shutil.which("dpkg-shlibdeps") is None, reason="needs Debian's tools")


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real program that needs a library of the system, and one that PyInstaller has taken from there."""
    folder = tmp_path_factory.mktemp("app") / "frozen"
    inside = folder / "_internal"
    inside.mkdir(parents=True)
    shutil.copy(Path(sys.executable).resolve(), folder / contents.APP)
    (inside / "libssl.so.3").write_bytes(b"\x7fELF")
    (inside / "libQt6Core.so.6").symlink_to("PySide6/Qt/lib/libQt6Core.so.6")
    (inside / "licenses.txt").write_text("all of them")
    (inside / "licenses.txt").chmod(0o600)
    return folder


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for packages, of sources with a date."""
    folder = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(linux, "BUILD", folder / "build")
        patched.setenv("SOURCE_DATE_EPOCH", "1700000000")
        yield folder


@pytest.fixture(scope="module")
def deb(frozen: Path, work: Path) -> Path:
    return linux.make_deb(frozen, work)


def of_deb(package: Path, *command: str) -> str:
    return subprocess.run([_DPKG_DEB, *command, package], capture_output=True, check=True, text=True).stdout


def test_the_package_describes_itself(frozen: Path, deb: Path) -> None:
    fields = dict(line.split(": ", 1) for line in of_deb(deb, "--field").splitlines() if line[0] != " ")
    assert (fields["Package"], fields["Version"]) == (contents.APP, __version__)
    assert fields["Architecture"] in {"amd64", "arm64"}
    assert int(fields["Installed-Size"]) > (frozen / contents.APP).stat().st_size // 1024
    assert any(part.startswith("libc6 (>= ") for part in fields["Depends"].split(", "))
    assert "fonts-dejavu-core | " in fields["Depends"]


def test_everything_lies_where_a_desktop_looks_for_it(deb: Path) -> None:
    rows = [line.split(maxsplit=5) for line in of_deb(deb, "--contents").splitlines()]
    modes = {row[5]: row[0] for row in rows}
    assert {row[1] for row in rows} == {"root/root"}
    assert "./usr/bin/powerinfer-tray -> ../lib/powerinfer-tray/powerinfer-tray" in modes
    assert modes["./usr/lib/powerinfer-tray/powerinfer-tray"] == "-rwxr-xr-x"
    assert modes["./usr/lib/powerinfer-tray/_internal/licenses.txt"] == "-rw-r--r--"
    assert "./usr/share/applications/powerinfer-tray.desktop" in modes
    assert "./usr/share/icons/hicolor/48x48/apps/powerinfer-tray.png" in modes
    assert "./usr/share/icons/hicolor/scalable/apps/powerinfer-tray.svg" in modes
    assert f"./usr/share/metainfo/{contents.APP_ID}.metainfo.xml" in modes
    assert "./usr/share/doc/powerinfer-tray/copyright" in modes


def test_what_somebody_keeps_private_is_everybodys_in_the_package(
    frozen: Path, deb: Path, work: Path, tmp_path: Path
) -> None:
    before = deb.read_bytes()
    private = tmp_path / "private"
    usual = os.umask(0o077)
    try:
        shutil.copytree(frozen, private, symlinks=True, copy_function=shutil.copyfile)
        (private / contents.APP).chmod(0o700)
        made = linux.make_deb(private, work)
    finally:
        os.umask(usual)

    assert {line[1:10] for line in of_deb(made, "--contents").splitlines() if line[0] != "l"} == {
        "rwxr-xr-x",
        "rw-r--r--",
    }
    assert made.read_bytes() == before


def test_the_size_that_it_tells_does_not_hang_on_the_disk(tmp_path: Path) -> None:
    """A folder's own size does: here, it stays as large as its many files have made it."""
    (tmp_path / "folder").mkdir()
    for number in range(500):
        (tmp_path / "folder" / f"{number:0100}").touch()
    for file in (tmp_path / "folder").iterdir():
        file.unlink()
    (tmp_path / "file").write_bytes(bytes(1025))
    (tmp_path / "link").symlink_to("file")

    assert linux.installed_kib(tmp_path) == 2 + 1 + 1


def test_debians_tools_can_tell_a_file_that_was_changed(deb: Path, tmp_path: Path) -> None:
    subprocess.run([_DPKG_DEB, "--raw-extract", deb, tmp_path], check=True)
    sums = (tmp_path / "DEBIAN" / "md5sums").read_text()
    check: list[str | Path] = [_MD5SUM, "--check", "--quiet", "--strict", tmp_path / "DEBIAN" / "md5sums"]

    assert subprocess.run(check, cwd=tmp_path, check=False).returncode == 0
    assert "DEBIAN" not in sums
    files = {path.relative_to(tmp_path).as_posix() for path in (tmp_path / "usr").rglob("*")}
    assert {line.split("  ", 1)[1] for line in sums.splitlines()} == {
        name for name in files if (tmp_path / name).is_file() and not (tmp_path / name).is_symlink()
    }


def test_debian_takes_versions_in_the_order_of_python() -> None:
    in_order = [
        "1.2.0.dev1",
        "1.2.0a1",
        "1.2.0b2",
        "1.2.0rc1.dev3",
        "1.2.0rc1",
        "1.2.0",
        "1.2.0.post1",
        "1.10",
    ]
    told = [versions.debian(version) for version in in_order]

    for earlier, later in pairwise(told):
        compare = [_DPKG, "--compare-versions", earlier, "lt", later]
        assert subprocess.run(compare, check=False).returncode == 0, (earlier, later)


def test_a_trial_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.setattr(linux, "__version__", "1.2.0rc1")

    assert '<release version="1.2.0rc1" date="2023-11-14" type="development"/>' in linux.metainfo()
    assert "\nVersion: 1.2.0~rc1\n" in linux.control("amd64", "libc6", 1)


def test_its_texts_are_read_in_every_locale(tmp_path: Path) -> None:
    (tmp_path / "frozen/_internal").mkdir(parents=True)
    code = "import sys; from pathlib import Path; import linux; linux.install(*map(Path, sys.argv[1:]))"
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(Path(linux.__file__).parent), str(dev.ROOT))),
        "PYTHONCOERCECLOCALE": "0",
        "LC_ALL": "C",
        "SOURCE_DATE_EPOCH": "1700000000",
    }
    command: list[str | Path] = [
        sys.executable,
        "-X",
        "utf8=0",
        "-c",
        code,
        tmp_path / "frozen",
        tmp_path / "tree",
    ]

    done = subprocess.run(command, env=environ, check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    entry = tmp_path / "tree/usr/share/applications/powerinfer-tray.desktop"
    assert "言語モデル" in entry.read_text(encoding="utf-8")


def test_libraries_that_are_dependencies_are_not_bundled_too(deb: Path) -> None:
    names = of_deb(deb, "--contents")

    assert "libssl.so.3" not in names
    assert "libQt6Core.so.6 -> PySide6/Qt/lib/libQt6Core.so.6" in names


def test_the_same_app_gives_the_same_bytes(frozen: Path, deb: Path, work: Path) -> None:
    def digests(*packages: Path) -> list[str]:
        return [hashlib.sha256(package.read_bytes()).hexdigest() for package in packages]

    before = digests(deb, linux.make_tarball(frozen, work))
    installed_s = 1_600_000_000  # when somebody else has installed the libraries
    os.utime(frozen / "_internal" / "licenses.txt", (installed_s, installed_s))

    assert digests(linux.make_deb(frozen, work), linux.make_tarball(frozen, work)) == before


def test_the_tarball_holds_one_folder_that_belongs_to_nobody_here(frozen: Path, work: Path) -> None:
    with tarfile.open(linux.make_tarball(frozen, work)) as archive:
        members = archive.getmembers()

    assert {member.name.split("/")[0] for member in members} == {contents.APP}
    assert {(member.uid, member.gid, member.uname) for member in members} == {(0, 0, "")}
    assert {member.mtime for member in members} == {1700000000}
    # Where there are no dependencies, the libraries stay.
    assert f"{contents.APP}/_internal/libssl.so.3" in {member.name for member in members}


def test_software_centres_can_read_the_description(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    component = ET.fromstring(linux.metainfo())  # noqa: S314  our own

    assert component.findtext("id") == contents.APP_ID
    assert component.findtext("launchable") == f"{contents.APP}.desktop"
    release = component.find("releases/release")
    assert release is not None
    assert release.attrib == {"version": __version__, "date": "2023-11-14", "type": "stable"}
    if validator := shutil.which("appstreamcli"):
        file = tmp_path / f"{contents.APP_ID}.metainfo.xml"
        file.write_text(linux.metainfo(), encoding="utf-8")
        subprocess.run([validator, "validate", "--no-net", file], check=True)
