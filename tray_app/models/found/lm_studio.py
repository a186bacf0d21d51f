"""Finds the models of LM Studio.

It keeps them as PUBLISHER/REPOSITORY/FILE.gguf in `models` in its home, or in the folder that its settings
name. `~/.lmstudio-home-pointer` contains the path of the home; earlier versions used `~/.cache/lm-studio`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.models.found.found_model import OtherApp, chosen_folder, full_path, models_below, note_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray_app.models.found.found_model import FoundModel, Surroundings


def find(around: Surroundings) -> Iterator[FoundModel]:
    """The models in every folder that it uses or has used, and those that come with it."""
    homes = [around.home / ".lmstudio", around.home / ".cache" / "lm-studio"]
    pointer = full_path((note_of(around.home / ".lmstudio-home-pointer") or b"").decode(errors="replace"))
    for home in dict.fromkeys((*((pointer,) if pointer else ()), *homes)):
        chosen = chosen_folder(home, "downloadsFolder")
        for folder in (chosen, home / "models", home / ".internal" / "bundled-models"):
            if folder:
                yield from models_below(OtherApp.LM_STUDIO, folder)
