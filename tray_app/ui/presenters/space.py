"""The disk space of models, the largest first, and when they were last used. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tray_app.models.model_files import stem_of
from tray_app.phrases import presentable
from tray_app.ui.presenters.formatting import size_text
from tray_app.ui.presenters.list_row import Chip, ListRow, Piece
from tray_app.ui.presenters.tone import Tone

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tray_app.models.disk_use import DiskUse, ModelSpace
    from tray_app.phrases import Translate


@dataclass(frozen=True, slots=True)
class SpaceRow:
    """A model, or the part of an unfinished download."""

    name: str
    path: Path
    """Its file; for an unfinished download the one that it would become."""
    held_bytes: int
    size: str
    used: str
    """When it was last used, in words."""
    app: str = ""
    """The other app whose model it is, whose files are not removed; empty for our own."""
    partial: bool = False
    unused: bool = False
    """Whether it has not been used for months."""


def space_rows(use: DiskUse, tr: Translate) -> tuple[SpaceRow, ...]:
    """A row for everything that takes space, the largest first."""
    rows = [_model_row(each, tr) for each in use.models]
    rows += [
        SpaceRow(
            name=presentable(stem_of(each.final)),
            path=each.final,
            held_bytes=each.held_bytes,
            size=size_text(each.held_bytes, tr),
            used=tr("Unfinished download"),
            partial=True,
        )
        for each in use.partials
    ]
    return tuple(sorted(rows, key=lambda row: -row.held_bytes))


def total_text(use: DiskUse, tr: Translate) -> str:
    """The space that all of it takes, and the free space."""
    return tr("Models take {total}; {free} are free.").format(
        total=size_text(use.total_bytes, tr), free=size_text(use.free_bytes, tr)
    )


def space_list_row(row: SpaceRow, *, checked: bool) -> ListRow:
    """The content of its row in a list, in which several can be ticked."""
    return ListRow(
        title=row.name,
        chips=(Chip(row.app),) if row.app else (),
        pieces=(
            Piece(row.size, Tone.PLAIN),
            Piece(row.used, Tone.WARNING if row.unused or row.partial else Tone.NEUTRAL),
        ),
        checked=checked,
        hint=presentable(row.path),
    )


def share_permille(use: DiskUse) -> int:
    """The share of models in the space that is free or taken by models, 0 to 1000."""
    return use.total_bytes * 1000 // max(1, use.total_bytes + use.free_bytes)


def chosen_text(rows: Sequence[SpaceRow], tr: Translate) -> str:
    """How many are ticked, and the space that their removal frees."""
    freed = sum(row.held_bytes for row in rows if not row.app)
    return f"{tr.count('{count} chosen', '{count} chosen', len(rows))} · {size_text(freed, tr)}"


def removal_text(rows: Sequence[SpaceRow], tr: Translate) -> str:
    """What the removal of these means."""
    parts = [chosen_text(rows, tr)]
    if any(row.partial for row in rows):
        parts.append(tr("What unfinished downloads have left is deleted."))
    if any(row.app for row in rows):
        parts.append(tr("Models of other apps stay where they are, and are no longer used from here."))
    return "\n".join(parts)


def _model_row(space: ModelSpace, tr: Translate) -> SpaceRow:
    if space.last_used_s is None:
        used = tr("Not used since {day}").format(day=_day(space.arrived_s))
    else:
        used = tr("Last used {day}").format(day=_day(space.last_used_s))
    return SpaceRow(
        name=tr.said(space.name),
        path=space.path,
        held_bytes=space.held_bytes,
        size=size_text(space.held_bytes, tr),
        used=used,
        app=space.app,
        unused=space.unused,
    )


def _day(time_s: float) -> str:
    return datetime.fromtimestamp(time_s).astimezone().date().isoformat()
