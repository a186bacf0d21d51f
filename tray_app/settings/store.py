"""Keeps the settings in a TOML file: loads what is right, reports what is not, saves atomically. Any thread.

The file belongs to the person: comments, order and unknown keys stay, changes that another program made to it
in the meantime are kept, and a file with a fault is never overwritten without a copy beside it.
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import tomlkit
from filelock import Timeout
from tomlkit.exceptions import TOMLKitError

from tray_app.errors import ErrorCode, SettingsError
from tray_app.phrases import joined, phrase
from tray_app.settings.schema import FIELDS, EntriesError, Settings
from tray_app.system.file_lock import locked
from tray_app.system.files import read_regular, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tray_app.phrases import Text


_LOCK_TIMEOUT_S = 10.0
"""Reading and writing take milliseconds: who has the lock for so long will not give it back soon."""
VERSION = 2
"""Of what a settings file means, told by its key `version`; a file without one is of version 1."""
_VERSION_KEY = "version"
_CONTEXT_IN_1 = 2048
_BROKEN = ".broken"
_LARGEST_BYTES = 1 << 18
"""Fifty times what all settings take; a reader that keeps comments takes seconds for more."""


class SettingsStore:
    """The settings in force and the file behind them.

    `overrides` hold for this run only and are never saved (the options of `powerinfer-tray serve`).
    """

    def __init__(self, path: Path, overrides: Mapping[str, Any] | None = None) -> None:
        self.path = path
        self._overrides = dict(overrides or {})
        self._lock = threading.Lock()
        self.current = Settings()
        self.problem: SettingsError | None = None
        """Why the file, or a part of it, could not be used; defaults stand in for that part."""
        self._adopt(_read(path))

    @property
    def broken_copy(self) -> Path:
        """Where a file that could not be read as a whole is kept when it is written anew."""
        return self.path.with_name(f"{self.path.name}{_BROKEN}")

    def replace(self, new: Settings) -> None:
        """Save `new` and make it current. `SettingsError` if it cannot be saved: then nothing has changed.

        Only what is changed is written: what other programs have changed since stays.
        """
        with self._lock:
            self._save(self.current, new)

    def change(self, **values: Any) -> Settings:
        """Save these values, for good also where one held for this run only; the settings of before.

        `SettingsError` as `replace`. What others change at the same time is neither lost nor undone.
        """
        with self._lock:
            old = self.current
            named = self._overrides.keys() & values
            self._save(old, msgspec.structs.replace(old, **values), frozenset(named))
        return old

    def reload(self) -> None:
        """Take up what another program has written. `SettingsError` if that is of no use: nothing changes."""
        with self._lock:
            content = _read(self.path)
            if content.problem:
                self.problem = content.problem
                raise content.problem
            self._adopt(content)

    def override(self, **values: Any) -> None:
        """Let these values hold for this run only, until `replace` gets others."""
        with self._lock:
            self._overrides |= values
            self.current = msgspec.structs.replace(self.current, **values)

    def _save(self, old: Settings, new: Settings, named: frozenset[str] = frozenset()) -> None:
        """Write what differs from the `old`, and what is `named`; with the lock held."""
        with _sole_writer(self.path):
            on_disk = _read(self.path)
            if on_disk.newer:
                raise on_disk.newer
            wrong = on_disk.faulty.difference(self._overrides)
            content = _with_changes(on_disk, old, new, wrong | named)
            if content != on_disk.text:
                _keep_a_copy(self.path, on_disk)
                write_atomically(self.path, content.encode())
        self._overrides = {
            name: value
            for name, value in self._overrides.items()
            if getattr(new, name) == value and name not in named
        }
        self._adopt(_read(self.path))

    def _adopt(self, content: _Content) -> None:
        self.current = msgspec.structs.replace(content.settings, **self._overrides)
        self.problem = content.problem


@contextmanager
def _sole_writer(path: Path) -> Iterator[None]:
    """Keep other programs from writing between our reading and our writing; what fails is a SettingsError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.with_name(f".{path.name}.lock"), _LOCK_TIMEOUT_S):
            yield
    except Timeout as exc:
        raise SettingsError(
            ErrorCode.SETTINGS_LOCKED,
            "The settings are being changed by another program",
            phrase(
                "{path} has been locked for {seconds:.0f} seconds.",
                path=exc.lock_file,
                seconds=_LOCK_TIMEOUT_S,
            ),
            "Try again. If it stays so, end the other PowerInfer Tray, which may hang.",
        ) from exc
    except OSError as exc:
        raise SettingsError(
            ErrorCode.SETTINGS_NOT_SAVED,
            "The settings could not be saved",
            phrase("{path}: {reason}", path=exc.filename or path, reason=exc.strerror or exc),
            "Check that the disk is not full and that you may write to this folder.",
        ) from exc


@dataclass(frozen=True)
class _Content:
    """A settings file as it was read."""

    text: str = ""
    document: tomlkit.TOMLDocument = field(default_factory=tomlkit.document)
    settings: Settings = field(default_factory=Settings)
    faulty: frozenset[str] = frozenset()
    """The settings whose value in the file cannot be used."""
    problem: SettingsError | None = None
    unsaid: Mapping[str, Any] = field(default_factory=lambda: {_VERSION_KEY: VERSION})
    """What has to be written into it for it to mean the same as a file of today's version."""
    earlier: bool = False
    """Whether it is of an earlier version."""
    newer: SettingsError | None = None
    """Why it must not be written: it may say what this app cannot understand."""


def _read(path: Path) -> _Content:
    text = ""
    try:
        text = read_regular(path, _LARGEST_BYTES).decode("utf-8-sig")  # Windows' editors put a mark first
        document = tomlkit.parse(text)
        plain = document.unwrap()
    except FileNotFoundError:
        return _Content()
    except OSError as exc:
        return _Content(problem=_unusable(path, exc.strerror or str(exc)))
    except (ValueError, TOMLKitError, RecursionError) as exc:  # ValueError: also bytes that are no letters
        return _Content(text=text, problem=_unusable(path, str(exc)))
    values, faults = {}, {}
    for entry in FIELDS:
        if entry.name in plain:
            try:
                values[entry.name] = entry.check(plain[entry.name])
            except SettingsError as exc:
                if isinstance(exc, EntriesError):
                    values[entry.name] = exc.usable
                faults[entry.name] = phrase(
                    "line {number}: {title}. {reason}",
                    number=_line_of(entry.name, text),
                    title=exc.texts[0],
                    reason=exc.texts[1],
                )
    unsaid = _unsaid(plain, values)
    values = {name: value for name, value in unsaid.items() if name != _VERSION_KEY} | values
    newer = _newer(path, plain)
    problem = newer or (_unusable(path, joined("\n", faults.values())) if faults else None)
    return _Content(
        text, document, Settings(**values), frozenset(faults), problem, unsaid, bool(unsaid), newer
    )


def _version(plain: Mapping[str, Any]) -> int:
    """What is no number cannot be from this app, which has written none before 2."""
    told = plain.get(_VERSION_KEY)
    return told if isinstance(told, int) and not isinstance(told, bool) else 1


def _unsaid(plain: Mapping[str, Any], usable: Mapping[str, Any]) -> dict[str, Any]:
    """What an earlier version took for granted, as today's file says it; nothing for one of today."""
    if _version(plain) >= VERSION:
        return {}
    before_2 = {} if "ctx_size" in usable else {"ctx_size": _CONTEXT_IN_1}  # its default then
    return {_VERSION_KEY: VERSION} | before_2


def _newer(path: Path, plain: Mapping[str, Any]) -> SettingsError | None:
    if _version(plain) <= VERSION:
        return None
    return SettingsError(
        ErrorCode.SETTINGS_FILE_NEWER,
        "The settings file is of a newer version of this app",
        phrase(
            "{path} has version {version}; this app knows {known}.",
            path=path,
            version=_version(plain),
            known=VERSION,
        ),
        "Install the newer version, or move the file away to begin with new settings. "
        "It has been left as it is.",
    )


def _unusable(path: Path, cause: Text) -> SettingsError:
    return SettingsError(
        ErrorCode.SETTINGS_FILE_INVALID,
        "The settings file has an error; defaults are used for what cannot be read",
        phrase("{path}: {cause}", path=path, cause=cause),
        "Correct the file, or choose these settings again. The file has been left as it is.",
    )


def _line_of(key: str, text: str) -> int:
    """The line on which a top-level key stands; tomlkit does not keep positions."""
    found = re.search(rf"^[ \t]*[\"']?{key}[\"']?[ \t]*=", text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else 1


def _with_changes(content: _Content, old: Settings, new: Settings, wrong: frozenset[str]) -> str:
    """The file's text with the changed and the wrong values set anew, every other character as it was."""
    before, after = msgspec.to_builtins(old), msgspec.to_builtins(new)
    for name, value in content.unsaid.items():
        content.document[name] = value
    for name, value in after.items():
        if value != before[name] or name in wrong:
            content.document[name] = value
    text = tomlkit.dumps(content.document)
    # What tomlkit adds has the line ends of POSIX.
    return re.sub("\r?\n", "\r\n", text) if "\r\n" in content.text else text


def _keep_a_copy(path: Path, content: _Content) -> None:
    """Copy the file beside itself: `.bak` each time, `.broken` where something in it could not be read.

    One of an earlier version is kept as `.v1` besides, which later changes leave alone. `OSError` if what is
    there cannot be copied: then it must not be replaced, either.
    """
    with suppress(FileNotFoundError):
        before = read_regular(path, _LARGEST_BYTES)
        for suffix in (_BROKEN,) if content.problem else (".bak", ".v1") if content.earlier else (".bak",):
            write_atomically(path.with_name(path.name + suffix), before)
