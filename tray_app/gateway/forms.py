"""What an API in another form than OpenAI's has to say to be answered by the same engines.

Its requests become OpenAI's requests, and the answers to those become its own: leases, limits, counting and
errors stay what they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from aiohttp import web

if TYPE_CHECKING:
    from tray_app.gateway.openai import Fields


class AnsweredError(Exception):
    """A request that no engine has to answer: it is answered with `body`, which is JSON."""

    def __init__(self, body: bytes) -> None:
        super().__init__("answered")
        self.body = body


class Form(Protocol):
    """The form of one request. How its streamed answer is written is told in `events.WRITER`."""

    def question(self, body: bytes) -> Fields:
        """The same request in OpenAI's form. Any thread.

        Raises
        ------
        ApiError
            For what cannot be asked.
        AnsweredError
            If nothing has to be asked.

        """

    def whole(self, answer: bytes) -> bytes:
        """An answer of OpenAI's form, in this one. Any thread."""


FORM: web.RequestKey[Form] = web.RequestKey("form", object)  # type: ignore[arg-type]  # it is a protocol
"""Set on a request that is not asked in OpenAI's form."""
