"""What people do with the models of other apps, with the space that models take, and with newer files.

Any thread. All of it may take long; a thread that draws windows must not call it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tray_app.download.progress import Phase
from tray_app.errors import ErrorCode, ModelError
from tray_app.models.adopted import AdoptedModels, adopted_id
from tray_app.models.last_use import LastUse
from tray_app.models.model import Model
from tray_app.models.naming import AmbiguousError
from tray_app.models.sources import FileSource, FileSources
from tray_app.phrases import phrase
from tray_app.settings.aliases import same_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tray_app.download.progress import Progress
    from tray_app.download.session import Session
    from tray_app.models.disk_use import DiskUse
    from tray_app.models.found.found_model import FoundModel
    from tray_app.models.library import Library
    from tray_app.models.outdated import Comparison
    from tray_app.settings.schema import Settings
    from tray_app.system.host import System


class ModelUpkeep:
    """Looks after the models of `library`; what it has to remember is in the folder `state`."""

    def __init__(
        self,
        state: Path,
        *,
        library: Callable[[], Library],
        settings: Callable[[], Settings],
        session: Callable[[], Session],
        system: System,
    ) -> None:
        self._state = state
        self._library = library
        self._settings = settings
        self._session = session
        self._system = system
        self.adopted = AdoptedModels(state)
        self.last_use = LastUse(state)
        self._sources = FileSources(state)
        # numbers of downloads whose source is noted; the queue tells of one change at a time
        self._noted: set[int] = set()

    def found(self) -> tuple[FoundModel, ...]:
        """The models of other apps on this computer that are not listed here yet."""
        from tray_app.models.found.search import found_models

        listed = {_identity(each.path) for each in self._library().contents().models}
        everything = found_models(Path.home(), os.environ, self._system)
        return tuple(each for each in everything if _identity(each.path) not in listed)

    def adopt(self, references: Sequence[str]) -> tuple[Model, ...]:
        """Use models of other apps from where they are, by their names as `found` has them or their paths.

        `ModelError` if there is none of a name, or several, before any is taken up. Where one is no whole
        model, the others are taken up all the same before its error.
        """
        there = self.found()
        wanted = list(dict.fromkeys(_named(reference, there) for reference in references))
        library = self._library()
        read = library.models_at(each.path for each in wanted)
        taken = {each.id for each in library.contents().models}
        reserved = {each.id for each in library.catalog}
        adopted: dict[Path, str] = {}
        for found, model in zip(wanted, read, strict=True):
            if isinstance(model, Model):
                adopted[found.path] = adopted_id(found, model.entry, taken, reserved)
                taken.add(adopted[found.path])
        whole = [each for each in wanted if each.path in adopted]
        if whole:
            self.adopted.add_all((each, adopted[each.path]) for each in whole)
        listed = library.models_at(each.path for each in whole)
        for model in (*read, *listed):
            if isinstance(model, ModelError):
                raise model
        return tuple(model for model in listed if isinstance(model, Model))

    def disk_use(self) -> DiskUse:
        """What each model takes on the disk, and when it was last used. `ModelError`."""
        from tray_app.models.disk_use import disk_use

        return disk_use(self._library(), self.last_use.all(), time.time())

    def outdated(self) -> tuple[Comparison, ...]:
        """Whether the models are still what their sources offer. `DownloadError` if none can be reached.

        Those of other apps are these apps' to renew, and are left out.
        """
        from tray_app.models.outdated import compare, keep_found

        library = self._library()
        models = [each for each in library.contents().models if not each.app and each.path != library.builtin]
        with self._session() as session:
            endpoint = self._settings().hf_endpoint
            found = compare(models, self._sources.all(), session, endpoint)
        keep_found(self._state, found, time.time())
        return found

    def newer(self) -> dict[str, str]:
        """By the ids of models of which the last `outdated` has found a newer file, where that is."""
        from tray_app.models.outdated import newer_models

        return newer_models(self._state)

    def last_look_s(self) -> float:
        """When `outdated` looked last, as `time.time` counts; 0 if it never did."""
        from tray_app.models.outdated import last_look_s

        return last_look_s(self._state)

    def note_sources(self, downloads: tuple[Progress, ...]) -> None:
        """Note where finished downloads came from, so that they can be compared later."""
        for each in downloads:
            if each.phase is Phase.DONE and each.source and each.id not in self._noted:
                self._noted.add(each.id)
                self._sources.note(
                    each.path, FileSource(each.source, each.sha256 or "", each.validator or "")
                )


def _named(reference: str, there: Sequence[FoundModel]) -> FoundModel:
    """The one of the models that are there which is called so. `ModelError`."""
    given = Path(reference).expanduser().absolute()
    named = [each for each in there if each.path == given] or [
        each for each in there if same_name(each.name) == same_name(reference)
    ]
    if len(named) > 1:
        raise AmbiguousError(reference, [str(each.path) for each in named], "Give the path of one of them.")
    if not named:
        raise ModelError(
            ErrorCode.MODEL_NOT_FOUND,
            phrase("No other app has a model {reference}", reference=reference),
            "No model with this name was found, apart from those already in your list.",
            "To list the models of other apps, run: powerinfer-tray models adopt",
        )
    return named[0]


def _identity(path: Path) -> object:
    """The same for two names of one file."""
    try:
        info = path.stat()
    except OSError:
        return path
    return info.st_dev, info.st_ino
