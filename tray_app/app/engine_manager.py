"""What people do with engines: look, install, prove, remove. Any thread.

What runs a model is chosen elsewhere; here it is seen to that there is something to choose from, and that old
builds go when nothing uses them.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psygnal import Signal

from tray_app.engine.builds.carried import carried_archive, install_carried
from tray_app.engine.builds.choice import advise
from tray_app.engine.builds.installation import InstallPhase, downloads_in
from tray_app.engine.builds.offers import published_builds
from tray_app.errors import AppError, EngineError, ErrorCode
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tray_app.app.put_off import PutOff
    from tray_app.download.queue import DownloadQueue
    from tray_app.engine.builds.build import InstalledBuild, PublishedBuild, SetAside
    from tray_app.engine.builds.choice import Advice
    from tray_app.engine.builds.installation import Installation
    from tray_app.engine.builds.installing import BuildInstaller
    from tray_app.engine.builds.store import BrokenBuild, EngineStore
    from tray_app.engine.finding import EngineFinder
    from tray_app.engine.program import Engine
    from tray_app.settings.schema import Settings
    from tray_app.system.host import Host

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class InstalledEngine:
    """A build that is installed, and how things stand with it."""

    build: InstalledBuild
    size_bytes: int
    in_use_by: tuple[str, ...] = ()
    """The names of the models that it runs now."""
    changed: bool = False
    """Whether its files are others than those that were installed: it is not started then."""
    set_aside: tuple[SetAside, ...] = ()


@dataclass(frozen=True, slots=True)
class EnginesOverview:
    """All engines at one moment."""

    installed: tuple[InstalledEngine, ...]
    advice: Advice
    offers: tuple[PublishedBuild, ...]
    """What is published for this system, installed or not."""
    at_hand: tuple[Engine, ...] = ()
    """The engines that need no installation: they come with the app, or are on the PATH."""
    broken: tuple[BrokenBuild, ...] = ()
    """What is left of builds of which nothing certain is known: they can be removed, or installed again."""
    put_off: frozenset[str] = frozenset()
    """The ids of builds that the person does not want to be offered."""


class EngineManager:
    """The engines of one person. All but `installation` may take long.

    `settings` returns the present ones, `new_queue` makes the queue of downloads, `in_use` says which builds
    run now, for which models, and `act_on_change` is called on a thread of its own when another engine may be
    the best one.
    """

    changed = Signal()
    """Emitted after every change, on any thread."""

    def __init__(  # noqa: PLR0913 - what it takes from others
        self,
        store: EngineStore,
        finder: EngineFinder,
        host: Host,
        *,
        settings: Callable[[], Settings],
        new_queue: Callable[[], DownloadQueue],
        in_use: Callable[[], Mapping[str, tuple[str, ...]]],
        act_on_change: Callable[[], None],
        put_off: PutOff,
    ) -> None:
        self._store = store
        self._finder = finder
        self._host = host
        self._settings = settings
        self._new_queue = new_queue
        self._in_use = in_use
        self._act_on_change = act_on_change
        self._put_off = put_off
        self._guard = threading.Lock()
        self._made: BuildInstaller | None = None
        self._have_run: set[str] = set()
        """Builds that have run a model since they were installed."""
        self._threads: list[threading.Thread] = []
        self._closing = False
        store.changed.connect(self.changed.emit)

    # Looking

    def overview(self) -> EnginesOverview:
        """How things stand. `EngineError` if the store or the list of offers cannot be read."""
        installed = self._store.installed()
        unchanged = [each for each in installed if self._finder.is_unchanged(each)]
        in_use, set_asides = self._in_use(), self._store.set_asides()
        return EnginesOverview(
            installed=tuple(
                InstalledEngine(
                    build,
                    build.size_bytes,
                    in_use.get(build.id, ()),
                    build not in unchanged,
                    tuple(each for each in set_asides if each.build_id == build.id),
                )
                for build in installed
            ),
            advice=advise(self._host, self.offers(), unchanged),
            offers=self.offers(),
            at_hand=self._at_hand(),
            broken=self._store.broken(),
            put_off=self._put_off.ids,
        )

    def advice(self) -> Advice:
        """What had best be installed here. `EngineError` as `overview`."""
        return advise(self._host, self.offers(), self._finder.unchanged_builds())

    def offers(self) -> tuple[PublishedBuild, ...]:
        """The builds that are published for this machine. `EngineError` if their list cannot be read."""
        here = self._host.system, self._host.machine
        builds = published_builds(mirror=self._settings().engines_address)
        return tuple(each for each in builds if (each.system, each.machine) == here)

    def offer(self, build_id: str) -> PublishedBuild:
        """The build on offer here that has this name. `EngineError` if there is none."""
        for each in self.offers():
            if each.id == build_id:
                return each
        raise EngineError(
            ErrorCode.ENGINE_NOT_ON_OFFER,
            phrase("There is no engine called “{id}”", id=build_id),
            "No engine with this name is available for this computer.",
            "To list the available engines, run: powerinfer-tray engines list",
        )

    def installation(self) -> Installation | None:
        """What is being installed, or was last and has failed; at once."""
        try:
            if self._made is None and not downloads_in(self._store.folder).exists():
                return None  # nothing was begun; what installs is not loaded to say so
            return self._installer().installation()
        except (EngineError, PermissionError) as exc:  # `overview` says why
            _log.debug("No installation: %s", exc)
            return None

    # Installing

    def install(self, build_id: str) -> None:
        """Begin to fetch a published build, prove it and use it. The person has accepted its terms.

        `EngineError` if there is none of this name, or another installation is under way.
        """
        self._installer().install(self.offer(build_id))

    def install_file(self, path: Path) -> None:
        """The same with an archive, a program or a folder that a person has."""
        self._installer().install_file(path)

    def prove(self, build_id: str) -> None:
        """Begin to look anew whether an installed build computes right here. `EngineError` as `install`."""
        self._installer().prove(self._store.find(build_id))

    def pause(self) -> None:
        """Halt the download."""
        self._installer().pause()

    def resume(self) -> None:
        """Let it go on."""
        self._installer().resume()

    def cancel(self) -> None:
        """Give the installation up, or forget that it has failed."""
        self._installer().cancel()

    def put_off(self, build_id: str) -> None:
        """Do not offer this build any more; it can still be installed."""
        self._put_off.add(build_id)
        self.changed.emit()

    def wait(self, timeout_s: float | None = None) -> InstalledBuild:
        """The build, once it is installed or proven; errors as `BuildInstaller.wait`."""
        return self._installer().wait(timeout_s)

    def begin(self) -> None:
        """Do what is due when the app starts, on another thread: delete what a program that was ended has
        left of an installation, and install the build that this package brings along, if it was not tried.
        """
        self._later(self._store.sweep)
        if archive := carried_archive():
            self._later(lambda: install_carried(archive, self._store, self._installer()))

    # What is installed

    def remove(self, build_id: str) -> int:
        """Delete a build, also a broken one, or what an unfinished installation has; the bytes that it had.

        `EngineError` if it runs, or is not there.
        """
        if models := self._in_use().get(build_id):
            raise EngineError(
                ErrorCode.ENGINE_IN_USE,
                phrase("The engine “{id}” is in use", id=build_id),
                phrase("It is running {models}.", models=", ".join(models)),
                "Stop the server or unload these models first, or choose another engine for them.",
            )
        if unfinished := self._unfinished(build_id):
            self.cancel()
            return unfinished.received_bytes
        size_bytes = self._store.remove(build_id)
        self._later(self._act_on_change)
        return size_bytes

    def allow_again(self, build_id: str, model_id: str | None = None) -> tuple[str, ...]:
        """Use it again also for models with which it has failed, or for one of them; for which it is now."""
        aside = [each.model_id for each in self._store.set_asides() if each.build_id == build_id]
        self._store.allow_again(build_id, model_id)
        self._later(self._act_on_change)
        return tuple(each for each in aside if model_id in (None, each))

    def clean_up(self) -> None:
        """Remove builds that a newer one has taken the place of, unless they are still used."""
        in_use = self._in_use()
        for build in self._store.outdated():
            if build.id not in in_use:
                try:
                    self._store.remove(build.id)
                    _log.info("The engine %s was removed: a newer one has taken its place", build.id)
                except EngineError as exc:
                    _log.info("The engine %s stays for now: %s", build.id, exc.message)

    def let_older_go(self, build_id: str) -> None:
        """Clean up, on another thread, when a build has run a model for the first time in this run."""
        with self._guard:
            is_new = build_id not in self._have_run
            self._have_run.add(build_id)
        if is_new:
            self._later(self.clean_up)

    def close(self, timeout_s: float) -> None:
        """Pause an installation, which goes on next time, and end all threads; within so many seconds."""
        with self._guard:
            self._closing = True
            made, threads = self._made, tuple(self._threads)
        deadline_s = time.monotonic() + timeout_s
        if made:
            made.close(timeout_s)
        for thread in threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))

    # How

    def _installer(self) -> BuildInstaller:
        """Made when it is first asked for: a command that prints a setting needs no network."""
        with self._guard:
            if self._made is None:
                from tray_app.engine.builds.installing import BuildInstaller
                from tray_app.engine.builds.proof import Prover

                self._made = BuildInstaller(
                    self._store, Prover.on(self._host), self.offers(), self._new_queue
                )
                self._made.changed.connect(self._on_installation)
            return self._made

    def _on_installation(self, installation: Installation | None) -> None:
        self.changed.emit()
        if installation and installation.phase is InstallPhase.DONE:
            with self._guard:
                self._have_run.discard(installation.build_id)
            self._later(self._act_on_change)

    def _unfinished(self, build_id: str) -> Installation | None:
        """The installation of a build that is not installed yet."""
        shown = self.installation()
        if shown is None or shown.build_id != build_id:
            return None
        there = {each.id for each in self._store.installed()} | {each.id for each in self._store.broken()}
        return None if build_id in there else shown

    def _at_hand(self) -> tuple[Engine, ...]:
        found = []
        for look in (self._finder.embedded, self._finder.powerinfer, self._finder.llama_server):
            with suppress(EngineError):  # whoever chooses it hears why it cannot be used
                found.append(look())
        return tuple(each for each in found if each)

    def _later(self, work: Callable[[], None]) -> None:
        """Do this on a thread of its own: whoever tells of it may hold what it waits for."""

        def run() -> None:
            try:
                work()
            except AppError as exc:
                _log.warning("%s. %s", exc.title, exc.message)

        with self._guard:
            if self._closing:
                return
            self._threads = [each for each in self._threads if each.is_alive()]
            thread = threading.Thread(target=run, name="engines", daemon=True)
            self._threads.append(thread)
            thread.start()
