"""Archives of engines as their makers publish them, and as nobody should: the engine in them is a fake."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import zipfile
from typing import TYPE_CHECKING

from tests.fakes.fake_llama_server import Mode, llama_server
from tray_app.engine.builds.build import BackEnd, PublishedBuild, PublishedFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tray_app.system.host import Host

FOLDER = "llama-b11434"
LIBRARY = "libggml-base.so"


def engine_tar(mode: Mode = Mode.CUDA, padding_bytes: int = 0) -> bytes:
    """A .tar.gz with the program in a folder, a library and a link to it, as those for Linux are."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        _add(archive, f"{FOLDER}/llama-server", llama_server(mode).encode(), 0o755)
        _add(archive, f"{FOLDER}/{LIBRARY}.0", b"\x7fELF library", 0o755)
        link = tarfile.TarInfo(f"{FOLDER}/{LIBRARY}")
        link.type, link.linkname = tarfile.SYMTYPE, f"{LIBRARY}.0"
        archive.addfile(link)
        _add(archive, f"{FOLDER}/padding", os.urandom(padding_bytes), 0o644)
    return written.getvalue()


def tar_of(files: Mapping[str, bytes]) -> bytes:
    """A .tar.gz with these files and no other."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        for name, content in files.items():
            _add(archive, name, content, 0o644)
    return written.getvalue()


def zip_of(files: Mapping[str, bytes]) -> bytes:
    """A .zip with these files, which does not say what can be run."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return written.getvalue()


def published(
    address: str, host: Host, files: Mapping[str, bytes], back_end: BackEnd = BackEnd.CUDA
) -> PublishedBuild:
    """The build whose archives these are, by name."""
    return PublishedBuild(
        id=f"b11434-{back_end}",
        release="b11434",
        system=host.system,
        machine=host.machine,
        back_end=back_end,
        address=address,
        files=tuple(
            PublishedFile(name, len(content), hashlib.sha256(content).hexdigest(), "MIT")
            for name, content in files.items()
        ),
    )


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    archive.addfile(info, io.BytesIO(content))
