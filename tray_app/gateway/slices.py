"""Large bodies on their way to an engine, slice by slice. Runs on the event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp.payload import Payload

from tray_app.gateway.limits import SLICE_BYTES

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter


def in_slices(body: bytes) -> bytes | Payload:
    """A body as the HTTP library is given it, once for each request."""
    return body if len(body) <= SLICE_BYTES else _Slices(body)


class _Slices(Payload):
    """Bytes, written as they are taken: of what is written at once, asyncio copies all that is not."""

    _value: bytes

    def __init__(self, value: bytes, **options: Any) -> None:
        super().__init__(value, **options)
        self._size = len(value)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """As in `Payload`."""
        return self._value.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """As in `Payload`; others have their turn between the slices."""
        view = memoryview(self._value)
        for start in range(0, len(view), SLICE_BYTES):
            await writer.write(view[start : start + SLICE_BYTES])
            await asyncio.sleep(0)
