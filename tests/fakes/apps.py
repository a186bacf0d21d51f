"""Apps on the real engine, on a port of their own; and another program that listens where one would."""

from __future__ import annotations

import http.server
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tray_app.app.root import App
from tray_app.system.host import detect_host
from tray_app.system.paths import AppPaths
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tray_app.app.server import ServerDelays
    from tray_app.app.server_status import ServerState
    from tray_app.app.status import AppStatus
    from tray_app.engine.lifecycle import State

DEADLINE_S = 60.0


@contextmanager
def real_app(delays: ServerDelays | None = None, **overrides: object) -> Iterator[App]:
    """An app with the test model chosen, closed with the block."""
    chosen = {"port": free_port(), "model": "test", "threads": 1, **overrides}
    app = App(AppPaths.from_environment(os.environ), detect_host(), chosen, delays=delays)
    try:
        yield app
    finally:
        app.close()


def ready(app: App) -> App:
    """The same app, once its server answers."""
    app.start_server()
    app.wait_until_ready(DEADLINE_S)
    return app


def wait_for_state(app: App, *states: ServerState) -> None:
    """Until the server is in one of these states."""
    wait_for_status(app, lambda status: status.server.state in states)


def wait_for_engine(app: App, state: State) -> None:
    """Until the engine is in this state."""
    wait_for_status(app, lambda status: status.engine.state is state)


def wait_for_status(app: App, condition: Callable[[AppStatus], bool]) -> None:
    """Until this holds."""
    there = threading.Event()

    def look(status: AppStatus) -> None:
        if condition(status):
            there.set()

    app.changed.connect(look)
    try:
        look(app.status())
        assert there.wait(DEADLINE_S), app.status()
    finally:
        app.changed.disconnect(look)


def leases(app: App) -> int:
    """How many requests have an engine."""
    return sum(each.leases for each in app.status().pool.engines)


def wait_for_leases(app: App, count: int) -> None:
    """Until `leases` are so many. Nobody is told when one is given back."""
    tick = threading.Event()
    for _ in range(round(DEADLINE_S / 0.01)):
        if leases(app) == count:
            return
        tick.wait(0.01)
    raise AssertionError(app.status().pool)


class OtherProgram(http.server.ThreadingHTTPServer):
    """Answers every request with 404 and notes what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sent: list[str] = []


class _Handler(http.server.BaseHTTPRequestHandler):
    server: OtherProgram

    def do_GET(self) -> None:
        self.server.sent.append(f"{self.command} {self.path} {self.headers.get('Authorization', '')}")
        self.send_error(404)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def other_program() -> Iterator[OtherProgram]:
    """A program of somebody else's on a port of this machine."""
    with OtherProgram() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
