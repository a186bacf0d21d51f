"""Finds the models in Hugging Face's cache, which many programs share.

`models--OWNER--NAME/snapshots/REVISION/FILE` is a link to `blobs/DIGEST`, or the file itself on systems
without links. `refs/main` contains the newest downloaded revision.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from tray_app.models.found.found_model import OtherApp, models_below, note_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tray_app.models.found.found_model import FoundModel, Surroundings

_MOST_REPOSITORIES = 1000
_MOST_REVISIONS = 20
"""Of one repository."""


def find(around: Surroundings) -> Iterator[FoundModel]:
    """The models in the cache that the environment names, or else in the usual one."""
    home = around.told("HF_HOME") or (around.told("XDG_CACHE_HOME") or around.home / ".cache") / "huggingface"
    named = around.told("HF_HUB_CACHE") or around.told("HUGGINGFACE_HUB_CACHE")
    yield from models_in_cache(OtherApp.HUGGING_FACE, named or home / "hub")


def models_in_cache(app: OtherApp, cache: Path) -> Iterator[FoundModel]:
    """The models in a cache with this structure, each in its newest revision."""
    try:
        repositories = sorted(islice(cache.glob("models--*"), _MOST_REPOSITORIES))
    except OSError:
        return
    for repository in repositories:
        seen = set()
        for snapshot in _snapshots(repository):
            for model in models_below(app, snapshot):
                if model.name not in seen:
                    seen.add(model.name)
                    yield model


def _snapshots(repository: Path) -> list[Path]:
    """The downloaded revisions of a repository, that of `main` first, then the newest."""
    main = (note_of(repository / "refs" / "main") or b"").decode(errors="replace").strip()
    try:
        found = list(islice((repository / "snapshots").iterdir(), _MOST_REVISIONS))
        return sorted(found, key=lambda path: (path.name == main, path.stat().st_mtime), reverse=True)
    except OSError:
        return []
