"""Installs builds of engines: downloads, unpacks into a new folder, tests, and only then adds to the store.

One installation at a time, on the thread `installing`; a failure at any step leaves the store as it was.
Public methods may be called from any thread.
"""

from __future__ import annotations

import errno
import logging
import re
import threading
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import chain, count
from typing import TYPE_CHECKING

from psygnal import EmitLoopError, Signal

from tray_app.download.verify import sha256_of
from tray_app.engine.builds import store_errors
from tray_app.engine.builds.archive_downloads import ArchiveDownloads
from tray_app.engine.builds.build import InstalledBuild, Verdict, WeightKind
from tray_app.engine.builds.contents import (
    copy_given,
    drop_amx,
    find_program,
    is_archive,
    lay_beside,
    lay_runtime_beside,
    make_executable,
    unreadable,
)
from tray_app.engine.builds.installation import Installation, InstallPhase, downloads_in, raise_if_canceled
from tray_app.engine.builds.installed_files import size_of
from tray_app.engine.builds.proof import SAYS_NOTHING
from tray_app.engine.diagnosis import ShortageError, defect
from tray_app.errors import AppError, DownloadError, EngineError, ErrorCode
from tray_app.phrases import phrase
from tray_app.system.disk import disk_space, nearest_folder, not_enough_space
from tray_app.system.environment import bundle_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tray_app.download.queue import DownloadQueue
    from tray_app.engine.builds.build import BackEnd, PublishedBuild
    from tray_app.engine.builds.proof import Proof, Prover
    from tray_app.engine.builds.store import EngineStore
    from tray_app.phrases import Text

_log = logging.getLogger(__name__)

_UNPACKED_RATIO = 3
"""How much more the programs and libraries of engines take than their archives, at most."""
_MOST_NAME_LETTERS = 60
_WORTH_TRYING_AGAIN = frozenset(
    {
        ErrorCode.NOT_ENOUGH_SPACE,
        ErrorCode.ENGINE_NOT_STORED,
        ErrorCode.ENGINE_IN_USE,
        ErrorCode.ENGINES_LOCKED,
        ErrorCode.SYSTEM_RESOURCES_EXHAUSTED,
        ErrorCode.ENGINE_LIBRARY_MISSING,
        ErrorCode.ENGINE_WITHOUT_CARD,
    }
)
"""Errors after which the archive is kept, because a person may remove their cause."""
_BUILD_NUMBER = re.compile(r"^(\d+) \(|\bbuild (\d+)\b")
"""The number of a release in the version that llama.cpp's programs print: “11194 (9f70b2cec)”, in newer ones
“0.6.0-dev (build 11434, commit 9f70b2cec)”."""


_NOT_THERE: Text = (
    "If you have set “Engine download address”, check it or leave it empty. Otherwise, install a newer "
    "version of this app."
)


class _PausedError(Exception):
    """The download was paused."""


class BuildInstaller:
    """Installs builds into a store. `changed` carries `installation()`, on the thread that caused it."""

    changed = Signal(object)

    def __init__(
        self,
        store: EngineStore,
        prover: Prover,
        offers: Sequence[PublishedBuild],
        new_queue: Callable[[], DownloadQueue],
    ) -> None:
        """`offers`: the published builds for this machine; `new_queue` makes the queue of its downloads.

        If an earlier run of the app has left an unfinished download, that is the installation, paused.
        """
        self._store = store
        self._prover = prover
        self._offers = offers
        self._downloads = ArchiveDownloads(downloads_in(store.folder), new_queue, self._show)
        self._state = threading.Condition()
        self._publishing = threading.RLock()  # taken before `_state`, never while holding it
        self._again: Callable[[], None] | None = None
        self._stop = threading.Event()
        self._pausing = self._discarding = self._closing = False
        self._thread: threading.Thread | None = None
        self._installed: InstalledBuild | None = None
        self._shown = self._left_behind()

    def installation(self) -> Installation | None:
        """The present installation, or the last one until it is forgotten; None if there is none."""
        with self._state:
            return self._shown

    def install(self, build: PublishedBuild) -> None:
        """Begin to install a published build, or continue. The person has accepted its terms.

        `EngineError` if another installation is under way, or no thread can be started.
        """
        shown = Installation(build.id, InstallPhase.DOWNLOADING, total_bytes=build.size_bytes)
        self._start(shown, partial(self._install_published, build), partial(self.install, build))

    def install_file(self, path: Path) -> None:
        """Begin to install what a person has: an archive, a folder or a program.

        `EngineError` as `install`. The archive of a published build, or a folder that contains it, is
        installed as that build, with its other archives in the same folder. What came from the same path
        before is replaced.
        """
        build_id = self._own_id(path)
        shown = Installation(build_id, InstallPhase.UNPACKING)
        self._start(shown, partial(self._install_given, path, build_id), partial(self.install_file, path))

    def prove(self, build: InstalledBuild) -> None:
        """Begin to test an installed build again, as drivers change. `EngineError` as `install`."""
        shown = Installation(build.id, InstallPhase.PROVING)
        self._start(shown, partial(self._prove_again, build), partial(self.prove, build))

    def pause(self) -> None:
        """Stop a download for now; what has arrived is kept. Unpacking and testing cannot be paused."""
        with self._state:
            if self._shown is None or self._shown.phase is not InstallPhase.DOWNLOADING:
                return
            self._pausing = True
        self._downloads.pause()

    def resume(self) -> None:
        """Continue an installation that is paused or has failed; no effect otherwise."""
        with self._state:
            stopped = self._shown and self._shown.phase in (InstallPhase.PAUSED, InstallPhase.FAILED)
            again = self._again if stopped else None
        if again:
            again()

    def cancel(self) -> None:
        """End the installation and delete what has arrived, or forget one that has ended.

        Does not wait for the end. The store stays as it was.
        """
        with self._state:
            shown = self._shown
            if shown is None:
                return
            if shown.phase.active:
                self._discarding = True
                self._stop.set()
            else:
                self._shown = self._again = None
        if shown.phase.active:
            self._downloads.cancel()
            return
        self._publish()
        with suppress(EngineError), self._store.new_folder():  # not while another program downloads there
            self._downloads.delete_others()

    def wait(self, timeout_s: float | None = None) -> InstalledBuild:
        """Wait for the end. Returns the build that was installed.

        `AppError` if none was: why it failed, `DOWNLOAD_PAUSED` or `CALLED_OFF`. `TimeoutError`.
        """
        with self._state:
            if not self._state.wait_for(lambda: self._thread is None, timeout_s):
                raise TimeoutError
            shown, installed = self._shown, self._installed
        if shown is None:
            raise EngineError(ErrorCode.CALLED_OFF, "Canceled")
        if shown.phase is InstallPhase.PAUSED or installed is None:
            raise shown.error or EngineError(ErrorCode.DOWNLOAD_PAUSED, "The download is paused")
        return installed

    def close(self, timeout_s: float) -> None:
        """End both threads, each in `timeout_s`. The next run of the app has the download, paused."""
        with self._state:
            self._closing = True
            self._stop.set()
            thread = self._thread
        self._downloads.close(timeout_s)
        if thread:
            thread.join(timeout_s)

    # The thread

    def _start(
        self, shown: Installation, work: Callable[[], InstalledBuild], again: Callable[[], None]
    ) -> None:
        with self._state:
            before = self._shown
            under_way = before is not None and (
                before.phase.active
                or (before.phase is InstallPhase.PAUSED and before.build_id != shown.build_id)
            )
            if under_way or self._thread is not None:
                other = before.build_id if before else shown.build_id
                raise EngineError(
                    ErrorCode.INSTALLATION_UNDER_WAY,
                    "Another engine is being installed",
                    phrase("{id} is being installed now.", id=other),
                    phrase(
                        "Wait until it has finished, or cancel it: powerinfer-tray engines remove {id}",
                        id=other,
                    ),
                )
            self._pausing = self._discarding = False
            self._stop.clear()
            if self._closing:
                self._stop.set()
            thread = threading.Thread(target=self._perform, args=(work,), name="installing", daemon=True)
            try:
                thread.start()
            except RuntimeError as exc:
                raise ShortageError(OSError(errno.EAGAIN, str(exc))) from exc
            self._shown, self._again, self._installed, self._thread = shown, again, None, thread
        self._publish()

    def _perform(self, work: Callable[[], InstalledBuild]) -> None:
        installed, phase, error = None, InstallPhase.FAILED, None
        try:
            installed, phase = work(), InstallPhase.DONE
        except _PausedError:
            phase = InstallPhase.PAUSED
        except AppError as exc:
            error = exc
        except OSError as exc:
            error = store_errors.unwritable(self._store.folder, exc)
        except Exception as exc:  # noqa: BLE001 - the top of the thread
            _log.exception("An engine could not be installed")
            error = defect("The installation failed unexpectedly", exc)
        with self._state:
            if error and self._stop.is_set():
                phase, error = InstallPhase.PAUSED, None
            if self._discarding and installed is None:
                self._shown = self._again = None
            elif self._shown:
                self._shown = replace(
                    self._shown,
                    phase=phase,
                    error=error,
                    rate_bytes_per_s=0.0,
                    remaining_s=None,
                    weights=None,
                )
            self._installed, self._thread = installed, None
            self._state.notify_all()
        self._publish()

    def _show(self, **changes: object) -> None:
        with self._state:
            if self._shown:
                self._shown = replace(self._shown, **changes)  # type: ignore[arg-type]
        self._publish()

    def _publish(self) -> None:
        with self._publishing:  # so that snapshots arrive in the order in which they were taken
            try:
                self.changed.emit(self.installation())
            except EmitLoopError:
                _log.exception("A listener of the installation failed")

    # A published build

    def _install_published(self, build: PublishedBuild) -> InstalledBuild:
        with self._store.new_folder() as new:
            self._downloads.delete_others(build)
            missing_bytes = build.size_bytes - self._downloads.received_bytes(build)
            try:
                self._require_room(_UNPACKED_RATIO * build.size_bytes + missing_bytes)
                installed = self._install_archives(build, self._download(build), new)
            except AppError as exc:
                if self._discarding or not self._is_kept(exc) or not self._downloads.received_bytes(build):
                    self._downloads.delete(build)
                raise
            self._downloads.delete(build)
            return installed

    def _is_kept(self, error: AppError) -> bool:
        """Whether what has arrived is of use after this error."""
        if isinstance(error, DownloadError):
            return error.code is not ErrorCode.CHECKSUM_DIFFERS
        return error.code in _WORTH_TRYING_AGAIN or self._stop.is_set()

    def _download(self, build: PublishedBuild) -> list[Path]:
        """The archives, whole and right. `DownloadError`, `_PausedError`."""
        try:
            return self._downloads.fetch(build, lambda: self._pausing or self._stop.is_set())
        except DownloadError as exc:
            if exc.code is ErrorCode.DOWNLOAD_PAUSED and not self._discarding:
                raise _PausedError from exc
            if exc.code is ErrorCode.SOURCE_FILE_NOT_FOUND:  # nobody has typed its address
                title, message, _ = exc.texts
                raise DownloadError(exc.code, title, message, _NOT_THERE) from exc
            raise

    def _install_archives(self, build: PublishedBuild, archives: Sequence[Path], new: Path) -> InstalledBuild:
        """Unpack archives whose digests are right, test the engine in them, and add it to the store."""
        unpacked = new / "engine"
        self._unpack(archives, unpacked, new)
        program = find_program(unpacked, archives[0], self._prover.host.system)
        for number in range(1, len(archives)):
            lay_beside(program, new / str(number))
        lay_runtime_beside(program, bundle_folder())
        first = build.files[0]
        return self._add(
            unpacked,
            self._proven_at_its_best(program, build.back_end),
            program,
            build_id=build.id,
            release=build.release,
            source=f"{build.address}/{first.name}",
            sha256=first.sha256,
        )

    # What a person has

    def _own_id(self, path: Path) -> str:
        """The name for what a person gives: none that a build from another path has."""
        sources = {each.id: each.source for each in self._store.installed()}
        names = chain([own_id(path)], (f"{own_id(path)}-{number}" for number in count(2)))
        return next(each for each in names if sources.get(each, str(path)) == str(path))

    def _install_given(self, path: Path, build_id: str) -> InstalledBuild:
        with self._store.new_folder() as new:
            archive = self._published_archive_in(path) if path.is_dir() else path
            if archive and archive.is_file() and is_archive(archive):
                return self._install_given_archive(archive, new, build_id)
            unpacked = new / "engine"
            unpacked.mkdir()
            self._require_room(0)
            copy_given(path, unpacked, self._stop)
            program = unpacked / path.name if path.is_file() else None
            return self._install_found(path, unpacked, program, build_id=build_id, sha256="")

    def _install_given_archive(self, path: Path, new: Path, build_id: str) -> InstalledBuild:
        sha256 = self._digest(path)
        self._show(sha256=sha256)
        for build in self._offers:
            if build.files[0].sha256 == sha256:
                self._show(build_id=build.id)
                return self._install_archives(build, [path, *self._belonging_to(build, path)], new)
        unpacked = new / "engine"
        self._unpack([path], unpacked, new)
        return self._install_found(path, unpacked, None, build_id=build_id, sha256=sha256)

    def _install_found(
        self, given: Path, unpacked: Path, program: Path | None, *, build_id: str, sha256: str
    ) -> InstalledBuild:
        if program:
            make_executable(program)
        else:
            program = find_program(unpacked, given, self._prover.host.system)
        lay_runtime_beside(program, bundle_folder())
        proof = self._proven_at_its_best(program, None)
        return self._add(
            unpacked,
            proof,
            program,
            build_id=build_id,
            release=release_of(proof.version),
            source=str(given),
            sha256=sha256,
        )

    def _published_archive_in(self, folder: Path) -> Path | None:
        """The first archive of a published build that a person has put into a folder, by its name."""
        paths = (folder / build.files[0].name for build in self._offers)
        return next((path for path in paths if path.is_file()), None)

    def _belonging_to(self, build: PublishedBuild, path: Path) -> list[Path]:
        """The build's other archives beside its first one, of those that are there with the right digest."""
        beside = [(path.with_name(each.name), each.sha256) for each in build.files[1:]]
        return [other for other, sha256 in beside if other.is_file() and self._digest(other) == sha256]

    def _digest(self, path: Path) -> str:
        try:
            return sha256_of(path, self._keep_going)
        except OSError as exc:
            raise unreadable(path, exc) from exc

    # What both need

    def _prove_again(self, build: InstalledBuild) -> InstalledBuild:
        self._store.check_unchanged(build)
        try:
            proof = self._proven(build.program, build.back_end)
        except EngineError as exc:
            if exc.code not in SAYS_NOTHING:
                verdicts = dict.fromkeys(WeightKind, Verdict(works=False, reason=exc.title))
                self._store.note_proof(build.id, devices=(), verdicts=verdicts, speed=None)
            raise
        return self._store.note_proof(
            build.id, devices=proof.devices, verdicts=proof.verdicts, speed=proof.speed
        )

    def _unpack(self, archives: Sequence[Path], folder: Path, new: Path) -> None:
        """Unpack the first archive into a folder, and each other one into a folder of its number beside."""
        from tray_app.engine.builds.archive import unpack  # brings the archive formats; seldom needed

        sizes = [path.stat().st_size for path in archives]
        self._show(phase=InstallPhase.UNPACKING, received_bytes=0, total_bytes=sum(sizes), error=None)
        self._require_room(_UNPACKED_RATIO * sum(sizes))
        for number, path in enumerate(archives):
            target = new / str(number) if number else folder
            on_bytes = partial(self._on_read, sum(sizes[:number]), sum(sizes))
            unpack(path, target, cancelled=self._stop, on_bytes=on_bytes)

    def _on_read(self, before_bytes: int, total_bytes: int, read_bytes: int) -> None:
        """So much of an archive has been read; `before_bytes` are those of the archives before it."""
        self._keep_going()
        self._require_room(0)
        self._show(received_bytes=before_bytes + read_bytes, total_bytes=total_bytes)

    def _keep_going(self) -> None:
        """`EngineError` with `CALLED_OFF` when the installation is to end."""
        raise_if_canceled(self._stop)

    def _proven_at_its_best(self, program: Path, back_end: BackEnd | None) -> Proof:
        """The proof of what was just unpacked. If it fails with some kind of weights, its library for AMX is
        deleted, and the proof is that of the rest.
        """
        proof = self._proven(program, back_end)
        if proof.works_with_all or not drop_amx(program):
            return proof
        _log.info("%s is tried without its library for AMX", program)
        return self._proven(program, back_end)

    def _proven(self, program: Path, back_end: BackEnd | None) -> Proof:
        self._keep_going()
        self._show(phase=InstallPhase.PROVING, rate_bytes_per_s=0.0, remaining_s=None)
        return self._prover.prove(program, back_end, self._stop, lambda weights: self._show(weights=weights))

    def _add(  # noqa: PLR0913 - what is known of a build
        self,
        unpacked: Path,
        proof: Proof,
        program: Path,
        *,
        build_id: str,
        release: str,
        source: str,
        sha256: str,
    ) -> InstalledBuild:
        self._keep_going()
        build = InstalledBuild(
            id=build_id,
            kind=proof.kind,
            back_end=proof.back_end,
            release=release,
            program=program,
            size_bytes=size_of(unpacked),
            source=source,
            sha256=sha256,
            devices=proof.devices,
            verdicts=proof.verdicts,
            speed=proof.speed,
        )
        return self._store.add(unpacked, build)

    def _require_room(self, wanted_bytes: int) -> None:
        """`EngineError` if the store's disk has less free space than that."""
        folder = self._store.folder
        space = disk_space(nearest_folder(folder))
        if max(0, wanted_bytes) > space.usable_bytes:
            hint = "Free some space, and press Resume. What has arrived is kept."
            raise not_enough_space(EngineError, space, folder, max(0, wanted_bytes), hint)

    def _left_behind(self) -> Installation | None:
        """What an earlier run of the app has begun to download."""
        for build in self._offers:
            if self._downloads.has_some_of(build):
                self._again = partial(self.install, build)
                received_bytes = self._downloads.received_bytes(build)
                return Installation(build.id, InstallPhase.PAUSED, received_bytes, build.size_bytes)
        return None


def own_id(path: Path) -> str:
    """The name of the build that a person has given as this file or folder, such as `own-llama-server`."""
    name = path.name.lower()
    for ending in (".zip", ".tar.gz", ".tgz", ".exe"):
        name = name.removesuffix(ending)
    plain = re.sub(r"[^a-z0-9.]+", "-", name)[:_MOST_NAME_LETTERS].strip("-.")
    return f"own-{plain}" if plain else "own"


def release_of(version: str) -> str:
    """The release of llama.cpp with this version, such as `b11194`; empty if the version has no number."""
    found = _BUILD_NUMBER.search(version)
    number = int(found[1] or found[2]) if found else 0
    return f"b{number}" if number else ""
