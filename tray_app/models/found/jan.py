"""Finds the models of Jan.

Its data folder has `llamacpp/models/ID/model.yml` for each model. `model_path` in it is relative to the data
folder, or absolute for files that the user has elsewhere. The file is usually called `model.gguf`, so the
model is named after its folder. Earlier versions had `models/…` with files under their own names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tray_app.models.found.found_model import (
    OtherApp,
    chosen_folder,
    full_path,
    is_path,
    model_at,
    models_below,
    note_of,
)
from tray_app.models.tree import files_below

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tray_app.models.found.found_model import FoundModel, Surroundings

_NOTE = "model.yml"
_LINE = re.compile(r"^(model_path|mmproj_path):(.*)", re.MULTILINE)
"""The used entries; Jan writes each value on the line of its key."""


def find(around: Surroundings) -> Iterator[FoundModel]:
    """The models in the data folder that its settings name, and in the usual ones."""
    homes = (around.config / "Jan", around.data / "Jan", around.data / "jan.ai.app")
    chosen = (chosen_folder(home, "data_folder") for home in homes)
    for data in dict.fromkeys((*filter(None, chosen), around.data / "Jan" / "data", around.home / "jan")):
        for models in (data / "llamacpp" / "models", data / "models"):
            yield from _noted(models, data)
            yield from models_below(OtherApp.JAN, models)


def _noted(models: Path, data: Path) -> Iterator[FoundModel]:
    try:
        notes = sorted(each.name for each in files_below(models, lambda name: name == _NOTE))
    except OSError:
        return
    for name in notes:
        paths = _paths_in(models / name, data)
        if path := paths.get("model_path"):
            called = name.removesuffix(_NOTE).rstrip("/") or path.stem
            yield from model_at(OtherApp.JAN, called, path, paths.get("mmproj_path"))


def _paths_in(note: Path, data: Path) -> dict[str, Path]:
    lines = _LINE.findall((note_of(note) or b"").decode(errors="replace"))
    unquoted = {key: text.strip().strip("\"'") for key, text in lines}
    return {key: full_path(text) or data / text for key, text in unquoted.items() if is_path(text)}
