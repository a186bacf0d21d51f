"""Finds the models of Ollama.

A manifest, the JSON file `manifests/HOST/NAMESPACE/MODEL/TAG`, names the layers of a model by their digests:
its weights, and perhaps a projector. The layer `sha256:HEX` is the file `blobs/sha256-HEX`. Newer versions
have `manifests-v2` with links to manifests among the blobs, and lists of manifests for different engines.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from tray_app.models.found.found_model import OtherApp, model_at, note_of
from tray_app.system.files import NOT_JSON
from tray_app.system.host import System

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tray_app.models.found.found_model import FoundModel, Surroundings

_MODEL = "application/vnd.ollama.image.model"
_PROJECTOR = "application/vnd.ollama.image.projector"
_DIGEST = re.compile(r"sha256[:-]([0-9a-fA-F]{64})")
"""The only valid form of a digest, because it becomes a file name."""
_USUAL_HOST, _USUAL_NAMESPACE, _USUAL_TAG = "registry.ollama.ai", "library", "latest"
"""The parts that people leave out of a name."""
_LEVELS = 4
_MOST_NAMES = 5000
"""Folders and files on each level of a tree of manifests."""
_MOST_IN_LIST = 20
"""Manifests in a list: each is read, and there are few kinds of engines."""


class _Layer(msgspec.Struct):
    media_type: str = msgspec.field(name="mediaType", default="")
    digest: str = ""


class _Manifest(msgspec.Struct):
    """The used properties of a manifest. An entry of a list may have only a digest."""

    layers: tuple[_Layer, ...] | None = ()
    manifests: tuple[_Manifest, ...] | None = ()
    digest: str = ""


def find(around: Surroundings) -> Iterator[FoundModel]:
    """The user's models, and on Linux those of the service, whose user is called `ollama`."""
    home = around.told("OLLAMA_HOME") or around.home / ".ollama"
    stores = [around.told("OLLAMA_MODELS"), home / "models"]
    if around.system is System.LINUX:
        stores.append(around.shared / "ollama" / ".ollama" / "models")
    for store in stores:
        if store:
            for tree in ("manifests-v2", "manifests"):
                for path in _manifests(store / tree):
                    yield from _of_manifest(path, store)


def _manifests(tree: Path) -> Iterator[Path]:
    """The files four levels below, with the tag `latest` last, which is often a second name for another
    tag.
    """
    level = [tree]
    for _ in range(_LEVELS):
        level = list(islice((path for folder in level for path in _entries(folder)), _MOST_NAMES))
    yield from sorted(level, key=lambda path: (path.name == _USUAL_TAG, path))


def _entries(folder: Path) -> list[Path]:
    """The entries of a folder; none if it does not exist or cannot be listed."""
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError:
        return []


def _of_manifest(path: Path, store: Path) -> Iterator[FoundModel]:
    manifest = _read(path)
    for each in (manifest, *(manifest.manifests or ())[:_MOST_IN_LIST]):
        of_engine = _read(_blob(store, each.digest)) if each.digest and not each.layers else each
        blobs = {layer.media_type: _blob(store, layer.digest) for layer in of_engine.layers or ()}
        if weights := blobs.get(_MODEL):
            yield from model_at(OtherApp.OLLAMA, _name(path), weights, blobs.get(_PROJECTOR))
            return


def _read(path: Path | None) -> _Manifest:
    """The manifest in a file; an empty one if it is not a manifest."""
    content = note_of(path) if path else None
    try:
        return msgspec.json.decode(content or b"{}", type=_Manifest)
    except NOT_JSON:
        return _Manifest()


def _blob(store: Path, digest: str) -> Path | None:
    """The file of a layer; None for an invalid digest, which could lead out of the store."""
    found = _DIGEST.fullmatch(digest)
    return store / "blobs" / f"sha256-{found[1].lower()}" if found else None


def _name(manifest: Path) -> str:
    """Ollama's name for the model of this manifest."""
    host, namespace, model, tag = manifest.parts[-_LEVELS:]
    name = model if tag == _USUAL_TAG else f"{model}:{tag}"
    if host != _USUAL_HOST:
        return f"{host}/{namespace}/{name}"
    return name if namespace == _USUAL_NAMESPACE else f"{namespace}/{name}"
