"""What a running app tells terminal commands of itself, and how values travel between the two as JSON. Pure.

It stands apart from `control/routes.py`, so that a command that only asks does not load the HTTP server.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

import msgspec

from tray_app.errors import ErrorDocument
from tray_app.gateway.counters import Traffic


class Showing(msgspec.Struct, frozen=True):
    """What the window shall show."""

    source: str = ""
    """A model that somebody wants to have: an address or the path of a file; empty for none."""


class JobReport(msgspec.Struct, frozen=True):
    """How long work stands: `told` is what it has come to if it has ended, else what it told last."""

    number: int
    has_ended: bool
    told: msgspec.Raw


class Chosen(msgspec.Struct, frozen=True):
    """What is set, be it in force or not."""

    model: str = ""
    port: int = 0
    engine: str = ""


class EngineDocument(msgspec.Struct, frozen=True):
    """The engine that runs, or is about to."""

    kind: str | None = None
    version: str | None = None
    pid: int | None = None
    restarts: int = 0


class DownloadDocument(msgspec.Struct, frozen=True):
    """A download."""

    name: str
    phase: str
    received_bytes: int
    total_bytes: int | None


class ProblemDocument(ErrorDocument, frozen=True):
    """Something that is wrong, and what it is about."""

    source: str = ""


class EngineRow(msgspec.Struct, frozen=True):
    """A model that is loaded, or is about to be, and the engine that has it."""

    model: str
    """Its id."""
    name: str
    """What people call it."""
    state: str
    """That of the engine."""
    kind: str
    """That of the engine."""
    version: str | None
    pid: int | None
    """None for an engine on another machine, and while there is no process."""
    device: str
    """What computes, such as "CPU" or the name of a graphics card; empty if it is not known."""
    memory_bytes: int | None
    """The main memory that the engine's process takes; None if that is not known."""
    expected_bytes: int
    """What it was thought to need of it before it was started."""
    context: int
    """Tokens for each request; 0 if that is not known."""
    purpose: str
    """What the model is for, see `models.header.Purpose`."""
    active: int
    """Requests that are under way now."""
    requests: int
    """Requests that have ended."""
    tokens_per_s: float
    keep_loaded: bool
    """Whether it stays where others need its memory."""
    chosen: bool
    """Whether it is the model of the settings."""
    idle_s: float | None
    """How long nobody has asked it for anything; None while requests are under way."""
    problem: ProblemDocument | None = None
    graphics_memory_bytes: int | None = None
    """What it takes of graphics cards that have memory of their own; None if that is not known."""
    expected_graphics_bytes: int = 0
    """What it was thought to need of that."""


class StatusDocument(msgspec.Struct, frozen=True):
    """What a running app says of itself: to the terminal, and as `powerinfer-tray status --json`."""

    running: bool
    state: str
    """That of the engine."""
    version: str = ""
    """Of the app; empty where it is of a version that did not tell."""
    server: str = ""
    """That of the server: address, engine and wishes together."""
    model: str | None = None
    chosen: Chosen = Chosen()
    base_url: str | None = None
    """The address that is open; None while none is."""
    serving: bool = False
    asleep: bool = False
    engine: EngineDocument = EngineDocument()
    traffic: Traffic = Traffic()
    downloads: tuple[DownloadDocument, ...] = ()
    problem: ProblemDocument | None = None
    """The first of `problems`."""
    problems: tuple[ProblemDocument, ...] = ()
    notices: tuple[ProblemDocument, ...] = ()
    """What people should know although everything works."""
    engines: tuple[EngineRow, ...] = ()
    memory_budget_bytes: int | None = None
    """The main memory that all engines together may take; None if that is not known."""
    memory_used_bytes: int = 0
    """What all engines together take of it."""
    graphics_memory_budget_bytes: int = 0
    """The same of graphics cards that have memory of their own; 0 while no engine computes with any."""
    graphics_memory_used_bytes: int = 0
    newer_version: str | None = None
    """Of the app; None if none is known, or the person does not want to be told."""


NOT_RUNNING = StatusDocument(running=False, state="stopped", server="stopped")
"""What a terminal command says in place of an app, if none runs."""


def path_to_json(path: object) -> str:
    """A path in percent signs: JSON has no place for names whose bytes are no letters. For `enc_hook`."""
    if not isinstance(path, Path):
        raise NotImplementedError
    return quote_from_bytes(os.fsencode(path))


def path_from_json(_type: type, text: object) -> Path:
    """The path that `path_to_json` has written. For `dec_hook`."""
    return Path(os.fsdecode(unquote_to_bytes(str(text))))
