"""What people do with models besides serving one: look, import, verify, remove, quantize. Any thread.

Everything here reads or writes large files and may take long; a thread that draws windows must not call it.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from tray_app.download.progress import Phase
from tray_app.engine.report import report_on
from tray_app.errors import ModelError
from tray_app.models.housekeeping import for_good as delete
from tray_app.models.housekeeping import import_model, remove_model, to_trash
from tray_app.models.library import NotInstalledError
from tray_app.models.quantize import find_quantizer, quantize
from tray_app.models.remote import is_address, peek
from tray_app.models.verify import note_checksum, verify_model
from tray_app.phrases import phrase
from tray_app.system.child import launcher_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.download.progress import Progress
    from tray_app.download.session import Session
    from tray_app.engine.kinds import EngineFinder
    from tray_app.engine.report import ModelReport
    from tray_app.models.housekeeping import How, OnProgress
    from tray_app.models.library import Library
    from tray_app.models.quantize import Quantizer
    from tray_app.models.verify import Check
    from tray_app.settings.schema import Settings
    from tray_app.system.host import Host

_log = logging.getLogger(__name__)


class ModelCare:
    """Looks after the models in the folder that is chosen now.

    `library` and `settings` give those in force, `session` makes what headers are fetched with, and `served`
    gives the path of the model that an engine has open.
    """

    def __init__(
        self,
        *,
        library: Callable[[], Library],
        settings: Callable[[], Settings],
        session: Callable[[], Session],
        served: Callable[[], Path | None],
        engines: EngineFinder,
        host: Host,
    ) -> None:
        self._library = library
        self._settings = settings
        self._session = session
        self._served = served
        self._engines = engines
        self._host = host
        self._noted: set[int] = set()  # downloads whose digest is kept; only their thread asks

    def report(self, reference: str) -> ModelReport:
        """What a model is, what runs it, whether it fits; also of one that is still to be had. `AppError`."""
        try:
            if is_address(reference):
                model = peek(reference, self._session)
            else:
                model = self._library().find(reference)
        except NotInstalledError as exc:
            model = peek(exc.entry.source, self._session)
        return report_on(model, self._settings(), self._engines, self._host)

    def import_model(self, path: Path, how: How, on_bytes: OnProgress) -> tuple[Path, ...]:
        """Bring a model file into the models folder, see `housekeeping.import_model`. `ModelError`."""
        return import_model(path.expanduser(), self._library().folder, how, on_bytes)

    def verify_model(self, reference: str, on_bytes: OnProgress) -> Check:
        """Look again whether a model is what once arrived. `ModelError` says why it is not."""
        return verify_model(self._library().locate(reference), on_bytes)

    def remove_model(self, reference: str, *, for_good: bool = False) -> tuple[Path, ...]:
        """Put a model and what belongs to it into the trash, or delete it; what is gone. `ModelError`."""
        path = self._library().locate(reference)
        if path == self._library().builtin:
            raise ModelError(phrase("{name} comes with the app", name=path.name), "It cannot be removed.")
        if path == self._served():
            raise ModelError(
                phrase("{name} is being served", name=path.name),
                "The engine has the file open.",
                "Stop the server first.",
            )
        return remove_model(path, delete if for_good else to_trash)

    def quantizer(self) -> Quantizer:
        """The program that makes smaller models; `ModelError` if there is none on this machine."""
        engine = self._engines.powerinfer()
        found = find_quantizer(Path(engine.command[0]) if engine else None)
        if found is None:
            raise ModelError(
                "There is no program that quantizes",
                "None is beside PowerInfer's server or on the PATH.",
                "Put PowerInfer's «quantize» there; for dense models, llama.cpp's «llama-quantize».",
            )
        return found

    def quantize(self, reference: str, target: Path, type_name: str, on_tensor: OnProgress) -> Path:
        """Make a smaller model of one that is here, see `quantize.quantize`. `ModelError`."""
        source = self._library().find(reference).path
        launcher = launcher_for(self._host.system)
        return quantize(
            self.quantizer(), source, target, type_name.upper(), launcher=launcher, on_tensor=on_tensor
        )

    def note_checksums(self, downloads: tuple[Progress, ...]) -> None:
        """Keep the digests of what has arrived, so that it can be verified again years later."""
        for progress in downloads:
            if progress.phase is Phase.DONE and progress.sha256 and progress.id not in self._noted:
                self._noted.add(progress.id)
                try:
                    note_checksum(progress.path, progress.sha256)
                except OSError:  # the model is there and in order all the same
                    _log.warning("The checksum of %s could not be kept", progress.path, exc_info=True)
