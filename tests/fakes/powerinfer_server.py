"""PowerInfer's HTTP server as it behaves at commit d3ebd7c, on a thread of its own.

One slot; head and body in two writes; a busy answer that is a success; one token more than asked for; no
begin-of-text token in /tokenize; prompts cut silently; a stream without `[DONE]`; it dies and hangs as the
real one. A token is a word with the blank before it; `CONTEXT_SIZE` of them fit.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import socket
import threading
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from tests.fakes.http_wire import end_chunks, send, send_event, send_head, send_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONTEXT_SIZE = 64
VOCABULARY = 32000
DIMENSIONS = 8
COMPUTE_S = 0.001
SLOT_RELEASE_S = 0.006
LEAST_TOKENS = 4

_NUMBERS = ("temperature", "top_k", "top_p", "min_p", "n_predict", "presence_penalty", "frequency_penalty")
_CONNECTION_ERRORS = (ConnectionError, asyncio.IncompleteReadError)


class PowerInferServer:
    """The fake. Tests set what it generates and how it misbehaves, and read what it was asked."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []
        self.word: Callable[[int], str] = lambda index: f" w{index}"
        self.end_of_text_at: int | None = None
        self.die_at: int | None = None
        self.hold_at: int | None = None
        self.vector: Callable[[str], object] = vector_of
        self.said_busy = threading.Event()
        self.holding = threading.Event()
        self.client_left = threading.Event()
        self.dead = threading.Event()
        self.hung = False
        self.base_url = ""
        self._slot_taken = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._released = asyncio.Event()
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def bodies(self, path: str) -> list[Any]:
        """What one path has worked on, in order; busy answers are left out."""
        return [body for seen, body in self.seen if seen == path]

    def release(self) -> None:
        """Let a generation that is held go on."""
        assert self._loop
        self._loop.call_soon_threadsafe(self._released.set)

    def stop(self) -> None:
        if self._loop and not self.dead.is_set():
            self._loop.call_soon_threadsafe(self._stopping.set)

    def run(self, started: Future[None]) -> None:
        asyncio.run(self._serve(started))

    async def _serve(self, started: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, limit=2**24)
        self.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started.set_result(None)
        await self._stopping.wait()
        server.close()
        for writer in self._writers:
            writer.transport.abort()

    def _die(self) -> None:
        self.dead.set()
        self._stopping.set()
        for writer in self._writers:
            writer.transport.abort()
        raise ConnectionAbortedError("the process is gone")

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        with suppress(*_CONNECTION_ERRORS):
            for _ in range(5):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = re.search(r"(?i)content-length: (\d+)", head)
                body = await reader.readexactly(int(length[1])) if length else b""
                await self._answer(head.split(" ")[1], body, reader, writer)
                if re.search(r"(?i)connection: close", head):
                    break
        self._writers.discard(writer)
        writer.close()

    async def _answer(
        self, path: str, data: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            body: Any = json.loads(data) if data else None
        except ValueError:
            await send(writer, 500, "text/plain", b"500 Internal Server Error\nparse error")
            return
        match path:
            case "/props":
                await send_json(writer, {"user_name": "", "assistant_name": ""})
            case "/tokenize":
                self.seen.append((path, body))
                await send_json(
                    writer, {"tokens": [hash(word) % VOCABULARY for word in _words(body["content"])]}
                )
            case "/embedding":
                await self._embedding(body, writer)
            case "/completion":
                await self._completion(body, reader, writer)
            case _:
                await send(writer, 404, "text/plain", b"File Not Found")

    async def _embedding(self, body: Any, writer: asyncio.StreamWriter) -> None:
        content = body.get("content", "")
        if self._says_busy():
            await send_json(writer, {"content": "slot unavailable"})
            return
        self.seen.append(("/embedding", body))
        self._die_of_prompt(content)
        await self._hang_if_hung()
        if content == "" or not isinstance(content, str | list):
            await send_json(writer, {"content": "", "stop": True, "tokens_predicted": 0})
            return
        text = content if isinstance(content, str) else "".join(content)
        kept = "".join(_words(text)[-(CONTEXT_SIZE - 1) :])
        self._slot_taken = True
        await asyncio.sleep(COMPUTE_S)
        self._slot_taken = False
        await send_json(writer, {"embedding": self.vector(kept)})

    async def _completion(
        self, body: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._die_of_fields(body)
        stream = body.get("stream") is True
        if self._says_busy():
            await (send_head(writer) if stream else send(writer, 404, "text/plain", b"File Not Found"))
            if stream:
                await end_chunks(writer)
            return
        self.seen.append(("/completion", body))
        await self._hang_if_hung()
        self._slot_taken = True
        try:
            await self._generate(body, reader, writer, stream=stream)
        except ConnectionError:
            self.client_left.set()
            raise
        finally:
            asyncio.get_running_loop().call_later(SLOT_RELEASE_S, setattr, self, "_slot_taken", False)

    async def _generate(
        self, body: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, stream: bool
    ) -> None:
        prompt_tokens = len(_words(body["prompt"])) + 1
        tokens = _tokens_for(body.get("n_predict", -1))
        made: list[str] = []
        ended_itself = False
        if stream:
            await send_head(writer)
        for index in range(tokens):
            ended_itself = index == self.end_of_text_at
            if prompt_tokens + index + 1 >= CONTEXT_SIZE:
                self.hung = True
            await self._hang_if_hung()
            if index == self.die_at:
                self._die()
            if index == self.hold_at:
                await self._hold(reader)
            made.append("" if ended_itself else self.word(index))
            if stream:
                await send_event(
                    writer, {"content": made[-1], "multimodal": False, "slot_id": 0, "stop": False}
                )
            if ended_itself:
                break
        end = {
            "content": "" if stream else "".join(made),
            "stop": True,
            "prompt": body["prompt"],
            "tokens_predicted": len(made) - 1,
            "tokens_evaluated": prompt_tokens,
            "stopped_eos": ended_itself,
            "stopped_limit": not ended_itself,
            "stopped_word": False,
            "truncated": False,
        }
        if not stream:
            await send_json(writer, end)
            return
        await send_event(writer, end)
        await end_chunks(writer)

    async def _hold(self, reader: asyncio.StreamReader) -> None:
        """Pause until released, or until the client has gone: the real one notices when it writes."""
        self.holding.set()
        released = asyncio.ensure_future(self._released.wait())
        gone = asyncio.ensure_future(reader.read(1))
        done, _ = await asyncio.wait((released, gone), return_when=asyncio.FIRST_COMPLETED)
        released.cancel()
        gone.cancel()
        if gone in done:
            raise ConnectionResetError("the client left") from gone.exception()

    def _says_busy(self) -> bool:
        if self._slot_taken:
            self.said_busy.set()
        return self._slot_taken

    async def _hang_if_hung(self) -> None:
        if self.hung:
            await asyncio.get_running_loop().create_future()

    def _die_of_prompt(self, prompt: Any) -> None:
        if isinstance(prompt, list):
            strange = [part for part in prompt if not isinstance(part, str)]
            if not prompt or any(not _is_token(part) for part in strange):
                self._die()

    def _die_of_fields(self, body: Any) -> None:
        self._die_of_prompt(body.get("prompt"))
        numbers = [body[name] for name in _NUMBERS if body.get(name) is not None]
        stops = body.get("stop") if isinstance(body.get("stop"), list) else []
        if (
            any(isinstance(number, bool) or not isinstance(number, int | float) for number in numbers)
            or any(not isinstance(stop, str) for stop in stops)
            or not isinstance(body.get("stream", False), bool)
            or "system_prompt" in body
            or body.get("grammar")
        ):
            self._die()


@contextmanager
def powerinfer_server() -> Iterator[PowerInferServer]:
    """A server that listens, until the end of the block."""
    server = PowerInferServer()
    started: Future[None] = Future()
    thread = threading.Thread(target=server.run, args=(started,), name="fake PowerInfer")
    thread.start()
    started.result()
    try:
        yield server
    finally:
        server.stop()
        thread.join()


def vector_of(text: str) -> list[float]:
    """What the fake embeds a text as: the same for the same text, and not of length 1."""
    chance = random.Random(text)  # noqa: S311  # numbers for a test
    return [chance.gauss(0, 3) for _ in range(DIMENSIONS)]


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+$", text)


def _tokens_for(n_predict: int) -> int:
    """How many the server makes, by what it is told: one more, and never fewer than four."""
    if n_predict < 0:
        return 10**6
    return 5 if n_predict == 2 else max(n_predict + 1, LEAST_TOKENS)


def _is_token(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < VOCABULARY
