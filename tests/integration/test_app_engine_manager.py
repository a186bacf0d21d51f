"""What people do with engines: seen, installed from a real server, proven, let go, on a real store."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from tests.fakes.apps import DEADLINE_S, ready, real_app, wait_for_status
from tests.fakes.builds import PROVEN, install
from tests.fakes.downloads import QUICK
from tests.fakes.engine_archives import engine_tar, published
from tests.fakes.errors import coded
from tests.fakes.fake_llama_server import Mode, llama_server
from tests.fakes.file_server import FileServer, Stall
from tray_app.app import engine_manager
from tray_app.app.engine_commands import install as install_by_command
from tray_app.app.engine_manager import EngineManager
from tray_app.app.put_off import PutOff
from tray_app.download.queue import DownloadQueue
from tray_app.engine.builds.build import BackEnd, SetAside, WeightKind
from tray_app.engine.builds.installation import InstallPhase
from tray_app.engine.builds.proof import Proof, Prover
from tray_app.engine.builds.store import EngineStore
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.finding import EngineFinder
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.errors import AppError, EngineError, ErrorCode
from tray_app.gateway.control.commands import Cancellation, InstallingEngine
from tray_app.settings.schema import Settings
from tray_app.system.host import detect_host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import msgspec

    from tray_app.app.root import App
    from tray_app.engine.builds.build import PublishedBuild

scripts = pytest.mark.skipif(sys.platform == "win32", reason="the fake engine is a script")
HOST = detect_host()
ARCHIVE = "llama-b11434-bin-ubuntu-x64.tar.gz"
ADDRESS = "https://example.org/b1"


@dataclass
class Place:
    """A manager on a folder of its own, and what the app around it would see."""

    store: EngineStore
    manager: EngineManager
    in_use: dict[str, tuple[str, ...]]
    acted: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def has_acted(self) -> bool:
        """Whether the app was told that another engine may be the best one."""
        return self.acted.acquire(timeout=DEADLINE_S)


@contextmanager
def managing(folder: Path) -> Iterator[Place]:
    store, acted = EngineStore(folder / "engines"), threading.Semaphore(0)
    in_use: dict[str, tuple[str, ...]] = {}
    queues: list[DownloadQueue] = []

    def new_queue() -> DownloadQueue:
        queues.append(DownloadQueue(retry=QUICK))
        return queues[-1]

    manager = EngineManager(
        store,
        EngineFinder(HOST, store),
        HOST,
        settings=Settings,
        new_queue=new_queue,
        in_use=lambda: in_use,
        act_on_change=acted.release,
        put_off=PutOff(folder / "put-off.json"),
    )
    try:
        yield Place(store, manager, in_use, acted)
    finally:
        manager.close(10)
        for queue in queues:
            queue.close(10)


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Place]:
    with managing(tmp_path) as place:
        yield place


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as running:
        yield running


@pytest.fixture
def proven_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proofs that need no engine: theirs are in the tests of the proof."""
    proof = Proof(EngineKind.LLAMA_SERVER, BackEnd.CPU, "11434", (), PROVEN, speed=None)
    monkeypatch.setattr(Prover, "prove", lambda *_: proof)


def offer(
    server: FileServer,
    monkeypatch: pytest.MonkeyPatch,
    terms: str = "MIT",
    *,
    mode: Mode = Mode.RIGHT,
    back_end: BackEnd = BackEnd.CPU,
    padding_bytes: int = 0,
) -> PublishedBuild:
    """A build of the fake engine that is on offer at a server, and nothing else."""
    content = engine_tar(mode, padding_bytes)
    server.put(f"/{ARCHIVE}", content)
    build = published(server.base_url, HOST, {ARCHIVE: content}, back_end)
    build = replace(build, files=tuple(replace(each, terms=terms) for each in build.files))
    monkeypatch.setattr(engine_manager, "published_builds", lambda **_: (build,))
    return build


# Looking


def test_an_overview_has_what_is_installed_and_how_things_stand_with_it(at: Place) -> None:
    good, changed = install(at.store, "b1-cuda"), install(at.store, "b1-vulkan", BackEnd.VULKAN)
    install(at.store, "b1-cpu", BackEnd.CPU)
    (at.store.folder / "b1-cpu.json").write_text("{}")
    changed.program.with_name("version.dll").write_text("loads first")
    at.store.set_aside("b1-cuda", "bge", "out of memory")
    at.in_use["b1-cuda"] = ("Gemma",)

    seen = at.manager.overview()

    assert [(each.build, each.changed, each.in_use_by) for each in seen.installed] == [
        (changed, True, ()),
        (good, False, ("Gemma",)),
    ]
    assert [each.size_bytes for each in seen.installed] == [good.size_bytes, changed.size_bytes]
    assert [each.set_aside for each in seen.installed] == [
        (),
        (SetAside("b1-cuda", "bge", "out of memory"),),
    ]
    assert [each.id for each in seen.broken] == ["b1-cpu"]
    assert {(each.system, each.machine) for each in seen.offers} <= {(HOST.system, HOST.machine)}
    assert str(seen.advice.sentence)


def test_an_engine_that_has_changed_does_the_same_as_none(
    at: Place, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    advised = offer(server, monkeypatch)
    build = install(at.store, "own-cpu", BackEnd.CPU, source="/opt/engine.zip", speed=1.2)
    assert at.manager.overview().advice.build is None
    build.program.unlink()

    assert at.manager.overview().advice.build == advised
    assert at.manager.advice().build == advised


def test_what_an_ended_program_has_left_is_deleted_when_the_app_begins(at: Place) -> None:
    left = at.store.folder / ".new-1234"
    left.mkdir(parents=True)
    at.manager.begin()
    at.manager.close(DEADLINE_S)
    assert not left.exists()


@pytest.mark.skipif(HOST.apple_silicon, reason="the wheel is there for other machines, too")
def test_an_overview_has_the_engines_that_need_no_installation(at: Place) -> None:
    pytest.importorskip("xllamacpp", reason="there is no wheel of xllamacpp for this platform")

    assert EngineKind.LLAMA_CPP in [each.kind for each in at.manager.overview().at_hand]


def test_a_list_of_offers_that_cannot_be_read_is_told_and_hinders_no_status(
    at: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: object) -> tuple[PublishedBuild, ...]:
        raise EngineError(ErrorCode.ENGINE_LIST_UNREADABLE, "The list could not be read")

    monkeypatch.setattr(engine_manager, "published_builds", broken)

    assert at.manager.installation() is None
    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_LIST_UNREADABLE)):
        at.manager.overview()


def test_what_is_not_on_offer_here_is_not_installed(at: Place) -> None:
    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_NOT_ON_OFFER)):
        at.manager.install("b0-abacus")


# Installing


@scripts
@pytest.mark.usefixtures("proven_at_once")
def test_an_offer_is_installed_and_the_app_told_that_it_can_be_used(
    at: Place, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = offer(server, monkeypatch)
    phases: list[InstallPhase | None] = []

    def note() -> None:
        shown = at.manager.installation()
        phases.append(shown.phase if shown else None)

    at.manager.changed.connect(note)
    at.manager.install(build.id)
    installed = at.manager.wait(DEADLINE_S)

    assert at.has_acted()
    assert (installed.id, installed.source) == (build.id, f"{server.base_url}/{ARCHIVE}")
    assert at.store.installed() == (installed,)
    assert {InstallPhase.DOWNLOADING, InstallPhase.PROVING, InstallPhase.DONE} <= set(phases)
    at.manager.prove(build.id)
    assert at.manager.wait(DEADLINE_S).works_with(WeightKind.Q4_K)
    assert at.has_acted()


@pytest.mark.usefixtures("proven_at_once")
def test_a_command_asks_for_terms_before_anything_is_fetched(
    at: Place, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = offer(server, monkeypatch, terms="NVIDIA")
    told: list[msgspec.Struct] = []

    with pytest.raises(AppError, check=coded(ErrorCode.TERMS_NOT_ACCEPTED)) as asked:
        install_by_command(at.manager, InstallingEngine(build.id), told.append, Cancellation())

    assert "NVIDIA" in asked.value.message
    assert f"{build.id} --yes" in asked.value.hint
    assert not server.files[f"/{ARCHIVE}"].asked.is_set()
    wish = InstallingEngine(build.id, accepts_terms=True)
    assert install_by_command(at.manager, wish, told.append, Cancellation()).id == build.id
    assert told


@pytest.mark.usefixtures("proven_at_once")
def test_a_command_that_is_ended_pauses_the_download_and_goes_on_with_it(
    at: Place, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = offer(server, monkeypatch, padding_bytes=300_000)
    served = server.files[f"/{ARCHIVE}"]
    served.always = Stall(after_bytes=100_000)
    cancelled, comes = Cancellation(), threading.Event()

    def look(now: msgspec.Struct) -> None:
        if getattr(now, "received_bytes", 0) >= 100_000:  # all that comes
            comes.set()

    def press_ctrl_c() -> None:
        comes.wait(DEADLINE_S)
        cancelled.set()

    pressing = threading.Thread(target=press_ctrl_c)
    pressing.start()
    with pytest.raises(AppError, check=coded(ErrorCode.DOWNLOAD_PAUSED)) as paused:
        install_by_command(at.manager, InstallingEngine(build.id), look, cancelled)
    pressing.join()
    assert "bytes have been downloaded" in paused.value.message

    served.always, before = None, len(served.requests)
    done = install_by_command(at.manager, InstallingEngine(build.id), lambda _: None, Cancellation())
    assert done.works_with == tuple(WeightKind)
    assert min(each.offset for each in served.requests[before:]) >= 100_000


@pytest.mark.usefixtures("proven_at_once")
def test_a_file_is_installed_unless_an_offer_has_its_name(
    at: Place, server: FileServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    build = offer(server, monkeypatch)
    program = tmp_path / "mine"
    program.mkdir()
    (program / "llama-server").write_text(llama_server(Mode.RIGHT))
    (program / "llama-server").chmod(0o700)

    mine = install_by_command(at.manager, InstallingEngine("mine", program), lambda _: None, Cancellation())
    theirs = install_by_command(at.manager, InstallingEngine(build.id, program), print, Cancellation())

    assert (mine.source, theirs.source) == (str(program), f"{server.base_url}/{ARCHIVE}")


def test_without_a_name_a_command_installs_what_is_advised_or_says_why_nothing_is(
    at: Place, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = offer(server, monkeypatch, back_end=BackEnd.CUDA)
    monkeypatch.setattr(at.manager, "_host", replace(HOST, gpus=(), adapters=()))

    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_NOT_ON_OFFER)) as told:
        install_by_command(at.manager, InstallingEngine(), print, Cancellation())

    assert told.value.message == str(at.manager.advice().sentence)
    assert build.id not in told.value.message


def test_what_an_unfinished_installation_has_left_can_be_removed(
    at: Place, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = offer(server, monkeypatch)
    server.files.clear()
    at.manager.install(build.id)
    with pytest.raises(AppError, check=coded(ErrorCode.SOURCE_FILE_NOT_FOUND)):
        at.manager.wait(DEADLINE_S)
    assert at.manager.installation()

    at.manager.remove(build.id)

    assert at.manager.installation() is None
    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_NOT_INSTALLED)):
        at.manager.remove(build.id)


# Removing


def test_an_engine_that_runs_a_model_stays(at: Place) -> None:
    install(at.store)
    at.in_use["b1-cuda"] = ("Gemma", "BGE")

    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_IN_USE)) as refused:
        at.manager.remove("b1-cuda")

    assert "Gemma, BGE" in refused.value.message
    assert at.store.find("b1-cuda")


def test_a_removed_engine_is_gone_and_the_app_told(at: Place) -> None:
    build = install(at.store)

    assert at.manager.remove("b1-cuda") == build.size_bytes
    assert at.has_acted()
    assert at.store.installed() == ()


def test_an_engine_that_is_allowed_again_is_told_with_its_models(at: Place) -> None:
    install(at.store)
    for model in ("bge", "gemma"):
        at.store.set_aside("b1-cuda", model, "it crashed")

    assert at.manager.allow_again("b1-cuda", "bge") == ("bge",)
    assert at.has_acted()
    assert at.manager.allow_again("b1-cuda") == ("gemma",)
    assert at.store.set_asides() == ()


def test_the_build_before_goes_when_the_new_one_has_run_a_model_and_nothing_uses_the_old_one(
    at: Place,
) -> None:
    for build_id in ("b1-cuda", "b2-cuda"):
        install(at.store, build_id)
    at.store.served("b2-cuda")
    at.in_use["b1-cuda"] = ("Gemma",)
    at.manager.clean_up()
    assert len(at.store.installed()) == 2

    gone = threading.Event()
    at.in_use.clear()
    at.store.changed.connect(gone.set)
    at.manager.let_older_go("b2-cuda")

    assert gone.wait(DEADLINE_S)
    assert [each.id for each in at.store.installed()] == ["b2-cuda"]


def test_an_old_build_whose_files_are_open_stays_for_now(at: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for build_id in ("b1-cuda", "b2-cuda"):
        install(at.store, build_id)
    at.store.served("b2-cuda")

    def refuse(_path: Path, _target: Path) -> Path:
        raise PermissionError(13, "It is open")

    monkeypatch.setattr("pathlib.Path.rename", refuse)
    at.manager.clean_up()

    assert len(at.store.installed()) == 2


def test_a_manager_that_was_closed_begins_nothing_more(tmp_path: Path) -> None:
    with managing(tmp_path) as at:
        install(at.store)
        at.manager.close(10)
        at.manager.remove("b1-cuda")

        assert not at.acted.acquire(blocking=False)


# With an app around it


def build_of(app: App) -> str | None:
    """The installed build that runs the chosen model."""
    plan = app.status().engine.plan
    return plan.engine.build.id if isinstance(plan, LaunchPlan) and plan.engine.build else None


@scripts
def test_an_app_runs_what_was_installed_and_lets_the_one_before_go() -> None:
    pytest.importorskip("xllamacpp", reason="the fake engine serves with it")
    program = llama_server(Mode.RIGHT)
    with real_app() as app:
        for build_id in ("b1-cpu", "b2-cpu"):
            install(app.engine_store, build_id, BackEnd.CPU, text=program, speed=2.0)
        gone = threading.Event()

        def look() -> None:
            if len(app.engine_store.installed()) == 1:
                gone.set()

        app.engine_store.changed.connect(look)
        ready(app)

        assert build_of(app) == "b2-cpu"
        assert gone.wait(DEADLINE_S)
        (seen,) = app.engines.overview().installed
        assert (seen.build.id, len(seen.in_use_by)) == ("b2-cpu", 1)
        with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_IN_USE)):
            app.engines.remove("b2-cpu")
        app.engine_store.changed.disconnect(look)


@scripts
def test_an_app_that_serves_changes_over_to_an_engine_when_it_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="the fake engine serves with it")
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "llama-server").write_text(llama_server(Mode.CUDA))
    (folder / "llama-server").chmod(0o700)
    (folder / "libggml-cuda.so").write_text("library")
    with real_app() as app:
        ready(app)
        assert build_of(app) is None

        app.engines.install_file(folder)
        wait_for_status(
            app,
            lambda status: (
                isinstance(status.engine.plan, LaunchPlan) and status.engine.plan.engine.build is not None
            ),
        )

        assert app.wait_until_ready(DEADLINE_S)
        shown = app.status().installation
        assert shown
        assert shown.phase is InstallPhase.DONE


def test_an_offer_that_was_put_off_stays_so_after_the_next_start(tmp_path: Path) -> None:
    with managing(tmp_path) as place:
        told: list[bool] = []
        place.manager.changed.connect(lambda: told.append(True))
        place.manager.put_off("b1-cpu")
        assert place.manager.overview().put_off == {"b1-cpu"}
        assert told
    with managing(tmp_path) as place:
        assert place.manager.overview().put_off == {"b1-cpu"}


@pytest.mark.parametrize("content", [b"", b"[1, 2]", b"{", b'["\xff"]', b"[" * 100_000])
def test_a_damaged_list_of_what_was_put_off_puts_nothing_off(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "put-off.json").write_bytes(content)
    with managing(tmp_path) as place:
        assert place.manager.overview().put_off == frozenset()


def test_what_cannot_be_written_is_put_off_until_the_app_ends(tmp_path: Path) -> None:
    (tmp_path / "put-off.json").mkdir()
    with managing(tmp_path) as place:
        place.manager.put_off("b1-cpu")
        assert place.manager.overview().put_off == {"b1-cpu"}
