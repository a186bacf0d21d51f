"""Clients of the soak: ask without a pause, and tell an answer that was lost from one that was refused.

Whatever happens to an engine, a client is told: by an answer, by an error, by an event in the stream. An
answer is lost if the connection ends or stays silent without a word, or if it is another than was asked for.
What a person calls off by closing the address is not.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PAUSE_S = 0.05
TIMEOUT_S = 90.0
"""Longer than an engine takes to load, and longer than a hang of it may last before it is ended."""
ANSWERED = "answered"
CALLED_OFF = "called off: its address was closed"
LOST = "lost"
TEXTS = ["Hello", "one two three", "Good bye"]
QUESTIONS: dict[str, dict[str, Any]] = {
    "/embeddings": {"input": TEXTS, "model": ""},
    "/completions": {"prompt": "Hello", "max_tokens": 8, "model": ""},
    "/chat/completions": {
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 8,
        "stream": True,
        "model": "",
    },
}
"""What is asked at which path: texts at once, a whole answer, a stream."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where to ask, and whether somebody closes the address: what is under way then ends with it."""

    base_url: str | None
    closings: int
    """How often it was closed, with the closing that has begun."""
    is_closing: bool


class Clients:
    """One thread for each kind of question, from `start` to `close`."""

    def __init__(self, server: Callable[[], Server]) -> None:
        self.requests: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        """What was asked and what came in place of an answer."""
        self._server = server
        self._over = threading.Event()
        self._count = threading.Lock()
        self._turns = {path: threading.Lock() for path in QUESTIONS}
        """Each is held while such a request is under way."""
        self._threads = [
            threading.Thread(target=self._ask_on, args=(path,), name=f"client {path}") for path in QUESTIONS
        ]

    def start(self) -> None:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Let what is under way come to its end, and nothing new begin."""
        with contextlib.ExitStack() as stack:
            for turn in self._turns.values():
                stack.enter_context(turn)
            yield

    def close(self) -> None:
        """Ask no more; returns when the last answer is there."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask_on(self, path: str) -> None:
        while not self._over.wait(PAUSE_S):
            with self._turns[path]:
                self._ask(path)

    def _ask(self, path: str) -> None:
        before = self._server()
        if before.base_url is None:
            return
        came = outcome(before.base_url, path)
        if came.startswith(LOST) and (before.is_closing or self._server().closings != before.closings):
            came = CALLED_OFF
        with self._count:
            if came.startswith(LOST):
                self.lost[f"{path}: {came}"] += 1
                came = LOST
            self.requests[came] += 1


def outcome(base_url: str, path: str) -> str:
    """Ask, and say in a few words what came: `ANSWERED`, a refusal, or `LOST` with what was seen of it."""
    question = QUESTIONS[path]
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(f"{base_url}{path}", json=question, timeout=TIMEOUT_S)
    except requests.RequestException as exc:
        return f"{LOST}: {exc}"
    if answer.status_code != requests.codes.ok:
        return _refusal(answer)
    if question.get("stream"):
        return _end_of_stream(answer.text)
    whole = answer.json()
    if path == "/embeddings":
        return ANSWERED if _are_vectors(whole["data"]) else f"{LOST}: {answer.text[:200]}"
    return ANSWERED if whole["choices"] else f"{LOST}: {answer.text[:200]}"


def _refusal(answer: requests.Response) -> str:
    try:
        message = " ".join(answer.json()["error"]["message"].split())
        return f"refused with {answer.status_code}: {message[:60]}"
    except (ValueError, KeyError):
        return f"{LOST}: status {answer.status_code} without an error: {answer.text[:200]}"


def _end_of_stream(text: str) -> str:
    events = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    if "[DONE]" in events[-1:]:
        return ANSWERED
    if events and "error" in json.loads(events[-1]):
        return "broke off, which an event in the stream told"
    return f"{LOST}: the stream ended after {len(events)} events"


def _are_vectors(data: Sequence[dict[str, Any]]) -> bool:
    return [each["index"] for each in data] == list(range(len(TEXTS))) and all(
        each["embedding"] for each in data
    )
