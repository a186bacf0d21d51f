"""What a running app tells terminal commands of itself, and how values travel between the two as JSON. Pure.

It stands apart from `control.py`, so that a command that only asks does not load the HTTP server.
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


def path_to_json(path: object) -> str:
    """A path in percent signs: JSON has no place for names whose bytes are no letters. For `enc_hook`."""
    if not isinstance(path, Path):
        raise NotImplementedError
    return quote_from_bytes(os.fsencode(path))


def path_from_json(_type: type, text: object) -> Path:
    """The path that `path_to_json` has written. For `dec_hook`."""
    return Path(os.fsdecode(unquote_to_bytes(str(text))))
