"""Does what terminal commands ask for: in the running app, else in the command's own process. Any thread.

What makes the difference is the workspace: that of a running app has a server, which is asked, or is
stopped meanwhile. What only one command needs is imported where it is done: a running app may never be asked.
"""

from __future__ import annotations

import threading
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from tray_app.app import engine_commands
from tray_app.app.workspace import TEST_MODEL
from tray_app.engine.engine_setting import is_remote
from tray_app.engine.lifecycle import State
from tray_app.errors import DownloadError, EngineError, ErrorCode
from tray_app.gateway.control.commands import (
    Arriving,
    Changed,
    Examined,
    FileArriving,
    Loaded,
    Removed,
    TextEmbeddings,
    Unloaded,
)
from tray_app.settings.model_settings import typed_value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tray_app.app.workspace import Workspace
    from tray_app.download.progress import Progress
    from tray_app.errors import AppError
    from tray_app.gateway.control.commands import (
        AllowingEngine,
        Cancellation,
        Changing,
        Downloading,
        EngineAllowed,
        EngineBuild,
        EngineList,
        EngineRemoved,
        Examining,
        InstallingEngine,
        ListingEngines,
        Loading,
        Measuring,
        ProvingEngine,
        Removing,
        RemovingEngine,
        Tell,
        TextsToEmbed,
        Tuned,
        Unloading,
    )
    from tray_app.gateway.public_client import Embeddings


class CommandService:
    """Carries out commands on a workspace, see `AppCommands`."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._measures = threading.Lock()

    def remove(self, wish: Removing) -> Removed:
        """See `AppCommands`."""
        removal = self._workspace.remove_model(
            str(wish.path), for_good=not wish.trash, anywhere=wish.anywhere
        )
        return Removed(
            removal.paths, removal.kept, removal.trashed, removal.stopped_server, removal.forgotten
        )

    def embed(self, wish: TextsToEmbed) -> TextEmbeddings:
        """See `AppCommands`."""
        if answer := self._workspace.embed_if_open(wish.texts):
            return _embedded(answer, by_test_model=False)
        settings = self._workspace.store.current
        meaningless = not settings.model and not is_remote(settings)
        chosen = replace(settings, model=TEST_MODEL) if meaningless else settings
        with self._workspace.temporary_server(chosen) as server:
            server.start()
            if model_id := self._workspace.chosen_id(chosen):
                self._workspace.upkeep.last_use.note(model_id)
            return _embedded(server.client.embed(wish.texts), by_test_model=meaningless)

    def run_diagnostics(self, wish: Examining, *known_errors: AppError) -> Examined:
        """See `AppCommands`. `known_errors` were found before."""
        from tray_app.app.diagnostic_report import document, report
        from tray_app.download.session import Session

        with Session() if wish.network else nullcontext() as session:
            found = self._workspace.run_diagnostics(session, *known_errors)
        home = Path.home()
        return Examined(
            found.ok, report(found, home), msgspec.Raw(msgspec.json.encode(document(found, home)))
        )

    def change(self, wish: Changing) -> Changed:
        """See `AppCommands`."""
        value, store = typed_value(wish.name, wish.text, wish.model_id), self._workspace.store
        problem = store.problem
        if wish.model_id is None:
            self._workspace.write_setting(wish.name, None if wish.text is None else value)
        else:
            self._workspace.change_own(wish.model_id, **{wish.name: value})
        if value is None:
            value = getattr(self._workspace.settings_of(wish.model_id), wish.name)
        told = msgspec.json.encode(value).decode()
        if problem is None:
            return Changed(told)
        return Changed(told, f"{problem.title}.\n{problem.message}", store.broken_copy)

    def download(self, wish: Downloading, tell: Tell, cancelled: Cancellation) -> Arriving:
        """See `AppCommands`."""
        queue = self._workspace.downloads
        picked = self._workspace.pick(wish.source)
        numbers = self._workspace.download(
            picked.address,
            wish.folder,
            projector=picked.projector,
            sha256=wish.sha256,
            connections=wish.connections,
            bytes_per_s=wish.bytes_per_s,
        )

        def pause() -> None:
            for number in numbers:
                queue.pause(number)

        def show(downloads: tuple[Progress, ...]) -> None:
            tell(_arriving(downloads, numbers, str(picked.why)))

        queue.changed.connect(show)
        try:
            show(queue.snapshot())
            with cancelled.calling(pause):
                for number in numbers:
                    queue.wait(number)
        except DownloadError as exc:
            pause()  # its other files, too
            if cancelled.is_set() or exc.code is ErrorCode.DOWNLOAD_PAUSED:  # also in the window
                raise self._paused(numbers) from None
            raise
        finally:
            queue.changed.disconnect(show)
        return _arriving(queue.snapshot(), numbers, str(picked.why))

    def load(self, wish: Loading) -> Loaded:
        """See `AppCommands`."""
        return Loaded(self._workspace.load_model(wish.model, force=wish.force), State.READY)

    def unload(self, wish: Unloading) -> Unloaded:
        """See `AppCommands`."""
        return Unloaded(self._workspace.unload_model(wish.model))

    def list_engines(self, wish: ListingEngines) -> EngineList:
        """See `AppCommands`."""
        del wish
        return engine_commands.list_engines(self._workspace.engines)

    def install_engine(self, wish: InstallingEngine, tell: Tell, cancelled: Cancellation) -> EngineBuild:
        """See `AppCommands`."""
        return engine_commands.install(self._workspace.engines, wish, tell, cancelled)

    def prove_engine(self, wish: ProvingEngine, tell: Tell, cancelled: Cancellation) -> EngineBuild:
        """See `AppCommands`."""
        return engine_commands.prove(self._workspace.engines, wish, tell, cancelled)

    def remove_engine(self, wish: RemovingEngine) -> EngineRemoved:
        """See `AppCommands`."""
        return engine_commands.remove(self._workspace.engines, wish)

    def allow_engine(self, wish: AllowingEngine) -> EngineAllowed:
        """See `AppCommands`."""
        return engine_commands.allow(self._workspace.engines, wish)

    def tune(self, wish: Measuring, tell: Tell, cancelled: Cancellation) -> Tuned:
        """See `AppCommands`."""
        from tray_app.app import tune_command

        if not self._measures.acquire(blocking=False):
            raise EngineError(
                ErrorCode.TUNING_UNDER_WAY,
                "A measurement is already running",
                "Two measurements at the same time would disturb each other.",
                "Wait until it has finished.",
            )
        try:
            return tune_command.tune(self._workspace, wish, tell, cancelled)
        finally:
            self._measures.release()

    def _paused(self, numbers: Iterable[int]) -> DownloadError:
        queue = self._workspace.downloads
        for number in numbers:
            with suppress(DownloadError):
                queue.wait(number)
        arrived = sum(each.received_bytes for each in queue.snapshot() if each.id in numbers)
        return engine_commands.paused(arrived)


def _embedded(answer: Embeddings, *, by_test_model: bool) -> TextEmbeddings:
    return TextEmbeddings(answer.vectors, answer.dimensions, answer.tokens, answer.elapsed_ms, by_test_model)


def _arriving(downloads: Iterable[Progress], numbers: Iterable[int], picked: str) -> Arriving:
    by_number = {each.id: each for each in downloads}
    return Arriving(tuple(_file(by_number[number]) for number in numbers), picked)


def _file(progress: Progress) -> FileArriving:
    return FileArriving(
        id=progress.id,
        name=progress.name,
        phase=progress.phase,
        received_bytes=progress.received_bytes,
        total_bytes=progress.total_bytes,
        path=progress.path,
        resumed=progress.resumed,
        sha256=progress.sha256,
        trouble=progress.error.title if progress.error else "",
    )
