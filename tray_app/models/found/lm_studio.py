"""Finds the models of LM Studio.

It keeps them as PUBLISHER/REPOSITORY/FILE.gguf in `models` of its home, or in the folder of its settings. The
home is where `~/.lmstudio-home-pointer` leads; before there was one, `~/.cache/lm-studio`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.models.found.found_model import OtherApp, folder_in, full_path, models_below, note_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray_app.models.found.found_model import FoundModel, Surroundings


def find(around: Surroundings) -> Iterator[FoundModel]:
    """Those of every folder that it uses, or has used; also those that come with it."""
    homes = [around.home / ".lmstudio", around.home / ".cache" / "lm-studio"]
    pointer = full_path((note_of(around.home / ".lmstudio-home-pointer") or b"").decode(errors="replace"))
    for home in dict.fromkeys((*((pointer,) if pointer else ()), *homes)):
        chosen = folder_in(home / "settings.json", "downloadsFolder")
        for folder in (chosen, home / "models", home / ".internal" / "bundled-models"):
            if folder:
                yield from models_below(OtherApp.LM_STUDIO, folder)
