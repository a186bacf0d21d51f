"""Only programs that were pinned, and run on the package's machines, get into a package."""

from __future__ import annotations

import hashlib
import io
import re
import sys
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import engines
from engines import Manifest, Pin
from freeze import PackagingError
from tests.fakes.file_server import FileServer, Status
from tests.fakes.programs import elf, fat, pe
from tray_app.engine.builds.build import BackEnd, PublishedBuild, PublishedFile
from tray_app.engine.builds.offers import published_builds
from tray_app.system.host import System

if TYPE_CHECKING:
    from pathlib import Path

LINUX = "linux-x86_64"
ARCHIVE = "llama-b1-bin-ubuntu-x64.tar.gz"
X86_64, ARM64 = 62, 183
NONE_PUBLISHED = Manifest({}, {LINUX: "none is published"})


@pytest.fixture
def own_build(tmp_path: Path) -> Path:
    folder = tmp_path / "own build"
    folder.mkdir()
    for name in engines.NAMES:
        (folder / name).write_bytes(elf(X86_64))
    return folder


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "downloads"
    monkeypatch.setattr(engines, "DOWNLOADS", folder)
    return folder


def bundle_with(programs: Path, folder: Path) -> Path:
    (folder / "resources").mkdir(parents=True)
    programs.rename(folder / "resources" / "bin")
    return folder


def test_the_manifest_pins_both_programs_of_each_platform_or_says_why_there_is_none() -> None:
    manifest = Manifest.read()

    assert set(manifest.pins) == {"macos-arm64", "macos-x86_64", "windows-arm64"}
    assert set(manifest.unpublished) == {"linux-x86_64", "linux-arm64", "windows-x86_64"}
    for platform, pins in manifest.pins.items():
        assert tuple(pin.name for pin in pins) == engines.program_names(platform)
        # A whole commit: what stands behind a branch or a short name may change.
        assert all(re.search(r"/[0-9a-f]{40}/", pin.url) for pin in pins)
        assert all(re.fullmatch(r"[0-9a-f]{64}", pin.sha256) for pin in pins)


def test_a_platform_is_not_both_pinned_and_unpublished(tmp_path: Path) -> None:
    file = tmp_path / "engines.toml"
    file.write_text(
        '[[programs]]\nplatforms = ["linux-x86_64"]\nname = "server"\nurl = "u"\nsha256 = "s"\n'
        '[unpublished]\nlinux-x86_64 = "?"\n'
    )

    with pytest.raises(PackagingError, match="linux-x86_64"):
        Manifest.read(file)


def test_a_packagers_own_build_is_bundled(own_build: Path, tmp_path: Path) -> None:
    assert engines.gather(LINUX, own_build, tmp_path / "programs", NONE_PUBLISHED)

    engines.check_places(bundle_with(tmp_path / "programs", tmp_path / "bundle"), LINUX)


def test_a_package_without_programs_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not engines.gather(LINUX, None, tmp_path / "programs", NONE_PUBLISHED)

    assert "PowerInfer is not bundled: none is published" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (elf(ARM64), "built for linux-arm64, but is wanted for linux-x86_64"),
        (pe(0x8664), "built for windows-x86_64"),
        (fat(0x0100_0007, 0x0100_000C), "built for macos-x86_64, macos-arm64"),
        (b"#!/bin/sh\n", "is not a program"),
        (b"", "is not a program"),
    ],
    ids=["arm64", "windows", "macos", "script", "empty"],
)
def test_a_program_for_other_machines_is_refused(
    own_build: Path, tmp_path: Path, content: bytes, complaint: str
) -> None:
    (own_build / "quantize").write_bytes(content)

    with pytest.raises(PackagingError, match=complaint):
        engines.gather(LINUX, own_build, tmp_path / "programs", NONE_PUBLISHED)


def test_a_build_without_one_of_the_programs_is_refused(own_build: Path, tmp_path: Path) -> None:
    (own_build / "quantize").unlink()

    with pytest.raises(PackagingError, match="There is no quantize at "):
        engines.gather(LINUX, own_build, tmp_path / "programs", NONE_PUBLISHED)


@pytest.mark.skipif(sys.platform != "linux", reason="this interpreter is an ELF file on Linux")
def test_a_real_program_is_accepted() -> None:
    from pathlib import Path

    import package

    engines.check(Path(sys.executable), package.this_platform())


def test_a_universal_program_serves_both_macs(tmp_path: Path) -> None:
    program = tmp_path / "server"
    program.write_bytes(fat(0x0100_0007, 0x0100_000C))

    engines.check(program, "macos-arm64")
    engines.check(program, "macos-x86_64")


def test_a_program_that_was_put_elsewhere_is_found_out(own_build: Path, tmp_path: Path) -> None:
    engines.gather(LINUX, own_build, tmp_path / "programs", NONE_PUBLISHED)
    bundle = bundle_with(tmp_path / "programs", tmp_path / "bundle")
    right = bundle / "resources" / "bin" / LINUX / "server"

    (bundle / "server").write_bytes(right.read_bytes())
    with pytest.raises(PackagingError, match=r"In the wrong place: .*bundle/server"):
        engines.check_places(bundle, LINUX)

    right.unlink()
    with pytest.raises(PackagingError, match=r"Not where the app looks for it: .*/server"):
        engines.check_places(bundle, LINUX)


def test_a_published_program_is_fetched_once(tmp_path: Path) -> None:
    content = elf(X86_64)
    with FileServer() as server:
        published = server.put("/bin/server", content)
        pin = Pin("server", published.url, hashlib.sha256(content).hexdigest())

        first = engines.fetch("server", (pin,), tmp_path)
        asked = len(published.requests)
        again = engines.fetch("server", (pin,), tmp_path)

    assert first.read_bytes() == content
    assert again == first
    assert len(published.requests) == asked


def test_a_published_program_with_another_digest_is_refused(tmp_path: Path) -> None:
    with FileServer() as server:
        published = server.put("/bin/server", elf(X86_64))
        pin = Pin("server", published.url, hashlib.sha256(b"another").hexdigest())

        with pytest.raises(PackagingError, match="server cannot be had from"):
            engines.fetch("server", (pin,), tmp_path)


def test_a_program_without_a_pin_is_not_fetched(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match=r"engines.toml has no quantize"):
        engines.fetch("quantize", (Pin("server", "http://127.0.0.1:1/", "0" * 64),), tmp_path)


def tarball(name: str, program: bytes) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(program), 0o755
        archive.addfile(member, io.BytesIO(program))
    return content.getvalue()


def published(server: FileServer, content: bytes, *, sha256: str = "") -> tuple[PublishedBuild, ...]:
    """What is on offer: a build for graphics cards, which is not fetched, and one for the processor."""
    address = server.put(f"/b1/{ARCHIVE}", content).url.removesuffix(f"/{ARCHIVE}")
    file = PublishedFile(ARCHIVE, len(content), sha256 or hashlib.sha256(content).hexdigest(), "MIT")
    cpu = PublishedBuild("b1-cpu", "b1", System.LINUX, "x86_64", BackEnd.CPU, address, (file,))
    elsewhere = PublishedFile("none.zip", 1, "0" * 64, "MIT")
    return replace(cpu, id="b1-vulkan", back_end=BackEnd.VULKAN, files=(elsewhere,)), cpu


def test_llama_cpps_own_build_is_carried_as_it_is_published(tmp_path: Path, downloads: Path) -> None:
    content = tarball("llama-b1/llama-server", elf(X86_64))
    (tmp_path / "carried").mkdir()
    (tmp_path / "carried" / "of an earlier release.zip").touch()
    with FileServer() as server:
        builds = published(server, content)
        carried = engines.carry_llama_cpp(LINUX, builds, tmp_path / "carried")

    assert carried is not None
    assert (carried.name, carried.read_bytes()) == (ARCHIVE, content)
    assert list(carried.parent.iterdir()) == [carried]
    # A second package needs no network.
    assert engines.carry_llama_cpp(LINUX, builds, tmp_path / "carried")
    assert [path.name for path in downloads.rglob("*.*")] == [ARCHIVE]


def test_without_a_network_the_package_has_the_wheels_engine_alone_and_says_so(
    tmp_path: Path, downloads: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FileServer() as server:
        builds = published(server, tarball("llama-server", elf(X86_64)))
        published_file = server.put("/b1/llama-b1-bin-ubuntu-x64.tar.gz", b"")
        published_file.always = Status(403)

        assert engines.carry_llama_cpp(LINUX, builds, tmp_path / "carried") is None

    told = capsys.readouterr().out
    assert "llama.cpp's own build is not carried: " in told
    assert "The package has the wheel's alone." in told
    assert not (tmp_path / "carried").exists()
    assert not downloads.exists() or not list(downloads.rglob("*.gz"))


@pytest.mark.usefixtures("downloads")
def test_a_build_with_another_digest_is_refused(tmp_path: Path) -> None:
    with FileServer() as server:
        builds = published(server, tarball("llama-server", elf(X86_64)), sha256="0" * 64)

        with pytest.raises(PackagingError, match=r"(?s)cannot be had from .*SHA-256"):
            engines.carry_llama_cpp(LINUX, builds, tmp_path / "carried")


@pytest.mark.usefixtures("downloads")
@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (
            tarball("llama-b1/llama-server", elf(ARM64)),
            "built for linux-arm64, but is wanted for linux-x86_64",
        ),
        (tarball("llama-b1/llama-cli", elf(X86_64)), "has no llama-server in it"),
        (tarball("../llama-server", elf(X86_64)), "cannot be unpacked"),
        (b"not an archive", "cannot be unpacked"),
    ],
    ids=["arm64", "no server", "climbs out", "not an archive"],
)
def test_an_archive_without_a_program_for_the_platform_is_refused(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    with FileServer() as server, pytest.raises(PackagingError, match=complaint):
        engines.carry_llama_cpp(LINUX, published(server, content), tmp_path / "carried")


@pytest.mark.parametrize("platform", ["macos-arm64", "windows-x86_64"])
def test_packages_carry_no_archive_with_files_that_are_not_signed_or_not_to_be_passed_on(
    platform: str, tmp_path: Path
) -> None:
    assert engines.carry_llama_cpp(platform, published_builds(), tmp_path / "carried") is None


def test_a_machine_for_which_none_is_published_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert engines.carry_llama_cpp("linux-riscv64", published_builds(), tmp_path / "carried") is None
    assert "none is published for linux-riscv64" in capsys.readouterr().out


@pytest.mark.parametrize("platform", ["linux-x86_64", "linux-arm64", "windows-x86_64", "windows-arm64"])
def test_there_is_one_archive_for_the_processor_of_each_platform_that_packages_are_made_for(
    platform: str,
) -> None:
    builds = [
        each
        for each in published_builds()
        if f"{each.system}-{each.machine}" == platform and each.back_end is BackEnd.CPU
    ]

    assert [len(each.files) for each in builds] == [1]
