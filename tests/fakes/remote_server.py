"""A server of somebody else's with OpenAI's routes: it wants a key, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "sk-of-the-remote-server"
NAMES = ("llama3:8b", "embedder")


@dataclass
class RemoteServer:
    """What a test sets and reads. `prefix`: where its routes are."""

    prefix: str = "/v1"
    names: tuple[str, ...] = NAMES
    url: str = ""
    refusal: tuple[int, str] | None = None
    """A status and a body that it answers everything with, but the question for its models."""
    retry_after: str = ""
    has_models: bool = True
    missing_bytes: int = 0
    """How many more it announces than it sends before it hangs up."""
    seen: list[tuple[str, Any]] = field(default_factory=list)

    def answer(self, method: str, path: str, authorization: str, body: Any) -> tuple[int, object]:
        if authorization != f"Bearer {KEY}":
            return 401, {"error": {"message": "Incorrect key", "type": "auth"}}
        if method == "POST" and self.refusal:
            return self.refusal
        match method, path.removeprefix(self.prefix):
            case "GET", "/models" if self.has_models:
                return 200, {"object": "list", "data": [{"id": name} for name in self.names]}
            case "POST", "/embeddings":
                self.seen.append((path, body))
                data = [{"index": 0, "embedding": [0.6, 0.8], "object": "embedding"}]
                usage = {"prompt_tokens": 3, "total_tokens": 3}
                return 200, {"object": "list", "data": data, "model": body["model"], "usage": usage}
            case _:
                return 404, {"error": {"message": "not here", "type": "x"}}


@contextmanager
def remote_server(prefix: str = "/v1", port: int = 0) -> Iterator[RemoteServer]:
    """The server, listening until the end of the block."""
    remote = RemoteServer(prefix)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: Any) -> None:
            authorization = self.headers.get("Authorization", "")
            status, answer = remote.answer(self.command, self.path, authorization, body)
            content = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            if remote.retry_after:
                self.send_header("Retry-After", remote.retry_after)
            self.send_header("Content-Length", str(len(content) + remote.missing_bytes))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        remote.url = f"http://127.0.0.1:{server.server_port}{prefix}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield remote
        finally:
            server.shutdown()
            thread.join()
