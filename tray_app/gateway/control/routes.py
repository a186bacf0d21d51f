"""The private address through which the terminal speaks to the running app. Thread: "control".

A port of its own, and a secret in a file that only this user can read (`controlfile.py`). Whoever asks proves
to know the secret, and so does every answer (`proof.py`). It is a listener of its own, because it stays while
the public address comes and goes.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar, cast

import msgspec
from aiohttp import web

from tray_app.errors import AppError, ErrorDocument
from tray_app.gateway.control.commands import (
    AllowingEngine,
    Changing,
    Downloading,
    Examining,
    InstallingEngine,
    ListingEngines,
    Loading,
    Measuring,
    ProvingEngine,
    Removing,
    RemovingEngine,
    TextsToEmbed,
    Unloading,
    failed_unexpectedly,
)
from tray_app.gateway.control.controlfile import ControlPlace
from tray_app.gateway.control.documents import JobReport, Showing, path_from_json, path_to_json
from tray_app.gateway.control.jobs import CommandJobs, Following
from tray_app.gateway.control.proof import (
    CHALLENGE_PATH,
    PROOF_OF_ANSWER,
    PROOF_OF_REQUEST,
    Challenge,
    Exchange,
    Nonces,
    Welcome,
    from_header,
)
from tray_app.gateway.guard import local_only
from tray_app.gateway.limits import MAX_CONTROL_CONNECTIONS
from tray_app.gateway.listener import Listener
from tray_app.gateway.openai import ApiError
from tray_app.gateway.replies import json_response, openai_errors
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
    from pathlib import Path

    from tray_app.gateway.control.commands import AppCommands, Cancellation, Tell
    from tray_app.gateway.control.documents import StatusDocument
    from tray_app.gateway.replies import Handler

    Handling = Callable[[web.Request], Awaitable[web.Response]]

_MOST_BODY_BYTES = 4 * 2**20
"""The texts of a command line, which has at most 2 MiB on most systems, with what JSON adds to them."""
_MOST_CHALLENGE_BYTES = 4096
"""From anybody; it has about 60."""
_BODY_TIMEOUT_S = 5.0
_FOLLOW_S = 2.0
"""Whoever follows work hears so often that it goes on, also where there is nothing new."""

Wish = TypeVar("Wish", bound=msgspec.Struct)

_logger = logging.getLogger(__name__)


class Control:
    """Answers GET /status with `status()` as JSON, POST /NAME with `actions[NAME]`, POST /show with `show`,
    and POST /NAME for what `commands` can do.

    All are called on worker threads, so they may block. Long work is begun by such a request, which is
    answered with its number; POST /follow tells how far it is, POST /cancel ends it. An action must not
    close this object: `quit` only asks for the end, or its own answer would wait for itself.
    """

    def __init__(
        self,
        state_dir: Path,
        status: Callable[[], StatusDocument],
        actions: Mapping[str, Callable[[], None]],
        show: Callable[[str], None],
        commands: AppCommands,
    ) -> None:
        self._place = ControlPlace(state_dir)
        self._status = status
        self._actions = dict(actions)
        self._show = show
        self._commands = commands
        self._jobs = CommandJobs()
        self._nonces = Nonces()
        self._answering: set[object] = set()
        """One for each wish that has come in and is not answered yet."""
        self._answered = threading.Condition()
        self._listener = Listener("control", self._application)

    def open(self) -> bool:
        """Listen on a free loopback port and say where; False if another program has the lock.

        `AppError` if lock or file cannot be written.
        """
        if not self._place.acquire():
            return False
        try:
            self._listener.open(0)
            self._place.tell(self._listener.port or 0)
        except BaseException:
            self.close()
            raise
        return True

    def end_jobs(self, timeout_s: float) -> None:
        """Cancel the long work of commands and wait until it has ended and the terminals that follow know;
        nothing more is begun.
        """
        self._jobs.close(timeout_s)

    def close(self, timeout_s: float = 5.0) -> None:
        """Remove the file, answer those who have asked, stop listening, join the thread."""
        deadline_s = time.monotonic() + timeout_s
        if self._listener.port is not None:
            self._place.forget()
            self._wait_for_answers(timeout_s)
        self._listener.close(max(0.0, deadline_s - time.monotonic()))
        self._place.release()

    def _wait_for_answers(self, timeout_s: float) -> None:
        """Wait until there is an answer to every wish of now, or nobody any more who asked.

        The listener writes what there is when it closes.
        """
        with self._answered:
            asked = frozenset(self._answering)
            self._answered.wait_for(lambda: asked.isdisjoint(self._answering), timeout_s)

    @contextmanager
    def _to_be_answered(self) -> Iterator[None]:
        wish = object()
        with self._answered:
            self._answering.add(wish)
        try:
            yield
        finally:
            with self._answered:
                self._answering.remove(wish)
                self._answered.notify_all()

    @asynccontextmanager
    async def _application(self) -> AsyncIterator[web.Application]:
        application = web.Application(
            middlewares=[openai_errors, local_only, self._proven], client_max_size=_MOST_BODY_BYTES
        )
        application.router.add_post(CHALLENGE_PATH, self._answer_challenge)
        application.router.add_get("/status", self._answer_status)
        for name, action in self._actions.items():
            application.router.add_post(f"/{name}", _calling(action))
        commands, add = self._commands, application.router.add_post
        add("/show", _doing(Showing, lambda wish: self._show(wish.source)))
        add("/remove", _doing(Removing, commands.remove))
        add("/embed", _doing(TextsToEmbed, commands.embed))
        add("/examine", _doing(Examining, commands.run_diagnostics))
        add("/change", _doing(Changing, commands.change))
        add("/download", self._beginning(Downloading, commands.download))
        add("/load", self._beginning(Loading, lambda wish, _tell, _cancelled: commands.load(wish)))
        add("/unload", _doing(Unloading, commands.unload))
        add("/tune", self._beginning(Measuring, commands.tune))
        add("/engines", _doing(ListingEngines, commands.list_engines))
        add("/install-engine", self._beginning(InstallingEngine, commands.install_engine))
        add("/prove-engine", self._beginning(ProvingEngine, commands.prove_engine))
        add("/remove-engine", _doing(RemovingEngine, commands.remove_engine))
        add("/allow-engine", _doing(AllowingEngine, commands.allow_engine))
        add("/follow", _doing(Following, self._follow, lambda wish: self._jobs.leave(wish.job)))
        add("/cancel", _doing(Following, lambda wish: self._jobs.cancel(wish.job)))
        # Every connection may be one that waits; the others must be heard all the same.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(MAX_CONTROL_CONNECTIONS))
        yield application

    @web.middleware
    async def _proven(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Ask nobody's wish without a proof, and answer with one."""
        if request.path == CHALLENGE_PATH:
            return await handler(request)
        exchange = await self._exchange_of(request)
        with self._to_be_answered():
            try:
                answer = cast("web.Response", await openai_errors(request, handler))
            except Exception as exc:  # without a proof, the terminal would take us for another program
                _logger.exception("A command failed")
                answer = _refusal(failed_unexpectedly(exc))
            proof = exchange.of_answer(answer.status, cast("bytes | None", answer.body) or b"")
            answer.headers[PROOF_OF_ANSWER] = proof.hex()
        return answer

    async def _exchange_of(self, request: web.Request) -> Exchange:
        """What the request is part of; 401 unless it is proven, and asked for the first time."""
        refusal = ApiError(
            401, "This address is only for the commands of PowerInfer Tray.", code="not_proven"
        )
        try:
            exchange, proof = from_header(self._place.secret, request.headers.get(PROOF_OF_REQUEST, ""))
        except ValueError as exc:
            raise refusal from exc
        right = exchange.of_request(request.method, request.raw_path, await _body(request))
        if not hmac.compare_digest(proof, right) or not self._nonces.spend(exchange.app_nonce):
            raise refusal
        return exchange

    async def _answer_challenge(self, request: web.Request) -> web.Response:
        try:
            small = request.clone(client_max_size=_MOST_CHALLENGE_BYTES)
            challenge = msgspec.json.decode(await _body(small), type=Challenge)
        except NOT_JSON as exc:
            raise ApiError(400, "This is not a valid challenge.", code="invalid_request") from exc
        exchange = Exchange(self._place.secret, challenge.nonce, self._nonces.new())
        body = msgspec.json.encode(Welcome(exchange.app_nonce, exchange.of_app()))
        return json_response(body)

    def _beginning(self, kind: type[Wish], work: Callable[[Wish, Tell, Cancellation], object]) -> Handling:
        """Begin long work, and answer with its number."""

        def begin(wish: Wish) -> Following:
            return Following(self._jobs.begin(lambda tell, cancelled: work(wish, tell, cancelled)))

        return _doing(kind, begin)

    def _follow(self, wish: Following) -> JobReport:
        news = self._jobs.follow(wish.job, wish.seen, _FOLLOW_S)
        told = news.result if news.has_ended else news.progress
        return JobReport(news.number, news.has_ended, msgspec.Raw(_to_json(told)))

    async def _answer_status(self, _request: web.Request) -> web.Response:
        status = await asyncio.to_thread(self._status)
        return json_response(msgspec.json.encode(status))


async def _body(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            return await request.read()
    except TimeoutError as exc:
        raise ApiError(408, f"The body did not arrive within {_BODY_TIMEOUT_S:g} s.") from exc


def _to_json(value: object) -> bytes:
    return msgspec.json.encode(value, enc_hook=path_to_json)


def _doing(
    kind: type[Wish], action: Callable[[Wish], object], leave: Callable[[Wish], None] | None = None
) -> Handling:
    """Do what the body asks for; `leave` is called if whoever has asked hangs up meanwhile."""

    async def handler(request: web.Request) -> web.Response:
        try:
            wish = msgspec.json.decode(await request.read(), type=kind, dec_hook=path_from_json)
        except NOT_JSON as exc:
            raise ApiError(400, f"This request is not valid: {exc}", code="invalid_request") from exc
        try:
            return await _answer(lambda: action(wish))
        except asyncio.CancelledError:
            if leave:
                leave(wish)
            raise

    return handler


def _calling(action: Callable[[], object]) -> Handling:
    async def handler(_request: web.Request) -> web.Response:
        return await _answer(action)

    return handler


async def _answer(action: Callable[[], object]) -> web.Response:
    try:
        answer = await asyncio.to_thread(action)
    except AppError as error:
        return _refusal(error)
    if answer is None:
        return web.Response(status=204)
    return json_response(_to_json(answer))


def _refusal(error: AppError) -> web.Response:
    """An error of the app, to be raised by the terminal as it was here."""
    body = msgspec.json.encode(ErrorDocument.of(error))
    return web.Response(status=HTTPStatus.CONFLICT, body=body, content_type="application/json")
