"""A server on another machine, watched like an engine of this app. One thread for each run.

It offers OpenAI's routes (vLLM, llama-server with workers on other machines, another PowerInfer Tray). It is
asked for `/models`, which is cheap and lists its models. If a server has no such list, the model in the
settings is used unchecked.
"""

from __future__ import annotations

import errno
import http.client
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from tray_app.engine.diagnosis import Failure
from tray_app.engine.lifecycle import Answered, Exited
from tray_app.errors import EngineError, ErrorCode, Fix
from tray_app.phrases import one_line, phrase
from tray_app.settings.keys import REMOTE
from tray_app.system.certificates import system_trust
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.engine.launch_plan import RemotePlan
    from tray_app.engine.lifecycle import Event
    from tray_app.engine.output import EngineOutput
    from tray_app.engine.run import HealthCheckTimeouts
    from tray_app.system.engine_id import RunId

_TIMEOUT_S = 5.0
_LIST_TIMEOUT_S = 30.0
_MAX_LIST_BYTES = 4 * 2**20
"""The largest list of models: some ten thousand. The list is read every few seconds and kept in memory."""
_PIECE_BYTES = 2**16
_MISSES = 2
"""After so many failed requests in a row a ready server counts as gone; a busy one can miss one."""
_REFUSALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_STOPPED = Failure(
    EngineError(ErrorCode.REMOTE_NOT_WANTED, "The remote server is no longer used"), permanent=False
)


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


class RemoteRun:
    """One run of a remote server, until it cannot be reached or is no longer wanted."""

    address: None = None
    pid: None = None

    def __init__(self, run: RunId, plan: RemotePlan, output: EngineOutput) -> None:
        self.id = run
        self.models: tuple[str, ...] = ()
        """The models that it offers, the preferred one first; set before `Answered` is reported."""
        self._plan = plan
        self._output = output
        self._ended = threading.Event()
        self._report: Callable[[Event], None]

    def watch(
        self, report: Callable[[Event], None], clock: Callable[[], float], timeouts: HealthCheckTimeouts
    ) -> None:
        """Start the thread. It ends with the run, at the latest when its last request has timed out.

        `OSError` if it cannot be started.
        """
        self._report = report
        thread = threading.Thread(
            target=self._ask_on, args=(clock, timeouts), name=f"engine-{self.id}-remote", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as exc:
            raise OSError(errno.EAGAIN, str(exc)) from exc

    def terminate(self) -> None:
        """Stop asking; there is no process to end."""
        self._end(_STOPPED)

    def kill(self) -> None:
        """As `terminate`."""
        self._end(_STOPPED)

    def check(self, clock: Callable[[], float], timeouts: HealthCheckTimeouts) -> None:
        """Does nothing: a remote server is asked all the time anyway, and this app cannot restart it."""

    def _ask_on(self, clock: Callable[[], float], timeouts: HealthCheckTimeouts) -> None:
        began_s, misses = clock(), 0
        while not self._ended.is_set():
            try:
                models = offered_models(self._plan)
            except EngineError as exc:
                self._end(Failure(exc, permanent=True))
            except OSError as exc:
                misses += 1
                self._output.add(f"{self._plan.url} does not answer: {_reason(exc)}")
                if misses >= _MISSES if self.models else clock() - began_s >= timeouts.remote_limit_s:
                    self._end(_unreachable(self._plan, exc))
                self._ended.wait(timeouts.remote_again_s)
            else:
                misses = 0
                if not self.models:
                    self.models = models
                    self._report(Answered(self.id.number))
                self._ended.wait(timeouts.remote_every_s)

    def _end(self, why: Failure) -> None:
        self._ended.set()
        self._report(Exited(self.id.number, why))


def offered_models(plan: RemotePlan) -> tuple[str, ...]:
    """The models of a remote server, the one that the plan prefers first.

    `OSError` if it cannot be reached now, `EngineError` if it answers and asking again would not help.
    """
    status, body = _get_models(plan)
    if status in _REFUSALS:
        raise EngineError(
            ErrorCode.REMOTE_KEY_REFUSED,
            "The remote server rejected the key",
            phrase("{url} answered with HTTP status {status}.", url=plan.url, status=status),
            "Enter the server's key in the settings under “Engine & speed”, or run: "
            "powerinfer-tray key set remote",
            fix=Fix.SETTING,
            setting=REMOTE.name,
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _LATER:  # it is still loading, or busy
        raise ConnectionError(f"HTTP status {status}")
    try:
        offered = tuple(model.id for model in msgspec.json.decode(body, type=_Models).data)
    except NOT_JSON:
        offered = ()
    if status != HTTPStatus.OK or not offered:
        if plan.model and not HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            return (plan.model,)  # some servers have no list of models
        raise EngineError(
            ErrorCode.REMOTE_WITHOUT_MODELS,
            "The remote server has no models",
            phrase(
                "{url}/models answered with HTTP status {status} but without a list of models.",
                url=plan.url,
                status=status,
            ),
            "Check the address. It usually ends in /v1. If the server does not list its models, "
            "enter one under “Remote model”.",
        )
    if plan.model and plan.model not in offered:
        raise EngineError(
            ErrorCode.REMOTE_MODEL_NOT_FOUND,
            phrase("The remote server has no model “{model}”", model=plan.model),
            phrase("It has {names}.", names=one_line(", ".join(offered))),
            "Choose one of these, or leave “Remote model” empty.",
        )
    # the sort is stable: the others keep their order
    return tuple(sorted(offered, key=lambda name: name != plan.model))


def _get_models(plan: RemotePlan) -> tuple[int, bytes]:
    address = urlsplit(plan.url)
    host = address.hostname or ""
    connection: http.client.HTTPConnection
    if address.scheme == "https":
        trust = system_trust()
        connection = http.client.HTTPSConnection(host, address.port, timeout=_TIMEOUT_S, context=trust)
    else:
        connection = http.client.HTTPConnection(host, address.port, timeout=_TIMEOUT_S)
    headers = {"Authorization": f"Bearer {plan.key}"} if plan.key else {}
    try:
        connection.request("GET", f"{address.path}/models", headers=headers)
        response = connection.getresponse()
        return response.status, _read(response)
    except http.client.HTTPException as exc:
        raise ConnectionError(f"its answer is not HTTP ({type(exc).__name__})") from exc
    finally:
        connection.close()


def _read(response: http.client.HTTPResponse) -> bytes:
    """The body of a list of models; `OSError` if it is too large, takes too long, or is incomplete."""
    began_s, read = time.monotonic(), bytearray()
    while piece := response.read1(_PIECE_BYTES):
        read += piece
        if len(read) > _MAX_LIST_BYTES or time.monotonic() - began_s > _LIST_TIMEOUT_S:
            raise ConnectionError("its list of models does not end")
    if response.length:  # `read1` returns nothing where the connection was closed early, too
        raise ConnectionError("its list of models breaks off")
    return bytes(read)


def _unreachable(plan: RemotePlan, exc: OSError) -> Failure:
    error = EngineError(
        ErrorCode.REMOTE_NOT_RESPONDING,
        "The remote server is not responding",
        phrase("{url}: {reason}.", url=plan.url, reason=_reason(exc)),
        "Check that it is running and that this computer can reach it. The app keeps trying.",
    )
    return Failure(error, permanent=False)


def _reason(exc: OSError) -> str:
    return one_line(exc.strerror or exc) or type(exc).__name__
