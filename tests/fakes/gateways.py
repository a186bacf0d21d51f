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
from tray_app.errors import ErrorCode
from tray_app.gateway.rules import Rules
from tray_app.gateway.server import Gateway
from tray_app.gateway.upstream import LOADED, OfferedModel, Unavailable, Upstream
from tray_app.models.header import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.powerinfer_server import PowerInferServer
    from tray_app.errors import AppError
    from tray_app.gateway.upstream import Backend, Lease
    from tray_app.system.engine_id import RunId

SETTING_TEMPERATURE = 0.7
PATIENCE_S = 10.0


class FixedLease:
    """A lease of a `FixedBackend`, which counts it."""

    def __init__(self, backend: FixedBackend, upstream: Upstream) -> None:
        self._backend = backend
        self._released = False
        self.upstream = upstream
        with backend.changed:
            backend.leases += 1
            backend.changed.notify_all()

    def release(self) -> None:
        assert not self._released, "given back twice"
        self._released = True
        with self._backend.changed:
            self._backend.leases -= 1
            self._backend.changed.notify_all()


class FixedBackend:
    """An engine with which nothing happens by itself; tests change it and read what it was told."""

    def __init__(self, upstream: Upstream | Unavailable, models: tuple[str, ...] = ()) -> None:
        self.upstream = upstream
        self.after_waking: Upstream | AppError | None = None
        self.wakes = 0
        self.asked: list[tuple[str, Purpose]] = []
        self.suspected: queue.SimpleQueue[RunId] = queue.SimpleQueue()
        self.idle_s: float | None = None
        self.looks_for_idle: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.leases = 0
        self.changed = threading.Condition()
        self._models = models

    def acquire(self, asked: str, task: Purpose) -> Lease | Unavailable | Future[Lease | Unavailable]:
        self.asked.append((asked, task))
        found = self.look(asked, task)
        if isinstance(found, Upstream):
            return FixedLease(self, found)
        return self.wake() if found.held else found

    def look(self, _asked: str = "", _task: Purpose = Purpose.CHAT) -> Upstream | Unavailable:
        return self.upstream

    def wake(self) -> Future[Lease | Unavailable]:
        self.wakes += 1
        coming: Future[Lease | Unavailable] = Future()
        if isinstance(self.after_waking, Upstream):
            self.upstream = self.after_waking
            coming.set_result(FixedLease(self, self.after_waking))
        else:
            coming.set_exception(self.after_waking or AssertionError("nobody should wake this engine"))
        return coming

    def offered(self) -> tuple[OfferedModel, ...]:
        if isinstance(self.upstream, Upstream):
            return tuple(OfferedModel(name, 0, LOADED, "chat") for name in self.upstream.model_ids())
        return tuple(OfferedModel(name, 0, "sleeping", "chat") for name in self._models)

    def identify(self, asked: str) -> str | None:
        return next((one.id for one in self.offered() if one.id == asked), None)

    def suspect(self, run: RunId) -> None:
        self.suspected.put(run)

    def unload_idle(self) -> float | None:
        self.looks_for_idle.put(self.leases)
        return self.idle_s

    def wait_for_leases(self, count: int) -> None:
        """Until so many are out."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.leases == count, PATIENCE_S), self.leases


class NamedBackend(FixedBackend):
    """Several models, each by its name. One that is loaded by the test is what `loading` has of it."""

    def __init__(self, models: dict[str, Upstream], *, default: str, strict: bool = False) -> None:
        super().__init__(models[default])
        self.models = models
        self.default = default
        self.strict = strict
        self.loading: dict[str, Future[Lease | Unavailable]] = {}
        self.aliases: dict[str, str] = {}

    def acquire(self, asked: str, task: Purpose) -> Lease | Unavailable | Future[Lease | Unavailable]:
        self.asked.append((asked, task))
        if asked in self.loading:
            with self.changed:
                self.changed.notify_all()
            return self.loading[asked]
        found = self.look(asked, task)
        return FixedLease(self, found) if isinstance(found, Upstream) else found

    def look(self, asked: str = "", _task: Purpose = Purpose.CHAT) -> Upstream | Unavailable:
        if self.strict and asked and self.identify(asked) is None:
            ids = ", ".join(self.models)
            return Unavailable(
                f"There is no model {asked}, but {ids}.", status=404, code=ErrorCode.MODEL_NOT_FOUND
            )
        return self.models[self.identify(asked) or self.default]

    def offered(self) -> tuple[OfferedModel, ...]:
        return (
            *(
                OfferedModel(name, 1700000000, LOADED, "chat", context=64, size_bytes=5, engine="llama.cpp")
                for name in self.models
            ),
            *(OfferedModel(name, 0, "loading", "embedding", dimensions=8) for name in self.loading),
        )

    def identify(self, asked: str) -> str | None:
        meant = self.aliases.get(asked, asked)
        return meant if meant in (*self.models, *self.loading) else None


@contextmanager
def gateway_to(
    upstream: Upstream | Unavailable | Backend, *, silence_limit_s: float = 10.0, **rules: Any
) -> Iterator[str]:
    """The base URL that clients of the gateway are given, ending in /v1."""
    backend = FixedBackend(upstream) if isinstance(upstream, Upstream | Unavailable) else upstream
    chosen = Rules(**rules)
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
        temperature=SETTING_TEMPERATURE,
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
