"""Keeps the settings in a TOML file: loads what is right, reports what is not, saves atomically. Any thread.

The file belongs to the person: comments, order and unknown keys stay, changes that another program made to it
in the meantime are kept, and a file with a fault is never overwritten without a copy beside it.
"""

from __future__ import annotations

import math
import threading
import tomllib
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from filelock import Timeout

from tray_app.errors import ErrorCode, SettingsError
from tray_app.phrases import joined, phrase
from tray_app.settings.fields import FIELDS, read_values
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
"""Reading and writing take milliseconds: who has the lock for so long will not give it back soon."""
VERSION = 3
"""Of what a settings file means, told by its key `version`; a file without one is of version 1.

2: the context is `auto` where nothing else is said. 3: models may have settings of their own.
"""
_VERSION_KEY = "version"
_MODELS_KEY = "models"
_CONTEXT_IN_1 = 2048
_BROKEN = ".broken"
_LARGEST_BYTES = 1 << 18
"""Fifty times what all settings take, with room for the tables of thousands of models."""


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

    def change(self, model_id: str | None = None, /, **values: Any) -> Settings:
        """Save these values, for good also where one held for this run only; the settings of before.

        With a model, each is saved where the model has it from: as its own if it has one, else for all.
        `SettingsError` as `replace`. What others change at the same time is neither lost nor undone.
        """
        with self._lock:
            old = self.current
            named = self._overrides.keys() & values
            self._save(old, with_values(old, model_id, values), frozenset((name,) for name in named))
        return old

    def change_own(self, model_id: str, /, **values: Any) -> Settings:
        """The same for one model alone; None takes its own value away, whatever the file has there."""
        with self._lock:
            old = self.current
            named = frozenset((_MODELS_KEY, model_id, name) for name in values)
            self._save(old, with_own(old, model_id, values), named)
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
            self.current = for_every_model(self.current, values)

    def _save(self, old: Settings, new: Settings, named: frozenset[TomlPath] = frozenset()) -> None:
        """Write what differs from the `old`, and what is `named`; with the lock held."""
        for model_id, own in new.models.items():
            if own.get("aliases") != old.models.get(model_id, {}).get("aliases"):
                check_aliases(new, model_id)
        with _sole_writer(self.path):
            on_disk = _read(self.path)
            if on_disk.newer:
                raise on_disk.newer
            wrong = {(name,) for name in on_disk.faulty.difference(self._overrides)}
            content = _with_changes(on_disk, old, new, named | wrong)
            if content != on_disk.text:
                _keep_a_copy(self.path, on_disk)
                write_atomically(self.path, content.encode())
        self._overrides = {
            name: value
            for name, value in self._overrides.items()
            if getattr(new, name) == value and (name,) not in named
        }
        self._adopt(_read(self.path))

    def _adopt(self, content: _Content) -> None:
        self.current = for_every_model(content.settings, self._overrides)
        self.problem = content.problem


@contextmanager
def _sole_writer(path: Path) -> Iterator[None]:
    """Keep other programs from writing between our reading and our writing; what fails is a SettingsError."""
    import tray_app.settings.toml_text  # noqa: F401 - slow to import: not while others wait

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
    """What it says, without comments; None if it cannot be read."""
    settings: Settings = field(default_factory=Settings)
    faulty: frozenset[str] = frozenset()
    """The settings for all models whose value in the file cannot be used."""
    problem: SettingsError | None = None
    unsaid: Mapping[str, Any] = field(default_factory=lambda: {_VERSION_KEY: VERSION})
    """What has to be written into it for it to mean the same as a file of today's version."""
    version: int = VERSION
    newer: SettingsError | None = None
    """Why it must not be written: it may say what this app cannot understand."""


def _read(path: Path) -> _Content:
    text = ""
    try:
        text = read_regular(path, _LARGEST_BYTES).decode("utf-8-sig")  # Windows' editors put a mark first
        plain = tomllib.loads(text)
    except FileNotFoundError:
        return _Content()
    except OSError as exc:
        return _Content(plain=None, problem=_unusable(path, exc.strerror or str(exc)))
    except (ValueError, RecursionError) as exc:  # ValueError: also bytes that are no letters
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
    """What is no number from 1 on cannot be from this app, which has written none before 2."""
    told = plain.get(_VERSION_KEY)
    return told if isinstance(told, int) and not isinstance(told, bool) and told > 1 else 1


def _unsaid(plain: Mapping[str, Any], usable: Mapping[str, Any]) -> dict[str, Any]:
    """What an earlier version took for granted, as today's file says it; nothing for one of today."""
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


def _with_changes(content: _Content, old: Settings, new: Settings, named: frozenset[TomlPath]) -> str:
    """The file's text with the changed and the `named` values set anew, every other character as it was.

    Where a table is written in a way that cannot be changed so, the values are kept and comments are not.
    """
    from tray_app.settings.toml_text import edited, plain_text

    changes: dict[TomlPath, Any] = {(name,): value for name, value in content.unsaid.items()}
    changes |= {(name,): value for name, value in _differing(old, new) if name != _MODELS_KEY}
    changes |= _model_changes(old, new) | {path: _value_at(new, path) for path in named}
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


def _value_at(settings: Settings, path: TomlPath) -> Any:
    """The value of a setting for all models, or of one that is a model's own; None if the model has none."""
    if len(path) == 1:
        return getattr(settings, path[0])
    _, model_id, name = path
    return settings.models.get(model_id, {}).get(name)


def _model_changes(old: Settings, new: Settings) -> dict[TomlPath, Any]:
    """The entries of models that are changed; None for those that go."""
    changes: dict[TomlPath, Any] = {}
    for model_id in {**old.models, **new.models}:
        before, after = old.models.get(model_id, {}), new.models.get(model_id, {})
        for name in {**before, **after}:
            if before.get(name) != after.get(name):
                changes[_MODELS_KEY, model_id, name] = after.get(name)
    return changes


def _with_value(values: Mapping[str, Any], path: TomlPath, value: Any) -> dict[str, Any]:
    """The same with another value at `path`; tables that are empty then are left out."""
    name, *rest = path
    inner = values.get(name)
    if rest:
        value = _with_value(inner if isinstance(inner, dict) else {}, tuple(rest), value) or None
    others = {each: theirs for each, theirs in values.items() if each != name}
    return others if value is None else {**others, name: value}


def _says(text: str, wanted: Mapping[str, Any]) -> bool:
    """Whether a text means these values."""
    try:
        return _is_same(tomllib.loads(text), wanted)
    except (ValueError, RecursionError):
        return False


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values of a file are equal; an empty table is as good as none."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(_is_same(one.get(name, {}), other.get(name, {})) for name in {**one, **other})
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    nan = isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other)
    return nan or (type(one) is type(other) and one == other)


def _keep_a_copy(path: Path, content: _Content) -> None:
    """Copy the file beside itself: `.bak` each time, `.broken` where something in it could not be read.

    One of an earlier version is kept as `.v1` or `.v2` besides, which later changes leave alone. `OSError` if
    what is there cannot be copied: then it must not be replaced, either.
    """
    with suppress(FileNotFoundError):
        before = read_regular(path, _LARGEST_BYTES)
        suffixes = [_BROKEN if content.problem else ".bak"]
        if content.version < VERSION:
            suffixes.append(f".v{content.version}")
        for suffix in suffixes:
            write_atomically(path.with_name(path.name + suffix), before)
