"""What is shown before a download: what the model is, and what it takes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.ui.presenters.formatting import size_text, space_text
from tray_app.ui.presenters.models import kind_text
from tray_app.ui.presenters.verdict import fit_reason, fit_shape, fit_word

if TYPE_CHECKING:
    from tray_app.app.model_manager import DownloadPreview
    from tray_app.phrases import Translate


def preview_facts(preview: DownloadPreview, tr: Translate) -> tuple[tuple[str, str], ...]:
    """Pairs of a label and its value; an empty label continues the value above."""
    model = preview.report.model
    header = model.header
    context = header.context_length
    facts = (
        (
            tr("Kind:"),
            f"{kind_text(tr, sparse=header.sparse)} · {header.architecture} · {header.quantization}",
        ),
        (tr("Context size:"), tr.count("{count} token", "{count} tokens", context) if context else ""),
        (tr("Size:"), size_text(model.size_bytes, tr)),
        (tr("Disk space:"), space_text(preview.needed_bytes, preview.free_bytes, tr)),
        (tr("This computer:"), f"{fit_shape(preview.report)} {fit_word(preview.report, tr)}"),
        ("", fit_reason(preview.report, tr)),
    )
    return tuple(fact for fact in facts if fact[1])
