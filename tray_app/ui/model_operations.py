"""What the pages ask for about models in more than one call of the app. Runs off the GUI thread."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from tray_app.errors import AppError
from tray_app.models.header import Purpose
from tray_app.models.model_files import parts_of
from tray_app.settings.model_settings import with_own
from tray_app.ui.languages import person_language
from tray_app.ui.operations import for_each_download, load_model, read_facts
from tray_app.ui.presenters.models import RowKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from tray_app.models.import_modes import How
    from tray_app.models.importing import OnProgress
    from tray_app.models.integrity import Check
    from tray_app.ui.app_protocol import AppProtocol
    from tray_app.ui.presenters.model_facts import ModelFacts
    from tray_app.ui.presenters.models import ModelRow
    from tray_app.ui.presenters.space import SpaceRow


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


def verify_chosen(app: AppProtocol, tell: Callable[[int], None]) -> Check:
    """Look whether the chosen model is whole; `tell` hears of each percent. `ModelError` if it is not."""
    told = 0

    def hear(read_bytes: int, total_bytes: int) -> None:
        nonlocal told
        if (percent := 100 * read_bytes // total_bytes) > told:
            told = percent
            tell(percent)

    return app.models.verify_model(app.store.current.model, hear)
