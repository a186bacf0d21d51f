"""Answers in the form of an API that is not OpenAI's chat. Runs on the gateway's event loop.

A request of such an API is turned into a chat of OpenAI's, which all engines answer: leases, limits, counting
and errors stay in one place. Its form, which travels with the request, makes of the chat's answer what the
client expects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from tray_app.gateway.openai import ApiError, ascii_json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tray_app.gateway.openai import Fields

ErrorForm = Callable[[ApiError], bytes]
"""Makes the body of an error's answer."""


class AnswerForm(Protocol):
    """Makes of one chat's answer what a client of another API expects."""

    @property
    def llamacpp_fields(self) -> Fields:
        """What llama.cpp is asked besides, because this form tells more than a chat does."""

    def whole(self, chat: bytes) -> bytes:
        """A whole answer; 502 if the engine's is none."""

    def events(self, chunks: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        """A streamed answer, as it is written to the client."""

    def error_event(self, error: ApiError) -> bytes:
        """An error within a streamed answer, as it is written to the client."""


FORM: web.RequestKey[AnswerForm] = web.RequestKey("form", object)  # type: ignore[arg-type]
"""Set on a request of another API, which is asked as a chat."""


@dataclass(frozen=True, slots=True)
class AsChat:
    """A request of another API as a chat, and the form of its answer."""

    fields: Fields
    form: AnswerForm


def in_form(request: web.Request, chat: bytes) -> bytes:
    """A whole answer in the form that its request wants."""
    form = request.get(FORM)
    return form.whole(chat) if form else chat


def plain_event(data: bytes) -> bytes:
    """A server-sent event."""
    return b"data: %s\n\n" % ascii_json(data)


def named_event(name: str, data: bytes) -> bytes:
    """A server-sent event with a name."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), ascii_json(data))
