"""Finds the models that llama.cpp has downloaded.

Its cache has OWNER_NAME_FILE.gguf, and for each model `manifest=OWNER=NAME=TAG.json`, which names the file
and its projector. Newer versions use the structure of Hugging Face's cache, see `hugging_face.py`.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from tray_app.models.found.found_model import OtherApp, model_at, models_below, note_of
from tray_app.models.found.hugging_face import models_in_cache
from tray_app.models.model_files import stem_of
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tray_app.models.found.found_model import FoundModel, Surroundings

_MOST_MANIFESTS = 1000


class _File(msgspec.Struct):
    name: str = msgspec.field(name="rfilename", default="")


class _Manifest(msgspec.Struct, rename="camel"):
    """The used properties of a manifest."""

    gguf_file: _File | None = None
    mmproj_file: _File | None = None


def find(around: Surroundings) -> Iterator[FoundModel]:
    """The models in the cache that the environment names, or else in the usual one."""
    cache = around.told("LLAMA_CACHE") or around.caches / "llama.cpp"
    yield from _listed(cache)
    yield from models_below(OtherApp.LLAMA_CPP, cache)
    yield from models_in_cache(OtherApp.LLAMA_CPP, cache)


def _listed(cache: Path) -> Iterator[FoundModel]:
    try:
        paths = sorted(cache.glob("manifest=*.json"))[:_MOST_MANIFESTS]
    except OSError:
        return
    for path in paths:
        _, *repository, _tag = path.stem.split("=")
        try:
            manifest = msgspec.json.decode(note_of(path) or b"{}", type=_Manifest)
        except NOT_JSON:
            continue
        if len(repository) == len(("owner", "name")) and manifest.gguf_file:
            prefix = "_".join(repository)
            weights = _file_of(cache, prefix, manifest.gguf_file)
            projector = _file_of(cache, prefix, manifest.mmproj_file) if manifest.mmproj_file else None
            yield from model_at(
                OtherApp.LLAMA_CPP, stem_of(PurePosixPath(manifest.gguf_file.name)), weights, projector
            )


def _file_of(cache: Path, prefix: str, file: _File) -> Path:
    """The path of a repository's file: its folders are part of the file name."""
    return cache / f"{prefix}_{file.name}".replace("/", "_").replace("\\", "_")
