"""What the widgets ask for that takes more than one call of the app. Runs off the GUI thread.

What only a page of the window asks for is imported where it is done: most of the time there is no window.
"""

from __future__ import annotations

import importlib
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tray_app.app.start_job import StartCalledOffError
from tray_app.errors import AppError, ModelError
from tray_app.gateway.public_client import Embeddings
from tray_app.models.header import Purpose
from tray_app.models.model_files import parts_of
from tray_app.models.references import NotInstalledError
from tray_app.settings.model_settings import with_own, with_values
from tray_app.ui.garbage import freeze_gc
from tray_app.ui.languages import person_language
from tray_app.ui.presenters.engines import is_loaded
from tray_app.ui.presenters.menu import Command, is_remote, takes_models
from tray_app.ui.presenters.models import ModelFacts, RowKind, finished_downloads
from tray_app.ui.presenters.status import current_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from threading import Event

    import numpy as np

    from tray_app.app.status import AppStatus
    from tray_app.app.tuning import Tuning
    from tray_app.models.import_modes import How
    from tray_app.models.importing import OnProgress
    from tray_app.models.integrity import Check
    from tray_app.search.collection import MapOfTexts
    from tray_app.system.logs import Lines, LogLine
    from tray_app.ui.app_protocol import AppProtocol
    from tray_app.ui.presenters.measurement import Measurement, Workload
    from tray_app.ui.presenters.models import ModelRow
    from tray_app.ui.presenters.space import SpaceRow
    from tray_app.ui.presenters.usage import UsageSample


_DIAGNOSED_LINES = 200
_TEXTS_AT_ONCE = 16


def read_facts(app: AppProtocol) -> ModelFacts:
    """What is on disk and in the catalogue, and which of it is chosen."""
    library, reference = app.library, app.store.current.model
    try:
        chosen = library.find(reference).id if reference else None
    except NotInstalledError as exc:
        chosen = exc.entry.id
    except ModelError:
        chosen = None  # the status page says what is wrong with it, when it is started
    finished = finished_downloads(app.downloads.snapshot())  # before the folder is read, which then has them
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


def survey(app: AppProtocol) -> ModelFacts:
    """The same, and what would become of each model on this machine: asks the engines that are there."""
    facts = read_facts(app)
    return replace(
        facts,
        reports=app.models.survey(facts.installed, facts.catalog),
        recommended=app.models.recommended([person_language(app.store.current.language)]),
    )


def import_file(app: AppProtocol, path: Path, how: How, on_bytes: OnProgress) -> str:
    """Bring a model into the models folder; its id there."""
    return app.library.find(str(app.models.import_model(path, how, on_bytes)[0])).id


def make_smaller(app: AppProtocol, row: ModelRow, target: Path, type_name: str, on_tensor: OnProgress) -> str:
    """Quantize the model of a row to a file of the models folder; the id of what came of it."""
    return app.library.find(str(app.models.quantize(row.id, target, type_name, on_tensor))).id


def for_each_download(act: Callable[[int], None], downloads: Iterable[int]) -> None:
    """Pause, resume or cancel all downloads of a model."""
    for number in downloads:
        act(number)


def discard_downloads(app: AppProtocol, row: ModelRow) -> None:
    """Stop a download and delete what has arrived; of a split model also the files that are complete."""
    for_each_download(app.downloads.discard, row.downloads)
    if row.path and len(parts_of(row.path)) > 1:
        app.models.discard_arrived(row.path)


def remove(app: AppProtocol, row: ModelRow, *, for_good: bool) -> None:
    """Take away what a row stands for; a server that has it open is stopped first."""
    match row.sort:
        case RowKind.DOWNLOAD:
            discard_downloads(app, row)
        case RowKind.PARTIAL if row.path:
            app.models.discard_partial(row.path)
        case _:
            app.remove_model(str(row.path), for_good=for_good)


def remove_several(
    app: AppProtocol, rows: Iterable[SpaceRow], *, for_good: bool
) -> Mapping[SpaceRow, AppError]:
    """Take away all of these; those that could not be, with the reason. A server that has one is stopped."""
    kept: dict[SpaceRow, AppError] = {}
    for row in rows:
        try:
            if row.partial:
                _discard(app, row.path)
            else:
                app.remove_model(str(row.path), for_good=for_good)
        except AppError as exc:
            kept[row] = exc
    return kept


def _discard(app: AppProtocol, final: Path) -> None:
    """Delete what has arrived of a file, whether its download is in the queue or forgotten."""
    downloads = [each.id for each in app.downloads.snapshot() if each.path == final]
    for_each_download(app.downloads.discard, downloads)
    if not downloads:
        app.models.discard_partial(final)


@dataclass(frozen=True, slots=True)
class EmbeddingResult:
    """What came back for some texts."""

    result: Embeddings
    similarity: np.ndarray
    """How near they are to each other, see `heat_map.similarities`."""
    map: MapOfTexts
    """The same texts as points."""


def import_once(module: str) -> None:
    """Import what plots, once; there is no need ever to look for garbage in it."""
    if module not in sys.modules:
        importlib.import_module(module)
        freeze_gc()


def embed_texts(app: AppProtocol, texts: Sequence[str], cancelled: Event) -> EmbeddingResult:
    """The embeddings of `texts`, and everything loaded that shows them.

    The library that plots takes a quarter of a second to import: here nobody's clicks wait for it. Many texts
    are sent in several requests, and no more of them once `cancelled` is set.
    """
    import_once("tray_app.ui.widgets.comparison")
    import numpy as np

    from tray_app.search.collection import MapOfTexts
    from tray_app.search.nearest import flat_map
    from tray_app.ui.widgets.heat_map import similarities

    parts = []
    for first in range(0, len(texts), _TEXTS_AT_ONCE):
        parts.append(app.embed(texts[first : first + _TEXTS_AT_ONCE]))
        if cancelled.is_set():
            break
    done = Embeddings(
        vectors=tuple(vector for part in parts for vector in part.vectors),
        dimensions=parts[0].dimensions,
        tokens=sum(part.tokens for part in parts),
        elapsed_ms=sum(part.elapsed_ms for part in parts),
    )
    similarity = similarities(done.vectors)
    compared = np.asarray(done.vectors[: len(similarity)], dtype=np.float32)
    points, explained = flat_map(compared)
    shown = tuple(texts[: len(compared)])
    return EmbeddingResult(done, similarity, MapOfTexts(points, shown, ("",) * len(shown), explained))


def measure(
    app: AppProtocol, text: str, load: Workload, cancelled: Event, tell: Callable[[int], None]
) -> Measurement:
    """How fast the server embeds `text`; `tell` hears how many requests have been answered.

    The first request that fails ends it, as its `AppError`.
    """
    from tray_app.ui.presenters.measurement import Measurement

    import_once("tray_app.ui.widgets.histogram")
    began_s = time.perf_counter()
    latencies_ms: list[float] = []
    with ThreadPoolExecutor(load.at_once, "measure") as pool:

        def ask(_: int) -> float | None:
            try:
                return None if cancelled.is_set() else app.embed([text]).elapsed_ms
            except AppError:
                cancelled.set()  # what has not been sent yet is not sent any more
                raise

        for latency_ms in pool.map(ask, range(load.requests)):
            if latency_ms is not None:
                latencies_ms.append(latency_ms)
                tell(len(latencies_ms))
    return Measurement(tuple(latencies_ms), time.perf_counter() - began_s)


def usage_now(app: AppProtocol) -> tuple[UsageSample, AppStatus]:
    """What engines and clients take now, and the status that says it of each model."""
    from tray_app.ui.presenters.usage import UsageSample

    used, status = app.resource_usage(), app.status()  # in this order: the usage is measured for both
    return UsageSample(time.monotonic(), used, status.traffic), status


def measure_speed(
    app: AppProtocol,
    cancelled: Event,
    closing: Event,
    tell: Callable[[Tuning, int], None],
) -> Tuning:
    """Measure the running server on each engine and with several numbers of threads, see `tuning.tune`."""
    from tray_app.app.tuning import tune

    import_once("tray_app.ui.widgets.curve")

    def tell_or_stop(found: Tuning, total: int) -> None:
        if closing.is_set():
            cancelled.set()
        tell(found, total)

    settings = app.store.current
    options = app.engine_options(settings)
    in_force = app.status().model_settings  # also what the catalog knows of the model
    return tune(app, in_force, app.host, cancelled, tell_or_stop, options)


def keep_tuning(app: AppProtocol, tuning: Tuning) -> None:
    """Let the chosen model have what is best from now on; a running server is started again."""
    model_id, best = app.chosen_id(), tuning.advice
    new = app.store.current
    if best != tuning.present:
        values = {"threads": best.generation, "threads_batch": best.prompt}
        new = with_values(new, model_id, values)
    if model_id and tuning.engine != tuning.present_engine:  # models of other kinds may need another one
        new = with_own(new, model_id, {"engine": tuning.engine})
    app.apply(new)


def stream_completion(
    app: AppProtocol, prompt: str, max_tokens: int, cancelled: Event, tell: Callable[[str], None]
) -> None:
    """Hand what the model adds to `prompt` to `tell`, piece by piece."""
    for piece in app.complete(prompt, max_tokens, cancelled):
        tell(piece)


def start_server(app: AppProtocol) -> None:
    """Start the server. A person who stops it before it has started needs no error for that."""
    with suppress(StartCalledOffError):
        app.start_server()


def restart_server(app: AppProtocol) -> None:
    """As `start_server`, after stopping it."""
    with suppress(StartCalledOffError):
        app.restart_server()


def load_model(app: AppProtocol, model_id: str) -> None:
    """Load a model beside others, and wait until it answers. While the server is stopped, the model becomes
    the chosen one, and the server starts with it.

    With a server on another machine, the model is only chosen.
    """
    status = app.status()
    with suppress(StartCalledOffError):  # somebody has unloaded it before it was there
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
    """Unload a model if it is loaded or on its way, else `load_model`."""
    if is_loaded(app.status(), model_id):
        app.unload_model(model_id)
    else:
        load_model(app, model_id)


def keep_loaded(app: AppProtocol, model_id: str, *, wanted: bool) -> None:
    """Let no other model take this one's place, or let it again."""
    app.apply(with_own(app.store.current, model_id, {"keep_loaded": wanted or None}))


def answer_with(app: AppProtocol, reference: str, purpose: Purpose | None) -> None:
    """Let a model beside the chosen one answer the requests that it is for, and load it."""
    model_id = app.library.find(reference).id
    defaults = {Purpose.CHAT: "default_chat", Purpose.EMBEDDING: "default_embedding"}
    if purpose and (default := defaults.get(purpose)):
        app.apply(msgspec.structs.replace(app.store.current, **{default: model_id}))
    load_model(app, model_id)


def choose_model(app: AppProtocol, reference: str) -> None:
    """Make a model the chosen one; a running server changes over to it."""
    app.apply(msgspec.structs.replace(app.store.current, model=reference))


def choose_and_start(app: AppProtocol, reference: str) -> None:
    """Make a model the chosen one, and start the server with it, which downloads a missing one first."""
    choose_model(app, reference)
    start_server(app)


def verify_chosen(app: AppProtocol, tell: Callable[[int], None]) -> Check:
    """Look whether the chosen model is whole; `tell` hears of each percent. `ModelError` if it is not."""
    told = 0

    def hear(read_bytes: int, total_bytes: int) -> None:
        nonlocal told
        if (percent := 100 * read_bytes // total_bytes) > told:
            told = percent
            tell(percent)

    return app.models.verify_model(app.store.current.model, hear)


def set_launch_at_login(app: AppProtocol, *, wanted: bool) -> None:
    """Start at login from now on, or no more."""
    app.apply(msgspec.structs.replace(app.store.current, launch_at_login=wanted))


def operation_for(  # noqa: PLR0911 - one for each wish
    app: AppProtocol, command: Command, status: AppStatus
) -> Callable[[], object] | None:
    """What an entry of the menu asks of the app; None if it only opens something."""
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
    """A report of how things stand, with nothing private in it."""
    from tray_app.ui.presenters.diagnostics import Situation, diagnostics
    from tray_app.ui.presenters.logs import log_rows

    rows = log_rows(_last(app.app_lines), _last(app.engine_lines))
    return diagnostics(Situation(app.run_diagnostics(), app.status(), rows, Path.home()))


def _last(lines: Lines) -> tuple[LogLine, ...]:
    return lines.since(max(0, lines.count - _DIAGNOSED_LINES))
