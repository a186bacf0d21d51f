"""The downloads of the files of one split model, shown as a single download. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.download.progress import Phase, Progress
from tray_app.models.model_files import parts_of, split_of
from tray_app.ui.presenters.formatting import permille, progress_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tray_app.phrases import Translate

_BY_WEIGHT = (
    Phase.FAILED,
    Phase.DOWNLOADING,
    Phase.VERIFYING,
    Phase.CONNECTING,
    Phase.WAITING,
    Phase.PAUSED,
    Phase.CANCELLED,
    Phase.DONE,
)
"""The whole is in the first of these phases that a part is in."""


def of_one_model(downloads: Iterable[Progress]) -> dict[Path, tuple[Progress, ...]]:
    """The downloads by the first file of their model; of each file only the latest."""
    latest = {progress.path: progress for progress in downloads}
    models: dict[Path, list[Progress]] = {}
    for path, progress in latest.items():
        models.setdefault(parts_of(path)[0], []).append(progress)
    return {path: tuple(sorted(parts, key=lambda part: part.path.name)) for path, parts in models.items()}


def merged(parts: tuple[Progress, ...]) -> Progress:
    """One download for several: their sums, with the phase and speed of the one that matters most."""
    leader = min(parts, key=lambda part: _BY_WEIGHT.index(part.phase))
    if len(parts) == 1:
        return leader
    totals = [part.total_bytes for part in parts]
    total_bytes = sum(total for total in totals if total) if all(totals) else None
    received_bytes = sum(part.received_bytes for part in parts)
    rate = leader.rate_bytes_per_s
    missing_bytes = None if total_bytes is None else total_bytes - received_bytes
    return Progress(
        id=leader.id,
        name=leader.name,
        phase=leader.phase,
        received_bytes=received_bytes,
        total_bytes=total_bytes,
        rate_bytes_per_s=rate,
        remaining_s=missing_bytes / rate if rate and missing_bytes is not None else None,
        path=leader.path,
        resumed=any(part.resumed for part in parts),
        sha256=None,
        error=leader.error,
    )


def merged_permille(parts: tuple[Progress, ...]) -> int | None:
    """How far all of them are, 0 to 1000. While a size is not known, all files count the same."""
    whole = permille(merged(parts))
    if whole is not None or len(parts) == 1:
        return whole
    return sum(1000 if part.phase is Phase.DONE else permille(part) or 0 for part in parts) // len(parts)


def merged_text(parts: tuple[Progress, ...], tr: Translate) -> str:
    """The progress of the download of a model, and which of its files it is about."""
    whole = merged(parts)
    text = progress_text(whole, tr)
    split = split_of(whole.path.stem)
    if split is None or whole.phase is Phase.DONE:
        return text
    return tr("File {number} of {count}: {text}").format(number=split.number, count=split.count, text=text)
