"""Reads models from their files: what their headers say, and which projector each has. Any thread."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tray_app.download.file_names import MODEL_SUFFIX
from tray_app.errors import ModelError
from tray_app.models import file_errors
from tray_app.models.header import GgufFileType
from tray_app.models.headers import stamp_of
from tray_app.models.integrity import known_checksum
from tray_app.models.model import Model
from tray_app.models.model_files import parts_of, split_of
from tray_app.models.projectors import FolderProjectors, Projector, neighbors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.models.adopted import Adopted
    from tray_app.models.catalog import CatalogEntry
    from tray_app.models.header import ModelHeader
    from tray_app.models.headers import Headers
    from tray_app.models.index import Index


class ModelReader:
    """Reads models during one look at the disk: each folder's projectors are read once for all its models.

    `index` is of the same moment. `headers` holds what earlier looks have read.
    """

    def __init__(
        self, headers: Headers, catalog: Sequence[CatalogEntry], builtin: Path, index: Index
    ) -> None:
        self._headers = headers
        self._catalog = catalog
        self._builtin = builtin
        self._index = index
        self._projectors: dict[tuple[Path, bool], FolderProjectors] = {}
        """By folder, and whether its files are those of the index or all that are there."""

    def read(self, path: Path) -> Model:
        """The model in this file, or of which it is a part. `ModelError` if it is not a whole model."""
        parts = parts_of(path)
        path = parts[0]
        stamps = [stamp_of(part) for part in parts]
        headers = [self._headers.of(part, stamp) for part, stamp in zip(parts, stamps, strict=True)]
        header = replace(headers[0], parameters=sum(each.parameters for each in headers))
        if header.role is not GgufFileType.MODEL:
            raise file_errors.not_to_be_served(path.name, header.role)
        adopted = self._index.adopted(path)
        size_bytes = sum(stamp.size_bytes for stamp in stamps)
        return Model(
            id=self._index.id_of(path),
            name=self._index.name_of(path),
            path=path,
            size_bytes=size_bytes,
            header=header,
            projector=self._projector_of_app(adopted) or self._projector_beside(path, header),
            app=adopted.app if adopted else "",
            entry=self._entry_of(path, size_bytes),
        )

    def _projector_of_app(self, adopted: Adopted | None) -> Projector | None:
        """The projector that another app has noted for its model, if there is one."""
        if adopted and adopted.projector_file:
            with suppress(ModelError):  # it was removed or is damaged: the model works without it
                return read_projector(Path(adopted.projector_file), self._headers)
        return None

    def _projector_beside(self, path: Path, header: ModelHeader) -> Projector | None:
        if path == self._builtin:
            return None
        told = next((each.projector_name for each in self._catalog if each.file_name == path.name), "")
        return self._projectors_near(path).of(path, header, told)

    def _projectors_near(self, path: Path) -> FolderProjectors:
        place = path.parent, path in self._index
        if place not in self._projectors:
            beside = self._index.neighbors_of(path) if place[1] else neighbors(_models_in(path.parent))
            found = []
            for each in beside.projectors:
                with suppress(ModelError):  # the list of models says what is wrong with it
                    found.append(read_projector(each, self._headers))
            self._projectors[place] = FolderProjectors(filter(None, found), beside.models)
        return self._projectors[place]

    def _entry_of(self, path: Path, size_bytes: int) -> CatalogEntry | None:
        """The catalog's entry for this very file. Few files have the size of an entry, so digests are seldom
        read.
        """
        alike = [entry for entry in self._catalog if entry.has_size(size_bytes)]
        digest = known_checksum(path) if alike else None
        return next((entry for entry in alike if entry.describes(path.name, size_bytes, digest)), None)


def read_projector(path: Path, headers: Headers) -> Projector | None:
    """The projector in this file; None if the file is whole but of another kind, else `ModelError`."""
    stamp = stamp_of(path)
    header = headers.of(path, stamp)
    return Projector(path, stamp.size_bytes, header) if header.role is GgufFileType.PROJECTOR else None


def _models_in(folder: Path) -> list[Path]:
    """The files of a folder with the names of models, the first ones of split models; none if it cannot be
    listed.
    """
    try:
        names = [each for each in folder.iterdir() if each.suffix.lower() == MODEL_SUFFIX]
    except OSError:
        return []
    return [each for each in names if (split := split_of(each.stem)) is None or split.number == 1]
