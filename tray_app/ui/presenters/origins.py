"""The question about an app or a web page that the server refused. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.phrases import presentable

if TYPE_CHECKING:
    from tray_app.app.status import AppStatus
    from tray_app.phrases import Translate

MOST_SHOWN = 60
"""Characters of an origin that fit in a menu. The middle of a longer one is left out."""
_END = 20
_ALL_OF_A_KIND = "://*"


@dataclass(frozen=True, slots=True)
class OriginQuestion:
    """Whether an app or a web page may use the server from now on."""

    origin: str
    """What the answer is about, for `App.answer_origin`; not to be shown."""
    name: str
    """The origin as it is shown."""
    title: str
    text: str
    """What an answer means, and how many others wait for one."""


def origin_question(status: AppStatus, tr: Translate) -> OriginQuestion | None:
    """The question that has waited longest; None if there is none."""
    if not status.refused_origins:
        return None
    origin, *others = status.refused_origins
    name = shown_origin(origin)
    lines = [
        tr("Allow: from now on, its pages can send requests to the models on this computer."),
        tr("Refuse: it stays blocked, and you are not asked again."),
    ]
    if origin.endswith(_ALL_OF_A_KIND):
        lines.append(
            tr("Pages of this kind have a new name each time, so your answer applies to all of them.")
        )
    if others:
        lines.append(
            tr.count(
                "{count} more is waiting for an answer.",
                "{count} more are waiting for an answer.",
                len(others),
            )
        )
    return OriginQuestion(origin, name, title_of(origin, tr), "\n".join(lines))


def title_of(origin: str, tr: Translate) -> str:
    """What happened, in one short line."""
    return tr("{origin} wants to use the server").format(origin=shown_origin(origin))


def shown_origin(origin: str) -> str:
    """An origin made harmless and short, since a stranger has written it."""
    name = presentable(origin)
    return name if len(name) <= MOST_SHOWN else f"{name[: MOST_SHOWN - _END - 1]}…{name[-_END:]}"
