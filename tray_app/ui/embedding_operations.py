"""What the tabs Compare and Measure ask for that takes many requests. Runs off the GUI thread."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.errors import AppError
from tray_app.gateway.public_client import Embeddings
from tray_app.ui.garbage import import_once
from tray_app.ui.presenters.measurement import Measurement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from threading import Event

    import numpy as np

    from tray_app.search.collection import MapOfTexts
    from tray_app.ui.app_protocol import AppProtocol
    from tray_app.ui.presenters.measurement import Workload

_TEXTS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class EmbeddingResult:
    """The vectors of some texts, and how they are shown."""

    result: Embeddings
    similarity: np.ndarray
    """A matrix with a row and a column for each text: see `heat_map.similarities`."""
    map: MapOfTexts
    """The same texts as points."""


def embed_texts(app: AppProtocol, texts: Sequence[str], cancelled: Event) -> EmbeddingResult:
    """Embed `texts`, and import what plots the result.

    The import takes a quarter of a second, which the GUI thread does not wait for. Many texts are sent in
    several requests, and no further ones once `cancelled` is set.
    """
    import_once("tray_app.ui.widgets.comparison")
    import numpy as np

    from tray_app.search.collection import MapOfTexts
    from tray_app.search.nearest import flat_map
    from tray_app.ui.widgets.heat_map import similarities

    parts = []
    for first in range(0, len(texts), _TEXTS_AT_ONCE):
        parts.append(app.client.embed(texts[first : first + _TEXTS_AT_ONCE]))
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
    """Measure how fast the server embeds `text`; `tell` gets the number of answered requests.

    The first request that fails ends the measurement with its `AppError`.
    """
    import_once("tray_app.ui.widgets.histogram")
    began_s = time.perf_counter()
    latencies_ms: list[float] = []
    with ThreadPoolExecutor(load.at_once, "measure") as pool:

        def ask(_: int) -> float | None:
            try:
                return None if cancelled.is_set() else app.client.embed([text]).elapsed_ms
            except AppError:
                cancelled.set()  # no further requests are sent
                raise

        for latency_ms in pool.map(ask, range(load.requests)):
            if latency_ms is not None:
                latencies_ms.append(latency_ms)
                tell(len(latencies_ms))
    return Measurement(tuple(latencies_ms), time.perf_counter() - began_s)
