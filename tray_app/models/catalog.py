"""Models that the app knows by name before any of them is on disk. Read once, at the start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from tray_app.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

Id = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9.-]*\Z")]
FileName = Annotated[str, msgspec.Meta(pattern=r"\A[^/\\:]+\.gguf\Z")]


class CatalogEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model that can be had by its id. The file's own header decides what it is once it is on disk."""

    id: Id
    name: str
    file_name: FileName
    source: str = ""
    """URL or `hf:owner/repo/file`; empty for the model that comes with the app."""
    size_bytes: Annotated[int, msgspec.Meta(gt=0)]
    size_is_approximate: bool = False
    license: str = ""
    """Empty: not known here; the publisher's page has it."""
    gated: bool = False
    """The publisher wants people to sign in and accept terms before the download."""
    recommended: bool = False
    note: str
    """One sentence for people."""

    @property
    def builtin(self) -> bool:
        """Whether the model comes with the app."""
        return not self.source

    @property
    def sparse(self) -> bool:
        """Whether it needs PowerInfer, by the name that its publishers give such files."""
        return self.file_name.endswith(".powerinfer.gguf")


class _Catalog(msgspec.Struct, forbid_unknown_fields=True):
    models: tuple[CatalogEntry, ...]


def load_catalog(path: Path) -> tuple[CatalogEntry, ...]:
    """The entries in the file's order; `ModelError` that names the place if the file is missing or wrong."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=_Catalog).models
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise ModelError(
            "The catalogue of models cannot be read",
            f"{path}: {exc}",
            "Install the app again, or mend the file.",
        ) from exc
