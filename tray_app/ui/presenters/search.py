"""A person's own texts and a search in them, in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tray_app.phrases import presentable, visible
from tray_app.search.collection import PASTED
from tray_app.ui.presenters.formatting import error_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.phrases import Translate
    from tray_app.search.collection import AddReport, Collection, Hit, Skipped

_JOINT = " · "


@dataclass(frozen=True, slots=True)
class HitRow:
    """A text that was found, as in its row."""

    text: str
    """As one paragraph; `whole` has it as it was written."""
    whole: str
    source: str
    place: str
    score: float
    score_text: str
    path: Path | None
    """Its file; None for a text that was pasted."""

    @property
    def origin(self) -> str:
        """`notes.md · lines 10 to 24`."""
        return _JOINT.join(filter(None, (self.source, self.place)))


def hit_rows(hits: Sequence[Hit], tr: Translate) -> tuple[HitRow, ...]:
    """A row for each text that was found, the nearest first."""
    return tuple(_hit_row(hit, tr) for hit in hits)


def _hit_row(hit: Hit, tr: Translate) -> HitRow:
    path = None if hit.source == PASTED else Path(hit.source)
    return HitRow(
        text=presentable(" ".join(hit.text.split())),
        whole=visible(hit.text),
        source=presentable(path.name) if path else tr("Pasted"),
        place=tr.said(hit.place),
        score=hit.score,
        score_text=tr.number(hit.score, 2),
        path=path,
    )


def collection_facts(collection: Collection, tr: Translate) -> str:
    """`1,234 texts · 1024 dimensions · bge-m3`."""
    parts = [tr.count("{count} text", "{count} texts", collection.texts)]
    if collection.dimensions:
        parts.append(tr.count("{count} dimension", "{count} dimensions", collection.dimensions))
    if collection.model_id:
        parts.append(presentable(collection.model_id))
    return _JOINT.join(parts)


def progress_text(done: int, total: int, tr: Translate) -> str:
    """How far the embedding of texts is."""
    if not done:
        return tr.count("Reading … {count} text so far", "Reading … {count} texts so far", total)
    return tr("Embedding {done} of {total} texts").format(done=tr.number(done), total=tr.number(total))


def report_text(report: AddReport, tr: Translate) -> str:
    """The outcome of adding texts."""
    parts = [tr.count("{count} text added", "{count} texts added", report.added)]
    if report.unchanged:
        parts.append(tr.count("{count} was there already", "{count} were there already", report.unchanged))
    if report.removed:
        parts.append(tr.count("{count} removed", "{count} removed", report.removed))
    return _JOINT.join(parts)


def skipped_title(skipped: Sequence[Skipped], tr: Translate) -> str:
    """The title of the list of what was skipped."""
    return tr.count("{count} item was skipped", "{count} items were skipped", len(skipped))


def damaged_title(damaged: Sequence[Skipped], tr: Translate) -> str:
    """The title of the list of collections that cannot be read."""
    return tr.count("{count} collection cannot be read", "{count} collections cannot be read", len(damaged))


def skipped_rows(skipped: Sequence[Skipped], tr: Translate) -> tuple[str, ...]:
    """A line for each skipped item, with the reason."""
    return tuple(
        tr("{name}: {reason}").format(
            name=presentable(Path(each.source).name if each.source != PASTED else tr("Pasted")),
            reason=" ".join(error_lines(each.error, tr)[:2]),
        )
        for each in skipped
    )


def found_text(hits: Sequence[Hit], tr: Translate) -> str:
    """What a screen reader says about an answer: the nearest text."""
    if not hits:
        return tr("Nothing was found")
    return tr("The nearest text: {text}").format(text=_hit_row(hits[0], tr).text)


def outdated_text(collection: Collection, tr: Translate) -> str:
    """What to do when the model of a collection has changed."""
    return tr(
        "{model}, which embedded these texts, has been changed or removed. Embed them again to search them; "
        "the files are not read again."
    ).format(model=presentable(collection.model_id))


def map_text(explained: tuple[float, float], shown: int, total: int, tr: Translate) -> str:
    """What a map of texts shows, and how much of the differences."""
    words = tr("Similar texts are near each other. The map shows {percent}% of the differences.").format(
        percent=tr.number(100 * sum(explained))
    )
    if shown < total:
        some = tr("{shown} of {total} texts are shown.").format(
            shown=tr.number(shown), total=tr.number(total)
        )
        words = f"{words} {some}"
    return words


def name_for(paths: Sequence[Path], tr: Translate) -> str:
    """The name of a new collection of these files and folders."""
    if not paths:
        return tr("Pasted texts")
    first = presentable(paths[0].stem if paths[0].suffix else paths[0].name)
    return first or presentable(paths[0])


def example_texts(tr: Translate) -> tuple[str, ...]:
    """Ten sentences on four subjects, to try a search with."""
    return (
        tr("Bread rises because yeast turns sugar into gas."),
        tr("A sourdough starter has to be fed with flour and water every day."),
        tr("Let the cake cool before you cut it."),
        tr("The train to the coast leaves every hour."),
        tr("Book the ferry early in the summer months."),
        tr("A passport has to be valid for six more months."),
        tr("Cats sleep for most of the day."),
        tr("A dog needs a long walk every morning."),
        tr("The battery lasts longer if it is never quite full."),
        tr("Restart the router when the connection is slow."),
    )


def example_question(tr: Translate) -> str:
    """A question without a word in common with the sentence that answers it."""
    return tr("What do I need for a holiday abroad?")
