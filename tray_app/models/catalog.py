"""Models that the app knows by name before any of them is on disk. Read once, at the start."""

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
"""In place of a list of languages: more than twenty."""
_ROUNDED = 0.03
"""A size that is approximate is right within this share of it."""


class CatalogEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model that can be had by its id. The file's own header decides what it is once it is on disk."""

    id: Id
    name: str
    file_name: FileName
    source: str = ""
    """URL or `hf:owner/repo/file`; empty for the model that comes with the app."""
    size_bytes: Size = 0
    """Of its file, without that of a projector. 0: not known before the download."""
    size_is_approximate: bool = False
    sha256: Digest = ""
    """Of its file. Empty: not known here."""
    license: str = ""
    """Empty: not known here; the publisher's page has it."""
    projector: str = ""
    """Where the file is with which the model sees pictures, as `source`; empty if it has none."""
    projector_size_bytes: Size = 0
    gated: bool = False
    """The publisher wants people to sign in and accept terms before the download."""
    purpose: Purpose | None = None
    """None: only its header tells."""
    languages: tuple[Language, ...] = ()
    """ISO 639-1, or `MANY_LANGUAGES` alone. Empty: not known."""
    context: Size = 0
    """Tokens that it was trained to see at once. 0: not known before the download."""
    dimensions: Size = 0
    """Numbers in its vectors. 0: not known before the download, or not meant for vectors."""
    vector_sizes: tuple[int, ...] = ()
    """To how many numbers its vectors may be cut, which it was trained for (Matryoshka)."""
    prefix_query: str = ""
    """What it was trained to have before a question."""
    prefix_document: str = ""
    """The same before a text that is to be found."""
    pooling: Literal["auto", "mean", "cls", "last", "rank"] = "auto"
    """How a vector is made of a text, for files that forget to tell it."""
    note: str
    """One sentence for people."""

    @property
    def builtin(self) -> bool:
        """Whether the model comes with the app."""
        return not self.source

    @property
    def projector_name(self) -> str:
        """What the file of its projector is called; empty if it has none."""
        return parse_source(self.projector).file_name if self.projector else ""

    @property
    def sparse(self) -> bool:
        """Whether it needs PowerInfer, by the name that its publishers give such files."""
        return self.file_name.endswith(".powerinfer.gguf")

    @property
    def sees(self) -> bool:
        """Whether it takes pictures."""
        return bool(self.projector)

    @property
    def download_bytes(self) -> int:
        """What comes with a download of it, as far as known."""
        return self.size_bytes + self.projector_size_bytes

    @property
    def defaults(self) -> ModelSettings:
        """By name, the values of its settings that hold as long as a person has chosen no others."""
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
        """Whether a file of this size may be the one that is meant here."""
        allowed = _ROUNDED * self.size_bytes if self.size_is_approximate else 0
        return bool(self.size_bytes) and abs(size_bytes - self.size_bytes) <= allowed

    def describes(self, file_name: str, size_bytes: int, sha256: str | None) -> bool:
        """Whether a file is the one that is meant here: by size and digest, or name where a digest is not
        known.
        """
        if not self.has_size(size_bytes):
            return False
        return self.sha256 == sha256 if self.sha256 and sha256 else self.file_name == file_name


class _OwnEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person has to say of a model: the rest follows from it or is found out at the download."""

    id: Id
    source: str
    name: str = ""
    projector: str = ""
    note: str = str(phrase("From your own list."))
    license: str = ""

    def entry(self) -> CatalogEntry:
        """The same as an entry of the catalog; `DownloadError` if its source is none, or names no model."""
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
    """The entries in the file's order; `ModelError` that names the place if the file is missing or wrong."""
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
    """The catalog with the person's own list after it, and what is wrong with that list, if anything.

    The app is of use without it. `ModelError` as `load_catalog`.
    """
    catalog = load_catalog(path)
    try:
        return catalog + load_own_models(own_path, catalog), None
    except ModelError as exc:
        return catalog, exc


def load_own_models(path: Path, catalog: tuple[CatalogEntry, ...]) -> tuple[CatalogEntry, ...]:
    """The models of a person's own list, which need not exist; no id or file may be one of `catalog`'s.

    `ModelError` that names the place if the list is wrong.
    """
    try:
        own = msgspec.toml.decode(read_regular(path), type=_OwnList).models
    except FileNotFoundError:
        return ()
    except OSError as exc:
        raise _wrong_list(path, exc.strerror or str(exc)) from exc
    except (ValueError, RecursionError) as exc:  # ValueError: what is no TOML, no list, or has no letters
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
