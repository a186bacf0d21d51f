"""What the tray and several pages ask for in more than one call of the app. Runs off the GUI thread."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tray_app.app.start_job import StartCalledOffError
from tray_app.errors import ModelError
from tray_app.models.references import NotInstalledError
from tray_app.ui.presenters.engines import is_loaded
from tray_app.ui.presenters.menu import Command, is_remote, takes_models
from tray_app.ui.presenters.model_facts import ModelFacts, finished_downloads
from tray_app.ui.presenters.status import current_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tray_app.app.status import AppStatus
    from tray_app.system.logs import Lines, LogLine
    from tray_app.ui.app_protocol import AppProtocol

_DIAGNOSED_LINES = 200


def read_facts(app: AppProtocol) -> ModelFacts:
    """The models on disk and in the catalog, and which of them is chosen."""
    library, reference = app.library, app.store.current.model
    try:
        chosen = library.find(reference).id if reference else None
    except NotInstalledError as exc:
        chosen = exc.entry.id
    except ModelError:
        chosen = None  # Home says what is wrong with it when it is started
    finished = finished_downloads(
        app.downloads.snapshot()
    )  # read before the folder, which has their files then
    contents = library.contents()
    missing = bool(app.store.current.models_folder) and not library.folder.is_dir()
    return ModelFacts(
        contents.models,
        library.catalog,
        chosen,
        contents.unusable,
        contents.partials,
        missing_folder=library.folder if missing else None,
        finished=finished,
        newer=app.upkeep.newer(),
    )


def for_each_download(act: Callable[[int], None], downloads: Iterable[int]) -> None:
    """Pause, resume or cancel all downloads of a model."""
    for number in downloads:
        act(number)


def start_server(app: AppProtocol) -> None:
    """Start the server. Stopping it before it is ready is not an error."""
    with suppress(StartCalledOffError):
        app.start_server()


def restart_server(app: AppProtocol) -> None:
    """Stop the server, then `start_server`."""
    with suppress(StartCalledOffError):
        app.restart_server()


def load_model(app: AppProtocol, model_id: str) -> None:
    """Load a model beside others, and wait until it is ready.

    If the server is stopped, the model becomes the chosen one, and the server starts with it. If the engine
    is a server on another computer, the model is only chosen.
    """
    status = app.status()
    with suppress(StartCalledOffError):  # it was unloaded before it was ready
        if is_remote(status):
            choose_model(app, model_id)
        elif not takes_models(status):
            if model_id != app.chosen_id():
                choose_model(app, model_id)
            app.start_server()
        elif model_id == app.chosen_id():
            app.start_server()
        else:
            app.load_model(model_id)


def load_or_unload(app: AppProtocol, model_id: str) -> None:
    """Unload a model if it is loaded or being loaded, else `load_model`."""
    if is_loaded(app.status(), model_id):
        app.unload_model(model_id)
    else:
        load_model(app, model_id)


def choose_model(app: AppProtocol, reference: str) -> None:
    """Make a model the chosen one; a running server switches to it."""
    app.apply(msgspec.structs.replace(app.store.current, model=reference))


def choose_and_start(app: AppProtocol, reference: str) -> None:
    """Make a model the chosen one, and start the server with it, which downloads a missing one first."""
    choose_model(app, reference)
    start_server(app)


def set_launch_at_login(app: AppProtocol, *, wanted: bool) -> None:
    """Launch the app at login from now on, or no longer."""
    app.apply(msgspec.structs.replace(app.store.current, launch_at_login=wanted))


def operation_for(  # noqa: PLR0911 - one for each wish
    app: AppProtocol, command: Command, status: AppStatus
) -> Callable[[], object] | None:
    """What an entry of the tray menu asks the app to do; None if it only opens something."""
    parts = current_parts(status)
    match command:
        case Command.START:
            return lambda: start_server(app)
        case Command.STOP:
            return app.stop_server
        case Command.RESTART:
            return lambda: restart_server(app)
        case Command.PAUSE:
            return lambda: for_each_download(app.downloads.pause, parts)
        case Command.RESUME:
            return lambda: for_each_download(app.downloads.resume, parts)
        case Command.LOGIN:
            return lambda: set_launch_at_login(app, wanted=not status.settings.launch_at_login)
        case _:
            return None


def collect_diagnostics(app: AppProtocol) -> str:
    """A report for somebody who helps: versions, hardware, status and the last log lines, nothing private.

    Imports what only the page Logs needs, since most of the time there is no window.
    """
    from tray_app.ui.presenters.diagnostics import Situation, diagnostics
    from tray_app.ui.presenters.logs import log_rows

    rows = log_rows(_last(app.app_lines), _last(app.engine_lines))
    return diagnostics(Situation(app.run_diagnostics(), app.status(), rows, Path.home()))


def _last(lines: Lines) -> tuple[LogLine, ...]:
    return lines.since(max(0, lines.count - _DIAGNOSED_LINES))
