"""Finds the models that other apps have on this computer. Any thread; reads folders and small files."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from tray_app.models.found import gpt4all, hugging_face, jan, llama_cpp, lm_studio, ollama
from tray_app.models.found.found_model import Surroundings
from tray_app.phrases import presentable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tray_app.models.found.found_model import FoundModel
    from tray_app.system.host import System

_MOST_MODELS = 2000
"""For each app, so that a search ends in reasonable time whatever is in its folders."""
_APPS = (lm_studio, ollama, jan, gpt4all, llama_cpp, hugging_face)


def found_models(home: Path, environ: Mapping[str, str], system: System) -> tuple[FoundModel, ...]:
    """The models of other apps, in their usual folders and in those that their settings name.

    Each file is listed once, even if several apps have it through links. Nothing is changed, and nothing
    damaged, unreadable or endless stops the search.
    """
    return tuple(models_around(Surroundings(home, environ, system)))


def models_around(around: Surroundings) -> Iterator[FoundModel]:
    """The same, one by one, for these surroundings."""
    seen = set()
    for app in _APPS:
        for model in islice(app.find(around), _MOST_MODELS):
            try:
                info = model.path.stat()
            except OSError:  # gone meanwhile
                continue
            if (identity := (info.st_dev, info.st_ino)) not in seen:
                seen.add(identity)
                yield replace(model, name=presentable(model.name))
