"""Speaks to a running gateway or control listener: for terminal, self-test and window. Any thread; blocks."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import psutil
import requests

from tray_app.errors import GatewayError
from tray_app.gateway.control import (
    FILE_NAME,
    ControlFile,
    Fault,
    Removed,
    StatusDocument,
    path_from_json,
    path_to_json,
)
from tray_app.gateway.openai import Usage
from tray_app.phrases import phrase
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from threading import Event

    from tray_app.gateway.control import Removing

_STATUS_S = 10.0

Answer = TypeVar("Answer")


class SlowAnswerError(GatewayError):
    """Somebody is there, but has not answered in time."""


class _Vector(msgspec.Struct):
    index: int
    embedding: list[float]


class _Vectors(msgspec.Struct):
    data: list[_Vector]
    usage: Usage


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


def embed(base_url: str, texts: Sequence[str], *, key: str = "", timeout_s: float = 600.0) -> Embeddings:
    """The embeddings of `texts`, from the server at `base_url` (it ends in /v1).

    Raises
    ------
    GatewayError
        If nobody answers there, or the answer is a refusal; its message is then the server's.

    """
    body = {"input": list(texts), "model": "", "encoding_format": "float"}
    with _session(_bearer(key)) as session:
        began_s = time.perf_counter()
        response = _send(session, "POST", f"{base_url}/embeddings", timeout_s, body)
        elapsed_ms = (time.perf_counter() - began_s) * 1000
    if not response.ok:
        raise GatewayError("The server refused the text", _decode(response, _Refusal).error.message)
    answer = _decode(response, _Vectors)
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
        As `embed`; also if the answer breaks off.

    """
    body = {"prompt": prompt, "max_tokens": max_tokens, "model": "", "stream": True}
    with _session(_bearer(key)) as session:
        session.stream = True  # hands over each piece when it is there
        response = _send(session, "POST", f"{base_url}/completions", timeout_s, body)
        if not response.ok:
            raise GatewayError("The server refused the text", _decode(response, _Refusal).error.message)
        try:
            # Leaving closes the connection, by which the engine hears that nobody waits any more.
            for line in response.iter_lines():
                if cancelled.is_set() or line == b"data: [DONE]":
                    return
                if line.startswith(b"data: "):
                    yield _piece(line.removeprefix(b"data: "))
        except requests.RequestException as exc:
            raise GatewayError("The answer broke off", "The server closed the connection.") from exc


class ControlClient:
    """Speaks to a running app. Every method raises GatewayError if the app is gone or refuses."""

    def __init__(self, file: ControlFile) -> None:
        self.pid = file.pid
        self._url = f"http://127.0.0.1:{file.port}"
        self._headers = _bearer(file.token)

    def status(self, timeout_s: float = _STATUS_S) -> StatusDocument:
        """What the app says of itself. `SlowAnswerError` if it is there and takes longer."""
        with _session(self._headers) as session:
            response = _send(session, "GET", f"{self._url}/status", timeout_s)
        if not response.ok:
            raise GatewayError(
                "The running app refused",
                phrase("It answered with status {status}.", status=response.status_code),
            )
        return _decode(response, StatusDocument)

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
        self._act("show", timeout_s, {"source": source})

    def quit(self, timeout_s: float | None = _STATUS_S) -> None:
        """Ask the app to end; returns when it has heard."""
        self._act("quit", timeout_s)

    def remove(self, wish: Removing, timeout_s: float | None = None) -> Removed:
        """Have the app remove a model, which stops its server if that has it; what is gone."""
        answer = self._act("remove", timeout_s, msgspec.to_builtins(wish, enc_hook=path_to_json))
        return _decode(answer, Removed, path_from_json)

    def _act(self, name: str, timeout_s: float | None, body: object = None) -> requests.Response:
        with _session(self._headers) as session:
            response = _send(session, "POST", f"{self._url}/{name}", timeout_s, body)
        if not response.ok:
            fault = _decode(response, Fault)
            raise GatewayError(fault.title, fault.message, fault.hint)
        return response


def find_running(state_dir: Path, patience_s: float = _STATUS_S) -> ControlClient | None:
    """The app that runs now; None if there is none, also if one died and left its file behind.

    Raises
    ------
    SlowAnswerError
        If one is there that does not answer within `patience_s`: busy, or stopped by the system.

    """
    try:
        client = ControlClient(msgspec.json.decode((state_dir / FILE_NAME).read_bytes(), type=ControlFile))
        client.status(patience_s)
    except SlowAnswerError as exc:
        if not psutil.pid_exists(client.pid):  # another program has the port of an app that died
            return None
        raise SlowAnswerError(
            phrase("PowerInfer Tray runs (PID {pid}), but does not answer", pid=client.pid),
            phrase(
                "It was asked for its status and has said nothing for {seconds:.0f} s.", seconds=patience_s
            ),
            "It may be busy: try again in a moment. If it stays so, end that process.",
        ) from exc
    except (OSError, *NOT_JSON, GatewayError):
        return None
    return client


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
            "The server's answer makes no sense", "An event is not the JSON of this app."
        ) from exc
    if event.error:
        raise GatewayError("The answer broke off", event.error.message)
    return "".join(choice.text for choice in event.choices)


def _send(
    session: requests.Session, method: str, url: str, timeout_s: float | None, body: object = None
) -> requests.Response:
    try:
        return session.request(method, url, json=body, timeout=timeout_s)
    except requests.Timeout as exc:
        raise SlowAnswerError(
            "The server did not answer in time",
            phrase("{url} has said nothing for {seconds:.0f} s.", url=url, seconds=timeout_s or 0.0),
            "Try again later, or look at its log.",
        ) from exc
    except requests.RequestException as exc:
        raise GatewayError(
            "The server did not answer",
            phrase("Nobody answers at {url}.", url=url),
            "Start the server, or look at its log.",
        ) from exc


def _decode(
    response: requests.Response, kind: type[Answer], hook: Callable[[type, Any], Any] | None = None
) -> Answer:
    try:
        return msgspec.json.decode(response.content, type=kind, dec_hook=hook)
    except NOT_JSON as exc:
        raise GatewayError(
            "The server's answer makes no sense",
            phrase("Status {status}, not the JSON of this app.", status=response.status_code),
        ) from exc
