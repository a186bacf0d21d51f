"""The engines that were installed with this app: each has a folder, and notes beside it.

    ID/             a build as it was unpacked, and `build.json`: what it is, and all its files with digests
    ID.json         what was learned of it since, and the digest of its `build.json`
    .new-…, .gone-… what is being unpacked or removed, or was left by a program that was ended, see `sweep`

Any thread, and several programs at once: whoever changes something holds the lock `.lock`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
import shutil
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import msgspec
from filelock import Timeout
from psygnal import Signal

from tray_app.engine.builds import store_errors
from tray_app.engine.builds.build import BackEnd, InstalledBuild, SetAside, Verdict, WeightKind
from tray_app.engine.builds.installed_files import (
    MANIFEST,
    Files,
    RelativePath,
    Stamp,
    differences,
    files_of,
    size_of,
    stamp_of,
)
from tray_app.engine.builds.offers import BUILD_ID, BuildId, Sha256
from tray_app.engine.devices import EngineDevice
from tray_app.engine.engine_kind import EngineKind
from tray_app.errors import EngineError
from tray_app.phrases import phrase
from tray_app.system.file_lock import locked
from tray_app.system.files import NOT_JSON, private_folder, read_regular, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path


_log = logging.getLogger(__name__)

_ID = re.compile(BUILD_ID)
_NEW, _GONE = ".new-", ".gone-"
_HALF_WRITTEN = ".*.json."
"""The start of the names of notes that `write_atomically` has not finished, as a pattern."""
_MOST_MANIFEST_BYTES = 8 << 20
_LOCK_S = 10.0
_A_MOMENT_S = 0.001
_RENAME_WAITS_S = (0.1, 0.2, 0.4, 0.8, 1.6) if sys.platform == "win32" else ()
"""Windows' virus scanners have new files open for a moment; a folder with an open file cannot be renamed."""


class _Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `build.json` says; it never changes."""

    id: BuildId
    kind: EngineKind
    back_end: BackEnd
    release: str
    program: RelativePath
    source: str
    sha256: Annotated[str, msgspec.Meta(pattern=r"\A([0-9a-f]{64})?\Z")]
    installed_at_s: float
    contents: Files


class _Notes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `ID.json` says."""

    manifest_sha256: Sha256
    devices: tuple[EngineDevice, ...] = ()
    verdicts: dict[WeightKind, Verdict] = {}
    speed: float | None = None
    served: bool = False
    set_aside: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class BrokenBuild:
    """A folder of the store whose notes cannot be trusted; it can only be removed, or installed again."""

    id: str
    size_bytes: int
    error: EngineError


@dataclass(frozen=True, slots=True)
class _Entry:
    build: InstalledBuild
    manifest: _Manifest
    notes: _Notes


_Looked = tuple[tuple[Stamp | None, ...], "_Entry | EngineError"]
"""The stamps of a build's folder and of its two files, and what these say."""


class EngineStore:
    """The installed engines in one folder, which need not exist. Every method may raise `EngineError`."""

    changed = Signal()
    """Emitted after this object has changed something, on the thread that did."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._guard = threading.RLock()
        self._looked: dict[str, _Looked] = {}
        self._seen: dict[str, dict[str, Stamp]] = {}
        """For each build, the stamps of files whose digest is right although their time has changed."""

    # What there is

    def installed(self) -> tuple[InstalledBuild, ...]:
        """The builds that can be used, the newest first. Two small files are looked at for each."""
        entries = [each for each in self._entries().values() if isinstance(each, _Entry)]
        return tuple(each.build for each in _newest_first(entries))

    def broken(self) -> tuple[BrokenBuild, ...]:
        """Folders whose notes are missing or damaged, by name."""
        return tuple(
            BrokenBuild(name, size_of(self.folder / name), entry)
            for name, entry in sorted(self._entries().items())
            if isinstance(entry, EngineError)
        )

    def find(self, build_id: str) -> InstalledBuild:
        """The build of this name. `EngineError` if it is not installed, or its notes cannot be read."""
        return self._entry(build_id).build

    def outdated(self) -> tuple[InstalledBuild, ...]:
        """Published builds of which a newer one, of the same kind and back end, has served a model."""
        published = [
            each for each in self._entries().values() if isinstance(each, _Entry) and each.build.is_published
        ]
        old = []
        for each in published:
            build = each.build
            if any(
                newer.notes.served
                and newer.build.installed_at_s > build.installed_at_s
                and (newer.build.kind, newer.build.back_end) == (build.kind, build.back_end)
                for newer in published
            ):
                old.append(build)
        return tuple(old)

    def set_asides(self) -> tuple[SetAside, ...]:
        """Which engines are not used for which models."""
        return tuple(
            SetAside(entry.build.id, model_id, reason)
            for entry in self._entries().values()
            if isinstance(entry, _Entry)
            for model_id, reason in entry.notes.set_aside.items()
        )

    def check_unchanged(self, build: InstalledBuild) -> None:
        """`EngineError` if the files of a build have changed since it was installed.

        Files with the same size and time count as unchanged; of others, the digest is computed, which takes a
        second for a gigabyte.
        """
        folder = self.folder / build.id
        while True:
            entry = self._entry(build.id)
            try:
                found = differences(folder, entry.manifest.contents, self._seen.setdefault(build.id, {}))
            except OSError as exc:
                error = store_errors.unreadable(folder, exc)
            else:
                if not found:
                    return
                error = store_errors.changed(build.id, build.source, found)
            if self._entry(build.id) is entry:  # else it was installed anew meanwhile
                raise error

    # What changes it

    @contextmanager
    def new_folder(self) -> Iterator[Path]:
        """An empty folder on the disk of the store, to unpack a build into; what is left there afterwards is
        deleted.

        `EngineError` if another program installs an engine now.
        """
        with self._locked(".installing", 0.0):
            self._sweep(_NEW)
            folder = self.folder / f"{_NEW}{secrets.token_hex(4)}"
            try:
                folder.mkdir(mode=0o700)
            except OSError as exc:
                raise store_errors.unwritable(self.folder, exc) from exc
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def add(self, staging: Path, build: InstalledBuild) -> InstalledBuild:
        """Turn a folder that was unpacked and tested into an installed build. Returns it as it is then known.

        `build.program` is a file in `staging`, which is a folder that `new_folder` gave, or one in it.
        `build.size_bytes` is not needed. A build of the same name is replaced; after a crash, either the old
        one or the new one is there, or none.
        """
        try:
            contents = files_of(staging)
        except OSError as exc:
            raise store_errors.unreadable(staging, exc) from exc
        manifest = _Manifest(
            id=build.id,
            kind=build.kind,
            back_end=build.back_end,
            release=build.release,
            program=build.program.relative_to(staging).as_posix(),
            source=build.source,
            sha256=build.sha256,
            installed_at_s=self._now_s(),
            contents=contents,
        )
        try:
            content = msgspec.json.encode(manifest)
            msgspec.json.decode(content, type=_Manifest)  # what could not be read again must not get there
        except ValueError as exc:  # of a file whose name is no text, too
            raise store_errors.cannot_be_noted(build.id, str(exc)) from exc
        if len(content) > _MOST_MANIFEST_BYTES:
            too_long = phrase("It would be larger than {size:,} bytes.", size=_MOST_MANIFEST_BYTES)
            raise store_errors.cannot_be_noted(build.id, too_long)
        notes = _Notes(
            manifest_sha256=hashlib.sha256(content).hexdigest(),
            devices=build.devices,
            verdicts=dict(build.verdicts),
            speed=build.speed,
        )
        with self._changing():
            write_atomically(staging / MANIFEST, content)
            self._put_in_place(staging, build.id, notes)
        self.changed.emit()
        return self.find(build.id)

    def note_proof(
        self,
        build_id: str,
        *,
        devices: tuple[EngineDevice, ...],
        verdicts: Mapping[WeightKind, Verdict],
        speed: float | None,
    ) -> InstalledBuild:
        """Keep what another test has shown. Returns the build as it is then known."""
        shown = {"devices": devices, "verdicts": dict(verdicts), "speed": speed}
        self._note(build_id, lambda notes: msgspec.structs.replace(notes, **shown))
        return self.find(build_id)

    def served(self, build_id: str) -> None:
        """Note that a model ran on a build, so that those before it are `outdated`."""
        self._note(build_id, lambda notes: msgspec.structs.replace(notes, served=True))

    def set_aside(self, build_id: str, model_id: str, reason: str) -> None:
        """Use an engine no more for a model, until `allow_again`."""
        self._set_aside(build_id, lambda before: {**before, model_id: reason})

    def allow_again(self, build_id: str, model_id: str | None = None) -> None:
        """Use an engine again for a model for which it was set aside; None: for all of them."""
        self._set_aside(
            build_id, lambda before: {each: before[each] for each in before if model_id not in (None, each)}
        )

    def remove(self, build_id: str) -> int:
        """Delete a build, also a broken one, and its notes. Returns the bytes that its files took."""
        with self._changing():
            if build_id not in self._entries():
                raise store_errors.not_installed(build_id)
            size_bytes = size_of(self.folder / build_id)
            self._discard(build_id)
        self.changed.emit()
        return size_bytes

    def sweep(self) -> None:
        """Delete what programs that were ended have left of an installation or a removal.

        Nothing happens while another program installs or changes something, or where nothing can be written.
        """
        for prefix, lock in ((_NEW, ".installing"), (_GONE, ".lock"), (_HALF_WRITTEN, ".lock")):
            if any(self.folder.glob(f"{prefix}*")):
                with suppress(EngineError), self._locked(lock, 0.0):
                    self._sweep(prefix)

    # How

    def _now_s(self) -> float:
        """Later than every installation before, also where the clock was set back."""
        return max([time.time(), *(each.installed_at_s + _A_MOMENT_S for each in self.installed())])

    def _entries(self) -> dict[str, _Entry | EngineError]:
        """By name, all folders of the store, in no order."""
        try:
            with os.scandir(self.folder) as found:
                names = [each.name for each in found if _is_an_id(each.name) and _is_folder_or_link(each)]
        except FileNotFoundError:
            names = []
        except OSError as exc:
            raise store_errors.unreadable(self.folder, exc) from exc
        with self._guard:
            looked = {name: self._look(name) for name in names}
            self._looked = {name: each for name, each in looked.items() if each[0][0]}  # removed meanwhile
            return {name: entry for name, (_, entry) in self._looked.items()}

    def _entry(self, build_id: str) -> _Entry:
        entry = self._entries().get(build_id) or store_errors.not_installed(build_id)
        if isinstance(entry, EngineError):
            raise entry
        return entry

    def _look(self, name: str) -> _Looked:
        """What is known of a build; read again only when its folder or one of its two files is another."""
        known = self._looked.get(name)
        while True:
            stamps = self._stamps(name)
            if known and known[0] == stamps:
                return known
            try:
                known = stamps, self._read(name)
            except EngineError as exc:
                known = stamps, exc
            # Another program may have replaced it meanwhile: then it is read again.

    def _stamps(self, name: str) -> tuple[Stamp | None, ...]:
        folder = self.folder / name
        return _stamp(folder), _stamp(folder / MANIFEST), _stamp(self._notes_file(name))

    def _read(self, name: str) -> _Entry:
        folder = self.folder / name
        try:
            if folder.is_symlink():
                raise store_errors.notes_unreadable(name, "Its folder is a link.")
            content = read_regular(folder / MANIFEST, _MOST_MANIFEST_BYTES)
            manifest = msgspec.json.decode(content, type=_Manifest)
            notes = msgspec.json.decode(read_regular(self._notes_file(name)), type=_Notes)
        except OSError as exc:
            raise store_errors.notes_unreadable(name, exc.strerror or str(exc)) from exc
        except NOT_JSON as exc:
            raise store_errors.notes_unreadable(name, str(exc)) from exc
        if hashlib.sha256(content).hexdigest() != notes.manifest_sha256:
            raise store_errors.changed(name, manifest.source, [phrase("{file} was changed", file=MANIFEST)])
        if manifest.id != name or manifest.program not in manifest.contents:
            raise store_errors.notes_unreadable(name, phrase("{file} contradicts itself.", file=MANIFEST))
        build = InstalledBuild(
            id=name,
            kind=manifest.kind,
            back_end=manifest.back_end,
            release=manifest.release,
            program=folder / manifest.program,
            size_bytes=manifest.contents.size_bytes,
            source=manifest.source,
            sha256=manifest.sha256,
            devices=notes.devices,
            verdicts=notes.verdicts,
            speed=notes.speed,
            installed_at_s=manifest.installed_at_s,
        )
        return _Entry(build, manifest, notes)

    def _set_aside(self, build_id: str, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
        self._note(build_id, lambda notes: msgspec.structs.replace(notes, set_aside=change(notes.set_aside)))

    def _note(self, build_id: str, change: Callable[[_Notes], _Notes]) -> None:
        """Change what is noted, whatever others note meanwhile."""
        before = self._entry(build_id).notes
        if change(before) == before:
            return
        with self._changing():
            self._looked.pop(build_id, None)
            self._write(build_id, change(self._entry(build_id).notes))
        self.changed.emit()

    def _write(self, build_id: str, notes: _Notes) -> None:
        write_atomically(self._notes_file(build_id), msgspec.json.encode(notes))

    def _notes_file(self, build_id: str) -> Path:
        return self.folder / f"{build_id}.json"

    def _put_in_place(self, staging: Path, build_id: str, notes: _Notes) -> None:
        """With the lock held. The one that is there comes back where this fails."""
        noted = self._notes_file(build_id)
        notes_before = noted.read_bytes() if noted.is_file() else None
        before = self._move_away(build_id)
        self._forget(build_id)
        try:
            self._write(build_id, notes)
            _rename(staging, self.folder / build_id)
        except OSError:
            self._forget(build_id)
            if before:
                _rename(before, self.folder / build_id)
            if notes_before is not None:
                write_atomically(noted, notes_before)
            raise
        self._sweep(_GONE)

    def _discard(self, build_id: str) -> None:
        """With the lock held."""
        self._move_away(build_id)
        self._forget(build_id)
        self._sweep(_GONE)

    def _forget(self, build_id: str) -> None:
        """With the lock held: delete what was noted, whatever that is."""
        noted = self._notes_file(build_id)
        if noted.is_dir() and not noted.is_symlink():
            shutil.rmtree(noted)
        else:
            noted.unlink(missing_ok=True)
        self._seen.pop(build_id, None)

    def _move_away(self, build_id: str) -> Path | None:
        """Give a build's folder a name that counts as removed. Returns the folder; None if there is none.

        Windows refuses that while a file in it is open, so that never only a part is deleted.
        """
        folder = self.folder / build_id
        if folder.is_symlink():
            folder.unlink()
        if not folder.exists():
            return None
        gone = self.folder / f"{_GONE}{secrets.token_hex(4)}"
        try:
            _rename(folder, gone)
        except PermissionError as exc:
            raise store_errors.open_elsewhere(build_id) from exc
        return gone

    def _sweep(self, prefix: str) -> None:
        """Delete what is no engine any more, or never became one."""
        for path in self.folder.glob(f"{prefix}*"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()
            if os.path.lexists(path):
                _log.warning("%s could not be deleted; it is tried again later", path)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._guard, self._locked(".lock", _LOCK_S):
            try:
                yield
            except OSError as exc:
                raise store_errors.unwritable(self.folder, exc) from exc

    @contextmanager
    def _locked(self, name: str, timeout_s: float) -> Iterator[None]:
        with ExitStack() as stack:
            try:
                private_folder(self.folder)
                stack.enter_context(locked(self.folder / name, timeout_s))
            except Timeout as exc:
                raise store_errors.locked_elsewhere(self.folder) from exc
            except OSError as exc:
                raise store_errors.unwritable(self.folder, exc) from exc
            yield


def _newest_first(entries: Iterable[_Entry]) -> list[_Entry]:
    return sorted(entries, key=lambda each: (-each.build.installed_at_s, each.build.id))


def _is_an_id(name: str) -> bool:
    return _ID.fullmatch(name) is not None


def _is_folder_or_link(found: os.DirEntry[str]) -> bool:
    return found.is_symlink() or found.is_dir()


def _stamp(path: Path) -> Stamp | None:
    try:
        return stamp_of(path.lstat())
    except OSError:
        return None


def _rename(source: Path, target: Path) -> None:
    for wait_s in _RENAME_WAITS_S:
        try:
            source.rename(target)
        except PermissionError:
            time.sleep(wait_s)
        else:
            return
    source.rename(target)
