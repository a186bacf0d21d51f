"""The AppImage, made of small stand-ins for the frozen app and for the runtime in front of it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

import appimage
import contents
import engines
import linux
from freeze import PackagingError
from tests.fakes.file_server import FileServer
from tray_app import __version__
from tray_app.app.release import PackageKind, package_name

if TYPE_CHECKING:
    from pathlib import Path

_UNSQUASHFS = shutil.which("unsquashfs") or ""
RUNTIME = b"\x7fELF, and the rest of the runtime" * 100

needs_tools = pytest.mark.skipif(not _UNSQUASHFS, reason="needs squashfs-tools")


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(appimage, "BUILD", tmp_path / "build")
    monkeypatch.setattr(engines, "DOWNLOADS", tmp_path / "downloads")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    return tmp_path


@pytest.fixture
def frozen(tmp_path: Path) -> Path:
    folder = tmp_path / "frozen é"
    (folder / "_internal").mkdir(parents=True)
    program = folder / contents.APP
    program.write_text("#!/bin/sh\necho started\n")
    program.chmod(0o755)
    (folder / "_internal" / "library.so").write_bytes(os.urandom(50_000))
    return folder


def assembled(frozen: Path, work: Path, name: str = "app.AppImage") -> Path:
    runtime = work / "runtime"
    runtime.write_bytes(RUNTIME)
    appimage.assemble(frozen, runtime, work / "dist" / name)
    return work / "dist" / name


@needs_tools
def test_the_image_behind_the_runtime_starts_the_app_and_shows_a_desktop_what_it_is(
    frozen: Path, work: Path
) -> None:
    package = assembled(frozen, work)

    assert package.read_bytes().startswith(RUNTIME)
    assert os.access(package, os.X_OK)
    tree = work / "tree"
    unpack: list[str | Path] = [
        _UNSQUASHFS,
        "-quiet",
        "-no-progress",
        "-offset",
        str(len(RUNTIME)),
        "-dest",
        tree,
        package,
    ]
    subprocess.run(unpack, check=True)
    started = subprocess.run([tree / "AppRun"], check=True, capture_output=True, text=True)
    assert started.stdout == "started\n"
    assert "Exec=powerinfer-tray\n" in (tree / "powerinfer-tray.desktop").read_text(encoding="utf-8")
    assert (tree / "powerinfer-tray.svg").read_bytes().startswith(b"<svg")
    assert (tree / ".DirIcon").samefile(tree / "powerinfer-tray.svg")
    assert (tree / f"usr/share/metainfo/{contents.APP_ID}.metainfo.xml").is_file()
    assert (tree / linux.HOME / "_internal/library.so").stat().st_size == 50_000


@needs_tools
def test_the_same_app_gives_the_same_bytes(frozen: Path, work: Path) -> None:
    first = assembled(frozen, work, "first").read_bytes()
    os.utime(frozen / contents.APP)
    # What somebody else has installed before the last commit, and keeps private.
    os.utime(frozen / "_internal/library.so", (1_600_000_000, 1_600_000_000))
    (frozen / "_internal").chmod(0o700)
    (frozen / "_internal/library.so").chmod(0o600)
    with contextlib.suppress(OSError):  # where the disk keeps no such notes, there are none to be left out
        os.setxattr(frozen / contents.APP, "user.origin", b"elsewhere")

    assert assembled(frozen, work, "second").read_bytes() == first


def published(server: FileServer, monkeypatch: pytest.MonkeyPatch, *, sha256: str) -> None:
    address = server.put("/20251108/runtime-x86_64", RUNTIME).url
    monkeypatch.setattr(appimage, "_RELEASE", address.rpartition("/")[0])
    monkeypatch.setattr(appimage, "RUNTIMES", {"x86_64": sha256})


@pytest.mark.usefixtures("work")
def test_the_runtime_is_fetched_if_it_is_what_was_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    with FileServer() as server:
        published(server, monkeypatch, sha256=hashlib.sha256(RUNTIME).hexdigest())

        runtime = appimage.fetch_runtime("x86_64")

    assert runtime
    assert runtime.read_bytes() == RUNTIME


@pytest.mark.usefixtures("work")
def test_another_runtime_than_the_pinned_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with FileServer() as server:
        published(server, monkeypatch, sha256="0" * 64)

        with pytest.raises(PackagingError, match=r"(?s)runtime-x86_64 cannot be had from .*SHA-256"):
            appimage.fetch_runtime("x86_64")


@needs_tools
def test_an_appimage_whose_self_test_fails_is_not_kept(
    frozen: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = work / "runtime"
    runtime.write_text("#!/bin/sh\nexit 3\n")
    monkeypatch.setattr(appimage, "fetch_runtime", lambda _machine: runtime)

    with pytest.raises(PackagingError, match=r"failed \(3\)"):
        appimage.make(frozen, work / "dist")

    assert not list((work / "dist").iterdir())


def test_without_a_runtime_no_appimage_is_made_and_this_is_said(
    frozen: Path, work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with FileServer() as server:
        published(server, monkeypatch, sha256="0" * 64)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")

    left = work / package_name(__version__, PackageKind.APPIMAGE, "x86_64")
    left.write_bytes(b"of an earlier run")

    assert appimage.make(frozen, work) == []  # the server is gone
    assert not left.exists()
    assert "No AppImage is made, because its runtime cannot be fetched" in capsys.readouterr().out
    assert appimage.fetch_runtime("riscv64") is None
    assert "no runtime is published for riscv64" in capsys.readouterr().out
