"""Finds the models of GPT4All, which keeps them in one folder; its Python package uses another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tray_app.models.found.found_model import OtherApp, full_path, models_below, note_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tray_app.models.found.found_model import FoundModel, Surroundings

_CHOSEN = re.compile(r"^modelPath=([^\\\r\n]+)\r?$", re.MULTILINE)
"""The models folder in its settings. Values with a backslash are escaped in Qt's own way, and are ignored."""


def find(around: Surroundings) -> Iterator[FoundModel]:
    """The models in the folder that its settings name, and in the usual ones."""
    settings = (around.config / maker / "GPT4All.ini" for maker in ("nomic.ai", "gpt4all.io"))
    chosen = [folder for folder in map(_chosen_folder, settings) if folder]
    usual = (around.local_data / "nomic.ai" / "GPT4All", around.home / ".cache" / "gpt4all")
    for folder in dict.fromkeys((*chosen, *usual)):
        yield from models_below(OtherApp.GPT4ALL, folder)


def _chosen_folder(settings: Path) -> Path | None:
    found = _CHOSEN.search((note_of(settings) or b"").decode(errors="replace"))
    return full_path(found[1]) if found else None
