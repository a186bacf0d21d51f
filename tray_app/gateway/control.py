"""The private address through which the terminal speaks to the running app. Thread: "control".

A port that nobody knows and a token in a file that only this user can read: `control.json` in the state
folder, there while the app runs. It is a listener of its own, because it stays while the public address comes
and goes.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote_from_bytes, unquote_to_bytes

import msgspec
from aiohttp import web

from tray_app.errors import AppError
from tray_app.gateway.counters import Traffic
from tray_app.gateway.guard import check_key, local_only, openai_errors
from tray_app.gateway.listener import Listener
from tray_app.gateway.openai import ApiError
from tray_app.system.files import NOT_JSON, write_atomically

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from tray_app.gateway.guard import Handler

FILE_NAME = "control.json"


class ControlFile(msgspec.Struct, frozen=True):
    """Where a running app can be spoken to, and the word that opens it."""

    port: int
    token: str
    pid: int


class Showing(msgspec.Struct, frozen=True):
    """What the window shall show."""

    source: str = ""
    """A model that somebody wants to have: an address or the path of a file; empty for none."""


class Removing(msgspec.Struct, frozen=True):
    """A model that somebody wants to be rid of."""

    path: Path
    trash: bool
    """Whether it goes to the trash, and not for good."""
    anywhere: bool
    """Whether it may be outside of the models folder."""


class Removed(msgspec.Struct, frozen=True):
    """What is gone; see `models.removal.Removal`."""

    paths: tuple[Path, ...]
    kept: tuple[Path, ...]
    trashed: bool
    stopped_server: bool


class Fault(msgspec.Struct, frozen=True):
    """An AppError on its way to the terminal."""

    title: str
    message: str
    hint: str


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


class ProblemDocument(msgspec.Struct, frozen=True):
    """Something that is wrong, as an `AppError` has it, and what it is about."""

    title: str
    message: str
    hint: str
    fix: str = ""
    setting: str = ""
    evidence: tuple[str, ...] = ()
    source: str = ""


class StatusDocument(msgspec.Struct, frozen=True):
    """What a running app says of itself: to the terminal, and as `powerinfer-tray status --json`."""

    running: bool
    state: str
    """That of the engine."""
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


class Control:
    """Answers GET /status with `status()` as JSON, POST /NAME with `actions[NAME]`, POST /show with `show`,
    POST /remove with `remove`.

    All are called on worker threads, so they may block. An action must not close this object: `quit` only
    asks for the end, or its own answer would wait for itself.
    """

    def __init__(
        self,
        state_dir: Path,
        status: Callable[[], StatusDocument],
        actions: Mapping[str, Callable[[], None]],
        show: Callable[[str], None],
        remove: Callable[[Removing], Removed],
    ) -> None:
        self._path = state_dir / FILE_NAME
        self._status = status
        self._actions = dict(actions)
        self._show = show
        self._remove = remove
        self._token = secrets.token_urlsafe(32)
        self._listener = Listener("control", self._application)

    def open(self) -> None:
        """Listen on a free loopback port and write the file."""
        self._listener.open(0)
        if self._listener.port is not None:
            content = ControlFile(self._listener.port, self._token, os.getpid())
            write_atomically(self._path, msgspec.json.encode(content))

    def close(self, timeout_s: float = 5.0) -> None:
        """Remove the file, stop listening, join the thread."""
        if self._listener.port is not None:
            self._path.unlink(missing_ok=True)
        self._listener.close(timeout_s)

    @asynccontextmanager
    async def _application(self) -> AsyncIterator[web.Application]:
        application = web.Application(middlewares=[openai_errors, local_only, self._only_with_token])
        application.router.add_get("/status", self._answer_status)
        for name, action in self._actions.items():
            application.router.add_post(f"/{name}", _calling(action))
        application.router.add_post("/show", self._answer_show)
        application.router.add_post("/remove", self._answer_remove)
        yield application

    @web.middleware
    async def _only_with_token(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        check_key(self._token, request)
        return await handler(request)

    async def _answer_show(self, request: web.Request) -> web.StreamResponse:
        try:
            wanted = msgspec.json.decode(await request.read(), type=Showing)
        except NOT_JSON as exc:
            raise ApiError(400, f"This cannot be shown: {exc}", code="invalid_request") from exc
        return await _calling(lambda: self._show(wanted.source))(request)

    async def _answer_remove(self, request: web.Request) -> web.StreamResponse:
        try:
            wish = msgspec.json.decode(await request.read(), type=Removing, dec_hook=path_from_json)
        except NOT_JSON as exc:
            raise ApiError(400, f"This cannot be removed: {exc}", code="invalid_request") from exc
        return await _calling(lambda: self._remove(wish))(request)

    async def _answer_status(self, _request: web.Request) -> web.Response:
        status = await asyncio.to_thread(self._status)
        return web.Response(body=msgspec.json.encode(status), content_type="application/json")


def path_to_json(path: object) -> str:
    """A path in percent signs: JSON has no place for names whose bytes are no letters. For `enc_hook`."""
    if not isinstance(path, Path):
        raise NotImplementedError
    return quote_from_bytes(os.fsencode(path))


def path_from_json(_type: type, text: object) -> Path:
    """The path that `path_to_json` has written. For `dec_hook`."""
    return Path(os.fsdecode(unquote_to_bytes(str(text))))


def _calling(action: Callable[[], object]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(_request: web.Request) -> web.Response:
        try:
            answer = await asyncio.to_thread(action)
        except AppError as error:
            fault = Fault(error.title, error.message, error.hint)
            return web.Response(status=409, body=msgspec.json.encode(fault), content_type="application/json")
        if answer is None:
            return web.Response(status=204)
        body = msgspec.json.encode(answer, enc_hook=path_to_json)
        return web.Response(body=body, content_type="application/json")

    return handler
