"""Which request gets which of the processes that work on one at a time. Runs on the gateway's event loop."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.upstream import ENGINE_UNAVAILABLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tray_app.gateway.upstream import Upstream, Worker

_AVOIDED_S = 2.0
"""Much longer than it takes until a process that has died is offered no more."""


@dataclass(eq=False, slots=True)
class _Waiter:
    workers: tuple[Worker, ...]
    turn: asyncio.Future[Worker]


class Turns:
    """Gives each process one request at a time. The requests for an engine come in their order.

    One that has just broken off a request gets no more for a while if there are others: a dead process
    refuses faster than a live one answers, and would take all who wait.
    """

    def __init__(self) -> None:
        self._at_work: set[Worker] = set()
        self._waiting: list[_Waiter] = []
        self._avoided: dict[Worker, float] = {}
        """Until when, by the clock of the event loop."""

    @asynccontextmanager
    async def turn(self, upstream: Upstream) -> AsyncIterator[Upstream]:
        """The engine with one of its processes alone, as soon as one has nothing to do."""
        workers = upstream.processes
        worker = self._free(workers) or await self._wait(workers)
        self._at_work.add(worker)
        try:
            yield upstream.at(worker)
        except ApiError as exc:
            if exc.code == ENGINE_UNAVAILABLE:
                self._avoid(worker)
            raise
        finally:
            self._give_back(worker)

    async def _wait(self, workers: tuple[Worker, ...]) -> Worker:
        waiter = _Waiter(workers, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        try:
            return await waiter.turn
        except asyncio.CancelledError:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            else:  # it has come in this very moment
                self._give_back(waiter.turn.result())
            raise

    def _give_back(self, worker: Worker) -> None:
        """Let those who wait have it, and what they might have had if it had not been avoided."""
        self._at_work.discard(worker)
        for waiter in tuple(self._waiting):
            if free := self._free(waiter.workers):
                self._at_work.add(free)
                self._waiting.remove(waiter)
                waiter.turn.set_result(free)

    def _avoid(self, worker: Worker) -> None:
        now_s = asyncio.get_running_loop().time()
        self._avoided = {each: until_s for each, until_s in self._avoided.items() if until_s > now_s}
        self._avoided[worker] = now_s + _AVOIDED_S

    def _free(self, workers: tuple[Worker, ...]) -> Worker | None:
        now_s = asyncio.get_running_loop().time()
        sound = [each for each in workers if self._avoided.get(each, 0.0) <= now_s] or workers
        return next((each for each in sound if each not in self._at_work), None)
