"""The list of models: the content of a row, its button and menu, the order, the filter. Pure."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from tray_app.models.header import Purpose
from tray_app.ui.presenters.engines import Standing
from tray_app.ui.presenters.formatting import size_text
from tray_app.ui.presenters.list_row import Chip, ListRow, Piece
from tray_app.ui.presenters.models import ModelAction, RowKind
from tray_app.ui.presenters.tone import Tone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.phrases import Translate
    from tray_app.ui.presenters.models import ModelRow

FEW_MODELS = 8
"""A longer list has a filter."""
_SYMBOLS = {Purpose.EMBEDDING: "chart-scatter", Purpose.CHAT: "messages-square", Purpose.RERANK: "star"}
_OF_KIND = {
    RowKind.DOWNLOAD: "download",
    RowKind.PARTIAL: "download",
    RowKind.WORK: "file-text",
    RowKind.UNUSABLE: "triangle-alert",
}
_LIT = (Standing.READY, Standing.LOADING, Standing.QUEUED)
_BUTTONS = (
    ModelAction.UNLOAD,
    ModelAction.PAUSE,
    ModelAction.RESUME,
    ModelAction.LOAD,
    ModelAction.DOWNLOAD,
    ModelAction.CANCEL,
    ModelAction.REMOVE,
)
"""A row has a button for the first of these that it permits."""
_MENU = (
    (ModelAction.LOAD, ModelAction.UNLOAD, ModelAction.USE),
    (ModelAction.DOWNLOAD, ModelAction.PAUSE, ModelAction.RESUME, ModelAction.CANCEL),
    (ModelAction.INFORM, ModelAction.SETTINGS),
    (ModelAction.VERIFY, ModelAction.QUANTIZE, ModelAction.REVEAL),
    (ModelAction.REMOVE,),
)


class Sorting(StrEnum):
    """The orders of the list."""

    NAME = "name"
    SIZE = "size"
    STATE = "state"


def sorting_label(sorting: Sorting, tr: Translate) -> str:
    """The title of an order in a menu."""
    match sorting:
        case Sorting.NAME:
            return tr("Name")
        case Sorting.SIZE:
            return tr("Size, largest first")
        case Sorting.STATE:
            return tr("State, loaded first")


def arranged(rows: Sequence[ModelRow], sorting: Sorting, words: str) -> list[ModelRow]:
    """The rows with all of these words in name, kind or state, in this order."""
    wanted = words.casefold().split()
    kept = [row for row in rows if all(word in _searched(row) for word in wanted)] if wanted else [*rows]
    match sorting:
        case Sorting.NAME:
            kept.sort(key=lambda row: row.name.casefold())
        case Sorting.SIZE:
            kept.sort(key=lambda row: (-row.size_bytes, row.name.casefold()))
        case Sorting.STATE:
            kept.sort(key=lambda row: (_rank(row), row.name.casefold()))
    return kept


def main_action(row: ModelRow) -> ModelAction | None:
    """What the button of a row does now; None without a button."""
    return next((action for action in _BUTTONS if action in row.actions), None)


def menu_of(row: ModelRow) -> tuple[tuple[ModelAction, ...], ...]:
    """All that can be done with a row, in the groups of its menu."""
    permitted = row.actions | {ModelAction.INFORM}
    if row.sort is RowKind.INSTALLED:
        permitted |= {ModelAction.SETTINGS}
    groups = (tuple(action for action in group if action in permitted) for group in _MENU)
    return tuple(group for group in groups if group)


def action_label(action: ModelAction, tr: Translate) -> str:
    """The label of a button or menu entry, with its mnemonic."""
    return {
        ModelAction.USE: tr("Make &Default"),
        ModelAction.LOAD: tr("&Load"),
        ModelAction.UNLOAD: tr("U&nload"),
        ModelAction.DOWNLOAD: tr("&Download…"),
        ModelAction.PAUSE: tr("&Pause"),
        ModelAction.RESUME: tr("&Resume"),
        ModelAction.CANCEL: tr("&Cancel"),
        ModelAction.VERIFY: tr("Check &Files"),
        ModelAction.QUANTIZE: tr("&Quantize…"),
        ModelAction.REVEAL: tr("&Show in Folder"),
        ModelAction.REMOVE: tr("Remo&ve…"),
        ModelAction.SETTINGS: tr("Settings of This &Model…"),
        ModelAction.INFORM: tr("&Information…"),
    }[action]


def purpose_word(purpose: Purpose | None, tr: Translate) -> str:
    """The purpose of a model, in a word."""
    match purpose:
        case Purpose.EMBEDDING:
            return tr("Embedding")
        case Purpose.CHAT:
            return tr("Chat")
        case Purpose.RERANK:
            return tr("Reranking")
    return ""


def purpose_symbol(purpose: Purpose | None) -> str:
    """The symbol for the purpose of a model."""
    return _SYMBOLS.get(purpose, "boxes") if purpose else "boxes"


def list_row(row: ModelRow, tr: Translate) -> ListRow:
    """The content of the row of a model."""
    action = main_action(row)
    return ListRow(
        title=short_name(row),
        name=row.name,
        symbol=_OF_KIND.get(row.sort) or purpose_symbol(row.purpose),
        lit=row.standing in _LIT,
        chips=tuple(_chips(row, tr)),
        pieces=tuple(_pieces(row, tr)),
        permille=row.permille,
        action=action_label(action, tr).replace("&", "") if action else "",
        more=True,
        hint="\n".join(row.details),
    )


def information(row: ModelRow, tr: Translate) -> tuple[tuple[str, str], ...]:
    """Pairs of a label and its value: all facts about a model."""
    kinds = (purpose_word(row.purpose, tr), tr("Vision") if row.sees else "", row.kind)
    facts = (
        (tr("State:"), f"{row.state} · {tr('Default')}" if row.chosen else row.state),
        (tr("Kind:"), " · ".join(filter(None, kinds))),
        (tr("Quantization:"), row.quantization),
        (tr("Context size:"), tr("{number} tokens").format(number=row.context) if row.context else ""),
        (tr("Size:"), row.size),
        (tr("This computer:"), f"{row.fit.sign} {row.fit.text}" if row.fit else ""),
        (tr("ID:"), row.id if row.sort is RowKind.INSTALLED else ""),
    )
    return tuple(fact for fact in facts if fact[1])


def total_text(rows: Sequence[ModelRow], tr: Translate) -> str:
    """The number of installed models, and their size."""
    installed = [row for row in rows if row.sort is RowKind.INSTALLED]
    count = tr.count("{count} model", "{count} models", len(installed))
    return f"{count} · {size_text(sum(row.size_bytes for row in installed), tr)}"


def _chips(row: ModelRow, tr: Translate) -> list[Chip]:
    """The chips, the least important last, since those are left out where there is no room."""
    kind = purpose_word(row.purpose, tr)
    words = (
        kind,
        row.quantization,
        tr("Vision") if row.sees else "",
        tr("Sparse") if row.kind == tr("Sparse") else "",
    )
    chips = [Chip(word) for word in words if word]
    return [Chip(tr("Default"), accent=True), *chips] if row.chosen else chips


def _pieces(row: ModelRow, tr: Translate) -> list[Piece]:
    known = row.sort is RowKind.INSTALLED and row.tone is Tone.NEUTRAL and row.permille is None
    pieces = [] if known else [Piece(row.state, row.tone)]
    if row.size:
        pieces.append(Piece(row.size))
    if row.context:
        pieces.append(Piece(tr("context {number}").format(number=row.context)))
    if row.fit:
        pieces.append(row.fit)
    return pieces


def short_name(row: ModelRow) -> str:
    """The name without the quantization at its end, which is shown beside it."""
    if not row.quantization:
        return row.name
    short = re.sub(rf"[\s._-]+{re.escape(row.quantization)}$", "", row.name, flags=re.IGNORECASE)
    return short or row.name


def _searched(row: ModelRow) -> str:
    purpose = row.purpose or ""
    return f"{row.name} {row.id} {row.quantization} {row.kind} {purpose} {row.state}".casefold()


def _rank(row: ModelRow) -> int:
    """The place of a row by its state: loaded models first, unusable files last."""
    if row.standing in _LIT:
        return _LIT.index(row.standing)
    if row.sort in (RowKind.DOWNLOAD, RowKind.WORK) or row.permille is not None:
        return len(_LIT)
    return len(_LIT) + (1 if row.chosen else 2 if row.sort is RowKind.INSTALLED else 3)
