"""The build that a package brings along is installed once, if it works here; nobody is bothered if not."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.fakes.engine_archives import engine_tar, published, tar_of
from tests.fakes.fake_llama_server import Mode
from tray_app.download.queue import DownloadQueue
from tray_app.engine.builds.build import BackEnd
from tray_app.engine.builds.carried import carried_archive, install_carried
from tray_app.engine.builds.contents import lay_runtime_beside
from tray_app.engine.builds.installation import InstallPhase
from tray_app.engine.builds.installing import BuildInstaller
from tray_app.engine.builds.proof import Prover
from tray_app.engine.builds.store import EngineStore
from tray_app.system.host import detect_host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tray_app.engine.builds.installation import Installation

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="makes scripts with a first line"),
    pytest.mark.usefixtures("compared_with_none"),
]
HOST = detect_host()
NAME = "llama-b11434-bin-ubuntu-x64.tar.gz"


@contextmanager
def run_of_the_app(store: EngineStore, content: bytes) -> Iterator[BuildInstaller]:
    """The installer of one run, which knows an archive with this content as that of a published build."""
    offers = (published("https://example.invalid/b11434", HOST, {NAME: content}, BackEnd.CPU),)
    installer = BuildInstaller(store, Prover.on(HOST), offers, DownloadQueue)
    try:
        yield installer
    finally:
        installer.close(10)


def package(folder: Path, content: bytes, name: str = NAME) -> Path:
    archive = folder / "package" / name
    archive.parent.mkdir(exist_ok=True)
    archive.write_bytes(content)
    return archive


@pytest.fixture
def store(tmp_path: Path) -> EngineStore:
    return EngineStore(tmp_path / "engines")


def test_it_is_proven_and_installed_as_the_published_build_that_it_is(
    tmp_path: Path, store: EngineStore
) -> None:
    content = engine_tar(Mode.RIGHT)
    archive = package(tmp_path, content)

    with run_of_the_app(store, content) as installer:
        install_carried(archive, store, installer)

    (build,) = store.installed()
    assert (build.id, build.release, build.is_published) == ("b11434-cpu", "b11434", True)
    assert all(verdict.works for verdict in build.verdicts.values())


def test_one_that_a_person_has_removed_is_not_installed_again_but_that_of_the_next_release_is(
    tmp_path: Path, store: EngineStore
) -> None:
    content = engine_tar(Mode.RIGHT)
    archive = package(tmp_path, content)
    with run_of_the_app(store, content) as installer:
        install_carried(archive, store, installer)
    with run_of_the_app(store, content) as installer:
        (store.folder / ".carried").unlink()  # as if the person had downloaded it
        install_carried(archive, store, installer)
        assert installer.installation() is None
    store.remove("b11434-cpu")

    with run_of_the_app(store, content) as installer:
        install_carried(archive, store, installer)
        assert installer.installation() is None
    assert store.installed() == ()

    with run_of_the_app(store, b"") as installer:
        install_carried(package(tmp_path, content, "llama-b11500.tar.gz"), store, installer)
    assert len(store.installed()) == 1


@pytest.mark.parametrize(
    "content",
    [engine_tar(Mode.OLD_GLIBC), tar_of({"readme.txt": b""}), b"damaged"],
    ids=["old glibc", "none", "damaged"],
)
def test_one_that_does_not_work_here_is_tried_once_and_nobody_sees_it(
    tmp_path: Path, store: EngineStore, content: bytes
) -> None:
    archive = package(tmp_path, content)
    for _ in range(2):
        with run_of_the_app(store, content) as installer:
            told: list[object] = []
            installer.changed.connect(told.append)
            install_carried(archive, store, installer)
            assert installer.installation() is None
    assert store.installed() == ()
    assert told == []  # the second time


def test_an_app_that_is_ended_meanwhile_tries_again_at_its_next_start(
    tmp_path: Path, store: EngineStore
) -> None:
    content = engine_tar(Mode.RIGHT)
    archive = package(tmp_path, content)
    with run_of_the_app(store, content) as installer:
        ends = threading.Thread(target=installer.close, args=(60,))

        def end(now: Installation | None) -> None:
            if now and now.phase is InstallPhase.PROVING and not ends.ident:
                ends.start()

        installer.changed.connect(end)
        install_carried(archive, store, installer)
    assert store.installed() == ()

    with run_of_the_app(store, content) as installer:
        install_carried(archive, store, installer)
    assert len(store.installed()) == 1


def test_what_a_person_installs_comes_first(tmp_path: Path, store: EngineStore) -> None:
    content = engine_tar(Mode.RIGHT)
    archive = package(tmp_path, content)
    with run_of_the_app(store, content) as installer:
        installer.install_file(package(tmp_path, engine_tar(Mode.RIGHT, padding_bytes=9), "another.tar.gz"))
        install_carried(archive, store, installer)
        assert installer.wait(60).id != "b11434-cpu"
        installer.cancel()
        install_carried(archive, store, installer)
    assert {build.id for build in store.installed()} > {"b11434-cpu"}


def test_an_app_that_runs_from_its_sources_carries_none(tmp_path: Path) -> None:
    assert carried_archive() is None

    archive = package(tmp_path, b"")
    assert carried_archive(archive.parent) == archive


def test_microsofts_runtime_is_laid_beside_a_program_that_brings_none(tmp_path: Path) -> None:
    bundle, program = tmp_path / "_internal", tmp_path / "engine" / "llama-server.exe"
    for folder in (bundle, program.parent):
        folder.mkdir()
    for name in ("msvcp140.dll", "vcruntime140.dll", "python3.dll"):
        (bundle / name).write_text("of the app")
    program.with_name("vcruntime140.dll").write_text("of the engine")

    lay_runtime_beside(program, bundle)

    found = {path.name: path.read_text() for path in program.parent.iterdir()}
    assert found == {"msvcp140.dll": "of the app", "vcruntime140.dll": "of the engine"}
    lay_runtime_beside(tmp_path / "nowhere" / "llama-server", None)
