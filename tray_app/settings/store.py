"""Keeps the settings in a TOML file: loads valid values, reports invalid ones, saves atomically. Any thread.

The file belongs to the user: comments, order and unknown keys stay, changes made by other programs in the
meantime are kept, and a file with an error is never overwritten without a copy beside it.
"""

from __future__ import annotations

import math
import threading
import tomllib
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
from filelock import Timeout

from tray_app.errors import ErrorCode, SettingsError
from tray_app.phrases import joined, phrase
from tray_app.settings.fields import FIELDS, field_named, read_values
from tray_app.settings.model_settings import (
    ModelTables,
    check_aliases,
    for_every_model,
    read_tables,
    with_own,
    with_values,
)
from tray_app.settings.schema import Settings
from tray_app.system.file_lock import locked
from tray_app.system.files import read_regular, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tray_app.phrases import Phrase, Text
    from tray_app.settings.toml_text import TomlPath


_LOCK_TIMEOUT_S = 10.0
"""Reading and writing take milliseconds: a program that has the lock longer than this probably hangs."""
VERSION = 3
"""The format of the settings file, in its key `version`; a file without the key has version 1.

Since 2, the default of `ctx_size` is `auto`. Since 3, models may have values of their own.
"""
_VERSION_KEY = "version"
_MODELS_KEY = "models"
_CONTEXT_IN_1 = 2048
_BROKEN = ".broken"
_NOTHING: Mapping[TomlPath, Any] = MappingProxyType({})
_LARGEST_BYTES = 1 << 18
"""The largest settings file that is read: fifty times as large as one with all settings."""


class SettingsStore:
    """The settings in effect, and the file that contains them.

    `overrides` apply to this run only and are never saved (the options of `powerinfer-tray serve`).
    """

    def __init__(self, path: Path, overrides: Mapping[str, Any] | None = None) -> None:
        self.path = path
        self._overrides = dict(overrides or {})
        self._lock = threading.Lock()
        self.current = Settings()
        self.problem: SettingsError | None = None
        """Why the file, or a part of it, could not be used; that part has its default values."""
        self._said: frozenset[str] | None = frozenset()
        """The names in the file; None if it cannot be read."""
        self._adopt(_read(path))

    @property
    def broken_copy(self) -> Path:
        """The copy of a file that was replaced although it had an error."""
        return self.path.with_name(f"{self.path.name}{_BROKEN}")

    def says(self, name: str) -> bool:
        """Whether the file has a value for this setting, be it the default, or cannot be read."""
        return self._said is None or name in self._said

    def replace(self, new: Settings) -> None:
        """Save `new` and make it current. `SettingsError` if it cannot be saved; then nothing has changed.

        Only differences are written, so that what other programs have changed meanwhile stays.
        """
        with self._lock:
            self._save(self.current, new)

    def change(self, model_id: str | None = None, /, **values: Any) -> Settings:
        """Save these values; returns the earlier settings. An override with the same name ends.

        With a model, a value that the model already has is saved for it alone, any other for all models.
        `SettingsError` as in `replace`. What others change at the same time is neither lost nor undone.
        """
        with self._lock:
            old = self.current
            named: dict[TomlPath, Any] = {(name,): values[name] for name in self._overrides.keys() & values}
            self._save(old, with_values(old, model_id, values), named)
        return old

    def write(self, name: str, value: Any) -> Settings:
        """As `change`, for one setting of all models, whatever the file contains: also a value that is in
        effect already. None takes the setting out of the file, so that its default is in effect.
        """
        with self._lock:
            old = self.current
            effective = field_named(name).default if value is None else value
            self._save(old, with_values(old, None, {name: effective}), {(name,): value})
        return old

    def change_own(self, model_id: str, /, **values: Any) -> Settings:
        """As `change`, for one model alone; None removes its own value, whatever the file contains."""
        with self._lock:
            old = self.current
            named: dict[TomlPath, Any] = {
                (_MODELS_KEY, model_id, name): value for name, value in values.items()
            }
            self._save(old, with_own(old, model_id, values), named)
        return old

    def reload(self) -> None:
        """Read the file again, which another program has changed. `SettingsError` if it has an error; then
        nothing changes.
        """
        with self._lock:
            content = _read(self.path)
            if content.problem:
                self.problem = content.problem
                raise content.problem
            self._adopt(content)

    def override(self, **values: Any) -> None:
        """Use these values for this run only, or until others are saved."""
        with self._lock:
            self._overrides |= values
            self.current = for_every_model(self.current, values)

    def _save(self, old: Settings, new: Settings, named: Mapping[TomlPath, Any] = _NOTHING) -> None:
        """Write what differs from `old`, and the `named` values whatever the file contains (None: without
        one); with the lock held.
        """
        for model_id, own in new.models.items():
            if own.get("aliases") != old.models.get(model_id, {}).get("aliases"):
                check_aliases(new, model_id)
        with _sole_writer(self.path):
            saved = on_disk = _read_to_change(self.path)
            if on_disk.newer:
                raise on_disk.newer
            faulty = on_disk.faulty.difference(self._overrides)
            wrong: dict[TomlPath, Any] = {(name,): getattr(new, name) for name in faulty}
            content = _with_changes(on_disk, old, new, wrong | dict(named))
            if content != on_disk.text:
                _keep_a_copy(self.path, on_disk)
                write_atomically(self.path, content.encode())
                saved = _parsed(self.path, content.encode())
        self._overrides = {
            name: value
            for name, value in self._overrides.items()
            if getattr(new, name) == value and (name,) not in named
        }
        self._adopt(saved)

    def _adopt(self, content: _Content) -> None:
        self.current = for_every_model(content.settings, self._overrides)
        self.problem = content.problem
        self._said = None if content.plain is None else frozenset(content.plain)


@contextmanager
def _sole_writer(path: Path) -> Iterator[None]:
    """Keep other programs from writing between reading and writing. `SettingsError` if a file cannot be
    written, or another program has the lock for too long.
    """
    import tray_app.settings.toml_text  # noqa: F401 - slow, so it is imported before others have to wait

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.with_name(f".{path.name}.lock"), _LOCK_TIMEOUT_S):
            yield
    except Timeout as exc:
        raise SettingsError(
            ErrorCode.SETTINGS_LOCKED,
            "Another program is changing the settings",
            phrase(
                "{path} has been locked for {seconds:.0f} seconds.",
                path=exc.lock_file,
                seconds=_LOCK_TIMEOUT_S,
            ),
            "Try again. If that does not help, quit the other PowerInfer Tray.",
        ) from exc
    except OSError as exc:
        raise SettingsError(
            ErrorCode.SETTINGS_NOT_SAVED,
            "The settings could not be saved",
            phrase("{path}: {reason}", path=exc.filename or path, reason=exc.strerror or exc),
            "Check that the disk is not full and that you have permission to write to this folder.",
        ) from exc


@dataclass(frozen=True)
class _Content:
    """A settings file as it was read."""

    text: str = ""
    plain: Mapping[str, Any] | None = field(default_factory=dict)
    """Its parsed values; None if it cannot be read."""
    settings: Settings = field(default_factory=Settings)
    faulty: frozenset[str] = frozenset()
    """The names of settings with an invalid value for all models."""
    problem: SettingsError | None = None
    unsaid: Mapping[str, Any] = field(default_factory=lambda: {_VERSION_KEY: VERSION})
    """The values to add to a file of an earlier version, so that it means the same in the present one."""
    version: int = VERSION
    newer: SettingsError | None = None
    """The error for a file of a newer version, which must not be written."""


def _read(path: Path) -> _Content:
    try:
        return _read_to_change(path)
    except OSError as exc:
        return _Content(plain=None, problem=_unusable(path, exc.strerror or str(exc)))


def _read_to_change(path: Path) -> _Content:
    """`OSError` if there is a file that cannot be read, which must not be replaced: another program, such as
    a virus scanner on Windows, may have it open for a moment.
    """
    try:
        return _parsed(path, read_regular(path, _LARGEST_BYTES))
    except FileNotFoundError:
        return _Content()


def _parsed(path: Path, raw: bytes) -> _Content:
    text = ""
    try:
        text = raw.decode("utf-8-sig")  # editors on Windows add a BOM
        plain = tomllib.loads(text)
    except (ValueError, RecursionError) as exc:  # ValueError: not TOML, or not UTF-8
        return _Content(text=text, plain=None, problem=_unusable(path, str(exc)))
    values, faults = read_values(plain, FIELDS)
    tables = read_tables(plain[_MODELS_KEY]) if _MODELS_KEY in plain else ModelTables()
    wrong: dict[TomlPath, SettingsError] = {(name,): error for name, error in faults.items()}
    wrong |= {(_MODELS_KEY, *names): error for names, error in tables.faults.items()}
    unsaid = _unsaid(plain, values)
    values = {name: value for name, value in unsaid.items() if name != _VERSION_KEY} | values
    newer = _newer(path, plain)
    return _Content(
        text=text,
        plain=plain,
        settings=Settings(**values, models=tables.usable),
        faulty=frozenset(faults),
        problem=newer or (_unusable(path, joined("\n", _faults(wrong, text))) if wrong else None),
        unsaid=unsaid,
        version=_version(plain),
        newer=newer,
    )


def _faults(wrong: Mapping[TomlPath, SettingsError], text: str) -> Iterator[Phrase]:
    """For each wrong value of a file, by its place: on which line it is, and what is wrong with it."""
    from tray_app.settings.toml_text import Lines

    lines = Lines(text)
    for names, error in wrong.items():
        title, reason, _ = error.texts
        line = lines.of(names)
        if len(names) > 1:
            yield phrase(
                "line {number}, model {model}: {title}. {reason}",
                number=line,
                model=names[1],
                title=title,
                reason=reason,
            )
        else:
            yield phrase("line {number}: {title}. {reason}", number=line, title=title, reason=reason)


def _version(plain: Mapping[str, Any]) -> int:
    """The file's version; 1 for anything but an integer above 1, because the app did not write the key
    then.
    """
    told = plain.get(_VERSION_KEY)
    return told if isinstance(told, int) and not isinstance(told, bool) and told > 1 else 1


def _unsaid(plain: Mapping[str, Any], usable: Mapping[str, Any]) -> dict[str, Any]:
    """The values to add to a file of an earlier version; empty for the present one. See `_Content.unsaid`."""
    if _version(plain) >= VERSION:
        return {}
    is_said = "ctx_size" in usable or _version(plain) > 1
    before_2 = {} if is_said else {"ctx_size": _CONTEXT_IN_1}  # its default then
    return {_VERSION_KEY: VERSION} | before_2


def _newer(path: Path, plain: Mapping[str, Any]) -> SettingsError | None:
    if _version(plain) <= VERSION:
        return None
    return SettingsError(
        ErrorCode.SETTINGS_FILE_NEWER,
        "The settings file is from a newer version of this app",
        phrase(
            "{path} has version {version}, but this app supports version {known}.",
            path=path,
            version=_version(plain),
            known=VERSION,
        ),
        "Install the newer version, or move the file to start with new settings. The file was not changed.",
    )


def _unusable(path: Path, cause: Text) -> SettingsError:
    return SettingsError(
        ErrorCode.SETTINGS_FILE_INVALID,
        "The settings file has an error, so some defaults are used",
        phrase("{path}: {cause}", path=path, cause=cause),
        "Correct the file, or choose these settings again. The file was not changed.",
    )


def _with_changes(content: _Content, old: Settings, new: Settings, named: Mapping[TomlPath, Any]) -> str:
    """The file's text with the changed and the `named` values, every other character unchanged.

    If a table is written in a way that cannot be edited, the file is written again without its comments.
    """
    from tray_app.settings.toml_text import edited, plain_text

    changes: dict[TomlPath, Any] = {(name,): value for name, value in content.unsaid.items()}
    changes |= {(name,): value for name, value in _differing(old, new) if name != _MODELS_KEY}
    changes |= _model_changes(old, new) | dict(named)
    text = "" if content.plain is None else content.text.replace("\r\n", "\n")
    wanted = content.plain or {}
    for path, chosen in changes.items():
        value = list(chosen) if isinstance(chosen, tuple) else chosen
        text = edited(text, path, value)
        wanted = _with_value(wanted, path, value)
    if not _says(text, wanted):
        text = plain_text(wanted)
    return text.replace("\n", "\r\n") if "\r\n" in content.text else text


def _differing(old: Settings, new: Settings) -> Iterator[tuple[str, Any]]:
    for name, value in msgspec.structs.asdict(new).items():
        if value != getattr(old, name):
            yield name, value


def _model_changes(old: Settings, new: Settings) -> dict[TomlPath, Any]:
    """The changed values of models; None for those that are removed."""
    changes: dict[TomlPath, Any] = {}
    for model_id in {**old.models, **new.models}:
        before, after = old.models.get(model_id, {}), new.models.get(model_id, {})
        for name in {**before, **after}:
            if before.get(name) != after.get(name):
                changes[_MODELS_KEY, model_id, name] = after.get(name)
    return changes


def _with_value(values: Mapping[str, Any], path: TomlPath, value: Any) -> dict[str, Any]:
    """A copy with another value at `path`, or without one if it is None; empty tables are left out."""
    name, *rest = path
    inner = values.get(name)
    if rest:
        value = _with_value(inner if isinstance(inner, dict) else {}, tuple(rest), value) or None
    others = {each: theirs for each, theirs in values.items() if each != name}
    return others if value is None else {**others, name: value}


def _says(text: str, wanted: Mapping[str, Any]) -> bool:
    """Whether a TOML text has exactly these values."""
    try:
        return _is_same(tomllib.loads(text), wanted)
    except (ValueError, RecursionError):
        return False


def _is_same(one: Any, other: Any) -> bool:
    """Whether two TOML values are equal; an empty table equals a missing one, and NaN equals itself."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(_is_same(one.get(name, {}), other.get(name, {})) for name in {**one, **other})
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    nan = isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other)
    return nan or (type(one) is type(other) and one == other)


def _keep_a_copy(path: Path, content: _Content) -> None:
    """Copy the file to `.bak`, or to `.broken` if it has an error.

    A file of an earlier version is also copied to `.v1` or `.v2`, which later changes do not replace.
    `OSError` if it cannot be copied; then it must not be replaced, either.
    """
    with suppress(FileNotFoundError):
        before = read_regular(path, _LARGEST_BYTES)
        suffixes = [_BROKEN if content.problem else ".bak"]
        if content.version < VERSION:
            suffixes.append(f".v{content.version}")
        for suffix in suffixes:
            write_atomically(path.with_name(path.name + suffix), before)
