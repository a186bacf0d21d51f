"""The terminal command `serve`. Main thread."""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tray_app.cli.common import (
    find_app,
    headless_app,
    next_of,
    open_workspace,
    person_language,
    reference_for_app,
    signals_to,
    tell_of_test_model,
    waiting_for,
)
from tray_app.cli.output import echo
from tray_app.errors import AppError, ErrorCode, GatewayError, ModelError
from tray_app.phrases import presentable
from tray_app.system.paths import expanded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.app.root import App
    from tray_app.app.status import AppStatus
    from tray_app.gateway.control.client import ControlClient
    from tray_app.models.library import Library


def serve(
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="PATH|ID",
            help="The file, ID or other name of a model. Can be given several times.",
        ),
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="The port of the server.")] = None,
    engine: Annotated[
        str | None, typer.Option(help="powerinfer, llama.cpp, or the path of a server program.")
    ] = None,
) -> None:
    """Run the server without a window until Ctrl-C. If the app is running, it starts its server."""
    model, also = (models[0], models[1:]) if models else (None, [])
    chosen = {"model": model, "port": port, "engine": engine}
    overrides = {name: value for name, value in chosen.items() if value is not None}
    if running := find_app():
        _leave_it_to(running, overrides, also)
        return
    with headless_app(overrides) as app:
        _serve(app, _others(app.library, model, also))


def _others(library: Library, first: str | None, also: Sequence[str]) -> tuple[str, ...]:
    """Those of the models that are none of those before. `ModelError` unless all are on this computer."""
    by_id: dict[str, str] = {}
    for name in also:
        by_id.setdefault(library.find(name).id, name)
    if first and by_id:
        by_id.pop(library.id_of(first), None)
    return tuple(by_id.values())


def _leave_it_to(running: ControlClient, asked: dict[str, Any], also: Sequence[str]) -> None:
    """Have the app serve that runs already, and load models that it shall have, too; `GatewayError` if it
    does so with something else than `asked`.
    """
    chosen = running.status().chosen
    different = [
        name
        for name, value in asked.items()
        if not _means_the_same(value, getattr(chosen, name))
        and not (name == "model" and _is_same_model(value, chosen.model))
    ]
    if different:
        has = ", ".join(f"{name} {getattr(chosen, name)}" for name in different)
        raise GatewayError(
            ErrorCode.APP_ALREADY_RUNNING,
            f"PowerInfer Tray is already running (PID {running.pid})",
            f"It uses {has}. Two copies cannot share the same settings, models and logs.",
            "Change its settings, or quit it first: powerinfer-tray quit",
        )
    from tray_app.gateway.control.commands import Loading

    others = [reference_for_app(name) for name in also]
    with waiting_for(running):
        running.start()
        for name in others:
            running.load(Loading(name))
    told = running.status()
    echo(f"PowerInfer Tray is already running (PID {running.pid}): {told.model} at {told.base_url}")
    echo("To stop its server, run: powerinfer-tray stop")


def _is_same_model(asked: str, chosen: str) -> bool:
    """Whether two references mean one model, by whichever of its names."""
    with open_workspace(tolerant=True) as workspace:
        library = workspace.library
        try:
            return library.id_of(asked) == library.id_of(chosen)
        except ModelError:
            return False


def _means_the_same(asked: object, chosen: object) -> bool:
    """Whether two values of a setting are equal, or two ways to write one path."""
    if asked == chosen or not isinstance(asked, str) or not isinstance(chosen, str):
        return asked == chosen
    if presentable(asked) == chosen:  # the running app tells it so
        return True
    paths = [expanded(word).absolute() for word in (asked, chosen)]
    return paths[0] == paths[1]


def _serve(app: App, others: Sequence[str]) -> None:
    """Start the server, load the other models, and show what happens, until a signal or a failure that stays.

    A server that has run and was given up stays: a later request tries it again.
    """
    from tray_app.app.start_job import StartCalledOffError
    from tray_app.cli.progress import ServeView, plain_console
    from tray_app.engine.lifecycle import State
    from tray_app.system.drives import DriveGoneError

    was_ready = False
    events: queue.SimpleQueue[AppStatus | AppError | str | None] = queue.SimpleQueue()

    def start() -> None:
        try:
            app.start_server()
        except StartCalledOffError:
            return  # by a command from another terminal, after which the server can be started again
        except AppError as exc:
            events.put(exc)
            return
        for name in others:
            events.put(_loaded(app, name))
        app.engines.begin()

    _choose_test_model_if_none(app)
    app.changed.connect(events.put)
    app.open_control(quit_app=lambda: events.put(None))
    with signals_to(lambda: events.put(None)), ServeView(plain_console()) as view:
        starting = threading.Thread(target=start, name="start")
        starting.start()
        try:
            while (event := next_of(events)) is not None:
                if isinstance(event, DriveGoneError):  # the server starts when it is back
                    view.say(str(event))
                    continue
                if isinstance(event, AppError):
                    raise event
                if isinstance(event, str):
                    view.say(event)
                    continue
                view.show_status(event)
                was_ready |= event.engine.state is State.READY
                may_recover = was_ready and event.engine.gave_up
                failed = event.engine.state is State.FAILED and event.pool.main.gets_no_further
                if event.engine.failure and failed and not may_recover:
                    raise event.engine.failure
            view.say("Stopping …")
        finally:
            app.close()
            starting.join()


def _loaded(app: App, name: str) -> str:
    """Load a further model; what to say of it. Without it, the others go on."""
    try:
        return f"Loaded {presentable(app.load_model(name, keep=True))}."
    except AppError as exc:
        return f"{presentable(name)} is not loaded. {exc}"


def _choose_test_model_if_none(app: App) -> None:
    from tray_app.app.workspace import TEST_MODEL
    from tray_app.engine.engine_setting import is_remote

    settings = app.store.current
    if not settings.model and not is_remote(settings):
        tell_of_test_model()
        with suppress(ModelError):  # the space for models cannot be told
            for each in app.models.recommended([person_language(settings)]):
                entry = each.entry
                echo(
                    f"{entry.name} is a good model for this computer: powerinfer-tray serve --model "
                    f"{entry.id}",
                    err=True,
                )
        app.store.override(model=TEST_MODEL)
