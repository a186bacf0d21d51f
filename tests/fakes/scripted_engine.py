"""An OpenAI-speaking engine that gives one prepared answer to everything, right or wrong."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from tray_app.gateway.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def engine_that_answers(  # noqa: PLR0913 - all are named where it is called
    body: bytes,
    *,
    status: int = 200,
    content_type: str = "application/json",
    location: str = "",
    missing_bytes: int = 0,
    hangs_up_on_second: bool = False,
    knows_tools: bool = False,
) -> Iterator[Upstream]:
    """`location`: where it says that the answer is to be had.

    `missing_bytes`: how many more it announces than it sends before it hangs up.
    `hangs_up_on_second`: keeps connections, but ends each when a second request comes, without a word.
    `knows_tools`: the template of its model writes all that there is in a chat.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1" if hangs_up_on_second else "HTTP/1.0"
        answered = False

        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            told = body
            if knows_tools and self.path == "/apply-template":
                told = json.dumps({"prompt": asked.decode()}).encode()
            if self.answered:
                self.close_connection = True
                return
            self.answered = hangs_up_on_second
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", str(len(told) + missing_bytes))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Upstream(
                base_url=f"http://127.0.0.1:{server.server_port}",
                speaks_openai=True,
                model_id="tiny",
                model_name="Tiny",
                context_size=512,
            )
        finally:
            server.shutdown()
            thread.join()
