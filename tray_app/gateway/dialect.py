"""How requests are answered by one kind of engine, as a protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from aiohttp import web

    from tray_app.gateway.upstream import Upstream


class Dialect(Protocol):
    """Answers requests with an engine. `ApiError` for what is wrong with a request or an engine."""

    async def embeddings(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST /v1/embeddings."""

    async def completions(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST /v1/completions."""

    async def chat(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST /v1/chat/completions."""

    async def count(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """How many tokens a chat has, as a `TokenCount`."""

    async def native(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST to one of the engine's own routes; HTTPNotFound if it is not offered."""
