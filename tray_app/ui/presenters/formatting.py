"""Numbers with their units, progress and errors, in words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tray_app.download.progress import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.download.progress import Progress
    from tray_app.errors import AppError
    from tray_app.phrases import Translate

_MOST_NAMES = 12
_STEP = 1000  # decimal, as disks and download pages give sizes of files


def size_text(size_bytes: float, tr: Translate) -> str:
    """`4.68 GB`: three significant digits, decimal units."""
    if size_bytes < _STEP:
        return tr("{size} B").format(size=tr.number(size_bytes))
    for words in (tr("{size} kB"), tr("{size} MB"), tr("{size} GB")):
        size_bytes /= _STEP
        # Below the rounding limit, so that “1.00 MB” is not written as “1000 kB”.
        if size_bytes < _STEP - 0.5:
            return words.format(size=_three_digits(size_bytes, tr))
    return tr("{size} TB").format(size=_three_digits(size_bytes / _STEP, tr))


def rate_text(rate_bytes_per_s: float, tr: Translate) -> str:
    """`12.3 MB/s`."""
    return tr("{size}/s").format(size=size_text(rate_bytes_per_s, tr))


def space_text(needed_bytes: int, free_bytes: int, tr: Translate) -> str:
    """The disk space that is needed and that is free."""
    numbers = {
        "needed": size_text(needed_bytes, tr),
        "free": size_text(free_bytes, tr),
        "missing": size_text(needed_bytes - free_bytes, tr),
    }
    if needed_bytes > free_bytes:
        return tr("{needed} needed, {free} free: {missing} short").format(**numbers)
    return tr("{needed} needed, {free} free").format(**numbers)


def remaining_text(remaining_s: float, tr: Translate) -> str:
    """`3 min left`, rounded."""
    if remaining_s < 60:  # noqa: PLR2004
        return tr("{seconds} s left").format(seconds=max(1, round(remaining_s)))
    minutes = round(remaining_s / 60)
    if minutes < 60:  # noqa: PLR2004
        return tr("{minutes} min left").format(minutes=minutes)
    return tr("{hours} h {minutes} min left").format(hours=minutes // 60, minutes=minutes % 60)


def duration_text(duration_s: float, tr: Translate) -> str:
    """`2 h 5 min`, rounded down."""
    minutes = int(max(0.0, duration_s) // 60)
    if minutes < 1:
        return tr("less than a minute")
    hours, minutes = divmod(minutes, 60)
    if hours < 1:
        return tr("{minutes} min").format(minutes=minutes)
    days, hours = divmod(hours, 24)
    if days < 1:
        return tr("{hours} h {minutes} min").format(hours=hours, minutes=minutes)
    return tr("{days} d {hours} h").format(days=tr.number(days), hours=hours)


class Transfer(Protocol):
    """What the `Progress` of a download and the `Installation` of an engine have in common."""

    @property
    def received_bytes(self) -> int:
        """What has arrived."""

    @property
    def total_bytes(self) -> int | None:
        """The size of all; None while it is not known."""

    @property
    def rate_bytes_per_s(self) -> float:
        """The speed; 0 while nothing is transferred."""

    @property
    def remaining_s(self) -> float | None:
        """The time that is left; None while it is not known."""


def permille(transfer: Transfer) -> int | None:
    """How far a transfer is, 0 to 1000, for a bar; None while its size is not known."""
    if not transfer.total_bytes:
        return None
    return min(1000, transfer.received_bytes * 1000 // transfer.total_bytes)


def amount_text(transfer: Transfer, tr: Translate) -> str:
    """How much of a transfer is here: `43 %`, or `1.2 GB` while its size is not known."""
    share = permille(transfer)
    if share is None:
        return size_text(transfer.received_bytes, tr)
    return tr("{percent} %").format(percent=share // 10)


def transfer_parts(transfer: Transfer, tr: Translate) -> list[str]:
    """Amount, speed and remaining time of a transfer, as far as they are known."""
    parts = [amount_text(transfer, tr)]
    if transfer.rate_bytes_per_s > 0:
        parts.append(rate_text(transfer.rate_bytes_per_s, tr))
    if transfer.remaining_s is not None:
        parts.append(remaining_text(transfer.remaining_s, tr))
    return parts


def progress_text(progress: Progress, tr: Translate) -> str:  # noqa: PLR0911 - one for each phase
    """The progress of a download: `43 % · 12.3 MB/s · 3 min left`, or its phase."""
    match progress.phase:
        case Phase.DOWNLOADING:
            return " · ".join(transfer_parts(progress, tr))
        case Phase.WAITING:
            return tr("Waiting")
        case Phase.CONNECTING:
            return tr("Connecting …")
        case Phase.VERIFYING:
            return tr("Checking …")
        case Phase.PAUSED:
            return tr("Paused at {amount}").format(amount=amount_text(progress, tr))
        case Phase.CANCELLED:
            return tr("Canceled at {amount}").format(amount=amount_text(progress, tr))
        case Phase.FAILED:
            return tr("Failed: {cause}").format(cause=error_title(progress.error, tr))
        case Phase.DONE:
            return tr("Downloaded")


def error_title(error: AppError | None, tr: Translate) -> str:
    """What happened, in one line without a full stop."""
    return tr.said(error.texts[0]) if error else tr("unknown cause")


def error_text(error: AppError, tr: Translate) -> str:
    """Why it happened and what to do, one below the other."""
    return "\n".join(tr.said(part) for part in error.texts[1:] if part)


def error_lines(error: AppError, tr: Translate) -> tuple[str, ...]:
    """What happened, why, and what to do, each in sentences."""
    title, *rest = error.texts
    return tr("{title}.").format(title=tr.said(title)), *(tr.said(part) for part in rest if part)


def first_names(names: Sequence[str]) -> list[str]:
    """The names to list one by one where there may be hundreds: the first, then “…” if there are more."""
    return [*names[:_MOST_NAMES], *(["…"] if len(names) > _MOST_NAMES else [])]


def _three_digits(value: float, tr: Translate) -> str:
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0  # noqa: PLR2004
    return tr.number(value, digits)
