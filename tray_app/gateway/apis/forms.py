"""How other APIs than OpenAI's are answered by the same engines, as a protocol.

Their requests become OpenAI's, and the answers become theirs again: leases, limits, counting and errors are
the same for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from tray_app.gateway.raw_json import ascii_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tray_app.gateway.dialect import Dialect
    from tray_app.gateway.raw_json import Fields
    from tray_app.gateway.upstream import Upstream


class AnsweredError(Exception):
    """A request that no engine has to answer: it is answered with `body`, which is JSON."""

    def __init__(self, body: bytes) -> None:
        super().__init__("answered")
        self.body = body


class Form(Protocol):
    """The form of one request. How its streamed answer is written is told in `events.WRITER`."""

    def question(self, body: bytes) -> Fields | None:
        """The same request in OpenAI's form; None if it is in that already. Any thread.

        Raises
        ------
        ApiError
            For what cannot be asked.
        AnsweredError
            If nothing has to be asked.

        """

    async def answer(self, dialect: Dialect, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """The engine's answer to the question, still in OpenAI's form unless it is streamed."""

    def whole(self, answer: bytes) -> bytes:
        """An answer of OpenAI's form, in this one. Any thread."""


FOR_LLAMACPP: web.RequestKey[Fields] = web.RequestKey("for_llamacpp", dict)
"""Set on a request whose form has to know more than an answer in OpenAI's form tells: what llama.cpp alone is
asked besides."""
FORM: web.RequestKey[Form] = web.RequestKey("form", object)  # type: ignore[arg-type]  # it is a protocol
"""Set on a request that is not asked in OpenAI's form."""


def answered(dialect: Dialect) -> Callable[[web.Request, Upstream], Awaitable[web.StreamResponse]]:
    """What answers a request that has a form."""

    async def answer(request: web.Request, upstream: Upstream) -> web.StreamResponse:
        return await request[FORM].answer(dialect, request, upstream)

    return answer


def named_event(name: str, data: bytes) -> bytes:
    """A server-sent event with a name, in ASCII."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), ascii_json(data))
