"""The engine of the model that a request names, for as long as the request needs it. Event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from http import HTTPStatus
from typing import TYPE_CHECKING

from tray_app.errors import AppError
from tray_app.gateway.api_error import ApiError
from tray_app.gateway.upstream import Unavailable

if TYPE_CHECKING:
    from tray_app.gateway.upstream import Backend, Lease, Upstream
    from tray_app.models.header import Purpose


class Leased:
    """The engine for a request that names the model `asked`, once it answers. For `async with`.

    It is given back at the end of the block, however that comes. If the client disconnects while the model is
    being loaded, the request's place is given up. `ApiError` if no engine answers and none can be loaded (503
    with the cause), or if there is no such model (404).
    """

    def __init__(self, backend: Backend, asked: str, task: Purpose) -> None:
        self._backend = backend
        self._asked = asked
        self._task = task

    async def __aenter__(self) -> Upstream:
        got = self._backend.acquire(self._asked, self._task)
        lease = await _come(got, self._asked) if isinstance(got, Future) else got
        if isinstance(lease, Unavailable):
            raise refusal(lease)
        self._lease = lease
        return lease.upstream

    async def __aexit__(self, *_: object) -> None:
        self._lease.release()


def available(found: Upstream | Unavailable) -> Upstream:
    """The engine that answers now; `ApiError` if none does."""
    if isinstance(found, Unavailable):
        raise refusal(found)
    return found


def refusal(why: Unavailable) -> ApiError:
    """What a client is told without an engine."""
    param = "model" if why.status == HTTPStatus.NOT_FOUND else None
    return ApiError(why.status, why.reason, param=param, code=why.code, retry_after_s=why.retry_after_s)


async def _come(coming: Future[Lease | Unavailable], asked: str) -> Lease | Unavailable:
    try:
        return await asyncio.wrap_future(coming)
    except AppError as exc:
        what = f"The model {asked!r} did not load" if asked else "The server did not start"
        raise ApiError(503, f"{what}: {exc}", code=exc.code) from exc
    except asyncio.CancelledError:
        if not coming.cancel():  # it has come in this very moment, and nobody else knows of it
            coming.add_done_callback(_give_back)
        raise


def _give_back(come: Future[Lease | Unavailable]) -> None:
    if come.cancelled() or come.exception():
        return
    got = come.result()
    if not isinstance(got, Unavailable):
        got.release()
