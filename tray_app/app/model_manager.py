"""What people do with models besides serving one: look, import, verify, remove, quantize. Any thread.

Everything here reads or writes large files and may take long; a thread that draws windows must not call it.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tray_app.download.address import is_address
from tray_app.download.disk_errors import disk_fault
from tray_app.download.part import PartFile
from tray_app.download.part_lock import sole_writer
from tray_app.download.progress import Phase
from tray_app.download.source import DownloadSource
from tray_app.engine.choosing import ModelNeeds
from tray_app.engine.report import Reporter, foreseen, look_for_engine
from tray_app.engine.sizing import memory_budget
from tray_app.errors import ErrorCode, ModelError
from tray_app.models.header import ModelHeader
from tray_app.models.importing import import_model
from tray_app.models.integrity import note_checksum, verify_model
from tray_app.models.model_files import parts_of
from tray_app.models.naming import AmbiguousError
from tray_app.models.quantize import find_quantizer, needed_bytes, quantize
from tray_app.models.recommend import Machine, recommend
from tray_app.models.references import NotInstalledError
from tray_app.models.removal import Removal, remove_model, require_model
from tray_app.models.space import free_bytes
from tray_app.phrases import phrase
from tray_app.system.launcher import launcher_for
from tray_app.system.paths import expanded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tray_app.download.progress import Progress
    from tray_app.engine.finding import EngineFinder
    from tray_app.engine.report import ModelReport
    from tray_app.models.catalog import CatalogEntry
    from tray_app.models.import_modes import How
    from tray_app.models.importing import OnProgress
    from tray_app.models.integrity import Check
    from tray_app.models.library import Library
    from tray_app.models.memory import MemoryBudget
    from tray_app.models.model import Model
    from tray_app.models.quantize import Quantizer
    from tray_app.models.recommend import Recommendation
    from tray_app.settings.schema import Settings
    from tray_app.system.host import Host

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DownloadPreview:
    """A model that could be downloaded, and the disk space that this needs."""

    report: ModelReport
    needed_bytes: int
    """Without the bytes that have arrived already."""
    free_bytes: int


@dataclass(frozen=True, slots=True)
class SmallerTypes:
    """What a model can be quantized to."""

    model: Model
    types: tuple[tuple[str, int], ...]
    """Each type, with the largest size of the result in bytes."""
    folder: Path
    """Where the result goes."""
    free_bytes: int


class ModelManager:
    """Works on the models in the present models folder.

    `library` and `settings` return the present ones, `fetch` the model at an address (`Discovery.fetch`),
    `served` the path of the model that an engine has open, or would open for a request, and `forget` uses
    another app's model no more.
    """

    def __init__(  # noqa: PLR0913 - all are named where it is made
        self,
        *,
        library: Callable[[], Library],
        settings: Callable[[], Settings],
        fetch: Callable[[str], Model],
        served: Callable[[], Path | None],
        engines: EngineFinder,
        host: Host,
        forget: Callable[[Path], object],
    ) -> None:
        self._library = library
        self._settings = settings
        self._fetch = fetch
        self._served = served
        self._engines = engines
        self._host = host
        self._forget = forget
        # numbers of downloads whose digest is written; the queue tells of one change at a time
        self._noted: set[int] = set()

    def report(self, reference: str) -> ModelReport:
        """The report on a model that is installed, in the catalog or at an address. `AppError`."""
        try:
            model = self._fetch_model(reference) if is_address(reference) else self._library().find(reference)
        except NotInstalledError as exc:
            model = self._fetch_model(exc.entry.source)
        settings = model.settings_in(self._settings())
        model = self._library().with_projector(model, settings.projector)
        return Reporter(self._engines, self._host).report(model, settings)

    def survey(self, models: Iterable[Model], offers: Iterable[CatalogEntry]) -> dict[str, ModelReport]:
        """The same of models that are here and of those on offer, by id; engines are looked for once.

        Models of the catalog are judged by its data alone; those without a size are left out.
        """
        reporter = Reporter(self._engines, self._host)

        def report(model: Model) -> ModelReport:
            settings = model.settings_in(self._settings())
            with suppress(ModelError):  # the start will say what is wrong
                model = self._library().with_projector(model, settings.projector)
            return reporter.report(model, settings)

        on_offer = {entry.id: report(foreseen(entry)) for entry in offers if entry.size_bytes}
        return on_offer | {model.id: report(model) for model in models}

    def recommended(self, languages: Sequence[str]) -> tuple[Recommendation, ...]:
        """What suits this machine and a person who speaks these languages (ISO 639-1), see `recommend`.

        Looks for engines, which may take a second. `ModelError` if the free space cannot be told.
        """
        library = self._library()
        machine = Machine(
            plain=self._budget(sparse=False),
            sparse=self._budget(sparse=True),
            free_bytes=free_bytes(library.folder),
        )
        return recommend(library.catalog, machine, languages)

    def _budget(self, *, sparse: bool) -> MemoryBudget | None:
        """The memory for such models; None if no engine runs them."""
        settings = self._settings()
        engine = look_for_engine(settings, self._engines, ModelNeeds.of(ModelHeader(sparse=sparse))).engine
        if engine is None:
            return None
        return memory_budget(engine.kind, self._host, engine.devices, settings.vram_budget)

    def preview_download(self, reference: str) -> DownloadPreview:
        """The report on a model before its download; reads the header at its address. `AppError`."""
        report = self.report(reference)
        library = self._library()
        names = {path.name for path in parts_of(report.model.path)}
        held_bytes = sum(each.held_bytes for each in library.partials() if each.final.name in names)
        needed_bytes = max(0, report.model.size_bytes - held_bytes)
        return DownloadPreview(report, needed_bytes, free_bytes(library.folder))

    def import_model(self, path: Path, how: How, on_bytes: OnProgress) -> tuple[Path, ...]:
        """Bring a model file into the models folder, see `importing.import_model`. `ModelError`."""
        return import_model(expanded(path), self._library().folder, how, on_bytes)

    def verify_model(self, reference: str, on_bytes: OnProgress) -> Check:
        """Check whether a model's file is unchanged. `ModelError` says why it is not."""
        return verify_model(self._library().locate(reference), on_bytes)

    def remove_model(self, reference: str, *, for_good: bool = False, anywhere: bool = False) -> Removal:
        """Put a model and its files into the trash, or delete them. Returns what was removed. `ModelError`.

        The files of an unfinished download are always deleted. Those of another app's model stay: it is only
        used no more. Other files outside of the models folder are removed only with `anywhere`; files that
        are not models are never removed.
        """
        library = self._library()
        path = self.to_remove(reference, anywhere=anywhere)
        if (partial := library.partial_named(reference)) and path == partial.path:
            self.discard_partial(partial.final)
            return Removal((partial.path,), trashed=False)
        if self.is_served(path):
            raise ModelError(
                ErrorCode.MODEL_IN_USE,
                phrase("{name} is in use by the server", name=path.name),
                "The engine is using the file.",
                "Stop the server first.",
            )
        if library.adopted(path):
            self._forget(path)
            return Removal((), trashed=False, forgotten=(path,))
        return remove_model(path, listed=self._is_listed(path), trash=not for_good)

    def is_served(self, path: Path) -> bool:
        """Whether the server has this model open, or would load it for the next request."""
        served = self._served()
        return served is not None and served.resolve() == parts_of(path)[0].resolve()

    def to_remove(self, reference: str, *, anywhere: bool = False) -> Path:
        """The file that `remove_model` would remove.

        `ModelError` if there is none, or if it must not be removed.
        """
        library = self._library()
        if not reference.strip():
            raise ModelError(
                ErrorCode.MODEL_NOT_NAMED,
                "No model was given",
                "No name was given.",
                "Give the model's ID. To list them, run: powerinfer-tray models list",
            )
        if partial := library.partial_named(reference):
            path = partial.path
            try:
                path = library.locate(reference)
            except AmbiguousError:
                raise
            except ModelError:
                pass  # no other model has this name
            if path == partial.path or not os.path.lexists(path):
                return partial.path
        else:
            path = library.locate(reference)
        return self._permitted(path, anywhere=anywhere)

    def _permitted(self, path: Path, *, anywhere: bool) -> Path:
        """The path, if the file there may be removed; otherwise `ModelError`."""
        library = self._library()
        if library.adopted(path):
            return path
        require_model(path, listed=self._is_listed(path))
        if path.parent.resolve() / path.name == library.builtin.resolve():
            raise ModelError(
                ErrorCode.MODEL_BUILT_IN,
                phrase("{name} comes with the app", name=path.name),
                "It cannot be removed.",
            )
        if not anywhere and not library.holds(path):
            raise _elsewhere(path, library.folder)
        return path

    def discard_partial(self, final: Path) -> None:
        """Delete the files of an unfinished download that is not in the queue. `AppError`."""
        try:
            with sole_writer(final):
                PartFile(final, DownloadSource("", final.name)).discard()
        except OSError as exc:
            raise disk_fault(exc, final) from exc

    def discard_arrived(self, model: Path) -> None:
        """Delete the finished files of a split model whose download was stopped. `ModelError`."""
        if any(os.path.lexists(part) for part in parts_of(model)):
            remove_model(model, listed=True, trash=False)

    def quantizer(self) -> Quantizer:
        """The program that quantizes models; `ModelError` if there is none on this machine."""
        engine = self._engines.powerinfer()
        found = find_quantizer(Path(engine.command[0]) if engine else None)
        if found is None:
            raise ModelError(
                ErrorCode.QUANTIZER_NOT_FOUND,
                "No program for quantizing was found",
                "There is none next to PowerInfer's server or on the PATH.",
                "Put PowerInfer's “quantize” next to its server, or on the PATH as "
                "“powerinfer-quantize”. For regular models, use llama.cpp's “llama-quantize”.",
            )
        return found

    def quantize(self, reference: str, target: Path, type_name: str, on_tensor: OnProgress) -> Path:
        """Make a smaller model of an installed one, see `quantize.quantize`. `ModelError`."""
        source = self._library().find(reference).path
        launcher = launcher_for(self._host.system)
        return quantize(
            self.quantizer(), source, target, type_name.upper(), launcher=launcher, on_tensor=on_tensor
        )

    def smaller_types(self, reference: str) -> SmallerTypes:
        """The types that a model can be quantized to, and the free space. `ModelError` if there are none."""
        library = self._library()
        model = library.find(reference)
        types = self.quantizer().types_for(model.header)
        return SmallerTypes(
            model,
            tuple((name, needed_bytes(model.header, name)) for name in types),
            library.folder,
            free_bytes(library.folder),
        )

    def note_checksums(self, downloads: tuple[Progress, ...]) -> None:
        """Write the digests of finished downloads beside the models, so that they can be verified later."""
        for progress in downloads:
            if progress.phase is Phase.DONE and progress.sha256 and progress.id not in self._noted:
                self._noted.add(progress.id)
                try:
                    note_checksum(progress.path, progress.sha256)
                except OSError:  # the model itself is complete and verified
                    _log.warning("The checksum of %s could not be kept", progress.path, exc_info=True)

    def _is_listed(self, path: Path) -> bool:
        return self._library().lists(parts_of(path)[0])

    def _fetch_model(self, address: str) -> Model:
        """The model at an address; one of the catalog has its id there, by which it may have settings, and
        what the catalog says of it.
        """
        model = self._fetch(address)
        entry = next((entry for entry in self._library().catalog if entry.source == address), None)
        return dataclasses.replace(model, id=entry.id, entry=entry) if entry else model


def _elsewhere(path: Path, folder: Path) -> ModelError:
    return ModelError(
        ErrorCode.MODEL_NOT_IN_FOLDER,
        phrase("{name} is not in the models folder", name=path.name),
        phrase(
            "The file is {path}, and the models folder is {folder}.",
            path=path.parent.resolve() / path.name,
            folder=folder,
        ),
        "Delete it yourself or, if it is a model, run: powerinfer-tray models remove --yes PATH",
    )
