"""A gateway on a free port, in front of whatever engine a test names."""

from __future__ import annotations

import json
import queue
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests

from tests.fakes.powerinfer_server import CONTEXT_SIZE
from tray_app.gateway.rules import Rules
from tray_app.gateway.server import Gateway
from tray_app.gateway.upstream import Unavailable, Upstream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.powerinfer_server import PowerInferServer
    from tray_app.errors import AppError
    from tray_app.gateway.upstream import Backend
    from tray_app.system.engine_id import RunId

SETTING_TEMPERATURE = 0.7


class FixedBackend:
    """An engine with which nothing happens by itself; tests change it and read what it was told."""

    def __init__(self, upstream: Upstream | Unavailable) -> None:
        self.upstream = upstream
        self.after_waking: Upstream | AppError | None = None
        self.wakes = 0
        self.suspected: queue.SimpleQueue[RunId] = queue.SimpleQueue()
        self.rested = threading.Event()

    def find(self) -> Upstream | Unavailable:
        return self.upstream

    def wake(self) -> Future[None]:
        self.wakes += 1
        done: Future[None] = Future()
        if isinstance(self.after_waking, Upstream):
            self.upstream = self.after_waking
            done.set_result(None)
        else:
            done.set_exception(self.after_waking or AssertionError("nobody should wake this engine"))
        return done

    def suspect(self, run: RunId) -> None:
        self.suspected.put(run)

    def suspend_if_idle(self) -> None:
        self.rested.set()


@contextmanager
def gateway_to(
    upstream: Upstream | Unavailable | Backend, *, silence_limit_s: float = 10.0, **rules: Any
) -> Iterator[str]:
    """The base URL that clients of the gateway are given, ending in /v1."""
    backend = FixedBackend(upstream) if isinstance(upstream, Upstream | Unavailable) else upstream
    chosen = Rules(**{"temperature": SETTING_TEMPERATURE, **rules})
    with serving(Gateway(backend, lambda: chosen, silence_limit_s=silence_limit_s)) as url:
        yield url


@contextmanager
def serving(gateway: Gateway) -> Iterator[str]:
    """Open a gateway at any port; its base URL."""
    gateway.open(0)
    try:
        assert gateway.base_url
        yield gateway.base_url
    finally:
        gateway.close()


def behind(server: PowerInferServer, model_name: str = "Bamboo 7B DPO") -> Upstream:
    """The fake PowerInfer server as the gateway sees it."""
    return Upstream(
        base_url=server.base_url,
        speaks_openai=False,
        model_id="bamboo",
        model_name=model_name,
        context_size=CONTEXT_SIZE,
    )


def post(url: str, body: object, **headers: str) -> requests.Response:
    """What curl does: one request, no proxy, no retries."""
    with requests.Session() as session:
        session.trust_env = False
        headers["Content-Type"] = "application/json"
        return session.post(url, data=json.dumps(body), headers=headers, timeout=30)


def get(url: str, **headers: str) -> requests.Response:
    """GET with a JSON content type and no body, as AI Kit sends it."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, headers={"Content-Type": "application/json", **headers}, timeout=30)
