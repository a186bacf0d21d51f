"""What the terminal command `tune` asks for, done on a workspace. Any thread; takes minutes.

`command_service.py` has the other commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from tray_app.app import tuning as measuring
from tray_app.app.tuning import Tuning, one_thread_only, threads_of, tuning_obstacle
from tray_app.errors import AppError
from tray_app.gateway.control.commands import EngineSpeed, Measured, SpeedSample, ThreadCounts, Tuned
from tray_app.models.references import NotInstalledError

if TYPE_CHECKING:
    from tray_app.app.temporary_server import TemporaryServer
    from tray_app.app.tuning import EngineMeasurement, Threads
    from tray_app.app.workspace import Workspace
    from tray_app.gateway.control.commands import Cancellation, Measuring, Tell
    from tray_app.settings.schema import Settings


def tune(workspace: Workspace, wish: Measuring, tell: Tell, cancelled: Cancellation) -> Tuned:
    """See `AppCommands`."""
    settings = replace(workspace.store.current, **({"model": wish.model} if wish.model else {}))
    _refuse_what_cannot_be_tuned(workspace, settings)
    with workspace.without_server():
        with workspace.temporary_server(settings) as server:
            tuning = _measure(workspace, server, settings, tell, cancelled)
        applied = wish.apply and tuning.complete and not tuning.keeps
        if applied:
            _apply(workspace, tuning, workspace.chosen_id(settings))
    return _tuned(tuning, applied=applied)


def _apply(workspace: Workspace, tuning: Tuning, model_id: str | None) -> None:
    """Keep what is best. The engine is the model's own: those of other kinds may need another one."""
    best = tuning.advice
    if best != tuning.present:
        workspace.change(model_id, threads=best.generation, threads_batch=best.prompt)
    if tuning.engine != tuning.present_engine:
        if model_id:
            workspace.change_own(model_id, engine=tuning.engine)
        else:
            workspace.change(engine=tuning.engine)


def _measure(
    workspace: Workspace, server: TemporaryServer, chosen: Settings, tell: Tell, cancelled: Cancellation
) -> Tuning:
    settings, host = workspace.in_force(chosen), workspace.host

    def measured(found: Tuning, total: int) -> None:
        tell(Measured(len(found.engines) + len(found.samples), total))

    try:
        with cancelled.calling(server.stop):  # its start may wait for a download of hours
            server.start()
    except AppError:
        if not cancelled.is_set():
            raise
    if cancelled.is_set():
        return Tuning(threads_of(settings, host), (), complete=False)
    options = workspace.engine_options(settings)
    return measuring.tune(server, settings, host, cancelled, measured, options)


def _refuse_what_cannot_be_tuned(workspace: Workspace, settings: Settings) -> None:
    """Before a server is stopped, or a model downloaded, for nothing. `AppError` says why."""
    try:
        obstacle = tuning_obstacle(workspace.preview(settings))
    except NotInstalledError as exc:
        obstacle = one_thread_only() if exc.entry.sparse else None
    if obstacle:
        raise obstacle


def _tuned(tuning: Tuning, *, applied: bool) -> Tuned:
    return Tuned(
        complete=tuning.complete,
        samples=tuple(
            SpeedSample(each.threads, each.embeddings_per_s, each.tokens_per_s) for each in tuning.samples
        ),
        present=_counts(tuning.present),
        best=_counts(tuning.advice),
        applied=applied,
        engines=tuple(_speed(tuning, each) for each in tuning.engines),
        present_engine=tuning.present_engine,
        best_engine=tuning.engine,
    )


def _speed(tuning: Tuning, each: EngineMeasurement) -> EngineSpeed:
    return EngineSpeed(
        engine=each.option.setting,
        release=each.option.release,
        embeddings_per_s=each.embeddings_per_s,
        tokens_per_s=each.tokens_per_s,
        times_built_in=tuning.times_built_in(each),
        failure=str(each.failure),
    )


def _counts(threads: Threads) -> ThreadCounts:
    return ThreadCounts(threads.generation, threads.prompt)
