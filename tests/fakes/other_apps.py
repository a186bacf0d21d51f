"""Makes the folders that other apps keep their models in, as each of them does on each system."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING

from tray_app.system.host import System

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
MANIFEST_LIST = "application/vnd.ollama.manifest.list.v2+json"


def application_data(home: Path, system: System) -> Path:
    """Where programs keep what is theirs, if the environment says nothing of it."""
    return {
        System.LINUX: home / ".local" / "share",
        System.MACOS: home / "Library" / "Application Support",
        System.WINDOWS: home / "AppData" / "Roaming",
    }[system]


def in_lm_studio(home: Path, *files: Path, repository: str = "publisher/repository") -> list[Path]:
    """LM Studio's copies of these files, in the folder of one repository."""
    return [_copied(file, home / ".lmstudio" / "models" / repository / file.name) for file in files]


def in_ollama(store: Path, name: str, model: Path, projector: Path | None = None) -> Path:
    """The blob of a model that was pulled into Ollama's store under a name with namespace and tag."""
    layers = [("model", model)] + ([("projector", projector)] if projector else [])
    blobs = {kind: write_blob(store, file.read_bytes()) for kind, file in layers}
    config = write_blob(store, b'{"model_format": "gguf"}')
    write_manifest(
        store / "manifests" / "registry.ollama.ai" / name,
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json", **described(config)},
            "layers": [
                {"mediaType": f"application/vnd.ollama.image.{kind}", **described(blob)}
                for kind, blob in blobs.items()
            ],
        },
    )
    return blobs["model"]


def write_manifest(path: Path, manifest: object) -> Path:
    """Write a manifest of Ollama's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(manifest))
    return path


def described(blob: Path) -> dict[str, object]:
    """A blob as manifests name it."""
    return {"digest": blob.name.replace("-", ":"), "size": blob.stat().st_size}


def in_jan(data: Path, model_id: str, model: Path, projector: Path | None = None) -> Path:
    """Jan's copy of a model, with its note beside it."""
    folder = data / "llamacpp" / "models" / model_id
    path = _copied(model, folder / "model.gguf")
    lines = [f"model_path: llamacpp/models/{model_id}/model.gguf", f"name: {model_id}"]
    if projector:
        _copied(projector, folder / "mmproj.gguf")
        lines.append(f"mmproj_path: llamacpp/models/{model_id}/mmproj.gguf")
    (folder / "model.yml").write_text("\n".join([*lines, f"size_bytes: {path.stat().st_size}", ""]))
    return path


def in_gpt4all(home: Path, system: System, model: Path) -> Path:
    """GPT4All's copy of a model."""
    local = {System.WINDOWS: home / "AppData" / "Local"}.get(system, application_data(home, system))
    return _copied(model, local / "nomic.ai" / "GPT4All" / model.name)


def in_llama_cpp(cache: Path, repository: str, model: Path, projector: Path | None = None) -> Path:
    """What llama.cpp has downloaded of a repository, OWNER/NAME, with its manifest."""
    owner, name = repository.split("/")
    manifest = {"ggufFile": {"rfilename": model.name, "size": model.stat().st_size}}
    if projector:
        _copied(projector, cache / f"{owner}_{name}_{projector.name}")
        manifest["mmprojFile"] = {"rfilename": projector.name, "size": projector.stat().st_size}
    path = _copied(model, cache / f"{owner}_{name}_{model.name}")
    (cache / f"manifest={owner}={name}=latest.json").write_text(json.dumps(manifest))
    return path


def in_hugging_face(
    cache: Path, repository: str, files: Sequence[Path], revision: str = "a" * 40, *, links: bool = True
) -> list[Path]:
    """What Hugging Face's libraries have in their cache of a repository, as that of `main`."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / revision
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs" / "main").write_text(revision)
    paths = []
    for file in files:
        path = snapshot / file.name
        if links:
            blob = _copied(file, folder / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest())
            path.symlink_to(f"../../blobs/{blob.name}")
        else:
            _copied(file, path)
        paths.append(path)
    return paths


def write_blob(store: Path, content: bytes) -> Path:
    """Write a blob of Ollama's, whatever it is; its path."""
    path = store / "blobs" / f"sha256-{hashlib.sha256(content).hexdigest()}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _copied(file: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return shutil.copyfile(file, target)
