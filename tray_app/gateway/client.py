"""Speaks to a running gateway or control listener: for terminal, self-test and window. Any thread; blocks."""

from __future__ import annotations

import hmac
import json
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import requests

from tray_app import __version__
from tray_app.errors import ErrorCode, ErrorDocument, GatewayError
from tray_app.gateway.commands import Arriving, Changed, Examined, Measured, Removed, TextEmbeddings, Tuned
from tray_app.gateway.controlfile import lock_path, nobody_runs, read_control_file
from tray_app.gateway.documents import JobReport, Showing, StatusDocument, path_from_json, path_to_json
from tray_app.gateway.jobs import Following
from tray_app.gateway.openai import TokenUsage
from tray_app.gateway.proof import (
    CHALLENGE_PATH,
    PROOF_OF_ANSWER,
    PROOF_OF_REQUEST,
    Challenge,
    Exchange,
    Welcome,
    new_nonce,
)
from tray_app.phrases import one_line, phrase
from tray_app.system.files import NOT_JSON
from tray_app.system.ports import port_owners
from tray_app.system.programs import THIS_APP, program_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from threading import Event

    from tray_app.gateway.commands import (
        Cancellation,
        Changing,
        Downloading,
        Examining,
        Measuring,
        Removing,
        Tell,
        TextsToEmbed,
    )
    from tray_app.gateway.controlfile import ControlFile

_STATUS_S = 10.0
_MOST_WELCOME_BYTES = 4096
_MOST_ANSWER_BYTES = 64 * 2**20
"""Of the app, which tells 200 bytes of each download, and names of what it has removed."""
_COMING_UP_S = 5.0
"""So long an app may need from having the lock to being found, and from leaving to giving it back."""
_LOOK_S = 0.1

Answer = TypeVar("Answer")


class SlowAnswerError(GatewayError):
    """Somebody is there, but has not answered in time."""


class NobodyAnswersError(GatewayError):
    """Nobody listens there, or whoever did has hung up."""


class _StrangerError(GatewayError):
    """Who answers at the app's port does not know its secret."""

    def __init__(self) -> None:
        super().__init__(
            ErrorCode.APP_NOT_RECOGNIZED,
            "The app did not answer",
            "Another program answers in its place, and was told nothing.",
            "Start PowerInfer Tray again.",
        )


class _Vector(msgspec.Struct):
    index: int
    embedding: list[float]


class _Vectors(msgspec.Struct):
    data: list[_Vector]
    usage: TokenUsage


class _Reason(msgspec.Struct):
    message: str


class _Addition(msgspec.Struct):
    text: str = ""


class _Event(msgspec.Struct):
    choices: list[_Addition] = []
    error: _Reason | None = None


class _Refusal(msgspec.Struct):
    error: _Reason


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors in the order of their texts, tokens in all, and the time that a client waits for them."""

    vectors: tuple[tuple[float, ...], ...]
    dimensions: int
    tokens: int
    elapsed_ms: float


def request_embeddings(
    base_url: str, texts: Sequence[str], *, key: str = "", timeout_s: float = 600.0
) -> Embeddings:
    """The embeddings of `texts`, from the server at `base_url` (it ends in /v1).

    Raises
    ------
    GatewayError
        If nobody answers there, or the answer is a refusal; its message is then the server's.

    """
    body = {"input": list(texts), "model": "", "encoding_format": "float"}
    with _session(_bearer(key)) as session:
        began_s = time.perf_counter()
        response = _send(session, "POST", f"{base_url}/embeddings", timeout_s, json=body)
        elapsed_ms = (time.perf_counter() - began_s) * 1000
    if not response.ok:
        raise _refusal(response)
    answer = _decode(response.status_code, response.content, _Vectors)
    vectors = tuple(tuple(item.embedding) for item in sorted(answer.data, key=lambda item: item.index))
    dimensions = len(vectors[0]) if vectors else 0
    return Embeddings(vectors, dimensions, answer.usage.prompt_tokens, elapsed_ms)


def complete(
    base_url: str,
    prompt: str,
    max_tokens: int,
    cancelled: Event,
    *,
    key: str = "",
    timeout_s: float = 600.0,
) -> Iterator[str]:
    """What the server at `base_url` adds to `prompt`, piece by piece as it comes, until `cancelled` is set.

    Raises
    ------
    GatewayError
        As `request_embeddings`; also if the answer breaks off.

    """
    body = {"prompt": prompt, "max_tokens": max_tokens, "model": "", "stream": True}
    with _session(_bearer(key)) as session:
        session.stream = True  # hands over each piece when it is there
        response = _send(session, "POST", f"{base_url}/completions", timeout_s, json=body)
        if not response.ok:
            raise _refusal(response)
        try:
            # Leaving closes the connection, by which the engine hears that nobody waits any more.
            for line in response.iter_lines():
                if cancelled.is_set() or line == b"data: [DONE]":
                    return
                if line.startswith(b"data: "):
                    yield _piece(line.removeprefix(b"data: "))
        except requests.RequestException as exc:
            raise GatewayError(
                ErrorCode.ANSWER_BROKE_OFF, "The answer broke off", "The server closed the connection."
            ) from exc


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    content: bytes


class ControlClient:
    """Speaks to a running app. Every method raises `GatewayError` if the app is gone or cannot be understood.

    What goes wrong in the app is raised here as it was there: of the same class, with the same code and
    fields.

    Nothing but a random number is sent before the app has proven who it is, and no answer is believed that
    does not prove it: see `proof`.
    """

    def __init__(self, file: ControlFile) -> None:
        self.pid = file.pid
        self._file = file
        self._url = f"http://127.0.0.1:{file.port}"

    def status(self, timeout_s: float = _STATUS_S) -> StatusDocument:
        """What the app says of itself. `SlowAnswerError` if it is there and takes longer."""
        answer = self._ask("GET", "/status", timeout_s)
        if answer.status != HTTPStatus.OK:
            raise GatewayError(
                ErrorCode.APP_REFUSED,
                "The running app refused",
                phrase("It answered with status {status}.", status=answer.status),
            )
        return _decode(answer.status, answer.content, StatusDocument)

    def start(self, timeout_s: float | None = None) -> None:
        """Start the server; returns when the engine has been told, which may come after a download."""
        self._act("start", timeout_s)

    def stop(self, timeout_s: float | None = None) -> None:
        """Stop the server; returns when its address is closed and the engine has been told."""
        self._act("stop", timeout_s)

    def restart(self, timeout_s: float | None = None) -> None:
        """Stop the server and start it again; returns when the engine has been told."""
        self._act("restart", timeout_s)

    def reload(self, timeout_s: float | None = None) -> None:
        """Take up changed settings and keys; returns when that is done, which may include a download."""
        self._act("reload", timeout_s)

    def show(self, source: str = "", timeout_s: float | None = _STATUS_S) -> None:
        """Bring the app's window to the front, with `source` as a model that somebody wants to have."""
        self._act("show", timeout_s, Showing(source))

    def quit(self, timeout_s: float | None = _STATUS_S) -> None:
        """Ask the app to end; returns when it has heard."""
        self._act("quit", timeout_s)

    def remove(self, wish: Removing) -> Removed:
        """See `AppCommands`."""
        return self._do("remove", wish, Removed)

    def embed(self, wish: TextsToEmbed) -> TextEmbeddings:
        """See `AppCommands`."""
        return self._do("embed", wish, TextEmbeddings)

    def run_diagnostics(self, wish: Examining) -> Examined:
        """See `AppCommands`."""
        return self._do("examine", wish, Examined)

    def change(self, wish: Changing) -> Changed:
        """See `AppCommands`."""
        return self._do("change", wish, Changed)

    def download(self, wish: Downloading, tell: Tell, cancelled: Cancellation) -> Arriving:
        """See `AppCommands`."""
        job = self._do("download", wish, Following)
        return self._follow(job, tell, cancelled, progress=Arriving, result=Arriving)

    def tune(self, wish: Measuring, tell: Tell, cancelled: Cancellation) -> Tuned:
        """See `AppCommands`."""
        job = self._do("tune", wish, Following)
        return self._follow(job, tell, cancelled, progress=Measured, result=Tuned)

    def _follow(
        self,
        job: Following,
        tell: Tell,
        cancelled: Cancellation,
        *,
        progress: type[msgspec.Struct],
        result: type[Answer],
    ) -> Answer:
        """Pass on what the app tells of long work, until it ends."""
        with cancelled.calling(lambda: self._cancel(job)):
            while True:
                answer = self._act("follow", _STATUS_S, job)
                report = _decode(answer.status, answer.content, JobReport)
                if report.has_ended:
                    return _decode(answer.status, bytes(report.told), result, path_from_json)
                if report.number > job.seen:
                    tell(_decode(answer.status, bytes(report.told), progress, path_from_json))
                job = Following(job.job, report.number)

    def _cancel(self, job: Following) -> None:
        with suppress(GatewayError):  # whoever follows hears what has become of the app
            self._act("cancel", _STATUS_S, job)

    def _do(self, name: str, wish: msgspec.Struct, kind: type[Answer]) -> Answer:
        """Have the app do this, which takes as long as it takes; what it says."""
        answer = self._act(name, None, wish)
        return _decode(answer.status, answer.content, kind, path_from_json)

    def _act(self, name: str, timeout_s: float | None, wish: msgspec.Struct | None = None) -> _Answer:
        # `json`, unlike msgspec, also writes letters that are none; the app then says so.
        body = b"" if wish is None else json.dumps(msgspec.to_builtins(wish, enc_hook=path_to_json)).encode()
        answer = self._ask("POST", f"/{name}", timeout_s, body)
        if answer.status == HTTPStatus.NOT_FOUND:
            raise self._of_another_version(name)
        if answer.status == HTTPStatus.CONFLICT:
            raise _decode(answer.status, answer.content, ErrorDocument).error()
        if answer.status >= HTTPStatus.BAD_REQUEST:
            reason = _decode(answer.status, answer.content, _Refusal).error.message
            raise GatewayError(ErrorCode.APP_REFUSED, "The running app refused", reason)
        return answer

    def _of_another_version(self, name: str) -> GatewayError:
        version = self.status().version
        runs = phrase("Version {version} runs", version=version) if version else "An earlier version runs"
        return GatewayError(
            ErrorCode.APP_VERSION_DIFFERS,
            phrase("The PowerInfer Tray that runs (PID {pid}) is of another version", pid=self.pid),
            phrase(
                "{runs}, which does not know “{name}”; this command is of version {ours}.",
                runs=runs,
                name=name,
                ours=__version__,
            ),
            "End it and start it again: powerinfer-tray quit, then powerinfer-tray.",
        )

    def _ask(self, method: str, path: str, timeout_s: float | None, body: bytes = b"") -> _Answer:
        with _session({}) as session:
            session.stream = True  # an answer is read as far as it can be one of ours
            exchange = self._meet(session, min(timeout_s or _STATUS_S, _STATUS_S))
            header = exchange.header(exchange.of_request(method, path, body))
            try:
                proven = {PROOF_OF_REQUEST: header}
                response = _send(session, method, self._url + path, timeout_s, data=body, headers=proven)
                answer = _Answer(response.status_code, _content(response, _MOST_ANSWER_BYTES))
            except SlowAnswerError as exc:
                raise self._busy(timeout_s) from exc
            except NobodyAnswersError as exc:
                raise self._gone() from exc
        proof = exchange.of_answer(answer.status, answer.content).hex()
        if not hmac.compare_digest(proof.encode(), response.headers.get(PROOF_OF_ANSWER, "").encode()):
            raise _StrangerError
        return answer

    def _meet(self, session: requests.Session, timeout_s: float) -> Exchange:
        """Have whoever listens prove that it is the app; its exchange with us."""
        nonce = new_nonce()
        challenge = msgspec.json.encode(Challenge(nonce))
        try:
            response = _send(session, "POST", self._url + CHALLENGE_PATH, timeout_s, data=challenge)
            welcome = msgspec.json.decode(_content(response, _MOST_WELCOME_BYTES), type=Welcome)
        except NobodyAnswersError as exc:
            raise self._gone() from exc
        except SlowAnswerError as exc:
            raise (self._busy(timeout_s) if self._looks_like_the_app() else _StrangerError()) from exc
        except NOT_JSON as exc:
            raise _StrangerError from exc
        exchange = Exchange(self._file.token, nonce, welcome.nonce)
        if not hmac.compare_digest(welcome.proof, exchange.of_app()):
            raise _StrangerError
        return exchange

    def _looks_like_the_app(self) -> bool:
        """Whether the system says that the process of the file is this app, and has its port."""
        owners = {owner.pid for owner in port_owners(self._file.port)}
        return program_name(self.pid) == THIS_APP and not owners.isdisjoint({self.pid, None})

    def _gone(self) -> NobodyAnswersError:
        return NobodyAnswersError(
            ErrorCode.APP_ENDED,
            "PowerInfer Tray has ended",
            phrase("It ran (PID {pid}), and did not answer any more.", pid=self.pid),
            "What it was doing has stopped with it. Give the command again.",
        )

    def _busy(self, timeout_s: float | None) -> SlowAnswerError:
        return SlowAnswerError(
            ErrorCode.APP_NOT_RESPONDING,
            phrase("PowerInfer Tray runs (PID {pid}), but does not answer", pid=self.pid),
            phrase("It was asked and has said nothing for {seconds:.0f} s.", seconds=timeout_s or 0.0),
            "It may be busy: try again in a moment. If it stays so, end that process.",
        )


def find_running(state_dir: Path, patience_s: float = _STATUS_S) -> ControlClient | None:
    """The app that runs now; None if there is none, also if one died and left its file behind.

    Raises
    ------
    SlowAnswerError
        If one is there that does not answer within `patience_s`: busy, or stopped by the system.
    AppError
        If it cannot be known: another program, or another user, has the app's lock.

    """
    deadline_s, wait_s = time.monotonic() + min(patience_s, _COMING_UP_S), 0.0
    while not nobody_runs(state_dir, wait_s):
        if client := _answering(state_dir, patience_s):
            return client
        if time.monotonic() > deadline_s:
            raise GatewayError(
                ErrorCode.APP_UNREACHABLE,
                "PowerInfer Tray cannot be reached",
                phrase(
                    "A program holds {path}, as a running PowerInfer Tray does, but none answers.",
                    path=lock_path(state_dir),
                ),
                "If one runs, end it and start it again. If not, delete this file.",
            )
        wait_s = _LOOK_S
    return None


def _answering(state_dir: Path, patience_s: float) -> ControlClient | None:
    """The app that the file names; None if nobody proves to be it."""
    if (file := read_control_file(state_dir)) is None:
        return None
    client = ControlClient(file)
    try:
        client.status(patience_s)
    except SlowAnswerError:
        raise
    except GatewayError:
        return None
    return client


def _refusal(response: requests.Response) -> GatewayError:
    reason = _decode(response.status_code, response.content, _Refusal).error.message
    return GatewayError(ErrorCode.REQUEST_REFUSED, "The server refused the text", reason)


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def _session(headers: Mapping[str, str]) -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # loopback never goes through a proxy
    session.headers.update(headers)
    return session


def _piece(payload: bytes) -> str:
    """The text that one event of a stream adds; `GatewayError` if it says that something went wrong."""
    try:
        event = msgspec.json.decode(payload, type=_Event)
    except NOT_JSON as exc:
        raise GatewayError(
            ErrorCode.ANSWER_NOT_UNDERSTOOD,
            "Unexpected answer from the server",
            "An event of the stream is not what this app expects.",
        ) from exc
    if event.error:
        raise GatewayError(ErrorCode.ANSWER_BROKE_OFF, "The answer broke off", one_line(event.error.message))
    return "".join(choice.text for choice in event.choices)


def _send(
    session: requests.Session, method: str, url: str, timeout_s: float | None, **content: Any
) -> requests.Response:
    with _faults(url, timeout_s):
        # None of ours sends us elsewhere, and where we would be sent, nobody has proven who he is.
        return session.request(method, url, timeout=timeout_s, allow_redirects=False, **content)


def _content(response: requests.Response, most_bytes: int) -> bytes:
    """The body of an answer, or its beginning, which then is no answer of ours."""
    with _faults(response.url, None):
        return next(response.iter_content(most_bytes), b"")


@contextmanager
def _faults(url: str, timeout_s: float | None) -> Iterator[None]:
    try:
        yield
    except requests.Timeout as exc:
        raise SlowAnswerError(
            ErrorCode.SERVER_NOT_RESPONDING,
            "The server did not answer in time",
            phrase("{url} has said nothing for {seconds:.0f} s.", url=url, seconds=timeout_s or 0.0),
            "Try again later, or look at its log.",
        ) from exc
    except requests.RequestException as exc:
        raise NobodyAnswersError(
            ErrorCode.SERVER_UNREACHABLE,
            "The server did not answer",
            phrase("Nobody answers at {url}.", url=url),
            "Start the server, or look at its log.",
        ) from exc


def _decode(
    status: int, content: bytes, kind: type[Answer], hook: Callable[[type, Any], Any] | None = None
) -> Answer:
    try:
        return msgspec.json.decode(content, type=kind, dec_hook=hook)
    except NOT_JSON as exc:
        raise GatewayError(
            ErrorCode.ANSWER_NOT_UNDERSTOOD,
            "Unexpected answer from the server",
            phrase("It has status {status}, and is not what this app expects.", status=status),
        ) from exc
