"""Newer versions of this app: looks for them if the person has said yes, tells of one, fetches its package.

Any thread. It never installs anything. What was found is kept in a file of the state folder, so that it is
known without a network. Nothing is sent but the version of this app: no token, no cookie, no system's name.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import msgspec

from tray_app import REPOSITORY, __version__
from tray_app.app.release import (
    SIGNATURE,
    SIGNATURE_BYTES,
    SUMS,
    Release,
    is_newer,
    package_kind,
    package_name,
    read_release,
    signed_digest,
)
from tray_app.download.faults import RefusedError
from tray_app.download.network_errors import broken_body
from tray_app.errors import DownloadError, ErrorCode
from tray_app.system.environment import appimage_folder, bundle_folder
from tray_app.system.files import NOT_JSON, SMALL_FILE_BYTES, read_regular, write_atomically
from tray_app.system.paths import resources

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.app.release import PackageKind
    from tray_app.download.progress import Progress
    from tray_app.download.queue import DownloadQueue
    from tray_app.download.session import Session
    from tray_app.settings.schema import Settings
    from tray_app.system.host import Host
    from tray_app.system.paths import AppPaths

KEY_FILE = "release-key.pem"
"""Of the resources: the public key of those who make releases. Without it, no package is fetched."""
_FILE_NAME = "newer-version.json"
_TIMEOUT_S = (10.0, 30.0)
_LONGEST_S = 60.0
"""For one document."""
_HEADERS = {"User-Agent": f"powerinfer-tray/{__version__}", "Accept": "application/vnd.github+json"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UpdateStatus:
    """What there is to say of newer versions at one moment."""

    asks: bool = False
    """Whether the person is to be asked if they want to be told."""
    newer: Release | None = None
    """The version that can be had, and that the person has not skipped."""
    fetches: bool = False
    """Whether its package can be fetched and checked here; else its page is all there is."""
    download: Progress | None = None
    """That of its package."""


class _Kept(msgspec.Struct, frozen=True):
    """What is kept in the state folder."""

    looked_at_s: float = 0.0
    """When a server was asked last, as `time.time` counts; 0 if none was."""
    address: str = ""
    """The address that was asked."""
    release: Release | None = None
    """The latest one, if it is newer than this app was then."""
    skipped: str = ""
    """The version of which the person wants to hear no more."""


class Updates:
    """Looks after newer versions. `new_queue` makes the queue of packages, `announce` hears of changes.
    `is_answered` says whether the person has said anything, yes or no, to being told of them.

    `releases` is where GitHub tells of the latest release, `key` the public key of its makers, `package` what
    this app came in; tests have others than this app.
    """

    def __init__(  # noqa: PLR0913 - what it takes from others
        self,
        paths: AppPaths,
        host: Host,
        *,
        settings: Callable[[], Settings],
        is_answered: Callable[[], bool],
        new_queue: Callable[[], DownloadQueue],
        announce: Callable[[], object],
        releases: str = f"https://api.github.com/repos/{REPOSITORY}/releases/latest" if REPOSITORY else "",
        key: bytes | None = None,
        package: PackageKind | None = None,
    ) -> None:
        self._file = paths.state / _FILE_NAME
        self._folder = paths.downloads
        self._host = host
        self._settings = settings
        self._is_answered = is_answered
        self._new_queue = new_queue
        self._announce = announce
        self._releases = releases
        self._key = key or _own_key() if find_spec("cryptography") else None
        self._package_kind = package or package_kind(
            host.system, bundle_folder(), appimage_folder(os.environ)
        )
        self._lock = threading.Lock()
        self._kept = self._read()
        self._queue: DownloadQueue | None = None
        self._number: int | None = None
        """That of the package in the queue."""
        self._asking: set[Session] = set()
        """Those in which a document is being fetched."""
        self._closing = False

    # Looking

    def is_on(self) -> bool:
        """Whether the person wants to be told, and there is somebody to ask."""
        return self._settings().check_for_updates and bool(self._address())

    def last_look_s(self) -> float:
        """When the present address was asked last, as `time.time` counts; 0 if it never was."""
        return self._kept.looked_at_s if self._kept.address == self._address() else 0.0

    def look(self) -> None:
        """Ask which version is the newest. `AppError` if nobody answers."""
        address = self._address()
        release = None
        try:
            release = read_release(self._fetch(address, SMALL_FILE_BYTES), address)
        except DownloadError as exc:
            if not isinstance(exc, RefusedError) and exc.code is not ErrorCode.SOURCE_REFUSED:
                raise
            _log.info("No release is known: %s", exc.message)  # nothing was released yet, for one
        except NOT_JSON as exc:
            _log.info("What %s says of releases cannot be read: %s", address, exc)
        if release and not is_newer(release.version, __version__):
            release = None
        self._keep(looked_at_s=time.time(), address=address, release=release)

    def status(self) -> UpdateStatus:
        """What there is to say now."""
        on = self._settings().check_for_updates
        newer = self._newer() if on else None
        return UpdateStatus(
            asks=bool(self._address()) and not on and not self._is_answered(),
            newer=newer,
            fetches=newer is not None and self._can_fetch(newer),
            download=self._progress(newer) if newer else None,
        )

    # What the person wants

    def skip(self) -> None:
        """Say no more of this version; of the next one, yes."""
        if newer := self._newer():
            self._keep(skipped=newer.version)

    def download(self) -> None:
        """Begin to fetch the package for this system into the person's folder of downloads, or go on with it.

        `DownloadError` if its digest cannot be had, or is not signed; then nothing is fetched. May take long.
        """
        newer = self._newer()
        if newer is None or self._key is None or not self._can_fetch(newer):
            return
        name = self._package(newer)
        sums = self._fetch(newer.files[SUMS], SMALL_FILE_BYTES)
        signature = self._fetch(newer.files[SIGNATURE], SIGNATURE_BYTES)
        digest = signed_digest(name, sums, signature, self._key)
        with self._lock:
            if self._closing:
                return
            if self._queue is None:
                self._queue = self._new_queue()
                self._queue.changed.connect(lambda *_: self._announce())
            queue = self._queue
        self._number = queue.add(newer.files[name], self._folder, sha256=digest, file_name=name)
        self._announce()

    def cancel(self) -> None:
        """Give the download up, and delete what has arrived. `DownloadError` if it cannot be deleted."""
        if self._queue is not None and self._number is not None:
            self._queue.discard(self._number)

    def close(self, timeout_s: float) -> None:
        """End what is being asked, and the download; what has arrived is used when it is begun again."""
        with self._lock:
            self._closing = True
            queue = self._queue
            for session in self._asking:
                session.abort()
        if queue is not None:
            queue.close(timeout_s)

    # How

    def _address(self) -> str:
        return self._settings().updates_address.strip() or self._releases

    def _newer(self) -> Release | None:
        """The release that was found, unless this app is it by now, it was skipped, or others told of it."""
        kept = self._kept
        release = kept.release
        if release is None or release.version == kept.skipped or kept.address != self._address():
            return None
        return release if is_newer(release.version, __version__) else None

    def _package(self, release: Release) -> str:
        """The package that would take the place of this app; empty if it did not come in one."""
        kind = self._package_kind
        return package_name(release.version, kind, self._host.machine) if kind else ""

    def _can_fetch(self, release: Release) -> bool:
        """Whether the package is there, and its digest can be checked: by a key, not by who sends it."""
        wanted = {self._package(release), SUMS, SIGNATURE}
        return self._key is not None and wanted <= release.files.keys()

    def _progress(self, release: Release) -> Progress | None:
        if self._queue is None:
            return None
        name = self._package(release)
        found = (each for each in self._queue.snapshot() if each.id == self._number and each.name == name)
        return next(found, None)

    def _fetch(self, address: str, most_bytes: int) -> bytes:
        """A document of at most so many bytes; a larger one is cut a little after them. `DownloadError`, also
        if `close` has ended it.
        """
        from tray_app.download.response_body import pieces_of

        with _session() as session:
            with self._lock:
                self._asking.add(session)
                if self._closing:
                    session.abort()
            try:
                with closing(session.get_hops(address, _HEADERS, _TIMEOUT_S)[-1]) as answer:
                    content = b"".join(pieces_of(answer, most_bytes, _LONGEST_S))
            finally:
                with self._lock:
                    self._asking.discard(session)
        if self._closing:  # not every answer tells its length: this one may have been cut
            raise broken_body(ConnectionAbortedError("The app is closing"))
        return content

    def _keep(self, **changes: object) -> None:
        with self._lock:
            self._kept = msgspec.structs.replace(self._kept, **changes)
            try:
                write_atomically(self._file, msgspec.json.encode(self._kept))
            except OSError as exc:
                _log.info("%s could not be written: %s", self._file.name, exc)
        self._announce()

    def _read(self) -> _Kept:
        try:
            return msgspec.json.decode(read_regular(self._file), type=_Kept)
        except (OSError, *NOT_JSON):  # of a first start, or not written by us
            return _Kept()


def _own_key() -> bytes | None:
    """The key that came with this app; None if it came without."""
    try:
        return read_regular(resources() / KEY_FILE)
    except OSError:
        return None


def _session() -> Session:
    """A session without tokens, in which cookies are neither kept nor sent."""
    from http.cookiejar import DefaultCookiePolicy

    from tray_app.download.session import Session

    session = Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    return session
