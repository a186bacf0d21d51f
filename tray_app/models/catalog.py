"""The catalog: models that can be downloaded by their ids. Read once, at the start."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from tray_app.download.file_names import names_a_model
from tray_app.download.source import parse_source
from tray_app.errors import DownloadError, ErrorCode, ModelError
from tray_app.models.header import Purpose
from tray_app.phrases import phrase
from tray_app.settings.schema import AUTO
from tray_app.system.files import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tray_app.phrases import Text
    from tray_app.settings.schema import ModelSettings

Id = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9.-]*\Z")]
FileName = Annotated[str, msgspec.Meta(pattern=r"\A[^/\\:]+\.gguf\Z")]
Language = Annotated[str, msgspec.Meta(pattern=r"\A(?:[a-z]{2}|multi)\Z")]
Digest = Annotated[str, msgspec.Meta(pattern=r"\A(?:[0-9a-f]{64})?\Z")]
Size = Annotated[int, msgspec.Meta(ge=0)]

MANY_LANGUAGES = "multi"
"""Instead of a list of languages: more than twenty."""
_ROUNDED = 0.03
"""The largest relative error of an approximate size."""


class CatalogEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model in the catalog. Once it is downloaded, its header counts instead."""

    id: Id
    name: str
    file_name: FileName
    source: str = ""
    """A URL or `hf:owner/repo/file`; empty for the built-in model."""
    size_bytes: Size = 0
    """Of its file, without the projector. 0 if it is not known before the download."""
    size_is_approximate: bool = False
    sha256: Digest = ""
    """Of its file; empty if it is not known."""
    license: str = ""
    """Empty if it is not known; the publisher's page has it."""
    projector: str = ""
    """The source of its projector, as in `source`; empty if it has none."""
    projector_size_bytes: Size = 0
    gated: bool = False
    """Whether the publisher requires signing in and accepting terms before the download."""
    purpose: Purpose | None = None
    """None if only its header tells."""
    languages: tuple[Language, ...] = ()
    """ISO 639-1 codes, or only `MANY_LANGUAGES`. Empty if they are not known."""
    context: Size = 0
    """The longest context that it was trained with, in tokens. 0 if it is not known before the download."""
    dimensions: Size = 0
    """Numbers in each of its vectors. 0 if not known before the download, or not for embeddings."""
    vector_sizes: tuple[int, ...] = ()
    """The numbers of dimensions to which its vectors may be cut, for which it was trained (Matryoshka)."""
    prefix_query: str = ""
    """The prefix for queries that it was trained with."""
    prefix_document: str = ""
    """The prefix for documents that it was trained with."""
    pooling: Literal["auto", "mean", "cls", "last", "rank"] = "auto"
    """Its pooling, if its file does not give it."""
    note: str
    """One sentence about it for people."""

    @property
    def builtin(self) -> bool:
        """Whether it is the built-in model."""
        return not self.source

    @property
    def projector_name(self) -> str:
        """The file name of its projector; empty if it has none."""
        return parse_source(self.projector).file_name if self.projector else ""

    @property
    def sparse(self) -> bool:
        """Whether it needs PowerInfer, according to its file name."""
        return self.file_name.endswith(".powerinfer.gguf")

    @property
    def sees(self) -> bool:
        """Whether it takes pictures."""
        return bool(self.projector)

    @property
    def download_bytes(self) -> int:
        """The size of its download, including the projector, as far as known."""
        return self.size_bytes + self.projector_size_bytes

    @property
    def defaults(self) -> ModelSettings:
        """Its values for settings, by name, which apply until the user chooses others."""
        known = {
            "pooling": "" if self.pooling == AUTO else self.pooling,
            "shorter_vectors": "yes" if self.vector_sizes else "",
            "prefix_query": self.prefix_query,
            "prefix_document": self.prefix_document,
        }
        return MappingProxyType({name: value for name, value in known.items() if value})

    def speaks(self, languages: Iterable[str]) -> bool:
        """Whether it knows all these languages (ISO 639-1)."""
        return MANY_LANGUAGES in self.languages or set(languages) <= set(self.languages)

    def has_size(self, size_bytes: int) -> bool:
        """Whether a file of this size may be this model."""
        allowed = _ROUNDED * self.size_bytes if self.size_is_approximate else 0
        return bool(self.size_bytes) and abs(size_bytes - self.size_bytes) <= allowed

    def describes(self, file_name: str, size_bytes: int, sha256: str | None) -> bool:
        """Whether a file is this model: by its size, and its digest or, if one is unknown, its name."""
        if not self.has_size(size_bytes):
            return False
        return self.sha256 == sha256 if self.sha256 and sha256 else self.file_name == file_name


class _OwnEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry of the user's own list: everything else follows from it, or is known after the download."""

    id: Id
    source: str
    name: str = ""
    projector: str = ""
    note: str = str(phrase("From your own list."))
    license: str = ""

    def entry(self) -> CatalogEntry:
        """The same as a catalog entry; `DownloadError` if a source is invalid or does not name a model."""
        for address in filter(None, (self.source, self.projector)):
            if not names_a_model(parse_source(address).file_name):
                raise DownloadError(
                    ErrorCode.ADDRESS_NAMES_NO_FILE,
                    "The URL does not name a model",
                    phrase("“{source}” does not contain the name of a .gguf file.", source=address),
                )
        return CatalogEntry(
            id=self.id,
            name=self.name or self.id,
            file_name=parse_source(self.source).file_name,
            source=self.source,
            projector=self.projector,
            license=self.license,
            note=self.note,
        )


class _OwnList(msgspec.Struct, forbid_unknown_fields=True):
    models: tuple[_OwnEntry, ...] = ()


class _Catalog(msgspec.Struct, forbid_unknown_fields=True):
    models: tuple[CatalogEntry, ...]


def load_catalog(path: Path) -> tuple[CatalogEntry, ...]:
    """The entries in the file's order; `ModelError`, which names the place, if the file is missing or
    invalid.
    """
    try:
        return msgspec.toml.decode(path.read_bytes(), type=_Catalog).models
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise ModelError(
            ErrorCode.CATALOG_UNREADABLE,
            "The model catalog could not be read",
            phrase("{path}: {reason}", path=path, reason=exc),
            "Reinstall the app or fix the file.",
        ) from exc


def load_all(path: Path, own_path: Path) -> tuple[tuple[CatalogEntry, ...], ModelError | None]:
    """The catalog followed by the user's own list, and the error if that list is invalid and was left out.

    `ModelError` as in `load_catalog`.
    """
    catalog = load_catalog(path)
    try:
        return catalog + load_own_models(own_path, catalog), None
    except ModelError as exc:
        return catalog, exc


def load_own_models(path: Path, catalog: tuple[CatalogEntry, ...]) -> tuple[CatalogEntry, ...]:
    """The models in the user's own list; empty if the file does not exist.

    `ModelError`, which names the place, if the list is invalid or repeats an id or a file name of `catalog`.
    """
    try:
        own = msgspec.toml.decode(read_regular(path), type=_OwnList).models
    except FileNotFoundError:
        return ()
    except OSError as exc:
        raise _wrong_list(path, exc.strerror or str(exc)) from exc
    except (ValueError, RecursionError) as exc:  # ValueError: not UTF-8, not TOML, or not such a list
        raise _wrong_list(path, str(exc)) from exc
    known = {name for entry in catalog for name in (entry.id, entry.file_name)}
    entries = []
    for each in own:
        try:
            entry = each.entry()
        except DownloadError as exc:
            raise _wrong_list(path, phrase("{id}: {reason}", id=each.id, reason=exc.texts[1])) from exc
        for name in (entry.id, entry.file_name):
            if name in known:
                raise _wrong_list(
                    path, phrase("{id}: another model has the same {name}.", id=each.id, name=name)
                )
            known.add(name)
        entries.append(entry)
    return tuple(entries)


def _wrong_list(path: Path, why: Text) -> ModelError:
    return ModelError(
        ErrorCode.OWN_MODELS_INVALID,
        "Your own list of models could not be used",
        phrase("{path}: {why}", path=path, why=why),
        'Each entry needs an id and a source: [[models]] id = "mine" source = "hf:owner/repo/file.gguf"',
    )
