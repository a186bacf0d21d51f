"""The Debian package and the tarball, made of a small stand-in for the frozen app."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import contents
import linux
from tray_app import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

_DPKG_DEB = shutil.which("dpkg-deb") or ""

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
    (inside / "licences.txt").write_text("all of them")
    (inside / "licences.txt").chmod(0o600)
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
    assert modes["./usr/lib/powerinfer-tray/_internal/licences.txt"] == "-rw-r--r--"
    assert "./usr/share/applications/powerinfer-tray.desktop" in modes
    assert "./usr/share/icons/hicolor/48x48/apps/powerinfer-tray.png" in modes
    assert "./usr/share/icons/hicolor/scalable/apps/powerinfer-tray.svg" in modes
    assert f"./usr/share/metainfo/{contents.APP_ID}.metainfo.xml" in modes
    assert "./usr/share/doc/powerinfer-tray/copyright" in modes


def test_libraries_that_are_dependencies_are_not_bundled_too(deb: Path) -> None:
    names = of_deb(deb, "--contents")

    assert "libssl.so.3" not in names
    assert "libQt6Core.so.6 -> PySide6/Qt/lib/libQt6Core.so.6" in names


def test_the_same_app_gives_the_same_bytes(frozen: Path, deb: Path, work: Path) -> None:
    def digests(*packages: Path) -> list[str]:
        return [hashlib.sha256(package.read_bytes()).hexdigest() for package in packages]

    before = digests(deb, linux.make_tarball(frozen, work))
    installed_s = 1_600_000_000  # when somebody else has installed the libraries
    os.utime(frozen / "_internal" / "licences.txt", (installed_s, installed_s))

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
    assert release.attrib == {"version": __version__, "date": "2023-11-14"}
    if validator := shutil.which("appstreamcli"):
        file = tmp_path / f"{contents.APP_ID}.metainfo.xml"
        file.write_text(linux.metainfo(), encoding="utf-8")
        subprocess.run([validator, "validate", "--no-net", file], check=True)
