"""Embeddings in numbers, and why there can be none now. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.app.server_status import ServerState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.app.status import AppStatus
    from tray_app.gateway.public_client import Embeddings
    from tray_app.phrases import Translate

_FIRST = 4


@dataclass(frozen=True, slots=True)
class EmbeddedText:
    """A text with its vector."""

    text: str
    norm: str
    """The length of the vector."""
    first_values: str
    vector: Sequence[float]


def texts_of(typed: str) -> tuple[str, ...]:
    """The texts in what a person typed: each line that is not blank."""
    return tuple(line.strip() for line in typed.splitlines() if line.strip())


def reason_to_wait(status: AppStatus, texts: Sequence[str], tr: Translate) -> str:
    """What must happen before these texts can be embedded; empty if nothing."""
    return server_reason(status, tr) or ("" if texts else tr("Type a text first."))


def server_reason(status: AppStatus, tr: Translate) -> str:
    """Why the server cannot embed anything now; empty if it can."""
    state = status.server.state
    wakes = state is ServerState.ASLEEP and status.wakes_on_request
    if wakes or state is ServerState.READY or _has_own_default(status):
        return ""
    match state:
        case ServerState.ASLEEP:
            return tr("The server is asleep. Start it first.")
        case ServerState.PREPARING | ServerState.STARTING | ServerState.LOADING:
            return tr("The model is being loaded …")
        case ServerState.RESTARTING:
            return tr("The server is being restarted …")
        case ServerState.WAITING:
            return tr("The server waits until the model is there again.")
        case _:
            return tr("The server must run first.")


def _has_own_default(status: AppStatus) -> bool:
    """Whether another model than the chosen one embeds, which a request would load."""
    settings = status.settings
    return status.server.base_url is not None and settings.default_embedding not in ("", settings.model)


def result_summary(result: Embeddings, tr: Translate) -> str:
    """`4 texts · 64 dimensions · 12 tokens · 3.4 ms per text`."""
    count = len(result.vectors)
    parts = [
        tr.count("{count} text", "{count} texts", count),
        tr.count("{count} dimension", "{count} dimensions", result.dimensions),
        tr.count("{count} token", "{count} tokens", result.tokens),
        tr("{ms} ms per text").format(ms=tr.number(result.elapsed_ms / max(1, count), 1)),
    ]
    return " · ".join(parts)


def embedded_texts(texts: Sequence[str], result: Embeddings, tr: Translate) -> tuple[EmbeddedText, ...]:
    """A row for each text, in the order of the texts."""
    return tuple(
        EmbeddedText(
            text=text,
            norm=tr.number(math.sqrt(math.fsum(value * value for value in vector)), 4),
            first_values=tr(", ").join(
                [*(tr.number(value, 4, signed=True) for value in vector[:_FIRST]), "…"]
            ),
            vector=vector,
        )
        for text, vector in zip(texts, result.vectors, strict=True)
    )
