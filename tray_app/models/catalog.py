"""Models that the app knows by name before any of them is on disk. Read once, at the start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from tray_app.download.file_names import names_a_model
from tray_app.download.source import parse_source
from tray_app.errors import DownloadError, ErrorCode, ModelError
from tray_app.phrases import phrase
from tray_app.system.files import read_regular

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.phrases import Text

Id = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9.-]*\Z")]
FileName = Annotated[str, msgspec.Meta(pattern=r"\A[^/\\:]+\.gguf\Z")]


class CatalogEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model that can be had by its id. The file's own header decides what it is once it is on disk."""

    id: Id
    name: str
    file_name: FileName
    source: str = ""
    """URL or `hf:owner/repo/file`; empty for the model that comes with the app."""
    size_bytes: Annotated[int, msgspec.Meta(ge=0)] = 0
    """0: not known before the download."""
    size_is_approximate: bool = False
    license: str = ""
    """Empty: not known here; the publisher's page has it."""
    projector: str = ""
    """Where the file is with which the model sees pictures, as `source`; empty if it has none."""
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
    def projector_name(self) -> str:
        """What the file of its projector is called; empty if it has none."""
        return parse_source(self.projector).file_name if self.projector else ""

    @property
    def sparse(self) -> bool:
        """Whether it needs PowerInfer, by the name that its publishers give such files."""
        return self.file_name.endswith(".powerinfer.gguf")


class _OwnEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person has to say of a model: the rest follows from it or is found out at the download."""

    id: Id
    source: str
    name: str = ""
    projector: str = ""
    note: str = str(phrase("From your own list."))
    license: str = ""

    def entry(self) -> CatalogEntry:
        """The same as an entry of the catalogue; `DownloadError` if its source is none, or names no model."""
        for address in filter(None, (self.source, self.projector)):
            if not names_a_model(parse_source(address).file_name):
                raise DownloadError(
                    ErrorCode.ADDRESS_NAMES_NO_FILE,
                    "The address names no model",
                    phrase("“{source}” does not tell the name of a .gguf file.", source=address),
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
            "The catalogue of models cannot be read",
            phrase("{path}: {reason}", path=path, reason=exc),
            "Install the app again, or mend the file.",
        ) from exc


def load_all(path: Path, own_path: Path) -> tuple[tuple[CatalogEntry, ...], ModelError | None]:
    """The catalogue with the person's own list after it, and what is wrong with that list, if anything.

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
                    path, phrase("{id}: there is another model with {name}.", id=each.id, name=name)
                )
            known.add(name)
        entries.append(entry)
    return tuple(entries)


def _wrong_list(path: Path, why: Text) -> ModelError:
    return ModelError(
        ErrorCode.OWN_MODELS_INVALID,
        "Your own list of models cannot be used",
        phrase("{path}: {why}", path=path, why=why),
        'Each entry needs an id and a source: [[models]] id = "mine" source = "hf:owner/repo/file.gguf"',
    )
