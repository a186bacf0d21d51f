"""The tray icon, its tooltip and its menu, for one `AppStatus`. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.ui.presenters.menu import menu_entries
from tray_app.ui.presenters.origins import origin_question
from tray_app.ui.presenters.status import (
    IconShape,
    current_download,
    download_line,
    ring_of,
    shape_of,
    state_line,
)

if TYPE_CHECKING:
    from tray_app.app.status import AppStatus
    from tray_app.phrases import Translate
    from tray_app.ui.presenters.menu import Command, MenuEntry


@dataclass(frozen=True, slots=True)
class TrayView:
    """The tray at one moment."""

    shape: IconShape
    permille: int | None
    headline: str
    """The tooltip."""
    state_line: str
    """The first menu line."""
    download_line: str
    """The second menu line; empty without a download, or if the first line is about it."""
    question: str
    """An entry below these lines, about an app or a page that was refused; empty without a question."""
    entries: dict[Command, MenuEntry]


def tray_view(status: AppStatus, now_s: float, tr: Translate) -> TrayView:
    """What the tray shows at the time `now_s` (of the clock that `EngineSnapshot.since_s` uses)."""
    current = current_download(status)
    headline = headline_of(status, now_s, tr)
    state = state_line(status, now_s, tr)
    line = download_line(current, tr) if current else ""
    return TrayView(
        shape=shape_of(status),
        permille=ring_of(status),
        headline=headline,
        state_line=state,
        download_line="" if line == state else line,
        question=_question_of(status, tr),
        entries=menu_entries(status, current, tr),
    )


def headline_of(status: AppStatus, now_s: float, tr: Translate) -> str:
    """The state and the address in one line."""
    line = state_line(status, now_s, tr)
    address = status.server.base_url
    if address and shape_of(status) in (IconShape.SOLID, IconShape.MOON):
        return tr("{state} · {address}").format(state=line, address=address)
    return line


def _question_of(status: AppStatus, tr: Translate) -> str:
    question = origin_question(status, tr)
    return tr("{question}…").format(question=question.title) if question else ""
