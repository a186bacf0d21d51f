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
    """`read_facts`, and whether each model runs on this computer, for which the engines are asked."""
    facts = read_facts(app)
    return replace(
        facts,
        reports=app.models.survey(facts.installed, facts.catalog),
        recommended=app.models.recommended([person_language(app.store.current.language)]),
    )


def import_file(app: AppProtocol, path: Path, how: How, on_bytes: OnProgress) -> str:
    """Import a model into the models folder; its id there."""
    return app.library.find(str(app.models.import_model(path, how, on_bytes)[0])).id


def make_smaller(app: AppProtocol, row: ModelRow, target: Path, type_name: str, on_tensor: OnProgress) -> str:
    """Quantize the model of a row to a new file in the models folder; the id of the new model."""
    return app.library.find(str(app.models.quantize(row.id, target, type_name, on_tensor))).id


def discard_downloads(app: AppProtocol, row: ModelRow) -> None:
    """Cancel downloads and delete what has arrived, with the complete files of a split model."""
    for_each_download(app.downloads.discard, row.downloads)
    if row.path and len(parts_of(row.path)) > 1:
        app.models.discard_arrived(row.path)


def remove(app: AppProtocol, row: ModelRow, *, for_good: bool) -> None:
    """Remove the model or download of a row; a server that uses it is stopped first."""
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
    """Remove these; the result has those that could not be removed, with the reasons.

    A server that uses one of them is stopped first.
    """
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
    """Delete the part of a file that has arrived, whether or not its download is still in the queue."""
    downloads = [each.id for each in app.downloads.snapshot() if each.path == final]
    for_each_download(app.downloads.discard, downloads)
    if not downloads:
        app.models.discard_partial(final)


def keep_loaded(app: AppProtocol, model_id: str, *, wanted: bool) -> None:
    """Keep a model loaded when others need memory, or no longer."""
    app.apply(with_own(app.store.current, model_id, {"keep_loaded": wanted or None}))


def answer_with(app: AppProtocol, reference: str, purpose: Purpose | None) -> None:
    """Make a model the default for its purpose, beside the chosen one, and load it."""
    model_id = app.library.find(reference).id
    defaults = {Purpose.CHAT: "default_chat", Purpose.EMBEDDING: "default_embedding"}
    if purpose and (default := defaults.get(purpose)):
        app.apply(msgspec.structs.replace(app.store.current, **{default: model_id}))
    load_model(app, model_id)


def verify_chosen(app: AppProtocol, tell: Callable[[int], None]) -> Check:
    """Check the files of the chosen model; `tell` gets each percent. `ModelError` if they are damaged."""
    told = 0

    def hear(read_bytes: int, total_bytes: int) -> None:
        nonlocal told
        if (percent := 100 * read_bytes // total_bytes) > told:
            told = percent
            tell(percent)

    return app.models.verify_model(app.store.current.model, hear)
