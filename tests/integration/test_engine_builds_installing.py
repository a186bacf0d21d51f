"""Builds are installed from a real server, by files and folders; what they contain is a fake engine."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from tests.fakes.downloads import QUICK
from tests.fakes.engine_archives import FOLDER, LIBRARY, engine_tar, published, tar_of, zip_of
from tests.fakes.errors import coded
from tests.fakes.fake_llama_server import AMX, Mode, llama_server
from tests.fakes.file_server import Drop, FileServer, Stall
from tests.fakes.launches import ShortLauncher, give_no_thread_named
from tests.fakes.processes import all_ended, processes_with
from tray_app.download.queue import DownloadQueue
from tray_app.engine.builds import installing
from tray_app.engine.builds.build import BackEnd, WeightKind
from tray_app.engine.builds.installation import InstallPhase
from tray_app.engine.builds.installing import BuildInstaller, own_id, release_of
from tray_app.engine.builds.proof import Prover
from tray_app.engine.builds.store import EngineStore
from tray_app.engine.engine_kind import EngineKind
from tray_app.errors import AppError, EngineError, ErrorCode
from tray_app.system.disk import DiskSpace
from tray_app.system.host import detect_host

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tray_app.engine.builds.build import PublishedBuild
    from tray_app.engine.builds.installation import Installation

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="makes scripts with a first line"),
    pytest.mark.usefixtures("compared_with_none"),
]
HOST = detect_host()
PROVER = Prover.on(HOST)
ARCHIVE = "llama-b11434-bin-ubuntu-x64.tar.gz"
RUNTIME = "cudart-llama-b11434-bin-ubuntu-cuda-13.4-x64.tar.gz"
PATIENCE_S = 60


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as running:
        yield running


@dataclass
class Seen:
    """What an installer has told, and a way to wait for it."""

    told: list[Installation | None] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)

    def note(self, now: Installation | None) -> None:
        with self.news:
            self.told.append(now)
            self.news.notify_all()

    def wait_for(self, phase: InstallPhase, received_bytes: int = 0) -> None:
        def has_come() -> bool:
            return any(
                each and each.phase is phase and each.received_bytes >= received_bytes for each in self.told
            )

        with self.news:
            assert self.news.wait_for(has_come, PATIENCE_S)

    @property
    def phases(self) -> list[InstallPhase]:
        """Each once per stay."""
        phases = [each.phase for each in self.told if each]
        return [phase for at, phase in enumerate(phases) if at == 0 or phase is not phases[at - 1]]


@dataclass
class Place:
    store: EngineStore
    installer: BuildInstaller
    seen: Seen

    def is_as_new(self) -> bool:
        """Whether nothing is installed, and nothing half made is left."""
        left = [path.name for path in self.store.folder.iterdir()] if self.store.folder.exists() else []
        return self.store.installed() == () and set(left) <= {".downloads"}

    @property
    def kept(self) -> list[str]:
        """The archives that are kept for another attempt."""
        return sorted(path.name for path in (self.store.folder / ".downloads").glob("*/*"))


@contextmanager
def place(folder: Path, *offers: PublishedBuild) -> Iterator[Place]:
    """A store in a folder, and an installer as a run of the app has it."""
    store = EngineStore(folder / "engines")
    queue = DownloadQueue(retry=QUICK)
    installer = BuildInstaller(store, PROVER, offers, lambda: queue)
    seen = Seen()
    installer.changed.connect(seen.note)
    try:
        yield Place(store, installer, seen)
    finally:
        installer.close(10)
        queue.close(10)


def offered(
    server: FileServer, files: Mapping[str, bytes], back_end: BackEnd = BackEnd.CUDA
) -> PublishedBuild:
    for name, content in files.items():
        server.put(f"/{name}", content)
    return published(server.base_url, HOST, files, back_end)


def refused(at: Place, code: ErrorCode) -> AppError:
    with pytest.raises(AppError, check=coded(code)) as caught:
        at.installer.wait(PATIENCE_S)
    assert caught.value.hint
    shown = at.installer.installation()
    assert shown
    assert (shown.phase, shown.error) == (InstallPhase.FAILED, caught.value)
    return caught.value


def test_a_published_build_is_downloaded_unpacked_proven_and_then_installed(
    server: FileServer, tmp_path: Path
) -> None:
    build = offered(server, {ARCHIVE: engine_tar(Mode.RIGHT)}, BackEnd.CPU)
    with place(tmp_path, build) as at:
        at.installer.install(build)
        installed = at.installer.wait(PATIENCE_S)

        assert at.seen.phases == [
            InstallPhase.DOWNLOADING,
            InstallPhase.UNPACKING,
            InstallPhase.PROVING,
            InstallPhase.DONE,
        ]
        assert [each for each in WeightKind if any(now and now.weights is each for now in at.seen.told)] == [
            *WeightKind
        ]
        assert at.store.installed() == (installed,)
        assert (installed.id, installed.kind) == (build.id, EngineKind.LLAMA_SERVER)
        assert (installed.release, installed.sha256) == ("b11434", build.files[0].sha256)
        assert installed.source == f"{server.base_url}/{ARCHIVE}"
        assert all(installed.works_with(each) for each in WeightKind)
        assert installed.program == at.store.folder / build.id / FOLDER / "llama-server"
        assert os.access(installed.program, os.X_OK)
        assert installed.program.with_name(LIBRARY).read_bytes() == b"\x7fELF library"
        at.store.check_unchanged(installed)
        assert at.kept == []


def test_what_belongs_to_a_build_is_laid_beside_its_program(server: FileServer, tmp_path: Path) -> None:
    runtime = tar_of({"libcudart.so.13": b"runtime", LIBRARY: b"another"})
    build = offered(server, {ARCHIVE: engine_tar(), RUNTIME: runtime})
    with place(tmp_path, build) as at:
        at.installer.install(build)
        installed = at.installer.wait(PATIENCE_S)

        assert installed.program.with_name("libcudart.so.13").read_bytes() == b"runtime"
        assert installed.program.with_name(LIBRARY).read_bytes() == b"\x7fELF library"
        assert [each.name for each in installed.devices] == ["NVIDIA GeForce RTX 4070"]
        largest = max(
            now.received_bytes for now in at.seen.told if now and now.phase is InstallPhase.DOWNLOADING
        )
        assert largest == build.size_bytes


def test_a_download_is_paused_and_goes_on_from_there(server: FileServer, tmp_path: Path) -> None:
    content = engine_tar(padding_bytes=200_000)
    build = offered(server, {ARCHIVE: content})
    served = server.files[f"/{ARCHIVE}"]
    served.always = Stall(100_000)
    with place(tmp_path, build) as at:
        at.installer.install(build)
        at.seen.wait_for(InstallPhase.DOWNLOADING, 50_000)
        at.installer.pause()
        with pytest.raises(AppError, check=coded(ErrorCode.DOWNLOAD_PAUSED)):
            at.installer.wait(PATIENCE_S)
        paused = at.installer.installation()
        assert paused
        assert paused.phase is InstallPhase.PAUSED
        assert at.is_as_new()

        served.always = None
        at.installer.resume()
        assert at.installer.wait(PATIENCE_S).id == build.id
    assert served.requests[-1].offset > 0


def test_a_download_goes_on_in_the_next_run_of_the_app(server: FileServer, tmp_path: Path) -> None:
    content = engine_tar(padding_bytes=200_000)
    build = offered(server, {ARCHIVE: content})
    served = server.files[f"/{ARCHIVE}"]
    served.always = Stall(100_000)
    with place(tmp_path, build) as at:
        at.installer.install(build)
        at.seen.wait_for(InstallPhase.DOWNLOADING, 50_000)
    served.always = None
    with place(tmp_path, build) as at:
        left = at.installer.installation()
        assert left
        assert (left.build_id, left.phase, left.total_bytes) == (
            build.id,
            InstallPhase.PAUSED,
            build.size_bytes,
        )
        assert left.received_bytes > 0

        at.installer.resume()
        assert at.installer.wait(PATIENCE_S).id == build.id
    assert served.requests[-1].offset > 0


def test_a_cancelled_installation_leaves_nothing(server: FileServer, tmp_path: Path) -> None:
    build = offered(server, {ARCHIVE: engine_tar(padding_bytes=200_000)})
    server.files[f"/{ARCHIVE}"].always = Stall(100_000)
    with place(tmp_path, build) as at:
        at.installer.install(build)
        at.seen.wait_for(InstallPhase.DOWNLOADING, 50_000)
        at.installer.cancel()
        with pytest.raises(EngineError, check=coded(ErrorCode.CALLED_OFF)):
            at.installer.wait(PATIENCE_S)

        assert at.installer.installation() is None
        assert at.is_as_new()
        assert at.kept == []


def test_a_proof_that_is_cancelled_leaves_nothing_either(server: FileServer, tmp_path: Path) -> None:
    build = offered(server, {ARCHIVE: engine_tar(Mode.HANG)})
    with place(tmp_path, build) as at:
        at.installer.install(build)
        at.seen.wait_for(InstallPhase.PROVING)
        at.installer.cancel()
        with pytest.raises(EngineError, check=coded(ErrorCode.CALLED_OFF)):
            at.installer.wait(PATIENCE_S)

        assert at.is_as_new()
        assert at.kept == []
    assert all_ended(processes_with(str(tmp_path)))


def test_what_is_paused_can_be_forgotten(server: FileServer, tmp_path: Path) -> None:
    build = offered(server, {ARCHIVE: engine_tar(padding_bytes=200_000)})
    server.files[f"/{ARCHIVE}"].always = Stall(100_000)
    with place(tmp_path, build) as at:
        at.installer.install(build)
        at.seen.wait_for(InstallPhase.DOWNLOADING, 50_000)
    with place(tmp_path, build) as at:
        at.installer.cancel()
        assert at.installer.installation() is None
        assert at.kept == []


@pytest.mark.parametrize("missing", [1, 5000])
def test_an_archive_of_another_size_is_not_even_downloaded(
    server: FileServer, tmp_path: Path, missing: int
) -> None:
    content = engine_tar(padding_bytes=20_000)
    build = offered(server, {ARCHIVE: content})
    server.files[f"/{ARCHIVE}"].content = content[:-missing]
    with place(tmp_path, build) as at:
        at.installer.install(build)
        error = refused(at, ErrorCode.CHECKSUM_DIFFERS)

        assert f"{len(content):,}" in error.message
        assert at.is_as_new()
        assert at.kept == []


def test_an_archive_with_another_digest_is_neither_unpacked_nor_kept(
    server: FileServer, tmp_path: Path
) -> None:
    content = engine_tar()
    build = offered(server, {ARCHIVE: content})
    server.files[f"/{ARCHIVE}"].content = bytes([*content[:-1], content[-1] ^ 1])
    with place(tmp_path, build) as at:
        at.installer.install(build)
        refused(at, ErrorCode.CHECKSUM_DIFFERS)

        assert InstallPhase.UNPACKING not in at.seen.phases
        assert at.is_as_new()
        assert at.kept == []


def test_an_archive_that_the_mirror_does_not_have_blames_the_setting(
    server: FileServer, tmp_path: Path
) -> None:
    build = offered(server, {ARCHIVE: engine_tar()})
    del server.files[f"/{ARCHIVE}"]
    with place(tmp_path, build) as at:
        at.installer.install(build)

        assert "“Engine download address”" in refused(at, ErrorCode.SOURCE_FILE_NOT_FOUND).hint
        assert at.is_as_new()
        assert at.kept == []
    with place(tmp_path, build) as at:
        assert at.installer.installation() is None  # nothing has arrived that could be resumed


def test_a_download_that_breaks_off_can_be_resumed(server: FileServer, tmp_path: Path) -> None:
    build = offered(server, {ARCHIVE: engine_tar(padding_bytes=200_000)})
    served = server.files[f"/{ARCHIVE}"]
    served.always = Drop(0)
    with place(tmp_path, build) as at:
        at.installer.install(build)
        with pytest.raises(AppError):
            at.installer.wait(PATIENCE_S)
        served.always = None
        at.installer.resume()
        assert at.installer.wait(PATIENCE_S).id == build.id


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (tar_of({"README.md": b"sources", "src/llama.cpp": b""}), ErrorCode.ENGINE_NOT_IN_ARCHIVE),
        (tar_of({"../llama-server": b"#!/bin/sh\n"}), ErrorCode.ARCHIVE_UNSAFE),
        (zip_of({"../../llama-server": b"#!/bin/sh\n"}), ErrorCode.ARCHIVE_UNSAFE),
        (zip_of({"llama-server": bytes(64 << 20)}), ErrorCode.ARCHIVE_TOO_LARGE),
        (engine_tar()[:-20], ErrorCode.ARCHIVE_UNREADABLE),
    ],
    ids=["without-program", "tar-slip", "zip-slip", "bomb", "cut-short"],
)
def test_an_archive_that_is_none_of_an_engine_changes_nothing(
    server: FileServer, tmp_path: Path, content: bytes, code: ErrorCode
) -> None:
    name = ARCHIVE if content.startswith(b"\x1f\x8b") else "llama.zip"
    build = offered(server, {name: content})
    with place(tmp_path, build) as at:
        at.installer.install(build)
        refused(at, code)

        assert at.is_as_new()
        assert at.kept == []
    assert not (tmp_path / "llama-server").exists()


@pytest.mark.parametrize(
    ("mode", "back_end", "code", "is_kept"),
    [
        (Mode.CRASH_AT_LOAD, BackEnd.CPU, ErrorCode.ENGINE_PROOF_FAILED, False),
        (Mode.WRONG_VECTORS, BackEnd.CPU, ErrorCode.ENGINE_PROOF_FAILED, False),
        (Mode.OLD_GLIBC, BackEnd.CPU, ErrorCode.ENGINE_NEEDS_NEWER_SYSTEM, False),
        (Mode.NO_DEVICE, BackEnd.CUDA, ErrorCode.ENGINE_WITHOUT_CARD, True),
        (Mode.MISSING_RUNTIME, BackEnd.CUDA, ErrorCode.ENGINE_LIBRARY_MISSING, True),
    ],
)
def test_a_build_that_is_not_proven_is_not_installed(
    server: FileServer, tmp_path: Path, mode: Mode, back_end: BackEnd, code: ErrorCode, *, is_kept: bool
) -> None:
    build = offered(server, {ARCHIVE: engine_tar(mode)}, back_end)
    with place(tmp_path, build) as at:
        at.installer.install(build)
        refused(at, code)

        assert at.is_as_new()
        assert at.kept == ([ARCHIVE] if is_kept else [])


def test_the_engine_that_is_there_stays_when_its_successor_is_not_proven(
    server: FileServer, tmp_path: Path
) -> None:
    good = offered(server, {ARCHIVE: engine_tar()})
    with place(tmp_path, good) as at:
        at.installer.install(good)
        installed = at.installer.wait(PATIENCE_S)
        bad = offered(server, {ARCHIVE: engine_tar(Mode.CRASH_AT_LOAD)}, BackEnd.CPU)
        at.installer.install(replace(bad, id=good.id))
        refused(at, ErrorCode.ENGINE_PROOF_FAILED)

        assert at.store.installed() == (installed,)
        at.store.check_unchanged(installed)


def test_one_engine_is_installed_at_a_time(server: FileServer, tmp_path: Path) -> None:
    build = offered(server, {ARCHIVE: engine_tar(Mode.HANG)})
    with place(tmp_path, build) as at:
        at.installer.install(build)
        with pytest.raises(EngineError, check=coded(ErrorCode.INSTALLATION_UNDER_WAY)):
            at.installer.install_file(tmp_path / "other.zip")
        at.installer.cancel()


def test_a_system_that_gives_no_thread_is_told_and_asked_again(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = offered(server, {ARCHIVE: engine_tar()})
    with place(tmp_path, build) as at:
        with monkeypatch.context() as full:
            give_no_thread_named("installing", full)
            with pytest.raises(EngineError, check=coded(ErrorCode.SYSTEM_RESOURCES_EXHAUSTED)):
                at.installer.install(build)
        assert at.installer.installation() is None
        at.installer.install(build)
        assert at.installer.wait(PATIENCE_S).id == build.id


def test_two_programs_do_not_install_at_once(server: FileServer, tmp_path: Path) -> None:
    build = offered(server, {ARCHIVE: engine_tar(Mode.HANG)})
    with place(tmp_path, build) as one, place(tmp_path, build) as other:
        one.installer.install(build)
        one.seen.wait_for(InstallPhase.PROVING)
        other.installer.install(build)
        refused(other, ErrorCode.ENGINES_LOCKED)
        other.installer.cancel()

        assert one.kept == [ARCHIVE]
        one.installer.cancel()


def test_a_full_disk_is_noticed_before_anything_is_downloaded(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = offered(server, {ARCHIVE: engine_tar()})
    monkeypatch.setattr(installing, "disk_space", lambda _: DiskSpace(build.size_bytes, 0))
    with place(tmp_path, build) as at:
        at.installer.install(build)
        error = refused(at, ErrorCode.NOT_ENOUGH_SPACE)

        assert "Resume" in error.hint
        assert server.files[f"/{ARCHIVE}"].requests == []


def test_a_disk_that_fills_while_unpacking_leaves_the_archive(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = offered(server, {ARCHIVE: engine_tar()})
    with place(tmp_path, build) as at:

        def fill(now: Installation | None) -> None:
            if now and now.phase is InstallPhase.UNPACKING:
                monkeypatch.setattr(installing, "disk_space", lambda _: DiskSpace(0, 1))

        at.installer.changed.connect(fill)
        at.installer.install(build)
        refused(at, ErrorCode.NOT_ENOUGH_SPACE)

        assert at.is_as_new()
        assert at.kept == [ARCHIVE]


def test_an_archive_that_a_person_has_is_installed_and_its_digest_shown_and_kept(tmp_path: Path) -> None:
    content = engine_tar(Mode.CRASH_ON_Q4_K)
    given = tmp_path / "My own llama (native).tar.gz"
    given.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    with place(tmp_path) as at:
        at.installer.install_file(given)
        installed = at.installer.wait(PATIENCE_S)

        assert any(now and now.sha256 == digest for now in at.seen.told)
        assert (installed.sha256, installed.source) == (digest, str(given))
        assert (installed.id, installed.release) == ("own-my-own-llama-native", "b11434")
        assert (installed.back_end, installed.is_published) == (BackEnd.CPU, False)
        assert not installed.works_with(WeightKind.Q4_K)
        assert installed.works_with(WeightKind.F16)


@pytest.mark.parametrize("has_others", [True, False])
def test_an_engine_that_crashes_with_amx_is_kept_without_its_library_if_it_has_others(
    tmp_path: Path, *, has_others: bool
) -> None:
    given = tmp_path / "bin" / "llama-server"
    given.parent.mkdir()
    given.write_text(llama_server(Mode.CRASH_WITH_AMX))
    given.chmod(0o755)
    names = {AMX, "libggml-cpu-icelake.so"} if has_others else {AMX}
    for name in names:
        given.with_name(name).touch()
    with place(tmp_path) as at:
        at.installer.install_file(given.parent)
        installed = at.installer.wait(PATIENCE_S)

        libraries = {path.name for path in installed.program.parent.glob("*.so")}
        assert libraries == (names - {AMX} if has_others else names)
        assert installed.works_with(WeightKind.Q4_0) is has_others
        assert installed.works_with(WeightKind.F16)
        at.store.check_unchanged(installed)
    assert given.with_name(AMX).exists()


@pytest.mark.parametrize("named", [ARCHIVE, "."], ids=["archive", "its-folder"])
def test_an_archive_that_a_person_has_is_known_if_it_is_a_published_one(
    server: FileServer, tmp_path: Path, named: str
) -> None:
    files = {ARCHIVE: engine_tar(), RUNTIME: tar_of({"libcudart.so.13": b"runtime"})}
    build = offered(server, files)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with place(tmp_path, build) as at:
        at.installer.install_file(tmp_path / named)
        installed = at.installer.wait(PATIENCE_S)

        assert (installed.id, installed.back_end) == (build.id, BackEnd.CUDA)
        assert installed.program.with_name("libcudart.so.13").exists()
    assert server.files[f"/{ARCHIVE}"].requests == []


def test_a_folder_that_a_person_has_is_copied_and_stays(tmp_path: Path) -> None:
    given = tmp_path / "build"
    (given / "bin").mkdir(parents=True)
    program = given / "bin" / "llama-server"
    program.write_text(llama_server(Mode.RIGHT))
    program.chmod(0o755)
    (given / "bin" / "libggml-vulkan.so").symlink_to(tmp_path / "elsewhere.so")
    (tmp_path / "elsewhere.so").write_bytes(b"\x7fELF")
    (given / "bin" / "libother.so.1").symlink_to("libother.so")
    with place(tmp_path) as at:
        at.installer.install_file(given)
        error = refused(at, ErrorCode.ENGINE_WITHOUT_CARD)
        assert "Vulkan" in error.message

        (given / "bin" / "libggml-vulkan.so").rename(given / "bin" / "libother.so")
        at.installer.resume()
        installed = at.installer.wait(PATIENCE_S)

        assert (installed.sha256, installed.source) == ("", str(given))
        copied = installed.program.with_name("libother.so")
        assert copied.read_bytes() == b"\x7fELF"
        assert not copied.is_symlink()
        assert str(copied.with_name("libother.so.1").readlink()) == "libother.so"
    assert program.exists()


def test_a_program_that_a_person_has_is_installed_with_its_libraries_alone(tmp_path: Path) -> None:
    given = tmp_path / "bin" / "llama-server"
    given.parent.mkdir()
    given.write_text(llama_server(Mode.CUDA))  # which nobody may run, as after a download
    for name in ("libllama.so.1", "quantize", "letter.txt"):
        (given.parent / name).write_text(name)
    with place(tmp_path) as at:
        at.installer.install_file(given)
        installed = at.installer.wait(PATIENCE_S)

        there = {path.name for path in installed.program.parent.iterdir()}
        assert there == {"llama-server", "libllama.so.1", "quantize", "build.json"}


def test_another_folder_of_the_same_name_takes_no_engines_place(tmp_path: Path) -> None:
    with place(tmp_path) as at:
        for above in ("llama", "PowerInfer", "llama"):
            given = tmp_path / above / "build" / "llama-server"
            given.parent.mkdir(parents=True, exist_ok=True)
            given.write_text(llama_server(Mode.CUDA))
            at.installer.install_file(given.parent)
            at.installer.wait(PATIENCE_S)

        assert {each.id: each.source for each in at.store.installed()} == {
            "own-build": str(tmp_path / "llama" / "build"),
            "own-build-2": str(tmp_path / "PowerInfer" / "build"),
        }


@pytest.mark.parametrize("name", ["gone.zip", "gone", "gone.tar.gz"])
def test_what_is_not_there_is_not_installed(tmp_path: Path, name: str) -> None:
    with place(tmp_path) as at:
        at.installer.install_file(tmp_path / name)
        refused(at, ErrorCode.FILE_UNREADABLE)


@pytest.mark.parametrize("name", ["pipe", "pipe.zip"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with place(tmp_path) as at:
        at.installer.install_file(tmp_path / name)
        assert "neither a file nor a folder" in refused(at, ErrorCode.FILE_UNREADABLE).message


def test_a_folder_without_an_engine_is_refused(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "letter.txt").write_text("Dear …")
    with place(tmp_path) as at:
        at.installer.install_file(tmp_path / "documents")
        error = refused(at, ErrorCode.ENGINE_NOT_IN_ARCHIVE)
        assert "documents" in error.title


def test_an_engine_that_works_no_more_is_proven_again_and_its_verdicts_kept(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = offered(server, {ARCHIVE: engine_tar()})
    with place(tmp_path, build) as at:
        at.installer.install(build)
        installed = at.installer.wait(PATIENCE_S)
        at.installer.prove(installed)
        assert at.installer.wait(PATIENCE_S).works_with(WeightKind.F16)

        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
        at.installer.prove(installed)
        refused(at, ErrorCode.ENGINE_WITHOUT_CARD)
        again = at.store.find(build.id)
        assert not again.works_with(WeightKind.F16)
        assert "not find a graphics card" in again.verdicts[WeightKind.F16].reason


def test_a_test_that_the_system_had_no_memory_for_changes_no_verdict(
    server: FileServer, tmp_path: Path
) -> None:
    build = offered(server, {ARCHIVE: engine_tar()})
    with place(tmp_path, build) as at:
        at.installer.install(build)
        installed = at.installer.wait(PATIENCE_S)
        short = replace(PROVER, launcher=ShortLauncher(OSError(errno.ENOMEM, "no memory"), 1))
        again = BuildInstaller(at.store, short, (), DownloadQueue)
        again.prove(installed)
        with pytest.raises(EngineError, check=coded(ErrorCode.SYSTEM_RESOURCES_EXHAUSTED)):
            again.wait(PATIENCE_S)
        again.close(10)
        assert at.store.find(build.id).verdicts == installed.verdicts


@pytest.mark.parametrize(
    ("name", "build_id"),
    [
        ("llama-b11194-bin-ubuntu-x64.tar.gz", "own-llama-b11194-bin-ubuntu-x64"),
        ("Zoë's llama (1).ZIP", "own-zo-s-llama-1"),
        ("llama-server.exe", "own-llama-server"),
        ("太郎.zip", "own"),
        ("x" * 300 + ".zip", "own-" + "x" * 60),
    ],
)
def test_what_a_person_gives_has_a_name_that_every_system_takes(
    tmp_path: Path, name: str, build_id: str
) -> None:
    assert own_id(tmp_path / name) == build_id


@pytest.mark.parametrize(
    ("version", "release"),
    [
        ("11194 (9f70b2cec)", "b11194"),
        ("0.6.0-dev (build 11434, commit sdist)", "b11434"),
        ("0 (unknown)", ""),
        ("1.2.3", ""),
        ("", ""),
    ],
)
def test_the_release_of_an_own_build_is_the_one_it_names(version: str, release: str) -> None:
    assert release_of(version) == release


@pytest.mark.warns("could not be installed")
def test_a_defect_is_told_and_the_next_installation_can_begin(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = offered(server, {ARCHIVE: engine_tar()})
    with place(tmp_path, build) as at:
        with monkeypatch.context() as patch:
            patch.setattr(at.store, "add", _fail)
            at.installer.install(build)
            with pytest.raises(EngineError, check=coded(ErrorCode.INTERNAL_ERROR)):
                at.installer.wait(PATIENCE_S)
        assert at.is_as_new()

        at.installer.install(build)
        assert at.installer.wait(PATIENCE_S).id == build.id


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = tmp_path / "llama-server"
    given.write_text(llama_server(Mode.CUDA))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "engines")

    monkeypatch.setattr(installing, "copy_given", full)
    with place(tmp_path) as at:
        at.installer.install_file(given)
        error = refused(at, ErrorCode.ENGINE_NOT_STORED)
        assert "No space left" in error.message


def _fail(*_: object, **__: object) -> None:
    raise ZeroDivisionError
